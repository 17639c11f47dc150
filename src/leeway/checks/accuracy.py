"""Checks of the accuracy of served predictions: under its floor, and down from last month."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.random import Generator

from leeway.checks.estimates import accuracy_estimate, draws_of, interval, outside_text, plain_counts
from leeway.checks.registry import CHECKS, Evidence, Place, Then, details_of, no_verdict
from leeway.domain.records import CheckResult, NightLabels, ReferenceCounts, Status
from leeway.domain.text import counted, day_text, range_text, share_text
from leeway.paramsfile import ParamsModel, Share, setting
from leeway.stats import edetector
from leeway.stats.estimation import FEWEST, Estimate, drop_lower_limit, wilson_interval, wilson_lower

MONTH = 28  # nights
LOOKS_PER_YEAR = 13
MISLEADS = 0.02  # a plain share of the labels that is further than this from the estimate is not a sample's


@dataclass(frozen=True, slots=True)
class AccuracyDetails:
    """What the bets were against, and the accuracy beside them."""

    floor: float
    labels_tonight: int = 0
    accuracy: Estimate | None = None  # over the recent nights
    labels: int = 0  # of the recent nights, as they lie there
    wrong: int = 0  # of these
    since: str = ""  # the first of the recent nights that has labels, ISO


@dataclass(frozen=True, slots=True)
class MonthlyDropDetails:
    """Accuracy of the two months."""

    before: Estimate
    after: Estimate


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
        nights, as the yearly budget does, and when the floor is changed: `anew` says so.
        """
        floor = self.effective_floor(evidence.model_reference)
        state = _resumed(previous, evidence.window.night, error_limit=1 - floor)
        anew = state.get("anew", "")
        tonight = sum(night.labels for night in evidence.closed)
        if impossible := self.impossible_floor(evidence.model_reference):
            return no_verdict(self.name, impossible, n=tonight, state=previous.state if previous else {})
        if not state["labels"] and not tonight:
            told = evidence.unmeasured or "no label has come in yet since this check started"
            return no_verdict(self.name, _with(told, anew), n=0, state=state if anew else {})
        try:
            product = sum(night_product(night, error_limit=1 - floor) for night in evidence.closed)
            estimate = accuracy_estimate(evidence.recent)
        except ValueError as unusable:
            return no_verdict(self.name, f"labels cannot be used: {unusable}", n=tonight, state=state)
        wealth = edetector.update(np.array(state.get("log_wealth", edetector.START)), np.asarray(product, dtype=float))
        e_value, threshold = edetector.e_value(wealth), edetector.threshold(alpha) if alpha > 0 else math.inf
        return CheckResult(
            check=self.name,
            status=Status.FIRED if e_value >= threshold else Status.QUIET,
            reason=_with(_sentence(evidence, estimate, floor=floor, e_value=e_value, threshold=threshold), anew),
            statistic=e_value,
            threshold=threshold if alpha > 0 else None,
            effect=None if estimate is None else estimate.value,
            n=sum(night.labels for night in evidence.recent),
            details=asdict(AccuracyDetails(floor, tonight, estimate, *plain_counts(evidence.recent))),
            state={
                "log_wealth": [float(one) for one in wealth],
                "error_limit": 1 - floor,
                "nights": state["nights"] + 1,
                "labels": state["labels"] + tonight,
                **({"anew": anew} if anew else {}),
            },
        )

    def meaning(self, result: CheckResult) -> str:
        """`45% right (33% to 58%) since 2 March, 33 of 60 labels wrong; the floor is 90%`."""
        details = details_of(result, AccuracyDetails)
        if details is not None and not details.labels and result.status is Status.FIRED:
            floor = share_text(details.floor)
            return f"it was shown to be right less often than the floor of {floor}, and no label has come in since"
        if details is None or not details.labels:
            return ""
        since, right = day_text(date.fromisoformat(details.since)), details.accuracy
        wrong = f"{details.wrong:,} of {details.labels:,} labels wrong"
        floor = f"the floor is {share_text(details.floor)}"
        if right is None:
            return f"{wrong} since {since}, too few labels for a number; {floor}"
        biased = abs(1 - details.wrong / details.labels - right.value) > MISLEADS
        drawn = " (drawn more often where it may err)" if biased else ""
        between = range_text(right.low, right.high)
        return f"{share_text(right.value)} right ({between}) since {since}, {wrong}{drawn}; {floor}"

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


def _resumed(previous: CheckResult | None, night: date, *, error_limit: float) -> Mapping[str, Any]:
    state = previous.state if previous else {}
    fresh = {"error_limit": error_limit, "nights": 0, "labels": 0}  # M is 0, whose log JSON does not have
    if not previous or not state or state["nights"] >= edetector.NIGHTS_PER_YEAR:
        return fresh
    if math.isclose(state["error_limit"], error_limit):
        return state
    e_value = "" if previous.statistic is None else f", e-value {previous.statistic:,.3g}"
    before = f"{1 - state['error_limit']:.1%} until then ({state['labels']} labels{e_value})"
    told = f"the evidence began anew on {night}, when the floor became {1 - error_limit:.1%}; it was {before}"
    return fresh | {"anew": told}


def _with(told: str, *more: str) -> str:
    return "; ".join(filter(None, (told, *more)))


def _sentence(evidence: Evidence, estimate: Estimate | None, *, floor: float, e_value: float, threshold: float) -> str:
    labels = sum(one.labels for one in evidence.recent)
    nights = len({one.night for one in evidence.recent if one.draws})
    seen = f"accuracy {interval(estimate)}" if estimate else f"no estimate of the accuracy below {FEWEST} labels:"
    tonight = "" if any(one.draws for one in evidence.closed) else "no new labels tonight"
    against = f"e-value {e_value:,.3g} {'over' if e_value >= threshold else 'under'} its threshold {threshold:,.0f}"
    counts = f"{counted(labels, 'label')} over {counted(nights, 'night')}"
    told = f"{seen} from {counts}, floor {floor:.1%}: {against}"
    return _with(told, tonight, outside_text(evidence.recent, evidence.window.classes), evidence.unmeasured)
