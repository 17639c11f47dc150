"""Checks of the answers alone: have their shares moved, and is it the class mix or the images?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from leeway.checks.registry import CHECKS, Evidence, Then, no_verdict
from leeway.checks.windows import drift_reference
from leeway.checks.yardstick import band_counts, class_counts, class_truth, joint_bands
from leeway.domain.records import CheckResult, ReferenceCounts, Status, WindowCounts
from leeway.paramsfile import ParamsModel
from leeway.stats import edetector
from leeway.stats.drift import DISPLAY_ALPHA, Homogeneity, chi_square, design_effect
from leeway.stats.multinomial import day_tolerance, log_detector, share_box
from leeway.stats.shift import attribute, prior_corrected_accuracy

Share = Annotated[float, Field(ge=0, le=1)]
Ints = NDArray[np.int64]
MIX_MOVED, MIX_SIGMAS = 0.05, 3.0  # a class mix has moved from here on, or beyond what so few answers vary by
MOST_CLASSES = 100  # of an attribution: its memory grows with their square
LARGEST = 700.0  # e to this is still a number in JSON


@dataclass(frozen=True, slots=True)
class _Standing:
    """What tonight is held against: nights of production, or the reference that came with the model."""

    days: Ints  # (D, K) counts of the reference, by night where it is nights
    bands: Ints  # (D, 3K)
    name: str


@CHECKS.add("prediction_drift")
class PredictionDrift(ParamsModel):
    """Have the shares of predicted classes left those of the reference, by more than chance and tolerance?

    A mixture e-detector over the classes, and one over class x confidence band, with half the weight each
    (STATISTICS.md, check 2). `trigger: chi_square` fires on tonight's exact p under alpha/365 instead, with total
    variation of at least `tv_floor` (rule 5). The chi-square report is in the details either way (check 1).
    """

    trigger: Literal["e_detector", "chi_square"] = "e_detector"
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.015
    tv_floor: Share = 0.05
    reference_nights: Annotated[int, Field(ge=1)] = 7
    min_predictions: Annotated[int, Field(ge=1)] = 100
    then: Then = "retrain"
    budget_share: Share = 0.4

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: M against 365/alpha (or X2); effect: total variation; n: tonight's predictions. No state."""
        window = evidence.window
        standing = self._standing(evidence)
        if isinstance(standing, str):
            return no_verdict("prediction_drift", standing, n=window.total)
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
            check="prediction_drift",
            status=Status.FIRED if fired else Status.QUIET,
            reason=self._sentence(found, log_m=log_m, threshold=threshold, nightly=nightly, against=standing.name),
            statistic=found.statistic if by_chi_square else math.exp(min(log_m, LARGEST)),
            threshold=None if by_chi_square or alpha <= 0 else threshold,
            effect=found.tv,
            n=window.total,
            details=_details(found, standing, evidence, nightly=nightly) | {"log_e_values": e_values},
        )

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


@CHECKS.add("attribution")
class AttributionOfShift(ParamsModel):
    """Has only the mix of classes changed, or do images look different? (STATISTICS.md, check 7.) It never fires."""

    min_predictions: Annotated[int, Field(ge=1)] = 300
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: X2; effect: total variation of the fitted class mix; n: predictions; details: mix, p, accuracy."""
        window, reference = evidence.window, evidence.model_reference
        why = self._why_not(evidence)
        if why:
            return no_verdict("attribution", why, n=window.total)
        nights = [window]
        for one in reversed(evidence.earlier):
            if sum(night.total for night in nights) >= self.min_predictions:
                break
            nights.append(one)
        counts = np.sum([band_counts(one, reference.classes) for one in nights], axis=0)
        found = attribute(counts, joint_bands(reference), rng=rng)
        right, true, _ = class_truth(reference)
        before, accuracy = true / true.sum(), prior_corrected_accuracy(found.shares, right, true)
        moved = float(0.5 * np.abs(found.shares - before).sum())
        noise = MIX_SIGMAS * math.sqrt(len(before) / (2 * math.pi * int(counts.sum())))  # of total variation, about
        mix_moved = not found.images_differ and moved >= max(MIX_MOVED, noise)
        verdict = "images look different" if found.images_differ else _mix_sentence(moved, accuracy, shown=mix_moved)
        mix = {
            name: {"reference": float(was), "fitted": float(now)}
            for name, was, now in zip(reference.classes, before, found.shares, strict=True)
        }
        return CheckResult(
            "attribution",
            Status.QUIET,
            f"{verdict} (p {found.p:.2g} that a changed class mix explains {int(counts.sum()):,} answers); "
            "errors made with confidence leave no trace here",
            statistic=found.statistic,
            effect=moved,
            n=int(counts.sum()),
            details={
                "p": found.p,
                "verdict": "images look different" if found.images_differ else "class mix" if mix_moved else "neither",
                "class_mix": mix,
                "prior_corrected_accuracy": accuracy,
                "df": found.df,
            },
        )

    def _why_not(self, evidence: Evidence) -> str:
        window, reference = evidence.window, evidence.model_reference
        if not window.total:
            return "0 predictions tonight"
        if not reference.cells or not reference.total:
            return f"the truth of {reference.total} reference answers is known by class; none of them can be compared"
        if not reference.with_confidence or window.without_confidence:
            missing = window.without_confidence or "all"
            return f"{missing} predictions have no confidence: a changed mix and changed images look alike"
        if len(reference.classes) > MOST_CLASSES:
            return f"{len(reference.classes)} classes; {MOST_CLASSES} can be told apart in reasonable time"
        if len(reference.classes) < 2 or set(window.classes) != set(reference.classes):
            return f"{len(reference.classes)} classes in the reference, {len(window.classes)} tonight: not the same"
        return ""


def _mix_sentence(moved: float, accuracy: float, *, shown: bool) -> str:
    if not shown:
        return f"neither a changed class mix ({moved:.1%} moved) nor different images are seen"
    return (
        f"explained by a changed class mix ({moved:.1%} moved): with it the accuracy would be {accuracy:.1%}; "
        "correct the priors first"
    )


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


def _details(found: Homogeneity, standing: _Standing, evidence: Evidence, *, nightly: float) -> dict[str, Any]:
    effect = design_effect(standing.days)
    reference, current = standing.days.sum(axis=0), evidence.window.per_class()
    trained = {
        name: sum(bands)
        for name, bands in zip(evidence.model_reference.classes, evidence.model_reference.counts, strict=True)
    }
    return {
        "p": found.p,
        "alarm_under_p": nightly,
        "method": found.method,
        "total_variation": found.tv,
        "psi": found.psi,
        "cramers_v": found.cramers_v,
        "design_effect": None if math.isnan(effect) else effect,
        "reference_predictions": found.n_ref,
        "shares": {
            name: {
                "reference": float(before) / found.n_ref,
                "current": now / found.n,
                "model_reference": trained.get(name, 0) / max(sum(trained.values()), 1),
            }
            for name, before, now in zip(evidence.window.classes, reference, current, strict=True)
        },
    }
