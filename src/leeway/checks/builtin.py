"""Checks: drift of the predicted classes, accuracy under its floor, recall and precision of each class."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator
from pydantic import Field

from leeway.checks.estimates import accuracy_estimate, as_details, class_estimates, usable_draws
from leeway.checks.registry import CHECKS, Evidence
from leeway.checks.windows import drift_reference
from leeway.domain.records import CheckResult, NightLabels, ReferenceCounts, Status, WindowCounts
from leeway.paramsfile import ParamsModel
from leeway.stats import edetector
from leeway.stats.drift import DISPLAY_ALPHA, Homogeneity, chi_square, design_effect, total_variation
from leeway.stats.estimation import FEWEST, Estimate, wilson_lower

Share = Annotated[float, Field(ge=0, le=1)]


@CHECKS.add("prediction_drift")
class PredictionDrift(ParamsModel):
    """Have the shares of predicted classes left those of the reference nights, by more than chance and tolerance?

    Fires if the exact chi-square p is under alpha/365 and total variation is at least `tolerance` (STATISTICS.md, rule
    5). Each night's p is valid by itself, so the chance of any false alarm in a year is at most alpha (union bound).
    """

    tolerance: Share = 0.05
    reference_nights: Annotated[int, Field(ge=1)] = 7
    min_predictions: Annotated[int, Field(ge=1)] = 100
    budget_share: Share = 0.5

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: X2; effect: total variation; n: predictions of the night. Carries no state."""
        window = evidence.window
        nights = drift_reference(
            evidence.earlier, evidence.fired, nights=self.reference_nights, min_predictions=self.min_predictions
        )
        reason = self._why_no_verdict(window, nights)
        if reason:
            return _no_verdict("prediction_drift", reason + _foreign(window), n=window.total)
        by_night = np.array([_aligned(one, window.classes) for one in nights])
        reference, current = by_night.sum(axis=0), np.array(window.per_class())
        moved = total_variation(reference, current)
        nightly = alpha / edetector.NIGHTS_PER_YEAR
        # Under the tolerance it cannot fire whatever p is: then p is only read, and need not reach as far.
        held_against = nightly if moved >= self.tolerance and nightly > 0 else DISPLAY_ALPHA
        found = chi_square(reference, current, alpha=held_against, rng=rng)
        fired = moved >= self.tolerance and found.p < nightly
        return CheckResult(
            check="prediction_drift",
            status=Status.FIRED if fired else Status.QUIET,
            reason=self._sentence(found, nightly=nightly, nights=len(nights)) + _foreign(window),
            statistic=found.statistic,
            effect=moved,
            n=window.total,
            details=_drift_details(found, by_night, evidence, nightly=nightly),
        )

    def _why_no_verdict(self, window: WindowCounts, nights: Sequence[WindowCounts]) -> str:
        if len(window.classes) < 2:
            return f"{len(window.classes)} class in the model: its share cannot move"
        if window.total < self.min_predictions:
            return f"{window.total} predictions, {self.min_predictions} needed"
        if len(nights) < self.reference_nights:
            return f"the reference has {len(nights)} of its {self.reference_nights} nights"
        if any(set(one.classes) != set(window.classes) for one in nights):
            return "the reference nights have other classes than tonight"
        return ""

    def _sentence(self, found: Homogeneity, *, nightly: float, nights: int) -> str:
        p = f"{found.p:.2g}" if found.p >= 1e-4 else f"{found.p:.0e}"
        return (
            f"{found.tv:.1%} of {found.n:,} predictions moved to another class than in {nights} reference nights "
            f"(tolerance {self.tolerance:.0%}), p {p} (alarm under {nightly:.1e})"
        )


@CHECKS.add("accuracy")
class Accuracy(ParamsModel):
    """Has the accuracy of served predictions fallen under its floor? A betting e-detector (STATISTICS.md, check 3)."""

    floor: Annotated[float, Field(gt=0, lt=1)] = 0.90
    allowed_drop: Share = 0.03
    budget_share: Share = 0.5

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: the e-value M, against 365/alpha; effect: accuracy over `recent`; n: its labels.

        State: log M of the four bets, the error limit they bet on, nights and labels so far. It starts anew after 365
        nights, as the yearly budget does, and when the floor is changed.
        """
        floor = self.effective_floor(evidence.model_reference)
        state = _resumed(previous, error_limit=1 - floor)
        tonight = sum(len(night.draws) for night in evidence.closed)
        if not state["labels"] and not tonight:
            return _no_verdict("accuracy", "no label has come in yet since this check started", n=0)
        try:
            product = sum(_log_product(night, error_limit=1 - floor) for night in evidence.closed)
            estimate = accuracy_estimate(evidence.recent)
        except ValueError as unusable:
            return _no_verdict("accuracy", f"labels cannot be used: {unusable}", n=tonight, state=state)
        wealth = edetector.update(_log_wealth(state), np.asarray(product, dtype=float))
        e_value, threshold = edetector.e_value(wealth), edetector.threshold(alpha) if alpha > 0 else math.inf
        fired = e_value >= threshold
        return CheckResult(
            check="accuracy",
            status=Status.FIRED if fired else Status.QUIET,
            reason=_accuracy_sentence(evidence, estimate, floor=floor, e_value=e_value, threshold=threshold),
            statistic=e_value,
            threshold=threshold if alpha > 0 else None,
            effect=None if estimate is None else estimate.value,
            n=sum(len(night.draws) for night in evidence.recent),
            details={"floor": floor, "labels_tonight": tonight, "accuracy": as_details(estimate)},
            state={
                "log_wealth": [float(one) for one in wealth],
                "error_limit": 1 - floor,
                "nights": state["nights"] + 1,
                "labels": state["labels"] + tonight,
            },
        )

    def effective_floor(self, reference: ReferenceCounts) -> float:
        """The floor, or `allowed_drop` under the reference accuracy (its lower 95 % limit), whichever is higher."""
        shown = wilson_lower(reference.correct, reference.total)
        return min(max(self.floor, shown - self.allowed_drop), 0.999)


@CHECKS.add("class_recall")
class ClassRecall(ParamsModel):
    """Recall and precision of each class with their intervals (STATISTICS.md, check 6). Shown; it never fires."""

    budget_share: ClassVar[float] = 0.0

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Effect: the lowest recall; n: labels of the recent nights; details: per class, null below 10 labels."""
        classes = evidence.window.classes
        labels = sum(len(night.draws) for night in evidence.recent)
        try:
            per_class = class_estimates(evidence.recent, classes)
        except ValueError as unusable:
            return _no_verdict("class_recall", f"labels cannot be used: {unusable}", n=labels)
        known = {name: one["recall"] for name, one in per_class.items() if one["recall"] is not None}
        unknown = sum(one.label not in per_class for night in evidence.recent for one in night.draws)
        details = {"per_class": per_class, "labels_outside_classes": unknown}
        if not known:
            reason = f"{labels} labels over {len(evidence.recent)} nights; {FEWEST} of one class are needed"
            return _no_verdict("class_recall", reason, n=labels, details=details)
        worst = min(known, key=lambda name: (known[name]["value"], name))
        reason = (
            f"lowest recall: {worst} {_interval(known[worst])} from {known[worst]['labels']} labels; "
            f"{len(known)} of {len(classes)} classes have {FEWEST} labels"
        )
        return CheckResult(
            "class_recall", Status.QUIET, reason, effect=known[worst]["value"], n=labels, details=details
        )


def _no_verdict(
    check: str, reason: str, *, n: int, details: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
) -> CheckResult:
    return CheckResult(check, Status.NO_VERDICT, reason, n=n, details=details or {}, state=state or {})


def _aligned(window: WindowCounts, classes: Sequence[str]) -> list[int]:
    """(K,) the window's counts in the order of `classes`."""
    counts = dict(zip(window.classes, window.per_class(), strict=True))
    return [counts[name] for name in classes]


def _foreign(window: WindowCounts) -> str:
    if not window.foreign:
        return ""
    return f"; {window.foreign:,} predictions name a class outside the model's list and are not counted"


def _drift_details(found: Homogeneity, by_night: np.ndarray, evidence: Evidence, *, nightly: float) -> dict[str, Any]:
    effect = design_effect(by_night)
    reference, current = by_night.sum(axis=0), evidence.window.per_class()
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
        "foreign": evidence.window.foreign,
        "shares": {
            name: {
                "reference": float(before) / found.n_ref,
                "current": now / found.n,
                "test_split": trained.get(name, 0) / max(sum(trained.values()), 1),
            }
            for name, before, now in zip(evidence.window.classes, reference, current, strict=True)
        },
    }


def _resumed(previous: CheckResult | None, *, error_limit: float) -> Mapping[str, Any]:
    state = previous.state if previous else {}
    if not state or state["nights"] >= edetector.NIGHTS_PER_YEAR or not math.isclose(state["error_limit"], error_limit):
        return {"log_wealth": None, "nights": 0, "labels": 0}
    return state


def _log_wealth(state: Mapping[str, Any]) -> np.ndarray:
    return edetector.START if state["log_wealth"] is None else np.array(state["log_wealth"])


def _log_product(night: NightLabels, *, error_limit: float) -> np.ndarray:
    """(4,) the night's bets. Raises ValueError for numbers that no design gives."""
    draws = [one.draw for _, one in usable_draws([night])]
    if draws and not 0 <= night.mean_guess <= 1:
        raise ValueError(f"the plan of {night.night} has mean guess {night.mean_guess}")
    return edetector.night_log_product(
        np.array([one.wrong for one in night.draws], dtype=bool),
        weights=np.array([1 / (night.predictions * one.probability) for one in draws]),
        guesses=np.array([one.guess for one in draws]),
        mean_guess=night.mean_guess,
        error_limit=error_limit,
    )


def _accuracy_sentence(
    evidence: Evidence, estimate: Estimate | None, *, floor: float, e_value: float, threshold: float
) -> str:
    labels, nights = sum(len(one.draws) for one in evidence.recent), len(evidence.recent)
    seen = (
        f"accuracy {_interval(asdict(estimate))}" if estimate else f"no estimate of the accuracy below {FEWEST} labels:"
    )
    verdict = "over its" if e_value >= threshold else "under its"
    tonight = "" if any(one.draws for one in evidence.closed) else "; no new labels tonight"
    return (
        f"{seen} from {labels} labels over {nights} nights, floor {floor:.1%}: "
        f"e-value {e_value:,.3g} {verdict} threshold {threshold:,.0f}{tonight}"
    )


def _interval(details: Mapping[str, Any]) -> str:
    return f"{details['value']:.0%} ({details['low']:.0%} to {details['high']:.0%})"
