"""Checks of the accuracy of served predictions: under its floor, down from last month, and as the model sees it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator

from leeway.checks.estimates import accuracy_estimate, draws_of, interval
from leeway.checks.registry import CHECKS, Evidence, Place, Then, no_verdict
from leeway.checks.yardstick import bin_truth, histogram
from leeway.domain.records import CheckResult, NightLabels, ReferenceCounts, Status
from leeway.paramsfile import ParamsModel, Share, setting
from leeway.stats import edetector
from leeway.stats.estimation import FEWEST, Estimate, drop_lower_limit, wilson_interval, wilson_lower
from leeway.stats.shift import calibrated_accuracy, isotonic_guesses, thresholded_accuracy

MONTH = 28  # nights
LOOKS_PER_YEAR = 13


@dataclass(frozen=True, slots=True)
class AccuracyDetails:
    """What the bets were against, and the accuracy beside them."""

    floor: float
    labels_tonight: int = 0
    accuracy: Estimate | None = None  # over the recent nights


@dataclass(frozen=True, slots=True)
class MonthlyDropDetails:
    """Accuracy of the two months."""

    before: Estimate
    after: Estimate


@dataclass(frozen=True, slots=True)
class LabelFreeDetails:
    """Accuracy that the confidences promise, and that of the reference."""

    calibrated: float | None = None
    thresholded: float | None = None
    reference: float | None = None


@CHECKS.add
class Accuracy(ParamsModel):
    """Has the accuracy of served predictions fallen under its floor? A betting e-detector (STATISTICS.md, check 3)."""

    name: ClassVar[str] = "accuracy"
    order: ClassVar[int] = 40
    needs_labels: ClassVar[bool] = True
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = AccuracyDetails

    floor: Annotated[
        float, setting("lowest accuracy of served predictions, 0 to 1", "what the use can bear", gt=0, lt=1)
    ] = 0.90
    allowed_drop: Annotated[
        Share,
        setting(
            "share under the reference accuracy that is already an alarm",
            "larger where production is harder than the test split",
        ),
    ] = 0.03
    then: Annotated[
        Then, setting("alert, labels or retrain", "`labels` where people decide about every retraining")
    ] = "retrain"
    budget_share: Annotated[
        Share, setting("part of the yearly false-alarm probability", "raise what matters most; the sum is at most 1")
    ] = 0.4

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: the e-value M, against 365/alpha; effect: accuracy over `recent`; n: its labels.

        State: log M of the four bets, the error limit they bet on, nights and labels so far. It starts anew after 365
        nights, as the yearly budget does, and when the floor is changed.
        """
        floor = self.effective_floor(evidence.model_reference)
        state = _resumed(previous, error_limit=1 - floor)
        tonight = sum(night.labels for night in evidence.closed)
        impossible = self.impossible_floor(evidence.model_reference)
        if impossible:
            return no_verdict(self.name, impossible, n=tonight)
        if not state["labels"] and not tonight:
            return no_verdict(self.name, "no label has come in yet since this check started", n=0)
        try:
            product = sum(night_product(night, error_limit=1 - floor) for night in evidence.closed)
            estimate = accuracy_estimate(evidence.recent)
        except ValueError as unusable:
            return no_verdict(self.name, f"labels cannot be used: {unusable}", n=tonight, state=state)
        wealth = edetector.update(np.array(state["log_wealth"]), np.asarray(product, dtype=float))
        e_value, threshold = edetector.e_value(wealth), edetector.threshold(alpha) if alpha > 0 else math.inf
        return CheckResult(
            check=self.name,
            status=Status.FIRED if e_value >= threshold else Status.QUIET,
            reason=_sentence(evidence, estimate, floor=floor, e_value=e_value, threshold=threshold),
            statistic=e_value,
            threshold=threshold if alpha > 0 else None,
            effect=None if estimate is None else estimate.value,
            n=sum(night.labels for night in evidence.recent),
            details=asdict(AccuracyDetails(floor, tonight, estimate)),
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

    def impossible_floor(self, reference: ReferenceCounts) -> str:
        """What is wrong with a floor that the model did not even reach on its reference; empty if nothing is."""
        highest = wilson_interval(reference.correct, reference.total)[1]
        if self.floor <= highest:
            return ""
        return (
            f"floor {self.floor:g} would alarm every night: reference accuracy is {reference.accuracy:.3g} "
            f"of {reference.total:,} items; lower accuracy.floor in the policy, or release a better model"
        )


@CHECKS.add
class MonthlyDrop(ParamsModel):
    """Has accuracy dropped from one month to the next? Alerts, never retrains (STATISTICS.md, check 5).

    It looks every 28 nights, 13 times a year, at two disjoint windows of 28 nights: its false alerts have a budget of
    their own, 5 % a year.
    """

    name: ClassVar[str] = "monthly_drop"
    order: ClassVar[int] = 60
    needs_labels: ClassVar[bool] = True
    on_page: ClassVar[Place] = Place.ROW
    details: ClassVar[type[Any]] = MonthlyDropDetails

    min_drop: Annotated[Share, setting("drop between two months that is told, 0 to 1")] = 0.05
    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: one-sided lower limit of the drop; effect: the drop; n: labels of both months."""
        tonight, nights = evidence.window.night, len(evidence.earlier) + 1
        if not compares_months(nights):
            due = max(-(-(nights + 1) // MONTH), 2) * MONTH - nights
            return no_verdict(self.name, f"compares two months next in {due} nights", n=0)
        middle = tonight - timedelta(days=MONTH)
        level = 1 - 2 * 0.05 / LOOKS_PER_YEAR
        try:
            before, after = (accuracy_estimate(one, level=level) for one in _split(evidence.months, middle))
        except ValueError as unusable:
            return no_verdict(self.name, f"labels cannot be used: {unusable}", n=0)
        labels = sum(one.labels for one in evidence.months)
        if before is None or after is None:
            return no_verdict(self.name, f"{labels} labels in two months; {FEWEST} in each are needed", n=labels)
        drop, shown = before.value - after.value, drop_lower_limit(before, after)
        return CheckResult(
            self.name,
            Status.FIRED if drop >= self.min_drop and shown > 0 else Status.QUIET,
            f"accuracy {before.value:.1%} in the month before, {after.value:.1%} in this one: a drop of "
            f"{100 * drop:.1f} points, of which {100 * max(shown, 0):.1f} are shown ({self.min_drop:.0%} is news)",
            statistic=shown,
            effect=drop,
            n=labels,
            details=asdict(MonthlyDropDetails(before, after)),
        )


@CHECKS.add
class LabelFree(ParamsModel):
    """What the confidences promise about accuracy, with what that takes for granted (STATISTICS.md, check 8)."""

    name: ClassVar[str] = "label_free"
    order: ClassVar[int] = 70
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.NEVER_FIRES
    details: ClassVar[type[Any]] = LabelFreeDetails

    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Effect: calibrated accuracy (CBPE); details: it, and ATC; n: predictions. Shown; it never fires or clears."""
        reference, window = evidence.model_reference, evidence.window
        known, now = histogram(reference), np.array(window.histogram, dtype=np.int64)
        if not now.sum() or len(now) != len(known) or not known.sum():
            return no_verdict(self.name, f"{int(now.sum())} predictions have a confidence", n=0)
        if not reference.with_confidence or not reference.total:
            return no_verdict(self.name, f"{reference.total} reference labels beside confidences", n=window.total)
        promised = calibrated_accuracy(now, isotonic_guesses(*bin_truth(reference)))
        over = thresholded_accuracy(now, known, accuracy=reference.accuracy)
        return CheckResult(
            self.name,
            Status.QUIET,
            f"confidences promise {promised:.1%} (calibrated) or {over:.1%} (ATC), if an answer of some confidence is "
            "as often right as it was on the reference; nothing is cleared by it",
            effect=promised,
            n=int(now.sum()),
            details=asdict(LabelFreeDetails(promised, over, reference.accuracy)),
        )


def compares_months(nights: int) -> bool:
    """Whether two months are compared on this night of the epoch, counted from 1."""
    return nights % MONTH == 0 and nights >= 2 * MONTH


def night_product(night: NightLabels, *, error_limit: float) -> np.ndarray:
    """(4,) the night's bets. Raises ValueError for numbers that no design gives."""
    draws = draws_of([night])
    if len(draws) and not 0 <= night.mean_guess <= 1:
        raise ValueError(f"the plan of {night.night} has mean guess {night.mean_guess}")
    return edetector.night_log_product(
        draws.wrong,
        weights=draws.weights,
        guesses=draws.guesses,
        mean_guess=night.mean_guess,
        error_limit=error_limit,
        multiplicity=draws.count,
    )


def _split(nights: Any, middle: date) -> tuple[list[NightLabels], list[NightLabels]]:
    """Nights of the month up to `middle`, and of the month after it."""
    first = middle - timedelta(days=MONTH)
    return [one for one in nights if first < one.night <= middle], [one for one in nights if one.night > middle]


def _resumed(previous: CheckResult | None, *, error_limit: float) -> Mapping[str, Any]:
    state = previous.state if previous else {}
    if not state or state["nights"] >= edetector.NIGHTS_PER_YEAR or not math.isclose(state["error_limit"], error_limit):
        return {"log_wealth": edetector.START, "nights": 0, "labels": 0}
    return state


def _sentence(evidence: Evidence, estimate: Estimate | None, *, floor: float, e_value: float, threshold: float) -> str:
    labels = sum(one.labels for one in evidence.recent)
    nights = len({one.night for one in evidence.recent if one.draws})
    seen = f"accuracy {interval(estimate)}" if estimate else f"no estimate of the accuracy below {FEWEST} labels:"
    verdict = "over its" if e_value >= threshold else "under its"
    tonight = "" if any(one.draws for one in evidence.closed) else "; no new labels tonight"
    return (
        f"{seen} from {labels} labels over {nights} nights, floor {floor:.1%}: "
        f"e-value {e_value:,.3g} {verdict} threshold {threshold:,.0f}{tonight}"
    )
