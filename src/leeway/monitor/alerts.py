"""Alerts: what people are told of a night."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import attrgetter

from leeway.checks.policy import Policy
from leeway.checks.waits import export_command
from leeway.domain.records import Action, Alert, CheckResult, Decision, ModelVersion, Status
from leeway.domain.text import cut, sentence
from leeway.monitor import words

OCCASIONS = {
    Action.MORE_LABELS: "alarm",
    Action.RETRAIN: "retrain",
    Action.STAND_DOWN: "stand_down",
    Action.ALERT: "alert",
}
LONGEST_TITLE = 120  # characters of what it means, in a title


@dataclass(frozen=True, slots=True)
class Told:
    """What people are told of a night, in parts."""

    occasion: str
    meaning: str
    next_step: str
    statistics: str


def alerts_of(
    decision: Decision,
    results: Sequence[CheckResult],
    before: Sequence[tuple[date, CheckResult]],
    policy: Policy,
    *,
    version: ModelVersion,
    champion: int | None = None,
    waits: str = "",
) -> list[Alert]:
    """Return the alerts of a decided night; `before`: results of the night that was decided before it.

    Each begins with what it means; then come what happens next, what people should do, and the statistics. `waits`:
    what people were asked to label before, and until when, for the alerts that call for labels.
    """
    made = []
    if decision.action in OCCASIONS:
        meaning = words.headline(decision, results, policy)
        next_step = words.next_step(decision, policy, version, champion=champion)
        if decision.action is Action.MORE_LABELS and waits:
            next_step = f"{next_step} {sentence(f'Asked before: {waits}')}"
        why = sentence(decision.reason, capital=False)
        made.append(Told(OCCASIONS[decision.action], meaning, next_step, why))
    news = _findings(results, before, policy)
    if news:
        advice = words.advice_on([one.check for one in news])
        made.append(Told("alert", words.meanings(news, policy), advice, words.reasons(news)))
    silent = [one for one in results if one.status is Status.NO_VERDICT]
    if silent:
        unknown = f"nothing is known from {', '.join(one.check for one in silent)}"
        do = f"{sentence(waits)} Do this: `{export_command(version)}`." if waits else ""
        made.append(Told("no_verdict", unknown, do, words.reasons(silent)))
    wanted = [one for one in made if one.occasion in policy.alerts.about]
    return [_alert(list(told), decision) for _, told in groupby(wanted, key=attrgetter("occasion"))]


def _alert(told: Sequence[Told], decision: Decision) -> Alert:
    """Of one occasion: what was decided, and a finding beside it."""
    about = f"leeway: {decision.model} version {decision.version}, {told[0].occasion.replace('_', ' ')}"
    meaning = sentence("; ".join(one.meaning for one in told))
    statistics = f"Night of {decision.night}: {' '.join(one.statistics for one in told)}"
    return Alert(
        key=f"{decision.key}/{told[0].occasion}",
        title=f"{cut(meaning.removesuffix('.'), LONGEST_TITLE)} ({about})",
        body=" ".join(filter(None, [meaning, *(one.next_step for one in told), statistics])),
        made_at=decision.made_at,
    )


def _findings(
    results: Sequence[CheckResult], before: Sequence[tuple[date, CheckResult]], policy: Policy
) -> list[CheckResult]:
    """Checks that only alert and that fired tonight, and not the night before: each finding is told when it begins.

    A check with several kinds of findings, as `traffic`, is told again when another kind begins.
    """
    standing = {one.check: _kinds(one) for _, one in before if one.status is Status.FIRED}
    return [
        one
        for one in results
        if one.status is Status.FIRED and policy.checks[one.check].then == "alert"
        if one.check not in standing or (standing[one.check] and _kinds(one) - standing[one.check])
    ]


def _kinds(result: CheckResult) -> set[str]:
    """Kinds of findings; empty where the check has but one, or the release before stored it."""
    return set(result.details.get("kinds", ()))
