"""Delivery with real receivers and real processes: dead channels, killed deliverers, two at once (RELIABILITY F18)."""

import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from leeway.adapters.apprise.notifiers import AppriseNotifier
from leeway.domain.ports import Channel, Notifier
from leeway.domain.records import Alert
from leeway.jobs.claims import is_dead, this_process
from leeway.monitor.delivery import Courier, deliver_alerts
from leeway.stores.opening import Stores, open_stores
from production import morning
from receivers import receiving

# Apprise imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
NOW = morning(1)
MINUTE = timedelta(minutes=1)
NO_SUCH_HOST = "json://no-such-host.invalid/"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with closing(open_stores(f"sqlite:///{tmp_path / 'leeway.db'}")) as opened:
        yield opened


def courier() -> Courier:
    return Courier(this_process(), lambda: datetime.now(UTC), is_dead)


def queue(stores: Stores, *names: str, at: datetime = NOW) -> None:
    for name in names:
        stores.ledger.queue_alert(Alert(name, name, f"about {name}", at))


@pytest.mark.parametrize("trouble", ["500", "hangs", "no such host"])
def test_a_channel_that_is_down_for_an_hour_loses_nothing_and_holds_up_no_other(stores: Stores, trouble: str) -> None:
    names = [f"alert {number}" for number in range(7)]
    with receiving() as (good, told):
        with receiving(500, Event() if trouble == "hangs" else None) as (bad, refused):
            dead = NO_SUCH_HOST if trouble == "no such host" else f"json://{bad}/?rto=0.2"
            notifier = AppriseNotifier([dead, f"json://{good}"])
            for number, name in enumerate(names):
                now = NOW + number * 10 * MINUTE
                queue(stores, name, at=now)
                started = time.monotonic()
                deliver_alerts(stores.ledger, notifier, now=now, by=courier())
                assert time.monotonic() - started < 60
                assert [one["title"] for one in told] == names[: number + 1], "the second channel is told at once"
            assert len(refused) > 2 or trouble == "no such host"
            assert [one.key for one in stores.ledger.pending_alerts()] == names
        with mended(notifier, bad) as (working, took):
            for minutes in (120, 180):
                deliver_alerts(stores.ledger, working, now=NOW + minutes * MINUTE, by=courier())
            assert [one["title"] for one in took] == names, "each once, and none is lost"
    assert [one["title"] for one in told] == names
    assert stores.ledger.pending_alerts() == []


@contextmanager
def mended(notifier: AppriseNotifier, bad: str) -> Iterator[tuple[Notifier, list[dict[str, str]]]]:
    """The notifier with its first receiver at work again, and what that got; DNS is not mended but simulated."""
    first, *rest = notifier.channels
    if "no-such-host" in first.name:
        found = Found(first.name)
        yield Channels([found, *rest]), found.took
        return
    with receiving(port=int(bad.partition(":")[2])) as (_, took):
        yield notifier, took


@dataclass
class Channels:
    channels: Sequence[Channel]


@dataclass
class Found:
    name: str
    took: list[dict[str, str]] = field(default_factory=list)

    def send(self, title: str, body: str) -> None:
        self.took.append({"title": title, "message": body})


# Processes


class Inbox:
    """A channel that writes each title into a file, durably, and may kill its process or wait right afterwards."""

    name = "inbox"

    def __init__(self, path: Path, *, kills: bool = False, seconds: float = 0.0) -> None:
        self.path, self.kills, self.seconds = path, kills, seconds

    @property
    def channels(self) -> list[Channel]:
        return [self]

    def send(self, title: str, body: str) -> None:
        with self.path.open("a") as inbox:
            inbox.write(json.dumps(title) + "\n")
        time.sleep(self.seconds)
        if self.kills:  # alert.after_send_before_mark
            os.kill(os.getpid(), signal.SIGKILL)

    def took(self) -> Counter[str]:
        return Counter(json.loads(line) for line in self.path.read_text().splitlines())


def deliver(url: str, notifier: Notifier) -> None:
    with closing(open_stores(url)) as stores:
        deliver_alerts(stores.ledger, notifier, now=NOW, by=courier())


def start(url: str, notifier: Notifier) -> "multiprocessing.process.BaseProcess":
    process = multiprocessing.get_context("spawn").Process(target=partial(deliver, url, notifier))
    process.start()
    return process


def test_a_deliverer_that_is_killed_after_it_sent_makes_one_duplicate_and_loses_nothing(
    stores: Stores, tmp_path: Path
) -> None:
    names = ["a", "b", "c"]
    queue(stores, *names)
    url, path = str(stores.ledger.database.engine.url), tmp_path / "inbox"
    killed = start(url, Inbox(path, kills=True))
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert Inbox(path).took() == {"a": 1}
    assert len(stores.ledger.pending_alerts()) == 3
    deliver(url, Inbox(path))
    assert Inbox(path).took() == {"a": 2, "b": 1, "c": 1}
    assert stores.ledger.pending_alerts() == []
    deliver(url, Inbox(path))
    assert Inbox(path).took().total() == 4


def test_a_deliverer_that_is_killed_over_the_message_of_many_repeats_that_message_alone(
    stores: Stores, tmp_path: Path
) -> None:
    queue(stores, "x", "y", at=NOW - timedelta(days=2))
    url, path = str(stores.ledger.database.engine.url), tmp_path / "inbox"
    killed = start(url, Inbox(path, kills=True))
    killed.join(60)
    deliver(url, Inbox(path))
    [(title, times)] = Inbox(path).took().items()
    assert ("2 alerts" in title, times) == (True, 2)
    assert stores.ledger.pending_alerts() == []


def test_a_flow_and_a_command_that_deliver_at_once_send_each_alert_once(stores: Stores, tmp_path: Path) -> None:
    names = [f"alert {number}" for number in range(12)]
    queue(stores, *names)
    url, path = str(stores.ledger.database.engine.url), tmp_path / "inbox"
    both = [start(url, Inbox(path, seconds=0.2)) for _ in range(2)]
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    assert Inbox(path).took() == dict.fromkeys(names, 1)
    assert stores.ledger.pending_alerts() == []
