"""Reminders: what people were told once and have not acted on, from what is stored and the time. Writes nothing."""

from collections.abc import Sequence
from datetime import datetime

from leeway.checks.waits import Burst, days_since, export_command, how_to_start
from leeway.domain.records import Action, Alert, Decision, DecisionState
from leeway.domain.text import by_number, counted, day_text, sentence
from leeway.epoch import Epoch
from leeway.labels.queue import find_queue, queue_text

UNLABELLED_DAYS = (2, 7, 14)  # after an alarm that waits for labels
UNCLAIMED_DAYS = (3, 7, 14)  # after a request that nothing has begun


def unlabelled(epoch: Epoch, alarm: Decision, burst: Burst | None, reason: str) -> list[Alert]:
    """Return the reminder of an alarm that waits for labels: the last one that is due, none before the second day.

    `reason` says what the alarm waits for.
    """
    now = epoch.as_of
    due = _last_due(UNLABELLED_DAYS, alarm.made_at, now)
    if due is None or "alarm" not in epoch.policy.alerts.about:
        return []
    days = counted(days_since(alarm.made_at, now), "day")
    asked = burst.asked if burst else 0
    missing = "no labels"
    if burst and asked:
        left = burst.asked - burst.answered
        missing = f"{left:,} of {counted(asked, 'label')} {by_number(left, 'is', 'are')} missing"
    about = f"{alarm.model} version {alarm.version}"
    waits = queue_text(find_queue(epoch), command=False)
    return [
        Alert(
            key=f"{alarm.key}/unlabelled/{due}",
            title=f"The alarm of {day_text(alarm.night)} stands for {days}, {missing}: {about}",
            body=f"What comes of it is decided once people have answered. {sentence(reason)} "
            f"{_do(epoch, reason)} {f'{sentence(waits)} ' if waits else ''}It was raised because: {alarm.reason}",
            made_at=now,
        )
    ]


def _do(epoch: Epoch, reason: str) -> str:
    """What people do, in a sentence; the command that hands the tasks out is not named twice."""
    command = f"`{export_command(epoch.version)}`"
    first = "Once they are answered" if command in reason else f"Do this: {command}, have them answered, then"
    return f"{first} `leeway labels import FILE`."


def unclaimed(epoch: Epoch) -> list[Alert]:
    """Return the reminders of this version's retraining requests that nothing has begun for 3 days."""
    if "retrain" not in epoch.policy.alerts.about:
        return []
    own = [one for one in epoch.ledger.decisions(epoch.model) if one.version == epoch.version.version]
    waiting = [one for one in own if one.action is Action.RETRAIN and one.state is DecisionState.OPEN]
    dues = [(one, _last_due(UNCLAIMED_DAYS, one.made_at, epoch.as_of)) for one in waiting]
    return [_unclaimed(request, due, now=epoch.as_of) for request, due in dues if due is not None]


def _unclaimed(request: Decision, due: int, *, now: datetime) -> Alert:
    nights = counted(days_since(request.made_at, now), "night")
    since = f"the retraining of {request.model} asked for on {day_text(request.made_at)} has not started for {nights}"
    return Alert(
        key=f"{request.key}/unclaimed/{due}",
        title=sentence(since).removesuffix("."),
        body=f"{sentence(since)} {sentence(how_to_start())} It was asked for because: {request.reason}",
        made_at=now,
    )


def _last_due(steps: Sequence[int], moment: datetime, now: datetime) -> int | None:
    """Return the last of these numbers of days that have passed since the moment; None before the first."""
    return max((step for step in steps if days_since(moment, now) >= step), default=None)
