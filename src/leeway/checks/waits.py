"""Waits: what a decision that asks for nothing yet waits for, since when, and what would end it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from leeway.checks.policy import Policy
from leeway.domain.records import Decision, DecisionState, ModelVersion
from leeway.domain.text import counted, day_text
from leeway.stats.estimation import FEWEST

LEASE_HOURS = 24  # after which a retraining that gave no sign counts as failed


@dataclass(frozen=True, slots=True)
class Burst:
    """How far people have come with the labels that an alarm asked for, those for the gate included.

    An image that was drawn twice is asked for one label.
    """

    nights: int  # planned so far
    asked: int  # labels of these nights
    answered: int
    closes_at: datetime  # when the plans of these nights close, answered or not


def for_burst(alarm: Decision, burst: Burst | None, policy: Policy, *, version: ModelVersion) -> str:
    """Say that the plans of the alarm's nights are still open."""
    nights, since = policy.labels.burst_nights, day_text(alarm.made_at)
    if burst is None or not burst.nights:
        return f"waits since {since} for the labels of {counted(nights, 'night')}, which are asked for next"
    missing = nights - burst.nights
    if burst.answered >= burst.asked and missing > 0:
        came = f"{counted(burst.answered, 'label')} of {counted(burst.nights, 'night')} are in"
        return f"waits since {since} for the labels of {counted(missing, 'more night')}, asked for next; {came}"
    more = f" so far, with {counted(missing, 'more night')} to be asked for" if missing > 0 else ""
    closes = burst.closes_at + timedelta(days=max(missing, 0))
    return (
        f"waits since {since} for {burst.asked - burst.answered:,} of {counted(burst.asked, 'label')} of "
        f"{counted(burst.nights, 'night')}{more}: `{export_command(version)}`; "
        f"it ends when they are in, or on {day_text(closes)}, when these plans close"
    )


def for_answers(alarm: Decision, burst: Burst | None, labels: int, policy: Policy, *, version: ModelVersion) -> str:
    """Say that the plans closed with too few answers for any conclusion."""
    came = f"{burst.answered:,} of {counted(burst.asked, 'label')} came in" if burst else "too few labels came in"
    return (
        f"the plans of {counted(policy.labels.burst_nights, 'night')} closed, and {came}: nothing can be concluded; "
        f"waits since {day_text(alarm.made_at)} for {FEWEST} labels that measure, {labels} are in; each night asks for "
        f"some: `{export_command(version)}`"
    )


def for_training_labels(alarm: Decision, new: int, policy: Policy, *, version: ModelVersion) -> str:
    """Say how many labels are missing for a retraining that is called for."""
    needed = policy.retrain.min_new_labels
    return (
        f"waits since {day_text(alarm.made_at)} for new labels to train on: {new:,} of {needed:,} are in "
        f"(retrain.min_new_labels); each night asks for some: `{export_command(version)}`"
    )


def for_cool_down(alarm: Decision, last: Decision, until: datetime) -> str:
    """Say when the next retraining may begin."""
    return (
        f"waits since {day_text(alarm.made_at)} for the end of the cool-down on {until:%Y-%m-%d %H:%M} UTC, after the "
        f"retraining asked for on {last.night} (retrain.cooldown_days); `leeway retrain` does not wait for it"
    )


def for_retraining(request: Decision) -> str:
    """Say what an open or running retraining needs."""
    since = f"waits since {day_text(request.made_at)} for the retraining that was asked for then"
    if request.state is DecisionState.RUNNING:
        return f"{since}, which is running; it counts as failed once it gives no sign for {LEASE_HOURS} hours"
    return f"{since}, which has not started: {how_to_start()}"


def how_to_start() -> str:
    return "is `python flows/deploy.py` running? `leeway retrain` runs it here"


def export_command(version: ModelVersion) -> str:
    """Return the command that hands out what people are asked to label."""
    return "leeway labels export DIR" + (f" --model {version.model}" if version.watched_only else "")


def days_since(moment: datetime, now: datetime) -> int:
    """Return whole days."""
    return (now - moment).days
