"""Two monitors on the same nights give one result, and the second says who is at it."""

import multiprocessing
import os
import socket
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

import pytest

from leeway.errors import HeldError
from leeway.jobs import claims
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.monitor import night as nights
from leeway.stores.opening import Stores, open_stores
from production import VERSION, begun, epoch_of, held, label_all, live_morning, night, send

ROUNDS, NIGHTS = 6, 3
Looked = tuple[list[str], str, list[str]]


def look_when_ready(url: str, number: int, barrier: Barrier, results: "SimpleQueue[Looked]") -> None:
    """Runs in a process of its own."""
    failures = Failures()
    with closing(open_stores(url)) as stores:
        epoch = epoch_of(stores, number)
        barrier.wait(timeout=60)
        looked = look(epoch, failures)
    assert looked is not None
    decided = [str(one.night) for one in looked.nights] if looked.decided_now else []
    results.put((decided, looked.held, [str(one) for one in failures.errors]))


def test_two_monitors_at_once_decide_each_night_once(database_url: str) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["leeway.jobs.nightly", "leeway.stores.opening", "production"])
    barrier, results = processes.Barrier(2), processes.SimpleQueue()
    with closing(open_stores(database_url)) as stores:
        begun(stores)
        for place in range(ROUNDS):
            last = NIGHTS * (place + 1)
            for number in range(last - NIGHTS + 1, last + 1):
                send(stores, number)
            arguments = (database_url, last, barrier, results)
            started = [processes.Process(target=look_when_ready, args=arguments) for _ in range(2)]
            for process in started:
                process.start()
            looked = [results.get() for _ in started]
            for process in started:
                process.join(timeout=60)
            assert [errors for _, _, errors in looked] == [[], []]
            decided = Counter(one for found, _, _ in looked for one in found)
            assert decided == Counter(str(night(one)) for one in range(last - NIGHTS + 1, last + 1))
            assert all("is being decided by" in told for _, told, _ in looked if told)
            label_all(stores, last)
        kept = Counter((at, one.check) for at, one in stores.ledger.results("colours", 1))
        assert set(kept.values()) == {1}
        assert len({at for at, _ in kept}) == NIGHTS * ROUNDS
        plans = Counter(one.night for one in stores.ledger.plans("colours", 1))
        assert set(plans.values()) == {1}


def test_a_night_that_another_machine_holds_is_left_to_it(stores: Stores) -> None:
    begun(stores)
    send(stores, 1)
    now = datetime.now(UTC)
    claim = stores.ledger.claim_night(
        VERSION, night(1), holder="another process 7", now=now, until=now + timedelta(minutes=5)
    )
    failures = Failures()
    looked = look(epoch_of(stores, 1), failures)
    assert looked is not None
    assert (looked.nights, failures.errors) == ((), [])
    assert "another process 7" in looked.held
    stores.ledger.give_back(claim)
    assert live_morning(stores, 1).night == night(1)


def test_a_process_of_this_machine_that_died_holds_nothing(stores: Stores) -> None:
    begun(stores)
    send(stores, 1)
    process = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    process.start()
    process.join()
    now, dead = datetime.now(UTC), f"{socket.gethostname()} process {process.pid}"
    stores.ledger.claim_night(VERSION, night(1), holder=dead, now=now, until=now + timedelta(minutes=5))
    assert claims.is_dead(dead)
    assert not claims.is_dead(f"{socket.gethostname()} process {os.getpid()}")
    assert live_morning(stores, 1).night == night(1)


def test_whoever_was_away_past_its_lease_writes_nothing_any_more(stores: Stores) -> None:
    begun(stores)
    send(stores, 1)
    paused = held(epoch_of(stores, 1), 1)
    window = nights.close_window(paused, night(1))
    results = nights.run_checks(paused, window)
    later = datetime.now(UTC) + claims.LEASE + timedelta(seconds=1)
    stores.ledger.claim_night(VERSION, night(1), holder="b process 1", now=later, until=later + claims.LEASE)
    with pytest.raises(HeldError, match="was taken over by b process 1") as refused:
        nights.conclude(paused, window, results)
    assert refused.value.holder == "b process 1"
    assert stores.ledger.decisions("colours") == []
    with pytest.raises(HeldError):
        nights.plan_labels(paused, night(1))
    assert stores.ledger.plans("colours", 1) == []
