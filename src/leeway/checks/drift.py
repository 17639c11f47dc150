"""Check of the answers alone: have their shares moved?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.registry import CHECKS, Evidence, Place, Then, details_of, no_verdict
from leeway.checks.windows import drift_reference
from leeway.checks.yardstick import band_counts, class_counts
from leeway.domain.records import CheckResult, ReferenceCounts, Status, WindowCounts
from leeway.domain.text import cut, share_text
from leeway.paramsfile import Count, ParamsModel, Share, setting
from leeway.stats import edetector
from leeway.stats.drift import DISPLAY_ALPHA, Homogeneity, chi_square, design_effect
from leeway.stats.multinomial import day_tolerance, log_detector, share_box

Ints = NDArray[np.int64]
LARGEST = 700.0  # e to this is still a number in JSON


@dataclass(frozen=True, slots=True)
class _Standing:
    """What tonight is held against: nights of production, or the reference that came with the model."""

    days: Ints  # (D, K) counts of the reference, by night where it is nights
    bands: Ints  # (D, 3K)
    name: str


@dataclass(frozen=True, slots=True)
class PredictedShare:
    """Share of the answers that name a class, 0 to 1."""

    reference: float  # of what tonight is held against
    current: float
    model_reference: float = 0.0  # of what the version answered where the truth was known


@dataclass(frozen=True, slots=True)
class DriftDetails:
    """The chi-square report (STATISTICS.md, check 1), and both e-values."""

    p: float
    alarm_under_p: float  # of the chi_square trigger
    method: str
    total_variation: float
    psi: float
    cramers_v: float
    design_effect: float | None = None
    reference_predictions: int = 0
    shares: Mapping[str, PredictedShare] = field(default_factory=dict)
    log_e_values: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, float] = field(default_factory=dict)  # of which a change counts every night anew


@CHECKS.add
class PredictionDrift(ParamsModel):
    """Have the shares of predicted classes left those of the reference, by more than chance and tolerance?

    A mixture e-detector over the classes, and one over class x confidence band, with half the weight each
    (STATISTICS.md, check 2). `trigger: chi_square` fires on tonight's exact p under alpha/365 instead, with total
    variation of at least `tv_floor` (rule 5). The chi-square report is in the details either way (check 1).
    """

    name: ClassVar[str] = "prediction_drift"
    order: ClassVar[int] = 20
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = DriftDetails

    trigger: Annotated[
        Literal["e_detector", "chi_square"],
        setting("`e_detector`, or `chi_square` of single nights", "chi_square where a rule has to be the textbook's"),
    ] = "e_detector"
    tolerance: Annotated[
        float,
        setting(
            "how far a class's share may move without being news, 0 to 1",
            "above what the class mix does by itself",
            gt=0,
            lt=1,
        ),
    ] = 0.015
    tv_floor: Annotated[Share, setting("total variation under which the chi_square trigger stays quiet")] = 0.05
    reference_nights: Annotated[int, setting("nights that form the reference", "whole weeks", ge=1)] = 7
    min_predictions: Annotated[
        Count,
        setting(
            "a smaller night has no verdict and is no reference", "low-volume services: lower, with a wider tolerance"
        ),
    ] = 100
    then: Annotated[Then, setting("alert, labels or retrain")] = "retrain"
    budget_share: Annotated[Share, setting("part of the yearly false-alarm probability", "0: shown, never fires")] = 0.4

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:
        """Statistic: M against 365/alpha (or X2); effect: total variation; n: tonight's predictions. No state."""
        window = evidence.window
        standing = self._standing(evidence)
        if isinstance(standing, str):
            return no_verdict(self.name, standing, n=window.total)
        nights = _nights_after(standing, evidence, self)
        e_values = {"classes": self._log_m(nights, standing.days, class_counts)}
        if _has_bands(evidence, nights):
            e_values["classes and confidence"] = self._log_m(nights, standing.bands, band_counts)
        log_m = float(np.logaddexp.reduce([one - math.log(len(e_values)) for one in e_values.values()]))
        by_chi_square = self.trigger == "chi_square"
        nightly = alpha / edetector.NIGHTS_PER_YEAR
        found = chi_square(
            standing.days.sum(axis=0),
            class_counts(window, window.classes),
            alpha=nightly if by_chi_square and nightly > 0 else DISPLAY_ALPHA,
            rng=rng,
        )
        threshold = edetector.threshold(alpha) if alpha > 0 else math.inf
        fired = found.tv >= self.tv_floor and found.p < nightly if by_chi_square else log_m >= math.log(threshold)
        return CheckResult(
            check=self.name,
            status=Status.FIRED if fired else Status.QUIET,
            reason=self._sentence(found, log_m=log_m, threshold=threshold, nightly=nightly, against=standing.name)
            + self._changed(previous),
            statistic=found.statistic if by_chi_square else math.exp(min(log_m, LARGEST)),
            threshold=None if by_chi_square or alpha <= 0 else threshold,
            effect=found.tv,
            n=window.total,
            details=asdict(_details(found, standing, evidence, nightly=nightly, log_e_values=e_values))
            | {"settings": self._settings()},
        )

    def _settings(self) -> dict[str, float]:
        names = ("tolerance", "reference_nights", "min_predictions")
        return {name: getattr(self, name) for name in names}

    def _changed(self, previous: CheckResult | None) -> str:
        """Which settings differ from those of the night before, by which every night of the epoch is counted anew."""
        before = details_of(previous, DriftDetails)
        known, now = before.settings if before else {}, self._settings()
        moved = [
            f"{name} is {now[name]:g}, was {known[name]:g}" for name in now if now[name] != known.get(name, now[name])
        ]
        return f"; from tonight on all nights are counted anew with other settings: {', '.join(moved)}" if moved else ""

    def meaning(self, result: CheckResult) -> str:
        """`cat is 31% of the answers, usually 12%`, of the class that moved most."""
        details = details_of(result, DriftDetails)
        if details is None or not details.shares:
            return ""
        name, moved = max(details.shares.items(), key=lambda pair: _moved(pair[1]))
        share = f"{cut(name, 40)} is {share_text(moved.current)} of the answers, usually {share_text(moved.reference)}"
        if _moved(moved)[0] > self.tolerance:
            return share
        return f"the mix of answers and of how sure they are is not the usual one ({share})"

    def _standing(self, evidence: Evidence) -> "_Standing | str":
        """The reference, or why there is none."""
        window, reference = evidence.window, evidence.model_reference
        if len(window.classes) < 2:
            return f"{len(window.classes)} class in the model: its share cannot move"
        if window.total < self.min_predictions:
            return f"{window.total} predictions, {self.min_predictions} needed"
        if reference.production:
            bands = np.array(reference.counts, dtype=np.int64).reshape(1, -1)
            return _Standing(bands.reshape(1, -1, 3).sum(axis=2), bands, "the reference file")
        nights = drift_reference(
            evidence.earlier, evidence.fired, nights=self.reference_nights, min_predictions=self.min_predictions
        )
        if len(nights) < self.reference_nights:
            return f"the reference has {len(nights)} of its {self.reference_nights} nights"
        if any(set(one.classes) != set(window.classes) for one in nights):
            return "the reference nights have other classes than tonight"
        days = np.stack([class_counts(one, window.classes) for one in nights])
        return _Standing(
            days, np.stack([band_counts(one, window.classes) for one in nights]), f"{len(nights)} reference nights"
        )

    def _log_m(self, nights: Sequence[WindowCounts], days: Ints, count: Any) -> float:
        counts = np.stack([count(one, nights[-1].classes) for one in nights])
        reference = days.sum(axis=0)
        low, high = share_box(reference, tolerance=day_tolerance(days, tolerance=self.tolerance))
        return float(log_detector(counts, reference, low=low, high=high))

    def _sentence(self, found: Homogeneity, *, log_m: float, threshold: float, nightly: float, against: str) -> str:
        p = f"{found.p:.2g}" if found.p >= 1e-4 else f"{found.p:.0e}"
        moved = f"{found.tv:.1%} of {found.n:,} predictions moved to another class than in {against}"
        if self.trigger == "chi_square":
            return f"{moved} (tolerance {self.tv_floor:.0%}), p {p} (alarm under {nightly:.1e})"
        verdict = "over" if log_m >= math.log(threshold) else "under"
        return f"{moved}, p {p}; e-value {math.exp(min(log_m, LARGEST)):,.3g} {verdict} its threshold {threshold:,.0f}"


def _moved(share: PredictedShare) -> tuple[float, float]:
    """How far the share has moved; of two that moved alike the one that grew comes last."""
    change = share.current - share.reference
    return round(abs(change), 9), change


def _nights_after(standing: _Standing, evidence: Evidence, check: PredictionDrift) -> list[WindowCounts]:
    """Nights of this year of the epoch that are not reference, tonight last."""
    everything = [*evidence.earlier, evidence.window]
    used: set[Any] = set()
    if not evidence.model_reference.production:
        found = drift_reference(
            evidence.earlier, evidence.fired, nights=len(standing.days), min_predictions=check.min_predictions
        )
        used = {one.night for one in found}
        everything = [one for one in everything if one.night > max(used)]
    first = (evidence.earlier[0] if evidence.earlier else evidence.window).night
    year = (evidence.window.night - first).days // edetector.NIGHTS_PER_YEAR
    classes = set(evidence.window.classes)
    return [
        one
        for one in everything
        if (one.night - first).days // edetector.NIGHTS_PER_YEAR == year and set(one.classes) == classes
    ]


def _has_bands(evidence: Evidence, nights: Sequence[WindowCounts]) -> bool:
    reference: ReferenceCounts = evidence.model_reference
    return reference.with_confidence and not any(one.without_confidence for one in nights)


def _details(
    found: Homogeneity, standing: _Standing, evidence: Evidence, *, nightly: float, log_e_values: Mapping[str, float]
) -> DriftDetails:
    effect = design_effect(standing.days)
    reference, current = standing.days.sum(axis=0), evidence.window.per_class()
    trained = {
        name: sum(bands)
        for name, bands in zip(evidence.model_reference.classes, evidence.model_reference.counts, strict=True)
    }
    return DriftDetails(
        p=found.p,
        alarm_under_p=nightly,
        method=found.method,
        total_variation=found.tv,
        psi=found.psi,
        cramers_v=found.cramers_v,
        design_effect=None if math.isnan(effect) else effect,
        reference_predictions=found.n_ref,
        shares={
            name: PredictedShare(
                reference=float(before) / found.n_ref,
                current=now / found.n,
                model_reference=trained.get(name, 0) / max(sum(trained.values()), 1),
            )
            for name, before, now in zip(evidence.window.classes, reference, current, strict=True)
        },
        log_e_values=log_e_values,
    )
