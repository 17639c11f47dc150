"""Checks of the accuracy of served predictions: under its floor, and down from last month."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field

from leeway.checks.bets import ALL, NightBet, bet_on, charged, draws_of_night, too_few_answers
from leeway.checks.estimates import accuracy_estimate, interval, outside_text, plain_counts
from leeway.checks.night_cap import shared
from leeway.checks.registry import CHECKS, Evidence, Place, Then, details_of, no_verdict
from leeway.domain.records import CheckResult, NightLabels, ReferenceCounts, Status
from leeway.domain.text import counted, day_text, range_text, share_text
from leeway.paramsfile import ParamsModel, Share, setting
from leeway.stats import edetector
from leeway.stats import spread as spreads
from leeway.stats.estimation import FEWEST, Estimate, wilson_interval, wilson_lower

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
    night_spread: float | None = None  # sd of the nights' error rates that is allowed for; None: nothing is assumed
    charged: float = 0.0  # share that the limit was raised by, for labels that are wrong


@CHECKS.add
class Accuracy(ParamsModel):
    """Has the accuracy of served predictions fallen under its floor? A betting e-detector (STATISTICS.md, check 3).

    What it takes for granted: the nights' error rates have a mean of at most the limit and differ by at most
    `night_spread` (sd), roughly normally and without long waves; draws are answered in each stratum whatever they show;
    a label is wrong with probability at most `labels.error_rate`, two people independently.
    """

    name: ClassVar[str] = "accuracy"
    assumes: ClassVar[str] = (
        "the nights' error rates have a mean of at most the limit and differ by at most `night_spread` (sd), roughly "
        "normally and without long waves; draws are answered in each stratum whatever they show; a label is wrong with "
        "probability at most `labels.error_rate`, two people independently"
    )
    order: ClassVar[int] = 40
    needs_labels: ClassVar[bool] = True
    on_page: ClassVar[Place] = Place.EVIDENCE
    details: ClassVar[type[Any]] = AccuracyDetails

    floor: Annotated[
        float, setting("lowest accuracy of served predictions, 0 to 1", "to what the use can bear", gt=0, lt=1)
    ] = 0.90
    allowed_drop: Annotated[
        Share,
        setting(
            "drop under the reference accuracy, 0 to 1, that is an alarm even above the floor",
            "larger where production is harder than the test split",
        ),
    ] = 0.03
    night_spread: Annotated[
        Literal["measured", "any"] | Annotated[float, Field(ge=0, lt=1)],
        setting(
            "how much the nights' error rates may differ without an alarm (sd): `measured`, a share, or `any`",
            "`any` where error rates come in waves; alarms then take three times as long",
        ),
    ] = "measured"
    weigh: Annotated[
        Literal["nights", "predictions"],
        setting(
            "whether each night counts alike, or by its number of predictions",
            "`predictions` where some nights are tiny",
        ),
    ] = "nights"
    then: Annotated[
        Then,
        setting(
            "what an alarm leads to: `alert`, `labels` or `retrain`",
            "`labels` where people decide about every retraining",
        ),
    ] = "retrain"
    budget_share: Annotated[
        Share,
        setting("part of the yearly false-alarm probability", "higher for what matters most; the sum is at most 1"),
    ] = 0.4

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Statistic: the e-value M, against 365/alpha; effect: accuracy over `recent`; n: its labels.

        State: log M of the four bets, the error limit they bet on, nights and labels so far, and how much nights have
        differed. M starts anew after 365 nights, as the yearly budget does, and when the floor is changed: `anew` says
        so.
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
            after, allowed = self._after(evidence, state, error_limit=1 - floor)
            estimate = accuracy_estimate(evidence.recent)
        except ValueError as unusable:
            return no_verdict(self.name, f"labels cannot be used: {unusable}", n=tonight, state=state)
        wealth = np.array(after.get("log_wealth", edetector.START))
        e_value, threshold = edetector.e_value(wealth), edetector.threshold(alpha) if alpha > 0 else math.inf
        fired, unanswered = e_value >= threshold, too_few_answers(evidence.recent)
        quiet = Status.NO_VERDICT if unanswered else Status.QUIET
        told = _sentence(evidence, estimate, floor=floor, e_value=e_value, threshold=threshold)
        return CheckResult(
            check=self.name,
            status=Status.FIRED if fired else quiet,
            reason=_with(told, unanswered, anew),
            statistic=e_value,
            threshold=threshold if alpha > 0 else None,
            effect=None if estimate is None else estimate.value,
            n=sum(night.labels for night in evidence.recent),
            details=asdict(AccuracyDetails(floor, tonight, estimate, *plain_counts(evidence.recent), *allowed)),
            state=after,
        )

    def _after(
        self, evidence: Evidence, state: Mapping[str, Any], *, error_limit: float
    ) -> tuple[dict[str, Any], tuple[float | None, float]]:
        """Return the state after the plans that closed, and (spread, charge) that the last of them was held against.

        Each night begins a bet, and labels of it that come late go on with it, up to what all its plans may add
        together. A night is bet on with the spread that was known before it.
        """
        wealth, sums = np.array(state.get("log_wealth", edetector.START)), np.array(state["spread_sums"])
        spread, charge = self._spread(state, error_limit), 0.0
        measured = {"night_spread": state["night_spread"]} if "night_spread" in state else {}
        added = state.get("added", {})
        for night in sorted(evidence.closed, key=lambda one: (one.night, one.counted_before)):
            limit = charged(night, error_limit, label_error=evidence.label_error)
            bet = self._bet(night, evidence, error_limit=limit, spread=spread)
            charge = limit - error_limit
            if not bet.draws:
                continue
            late = night.counted_before > 0
            cut, added = shared({ALL: bet.factor}, night, added, today=evidence.window.night)
            wealth = wealth + cut[ALL] if late else edetector.update(wealth, cut[ALL])
            if not late:
                sums = spreads.with_night(sums, draws=bet.draws, mean=bet.mean, ratio=bet.variance)
            if self.night_spread == "measured" and spread is not None and not late:
                found = float(spreads.measured(sums, assumed=np.array(spread)))
                measured, spread = {"night_spread": found} if found != spread else measured, found
        return {
            **({"log_wealth": [float(one) for one in wealth]} if np.isfinite(wealth).all() else {}),
            "error_limit": error_limit,
            "nights": state["nights"] + 1,
            "labels": state["labels"] + sum(one.labels for one in evidence.closed),
            "spread_sums": [float(one) for one in sums],
            **measured,
            **({"added": added} if added else {}),
            **({"anew": state["anew"]} if state.get("anew") else {}),
        }, (spread, charge)

    def _bet(self, night: NightLabels, evidence: Evidence, *, error_limit: float, spread: float | None) -> NightBet:
        draws, stake = draws_of_night(night), 1.0
        if self.weigh == "predictions":
            first = night.night - timedelta(days=MONTH)
            largest = max((one.total for one in evidence.earlier if first <= one.night < night.night), default=0)
            stake = min(1.0, night.predictions / largest) if largest else 1.0
        everything = np.ones(len(draws.wrong), dtype=bool)
        return bet_on(night, draws, everything, part=ALL, error_limit=error_limit, spread=spread, stake=stake)

    def _spread(self, state: Mapping[str, Any], error_limit: float) -> float | None:
        """Return the spread that the next night is bet on with; None: nothing is assumed."""
        if self.night_spread == "any":
            return None
        if isinstance(self.night_spread, float | int):
            return float(self.night_spread)
        return float(state.get("night_spread", spreads.SHARE_OF_LIMIT * error_limit))

    def meaning(self, result: CheckResult) -> str:
        """`45% right (33% to 58%) since 2 March, 33 of 60 labels wrong; the floor is 90%`."""
        details = details_of(result, AccuracyDetails)
        if details is not None and not details.labels and result.status is Status.FIRED:
            floor = share_text(details.floor)
            return f"it was shown to be right less often than the floor of {floor}, and no label has come in since"
        if details is None or not details.labels:
            return ""
        since, right = day_text(date.fromisoformat(details.since)), details.accuracy
        wrong = f"{details.wrong:,} of {counted(details.labels, 'label')} wrong"
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


def _resumed(previous: CheckResult | None, night: date, *, error_limit: float) -> Mapping[str, Any]:
    state = previous.state if previous else {}
    known = {
        name: state[name] for name in ("spread_sums", "night_spread") if name in state
    }  # M is 0: log M is left out
    fresh = {"error_limit": error_limit, "nights": 0, "labels": 0, "spread_sums": spreads.NONE.tolist(), **known}
    if not previous or not state or state["nights"] >= edetector.NIGHTS_PER_YEAR:
        return fresh
    if math.isclose(state["error_limit"], error_limit):
        return fresh | dict(state)
    e_value = "" if previous.statistic is None else f", e-value {previous.statistic:,.3g}"
    before = f"{1 - state['error_limit']:.1%} until then ({counted(state['labels'], 'label')}{e_value})"
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
