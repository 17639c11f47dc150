"""Queue: what people are asked to label, until when, and what closed without an answer. Writes nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from leeway.checks.waits import export_command
from leeway.domain.answers import may_second
from leeway.domain.records import ERRORS, Label, LabelPlan, Prediction
from leeway.domain.text import counted, days_text, moment_text, verb
from leeway.epoch import Epoch
from leeway.labels.answers import closes_at
from leeway.labels.images import can_be_shown

CLOSED_DAYS = 7  # for so long people hear of images that closed without an answer
ANYBODY = "a second person"  # who has not answered yet


@dataclass(frozen=True, slots=True)
class OpenNight:
    """What one night's plan still asks; a prediction that was drawn twice is one image."""

    night: date
    version: int
    images: int  # that nobody has answered, and that can be shown
    second_opinions: int  # answers that contradict the model, and wait for another person
    closes_at: datetime  # in the policy's time zone


@dataclass(frozen=True, slots=True)
class ClosedNight:
    """What one night's plan asked in vain."""

    night: date
    version: int
    images: int
    closed_at: datetime  # in the policy's time zone


@dataclass(frozen=True, slots=True)
class LabelQueue:
    """What people are asked to label of one model, as of a moment."""

    model: str
    as_of: datetime  # in the policy's time zone
    open_nights: tuple[OpenNight, ...] = ()  # as people are asked: the newest first
    closed_nights: tuple[ClosedNight, ...] = ()  # within the last 7 days; the newest first
    unreadable: int = 0  # images that are asked for and cannot be shown
    unnamed: int = 0  # of the second opinions: the first person gave no name, so nobody is known to be another
    noun: str = "image"  # or `prediction`, where none came with an image
    command: str = ""  # that hands out what waits

    @property
    def images(self) -> int:
        """How many wait for a first answer."""
        return sum(one.images for one in self.open_nights)

    @property
    def second_opinions(self) -> int:
        """How many answers wait for a second person."""
        return sum(one.second_opinions for one in self.open_nights)

    @property
    def closed_unanswered(self) -> int:
        """How many closed within the last 7 days, and have no answer yet."""
        return sum(one.images for one in self.closed_nights)


def find_queue(epoch: Epoch, *, upto: date = date.max, shown: Callable[[Prediction], bool] | None = None) -> LabelQueue:
    """Return what waits for people of the epoch's model, of nights up to `upto`, and what closed of late.

    `shown`: whether people can be shown a prediction; without it, whether a file that begins as an image is there.
    """
    shown = shown or (lambda one: can_be_shown(one, epoch.images))
    since = epoch.as_of - timedelta(days=CLOSED_DAYS)
    plans = [pair for pair in epoch.ledger.unanswered(epoch.model, since=since) if pair[0].night <= upto]
    opened = {plan.id: plan for plan, _ in plans if plan.closed_at is None}
    asked = epoch.ledger.label_queue(epoch.model) if any(count for plan, count in plans if plan.id in opened) else []
    waiting = [(plan_id, one) for plan_id, one in asked if plan_id in opened]
    readable = [(plan_id, one) for plan_id, one in waiting if shown(one)]
    seconds = _second_opinions(epoch, opened)
    return LabelQueue(
        model=epoch.model,
        as_of=epoch.as_of.astimezone(epoch.policy.zone),
        open_nights=_open(epoch, opened, Counter(one for one, _ in readable), Counter(one for one, _ in seconds)),
        closed_nights=_closed(epoch, [(plan, count) for plan, count in plans if count]),
        unreadable=len(waiting) - len(readable),
        unnamed=sum(not may_second(first, ANYBODY) for _, first in seconds),
        noun="image" if not waiting or any(one.image for _, one in waiting) else "prediction",
        command=export_command(epoch.version),
    )


def queue_text(queue: LabelQueue, *, command: bool = True) -> str:
    """Return, as a clause, how much waits and until when, what closes first, and what closed; empty without any.

    With the command that hands out what waits, unless told not to.
    """
    waits = _waits(queue)
    told = [
        f"{waits}: `{queue.command}`" if waits and command else waits,
        _unreadable(queue),
        _seconds_text(queue),
        closed_text(queue),
    ]
    return "; ".join(filter(None, told))


def deadline_text(queue: LabelQueue) -> str:
    """Say in a sentence until when answers are in time; nothing of how many images wait for a second person."""
    closing = sorted(queue.open_nights, key=lambda one: one.closes_at)
    if not closing:
        return ""
    first, last = _until(queue, closing[0]), _until(queue, closing[-1])
    if first == last:
        return f"In time until {last}."
    return f"In time until {first} for the oldest night, and until {last} for the newest, which comes first."


def _seconds_text(queue: LabelQueue) -> str:
    """Say how many answers wait for a second person, and what to do; empty where none does."""
    if not queue.second_opinions:
        return ""
    again = f"; {queue.unnamed} of them came without a name: import them again with --labeler NAME"
    return f"{contradict_text(queue.second_opinions)}: `{queue.command} --labeler NAME`{again if queue.unnamed else ''}"


def contradict_text(count: int) -> str:
    """Return `1 contradicts the model and waits for a second person`."""
    return f"{count:,} {verb(count, 'contradict')} the model and {verb(count, 'wait')} for a second person"


def closed_text(queue: LabelQueue) -> str:
    """Say what closed of late without an answer; empty without any."""
    if not queue.closed_nights:
        return ""
    images = counted(queue.closed_unanswered, queue.noun)
    return f"{images} of {_nights(queue.closed_nights)} closed unanswered in the last {CLOSED_DAYS} days"


def _second_opinions(epoch: Epoch, opened: Mapping[str, LabelPlan]) -> list[tuple[str, Label]]:
    """(plan id, the answer that contradicts the model) of each."""
    if all(plan.second_opinion != ERRORS for plan in opened.values()):
        return []
    found = epoch.ledger.second_opinions(epoch.model)
    return [(plan_id, first) for plan_id, _, first in found if plan_id in opened]


def _open(
    epoch: Epoch, opened: Mapping[str, LabelPlan], images: Counter[str], seconds: Counter[str]
) -> tuple[OpenNight, ...]:
    zone, nights = epoch.policy.zone, list[OpenNight]()
    for name, plan in opened.items():
        if images[name] or seconds[name]:
            closing = closes_at(plan, epoch.policy).astimezone(zone)
            nights.append(OpenNight(plan.night, plan.version, images[name], seconds[name], closing))
    return tuple(sorted(nights, key=_newest_first))


def _closed(epoch: Epoch, unanswered: Iterable[tuple[LabelPlan, int]]) -> tuple[ClosedNight, ...]:
    zone = epoch.policy.zone
    nights = [
        ClosedNight(plan.night, plan.version, count, plan.closed_at.astimezone(zone))
        for plan, count in unanswered
        if plan.closed_at is not None
    ]
    return tuple(sorted(nights, key=_newest_first))


def _newest_first(night: OpenNight | ClosedNight) -> tuple[int, int]:
    return -night.night.toordinal(), -night.version


def _waits(queue: LabelQueue) -> str:
    """Of how many nights how much waits, until when; and what of it closes first."""
    asked = [one for one in queue.open_nights if one.images]
    if not asked:
        return ""
    by_closing = sorted(asked, key=lambda one: one.closes_at)
    first = [one for one in by_closing if _closing_day(queue, one) == _closing_day(queue, by_closing[0])]
    waits = f"{counted(queue.images, queue.noun)} of {_nights(asked)} {verb(queue.images, 'wait')} for a label"
    until, count = _until(queue, by_closing[-1]), sum(one.images for one in first)
    if len(first) < len(asked):
        until = f"{until}, {count:,} of them, of {_nights(first)}, only until {_until(queue, first[0])}"
    return f"{waits} until {until}, when {'it closes' if count == 1 else 'they close'} unanswered"


def _until(queue: LabelQueue, night: OpenNight) -> str:
    """Return the moment after which nobody is asked any more: a run of the monitor closes what is over."""
    return "the next `leeway monitor`" if night.closes_at <= queue.as_of else moment_text(night.closes_at)


def _closing_day(queue: LabelQueue, night: OpenNight) -> date:
    """Return the local day on which it closes; of all that is over the day of today."""
    return max(night.closes_at, queue.as_of).date()


def _unreadable(queue: LabelQueue) -> str:
    if not queue.unreadable:
        return ""
    more = " more" if queue.images else ""
    return f"{counted(queue.unreadable, 'image')}{more} cannot be shown (`{queue.command}` says why)"


def _nights(nights: Sequence[OpenNight | ClosedNight]) -> str:
    """Return `the night of 20 November`, `2 nights (20 to 21 November)`."""
    days = sorted({one.night for one in nights})
    return f"the night of {days_text(days)}" if len(days) == 1 else f"{counted(len(days), 'night')} ({days_text(days)})"
