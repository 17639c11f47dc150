"""Alerts reach every channel once; what a channel did not take is tried again, alone; old ones come as one message."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from leeway.domain.outbox import Outbox
from leeway.domain.records import Alert
from leeway.errors import AlertError
from leeway.monitor.delivery import FAILURES, OLD, WAITS, Courier, deliver_alerts
from memory_ports import MemoryNotifier
from memory_stores import MemoryLedger
from production import morning

NOW = morning(1)
HOUR = timedelta(hours=1)
ALARM = Alert("alarm", "drift", "see there", NOW)


@dataclass
class Channels:
    """`leeway.domain.ports.Notifier` over channels of the test."""

    channels: Sequence[MemoryNotifier]


@dataclass
class Burning(MemoryNotifier):
    """A channel whose library has a fault of its own for one of the alerts."""

    tried: list[str] = field(default_factory=list)

    def send(self, title: str, body: str) -> None:
        self.tried.append(title)
        if title == "burns":
            raise RuntimeError("the library's\nown fault")
        super().send(title, body)


@pytest.fixture
def outbox() -> Outbox:
    return MemoryLedger()


def deliver(outbox: Outbox, *channels: MemoryNotifier, after: timedelta = timedelta(0), name: str = "ada") -> list[str]:
    now = NOW + after
    return deliver_alerts(outbox, Channels(channels), now=now, by=Courier(name, lambda: now))


def queue(outbox: Outbox, *names: str, age: timedelta = timedelta(0)) -> None:
    for minute, name in enumerate(names):
        outbox.queue_alert(Alert(name, name, f"about {name}", NOW - age + timedelta(minutes=minute)))


def test_a_failing_channel_fails_nothing_and_the_alert_is_sent_later(outbox: Outbox) -> None:
    outbox.queue_alert(ALARM)
    channel = MemoryNotifier(broken=True)
    [told] = deliver(outbox, channel)
    assert "not taken" in told
    assert outbox.pending_alerts()[0].error == told
    channel.broken = False
    assert deliver(outbox, channel, after=HOUR) == deliver(outbox, channel, after=2 * HOUR) == []
    assert channel.sent == [("drift", "see there")]
    assert outbox.pending_alerts() == []


def test_the_channels_that_took_an_alert_get_it_once_while_the_dead_one_is_retried(outbox: Outbox) -> None:
    outbox.queue_alert(ALARM)
    dead, living = MemoryNotifier(broken=True, name="dead"), MemoryNotifier(name="living")
    for night in range(5):
        deliver(outbox, dead, living, after=night * timedelta(days=1))
    assert len(living.sent) == 1
    assert [one.tries for one in outbox.deliveries() if one.channel == "dead"] == [5]
    dead.broken = False
    deliver(outbox, living, dead, after=timedelta(days=6))
    assert (len(living.sent), len(dead.sent)) == (1, 1)
    assert outbox.pending_alerts() == []


def test_a_dead_channel_is_left_alone_for_longer_after_each_try(outbox: Outbox) -> None:
    outbox.queue_alert(ALARM)
    channel, tries = Burning(broken=True), []
    for minute in range(200):
        before = len(channel.tried)
        deliver(outbox, channel, after=timedelta(minutes=minute))
        tries += [minute] if len(channel.tried) > before else []
    assert tries == [0, 1, 6, 21, 81, 141]
    assert tries[-1] - tries[-2] == WAITS[-1] / timedelta(minutes=1)


def test_a_clock_that_was_ahead_keeps_no_channel_waiting(outbox: Outbox) -> None:
    outbox.queue_alert(ALARM)
    channel = MemoryNotifier(broken=True)
    deliver(outbox, channel, after=timedelta(days=400))
    channel.broken = False
    assert deliver(outbox, channel) == []
    assert len(channel.sent) == 1


def test_a_channel_that_raises_anything_keeps_that_alert_and_gets_the_next(outbox: Outbox) -> None:
    queue(outbox, "burns", "drift")
    channel = Burning()
    assert deliver(outbox, channel) == ["RuntimeError: the library's own fault"]
    assert channel.sent == [("drift", "about drift")]
    [kept] = outbox.pending_alerts()
    assert (kept.key, kept.error) == ("burns", "RuntimeError: the library's own fault")


def test_a_channel_that_fails_again_and_again_is_left_to_the_next_run_and_the_living_are_told_first(
    outbox: Outbox,
) -> None:
    queue(outbox, *"abcdefgh")
    dead, living = Burning(broken=True, name="dead"), Burning(name="living")
    assert len(deliver(outbox, dead, living)) == len(dead.tried) == FAILURES
    assert len(living.sent) == 8
    queue(outbox, "new")
    living.tried = dead.tried  # one list, so that it tells the order
    deliver(outbox, dead, living, after=HOUR)
    assert dead.tried[FAILURES] == "new"
    assert len(living.sent) == 9


def test_a_channel_that_was_removed_from_the_settings_no_longer_counts(outbox: Outbox) -> None:
    outbox.queue_alert(ALARM)
    living = MemoryNotifier(name="living")
    deliver(outbox, living, MemoryNotifier(broken=True, name="dead"))
    assert len(outbox.pending_alerts()) == 1
    deliver(outbox, living, after=HOUR)
    assert outbox.pending_alerts() == []
    assert len(living.sent) == 1


def test_a_new_channel_gets_what_others_still_wait_for_and_nothing_that_was_delivered(outbox: Outbox) -> None:
    outbox.queue_alert(ALARM)
    deliver(outbox, first := MemoryNotifier(name="first"))
    queue(outbox, "next")
    deliver(outbox, first, second := MemoryNotifier(name="second"))
    assert [title for title, _ in second.sent] == ["next"]


# Old alerts


def test_after_an_outage_the_old_alerts_come_as_one_message_with_the_newest_first(outbox: Outbox) -> None:
    queue(outbox, "monday", "tuesday", "friday", age=OLD + HOUR)
    outbox.queue_alert(replace(ALARM, body="fresh"))
    channel = MemoryNotifier()
    deliver(outbox, channel)
    (title, body), fresh = channel.sent
    assert "3 alerts" in title
    assert [word for word in body.split() if word in ("monday", "tuesday", "friday")] == [
        *("friday", "friday", "tuesday", "tuesday", "monday", "monday")
    ]  # each in its title and in its body
    assert "2026-03-01 19:00" in body
    assert fresh == ("drift", "fresh")
    assert outbox.pending_alerts() == []


def test_one_old_alert_and_several_fresh_ones_come_each_by_itself(outbox: Outbox) -> None:
    queue(outbox, "old", age=OLD + HOUR)
    queue(outbox, "a", "b", age=OLD - HOUR)
    deliver(outbox, channel := MemoryNotifier())
    assert [title for title, _ in channel.sent] == ["old", "a", "b"]


def test_a_message_of_many_that_is_not_taken_stays_whole_and_is_sent_later(outbox: Outbox) -> None:
    queue(outbox, *(f"alert {number}" for number in range(40)), age=timedelta(days=3))
    channel = MemoryNotifier(broken=True)
    assert len(deliver(outbox, channel)) == 1
    assert len(outbox.pending_alerts()) == 40
    channel.broken = False
    deliver(outbox, channel, after=HOUR)
    assert len(channel.sent) == 1
    assert outbox.pending_alerts() == []


# Two deliverers


class Interrupting(MemoryNotifier):
    """While it sends, another courier delivers."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self.outbox = outbox

    def send(self, title: str, body: str) -> None:
        if not self.sent:
            self.sent.append((title, body))
            deliver(self.outbox, self, name="bob")
        else:
            super().send(title, body)


def test_of_two_couriers_at_once_each_alert_is_sent_by_one(outbox: Outbox) -> None:
    queue(outbox, "a", "b", "c")
    channel = Interrupting(outbox)
    deliver(outbox, channel)
    assert sorted(title for title, _ in channel.sent) == ["a", "b", "c"]
    assert outbox.pending_alerts() == []


class KilledError(BaseException):
    """What a process that dies leaves undone."""


class Killing(MemoryNotifier):
    """Its courier dies right after the channel took the message: the fault point alert.after_send_before_mark."""

    def send(self, title: str, body: str) -> None:
        super().send(title, body)
        if len(self.sent) == 1:
            raise KilledError


def test_what_a_dead_courier_was_at_is_sent_at_once_and_that_of_a_living_one_after_its_lease(outbox: Outbox) -> None:
    queue(outbox, "a", "b")
    channel = Killing()
    with pytest.raises(KilledError):
        deliver(outbox, channel)
    deliver(outbox, channel, name="bob")  # which knows nothing of ada
    assert [title for title, _ in channel.sent] == ["a", "b"]
    bob = Courier("bob", lambda: NOW, is_dead=lambda holder: holder == "ada")
    deliver_alerts(outbox, channel, now=NOW, by=bob)
    assert [title for title, _ in channel.sent] == ["a", "b", "a"]
    assert outbox.pending_alerts() == []


def test_a_channel_that_says_nothing_is_named_by_its_error(outbox: Outbox) -> None:
    class Silent(MemoryNotifier):
        def send(self, title: str, body: str) -> None:
            raise AlertError

    outbox.queue_alert(ALARM)
    assert deliver(outbox, Silent()) == ["AlertError"]
