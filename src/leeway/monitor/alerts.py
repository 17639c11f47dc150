"""Alerts: what people are told of a night, and how it reaches them."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from leeway.checks.policy import Policy
from leeway.domain.ports import Notifier
from leeway.domain.records import Action, Alert, CheckResult, Decision, Status
from leeway.domain.stores import Ledger
from leeway.errors import in_one_line

OCCASIONS = {
    Action.MORE_LABELS: "alarm",
    Action.RETRAIN: "retrain",
    Action.STAND_DOWN: "stand_down",
    Action.ALERT: "alert",
}
log = logging.getLogger("leeway.alerts")


def alerts_of(
    decision: Decision,
    results: Sequence[CheckResult],
    before: Sequence[tuple[date, CheckResult]],
    policy: Policy,
) -> list[Alert]:
    """Return the alerts of a decided night; `before`: results of the night that was decided before it."""
    told: Mapping[str, str] = {
        OCCASIONS.get(decision.action, ""): decision.reason,
        "no_verdict": "; ".join(f"{one.check}: {one.reason}" for one in results if one.status is Status.NO_VERDICT),
    }
    news = _findings(results, before, policy)
    if news:
        told = {**told, "alert": "; ".join([news, told["alert"]] if "alert" in told else [news])}
    return [
        Alert(
            key=f"{decision.key}/{occasion}",
            title=f"leeway: {decision.model} version {decision.version}: {occasion.replace('_', ' ')}",
            body=f"Night of {decision.night}: {text}",
            made_at=decision.made_at,
        )
        for occasion, text in told.items()
        if text and occasion in policy.alerts.about
    ]


def _findings(results: Sequence[CheckResult], before: Sequence[tuple[date, CheckResult]], policy: Policy) -> str:
    """Checks that only alert and that fired tonight, and not the night before: each finding is told when it begins."""
    standing = {one.check for _, one in before if one.status is Status.FIRED}
    return "; ".join(
        f"{one.check}: {one.reason}"
        for one in results
        if one.status is Status.FIRED and one.check not in standing and policy.checks[one.check].then == "alert"
    )


class NoNotifier:
    """`leeway.domain.ports.Notifier` where none could be made: refuses every alert, and says why."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def send(self, title: str, body: str) -> None:  # noqa: ARG002
        raise self._error


def deliver_alerts(ledger: Ledger, notifier: Notifier, *, now: datetime) -> list[str]:
    """Sends what waits in the outbox; returns what went wrong.

    Whatever a channel raises stays with the alert in the outbox: the others are sent, and this one is tried again.
    """
    failures = []
    for alert in ledger.pending_alerts():
        try:
            notifier.send(alert.title, alert.body)
        except Exception as error:
            problem = in_one_line(error)
            ledger.mark_alert(alert.key, sent_at=None, error=problem)
            failures.append(problem)
            log.warning("%s: not sent: %s; it stays in the outbox", alert.key, problem)
        else:
            ledger.mark_alert(alert.key, sent_at=now)
    return failures
