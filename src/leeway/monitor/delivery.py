"""Delivery: takes alerts from the outbox to every channel, once each; what a channel did not take is tried again."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leeway.domain.outbox import Outbox
from leeway.domain.ports import Channel, Notifier
from leeway.domain.records import Alert, Delivery
from leeway.errors import in_one_line

OLD = timedelta(hours=6)  # alerts that wait longer come as one message
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))  # after 1, 2, 3, 4 or more failed tries
LEASE = timedelta(minutes=10)  # by the clock: the slowest channel gives up within one
FAILURES = 3  # in a row, after which the rest waits for the next run: a channel that hangs takes seconds each time
SHORT = 200  # characters of a body, where several alerts come as one message
log = logging.getLogger("leeway.alerts")


@dataclass(frozen=True, slots=True)
class Courier:
    """Who delivers, so that of two at once each alert is sent by one. A lease runs by the clock, whatever `now` is."""

    name: str
    clock: Callable[[], datetime]
    is_dead: Callable[[str], bool] = lambda _: False  # whether another courier is known to be gone


def deliver_alerts(outbox: Outbox, notifier: Notifier, *, now: datetime, by: Courier) -> list[str]:
    """Send each channel what it has not had yet; return what went wrong.

    An alert is delivered when every channel has it. Whatever a channel raises stays with its delivery, which is tried
    again after a while; the other channels are told all the same, those first that took what they got. A courier that
    is killed after a channel took a message and before that was noted sends this message once more.
    """
    pending = outbox.pending_alerts()
    known = {(one.key, one.channel): one for one in outbox.deliveries()} if pending else {}
    troubled = {one.channel for one in known.values() if one.error}
    failures = []
    for channel in sorted(notifier.channels, key=lambda one: one.name in troubled):
        waiting = [one for one in pending if is_due(known.get((one.key, channel.name)), now)]
        dead = {one.holder for one in known.values() if one.holder and by.is_dead(one.holder)}
        failures += _deliver_to(channel, messages(waiting, now), outbox, now=now, by=by, dead=dead)
    _settle(outbox, pending, [one.name for one in notifier.channels])
    return failures


def is_due(delivery: Delivery | None, now: datetime) -> bool:
    """Return whether the channel is to be tried: at once the first time, after each failure a while later."""
    if delivery is None or delivery.tried_at is None:
        return True
    wait = WAITS[min(delivery.tries, len(WAITS)) - 1]
    return delivery.sent_at is None and not delivery.tried_at <= now < delivery.tried_at + wait


def messages(waiting: Sequence[Alert], now: datetime) -> list[list[Alert]]:
    """Return which alerts go together: the old ones, newest first, in one message; each of the others by itself."""
    old = [one for one in waiting if now - one.made_at > OLD]
    fresh = [[one] for one in waiting if one not in old]
    return [old[::-1], *fresh] if old else fresh


def words(alerts: Sequence[Alert]) -> tuple[str, str]:
    """Return the title and the body of a message."""
    if len(alerts) == 1:
        return alerts[0].title, alerts[0].body
    title = f"leeway: {len(alerts)} alerts that could not be sent before, {_day(alerts[-1])} to {_day(alerts[0])}"
    told = [f"{_day(one)}  {one.title}\n    {_short(one.body)}" for one in alerts]
    return title, "\n".join([*told, "What still holds: `leeway status`."])


def _deliver_to(
    channel: Channel,
    together: Sequence[Sequence[Alert]],
    outbox: Outbox,
    *,
    now: datetime,
    by: Courier,
    dead: set[str],
) -> list[str]:
    failures, in_a_row = list[str](), 0
    for alerts in together:
        start = by.clock()
        keys, until = [one.key for one in alerts], start + LEASE
        claimed = outbox.claim_deliveries(keys, channel.name, holder=by.name, now=start, until=until, instead_of=dead)
        own = [one for one in alerts if one.key in claimed]
        if not own:
            continue
        problem = _send(channel, own)
        outbox.conclude_deliveries(claimed, channel.name, holder=by.name, at=now, error=problem)
        if problem:
            failures.append(problem)
            log.warning("%s: not sent: %s; it stays in the outbox", own[0].key, problem)
        in_a_row = in_a_row + 1 if problem else 0
        if in_a_row == FAILURES:
            break
    return failures


def _send(channel: Channel, alerts: Sequence[Alert]) -> str:
    """Return what went wrong; empty if the channel took it."""
    try:
        channel.send(*words(alerts))
    except Exception as error:
        return in_one_line(error)
    return ""


def _settle(outbox: Outbox, pending: Sequence[Alert], channels: Sequence[str]) -> None:
    """Note which alerts every channel has by now, and of the others what went wrong. Others may deliver, too."""
    by_alert: dict[str, list[Delivery]] = {}
    for one in outbox.deliveries() if pending else []:
        if one.channel in channels:
            by_alert.setdefault(one.key, []).append(one)
    for alert in pending:
        known = by_alert.get(alert.key, [])
        sent = [one.sent_at for one in known if one.sent_at is not None]
        error = "; ".join(dict.fromkeys(one.error for one in known if one.error))
        if len(sent) == len(channels):
            outbox.mark_alert(alert.key, sent_at=max(sent))
        elif error != alert.error:
            outbox.mark_alert(alert.key, sent_at=None, error=error)


def _day(alert: Alert) -> str:
    return f"{alert.made_at:%Y-%m-%d %H:%M}"


def _short(body: str) -> str:
    text = " ".join(body.split())
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
