"""Check of the answers alone: have their shares moved?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator

from leeway.checks.references import Standing, by_class, standings
from leeway.checks.registry import CHECKS, Evidence, Place, Then, details_of, no_verdict
from leeway.checks.yardstick import distinct_counts
from leeway.domain.records import CheckResult, Status, WindowCounts
from leeway.domain.text import counted, cut, share_text
from leeway.paramsfile import Count, ParamsModel, Share, setting
from leeway.stats import edetector
from leeway.stats.drift import DISPLAY_ALPHA, Homogeneity, chi_square, design_effect
from leeway.stats.reference import design_effect as effect_of_night

LARGEST = 700.0  # e to this is still a number in JSON


@dataclass(frozen=True, slots=True)
class PredictedShare:
    """Share of the answers that name a class, 0 to 1."""

    reference: float  # of what tonight is held against
    current: float
    model_reference: float = 0.0  # of what the version answered where the truth was known


@dataclass(frozen=True, slots=True)
class DriftDetails:
    """The chi-square report (STATISTICS.md, check 1), and the e-values."""

    p: float
    alarm_under_p: float  # of the chi_square trigger
    method: str
    total_variation: float
    psi: float
    cramers_v: float
    design_effect: float | None = None  # of the first reference: how its nights differ, 1 as by chance
    reference_predictions: int = 0
    shares: Mapping[str, PredictedShare] = field(default_factory=dict)
    log_e_values: Mapping[str, float] = field(default_factory=dict)  # by what is looked at and the reference
    design_effects: Mapping[str, float] = field(default_factory=dict)  # by the same: what tonight's counts are over
    settings: Mapping[str, float] = field(default_factory=dict)  # of which a change counts every night anew


@CHECKS.add
class PredictionDrift(ParamsModel):
    """Have the shares of predicted classes left those of the reference, by more than chance and tolerance?

    Null: a night's counts behave like n / deff(n) independent draws from shares inside the box about the reference,
    deff as its nights have shown it (an upper limit). A season of 20 %, a wave of weeks, and hundreds of copies of one
    image on some nights only are outside of it, but for those that hash or group show: they count once a night
    (`checks.repeats`).

    Mixture e-detectors over the classes, and over class x confidence band, against the first 7 quiet nights and, once
    they are there, the first 28 as well, with the same weight each; no single night decides (STATISTICS.md, check 2).
    A file that came with the model stands for both; what its nights differ by is measured on the first 7 quiet nights
    of production, about their own mean: no verdict before. `trigger: chi_square` fires on tonight's exact p under
    alpha/365 instead, with total variation of at least `tv_floor` (rule 5). The chi-square report is in the details
    either way (check 1).
    """

    name: ClassVar[str] = "prediction_drift"
    assumes: ClassVar[str] = (
        "the night's counts behave like n / deff(n) independent draws from shares inside the box about the reference; "
        "deff is measured on the reference nights"
    )
    order: ClassVar[int] = 20
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = DriftDetails

    trigger: Annotated[
        Literal["e_detector", "chi_square"],
        setting("`e_detector`, or `chi_square` of single nights", "`chi_square` where the rule has to be a textbook's"),
    ] = "e_detector"
    tolerance: Annotated[
        float,
        setting(
            "how far a class's share may move without an alarm, 0 to 1",
            "higher where the class mix varies by itself",
            gt=0,
            lt=1,
        ),
    ] = 0.015
    tv_floor: Annotated[Share, setting("total variation under which `chi_square` stays quiet")] = 0.05
    reference_nights: Annotated[int, setting("nights that form the reference", "to whole weeks", ge=1)] = 7
    min_predictions: Annotated[
        Count,
        setting(
            "predictions that a night needs for a verdict and for the reference",
            "lower, with a wider tolerance, where traffic is low",
        ),
    ] = 100
    then: Annotated[Then, setting("what an alarm leads to: `alert`, `labels` or `retrain`")] = "retrain"
    budget_share: Annotated[
        Share, setting("part of the yearly false-alarm probability", "0: the check is shown and never fires")
    ] = 0.4

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:
        """Statistic: M against 365/alpha (or X2); effect: total variation; n: tonight's predictions. No state."""
        window, found = evidence.window, self._standings(evidence)
        by_chi_square = self.trigger == "chi_square"
        lacks = found if isinstance(found, str) else found[0].lacks
        if isinstance(found, str) or (lacks and not by_chi_square):
            return no_verdict(self.name, lacks, n=window.total)
        seen = _Seen({}, {}) if lacks else _look(found, tolerance=self.tolerance)
        nightly = alpha / edetector.NIGHTS_PER_YEAR
        report = chi_square(
            by_class(found[0].days).sum(axis=0),
            by_class(distinct_counts(window, window.classes)),
            alpha=nightly if by_chi_square and nightly > 0 else DISPLAY_ALPHA,
            rng=rng,
        )
        threshold = edetector.threshold(alpha) if alpha > 0 else math.inf
        moved = report.tv >= self.tv_floor and report.p < nightly
        fired = moved if by_chi_square else seen.log_m >= math.log(threshold)
        return CheckResult(
            check=self.name,
            status=Status.FIRED if fired else Status.QUIET,
            reason=self._sentence(report, seen, threshold=threshold, nightly=nightly, against=found[0].name)
            + _repeated(window)
            + self._changed(previous),
            statistic=report.statistic if by_chi_square else math.exp(min(seen.log_m, LARGEST)),
            threshold=None if by_chi_square or alpha <= 0 else threshold,
            effect=report.tv,
            n=window.total,
            details=asdict(_details(report, found[0], evidence, nightly=nightly, seen=seen))
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

    def _standings(self, evidence: Evidence) -> list[Standing] | str:
        """The references, or why there is none."""
        window = evidence.window
        if len(window.classes) < 2:
            return f"{len(window.classes)} class in the model: its share cannot move"
        if window.distinct < self.min_predictions:
            of_many = f" of different images among {window.total:,}" if window.repeated else ""
            return f"{counted(window.distinct, 'prediction')}{of_many}, {self.min_predictions} needed"
        return standings(evidence, nights=self.reference_nights, min_predictions=self.min_predictions)

    def _sentence(self, found: Homogeneity, seen: "_Seen", *, threshold: float, nightly: float, against: str) -> str:
        p = f"{found.p:.2g}" if found.p >= 1e-4 else f"{found.p:.0e}"
        moved = f"{found.tv:.1%} of {counted(found.n, 'prediction')} moved to another class than in {against}"
        if self.trigger == "chi_square":
            return f"{moved} (tolerance {self.tv_floor:.0%}), p {p} (alarm under {nightly:.1e})"
        verdict = "over" if seen.log_m >= math.log(threshold) else "under"
        return (
            f"{moved}, p {p}; e-value {math.exp(min(seen.log_m, LARGEST)):,.3g} {verdict} its threshold "
            f"{threshold:,.0f}, most of it of {seen.largest}"
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the detectors say, each by what it looks at and its reference."""

    log_e_values: dict[str, float]
    design_effects: dict[str, float]  # of tonight

    @property
    def log_m(self) -> float:
        logs = list(self.log_e_values.values())
        return float(np.logaddexp.reduce(logs) - math.log(len(logs))) if logs else -math.inf

    @property
    def largest(self) -> str:
        return max(self.log_e_values, key=lambda name: round(self.log_e_values[name], 9))


def _look(found: Sequence[Standing], *, tolerance: float) -> _Seen:
    seen = _Seen({}, {})
    for standing in found:
        for looked_at, (reference, nights) in standing.against(tolerance=tolerance).items():
            name = f"{looked_at} against {standing.name}"
            seen.log_e_values[name] = float(reference.log_m(nights))
            seen.design_effects[name] = float(effect_of_night(int(nights[-1].sum()), reference.rho))
    return seen


def _repeated(window: WindowCounts) -> str:
    if not window.repeated:
        return ""
    copies = "1 more copy" if window.repeated == 1 else f"{window.repeated:,} more copies"
    return f"; images that came often count once, without {copies} of them"


def _moved(share: PredictedShare) -> tuple[float, float]:
    """How far the share has moved; of two that moved alike the one that grew comes last."""
    change = share.current - share.reference
    return round(abs(change), 9), change


def _details(
    found: Homogeneity, standing: Standing, evidence: Evidence, *, nightly: float, seen: _Seen
) -> DriftDetails:
    effect = design_effect(by_class(standing.days))
    window = evidence.window
    reference, current = by_class(standing.days).sum(axis=0), by_class(distinct_counts(window, window.classes))
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
                current=float(now) / found.n,
                model_reference=trained.get(name, 0) / max(sum(trained.values()), 1),
            )
            for name, before, now in zip(window.classes, reference, current, strict=True)
        },
        log_e_values=seen.log_e_values,
        design_effects=seen.design_effects,
    )
