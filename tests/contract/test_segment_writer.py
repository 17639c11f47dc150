"""Serving's side of the log in columns: each prediction is safely on disk when it is said so, and known again."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from battery import DAY, END, SECRET, START, VERSION, prediction, record, recorded
from leeway.domain.forgetting import Forgotten
from leeway.domain.records import Cell, Recorded
from leeway.domain.upkeep import Rolled
from leeway.errors import ConflictError, HeldError, StoreError
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.writer import SegmentWriter
from leeway.stores.opening import Stores, open_stores


class Clock:
    def __init__(self) -> None:
        self.now = START + timedelta(hours=23)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'leeway.db'}"


@pytest.fixture
def stores(url: str) -> Iterator[Stores]:
    with closing(open_stores(url, secret=SECRET)) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(stores: Stores, clock: Clock) -> Iterator[SegmentWriter]:
    with closing(SegmentWriter(columnar(stores), clock=clock)) as made:
        yield made


def columnar(stores: Stores) -> ColumnarLog:
    assert isinstance(stores.log, ColumnarLog)
    return stores.log


def segments(stores: Stores) -> list[str]:
    return columnar(stores).manifest.read("pets")[1]


def test_a_row_is_in_the_log_when_its_future_is_done(stores: Stores, writer: SegmentWriter) -> None:
    before = stores.log.position("pets")
    made = [prediction("a"), prediction("b", confidence=None, slice=None, probabilities=(), occurred_at=END)]
    assert [writer.append(one).result() for one in made] == [True, True]
    assert stores.log.by_ids("pets", "ab") == made
    assert stores.log.cells(VERSION, START, END) == [Cell("dog", 1, "door", 1)]
    assert stores.log.cells(VERSION, START, END, upto=before) == []
    assert stores.log.count(VERSION, START, END + DAY, after=before) == 2
    assert stores.log.count(VERSION, START, END + DAY, after=stores.log.position("pets")) == 0
    assert record(stores.log, *made, strict=True) == Recorded(known=2)


def test_the_number_by_which_a_row_is_drawn_is_that_of_any_other_log(stores: Stores, writer: SegmentWriter) -> None:
    for name in "abcdef":
        writer.append(prediction(name)).result()
        recorded(stores.log, name, version=2)
    with closing(open_stores("sqlite:///" + str(columnar(stores).parts.parent / "other.db"), secret=SECRET)) as other:
        recorded(other.log, *"abcdef")
        drawn = [one.id for one in other.log.sample(VERSION, START, END, 3, stream="plan")]
    assert [one.id for one in stores.log.sample(VERSION, START, END, 3, stream="plan")] == drawn


def test_a_row_that_comes_again_is_known_and_one_with_other_content_refused(writer: SegmentWriter) -> None:
    first, again, other = (writer.append(prediction("a", confidence=one)) for one in (0.75, 0.75, 0.5))
    assert (first.result(), again.result()) == (True, False)
    with pytest.raises(ConflictError, match="prediction a of pets is recorded with other content"):
        other.result()
    assert writer.append(prediction("a", latency_ms=99.0)).result() is False
    with pytest.raises(ConflictError):
        writer.append(prediction("a", confidence=0.5)).result()
    assert writer.append(prediction("a", model="birds", confidence=0.5)).result() is True


def test_what_stands_in_other_live_segments_is_known(stores: Stores, writer: SegmentWriter, clock: Clock) -> None:
    recorded(stores.log, "in today's")
    with closing(SegmentWriter(columnar(stores), clock=clock)) as other:
        other.append(prediction("another's")).result()
        for name in ("in today's", "another's"):
            assert writer.append(prediction(name)).result() is False
            with pytest.raises(ConflictError):
                writer.append(prediction(name, predicted_class="cat")).result()
    assert stores.log.count(VERSION, START, END) == 2


def test_of_many_threads_that_append_the_same_row_one_does(stores: Stores, writer: SegmentWriter) -> None:
    rows = [prediction(f"p{number % 100}") for number in range(800)]
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda one: writer.append(one).result(), rows))
    assert sum(new) == stores.log.count(VERSION, START, END) == 100


def test_after_midnight_it_goes_on_in_a_new_segment_and_leaves_the_old_one(
    stores: Stores, writer: SegmentWriter, clock: Clock
) -> None:
    writer.append(prediction("a")).result()
    clock.now += timedelta(hours=2)
    assert writer.append(prediction("a")).result() is False
    assert writer.append(prediction("b")).result() is True
    old, new = segments(stores)
    assert (old[:10], new[:10]) == ("2025-03-01", "2025-03-02")
    with columnar(stores).segments.alone(old):
        pass
    with pytest.raises(HeldError), columnar(stores).segments.alone(new):
        pass
    assert stores.log.count(VERSION, START, END) == 2


def test_a_writer_without_work_leaves_the_day_that_is_over(stores: Stores, writer: SegmentWriter, clock: Clock) -> None:
    writer.append(prediction("a")).result()
    clock.now += timedelta(hours=2)
    for _ in range(100):
        try:
            with columnar(stores).segments.alone(segments(stores)[0]):
                break
        except HeldError:
            time.sleep(0.1)
    else:
        pytest.fail("the segment is still held")


def test_a_row_from_before_the_horizon_is_refused(stores: Stores, clock: Clock) -> None:
    stores.log.forget("pets", before=END)
    with closing(SegmentWriter(columnar(stores), clock=clock)) as writer:
        with pytest.raises(ConflictError, match="1 row is from before 2025-03-02"):
            writer.append(prediction("a", occurred_at=START)).result()
        assert writer.append(prediction("a", occurred_at=END)).result() is True


def test_what_cannot_be_stored_is_said_at_once_and_hinders_nobody(writer: SegmentWriter) -> None:
    with pytest.raises(StoreError, match="not a finite number"):
        writer.append(prediction("a", energy=float("nan")))
    assert writer.append(prediction("a")).result() is True


def test_closing_writes_all_that_was_appended(stores: Stores, clock: Clock) -> None:
    writer = SegmentWriter(columnar(stores), clock=clock)
    waiting = [writer.append(prediction(f"p{number}")) for number in range(1_200)]
    writer.close()
    assert all(one.done() and one.result() for one in waiting)
    assert stores.log.count(VERSION, START, END) == 1_200
    with pytest.raises(StoreError, match="is closed"):
        writer.append(prediction("late"))
    writer.close()


def test_a_disk_that_refuses_fails_the_rows_and_not_the_writer(stores: Stores, writer: SegmentWriter) -> None:
    """The folder of segments is a file for a moment."""
    live = columnar(stores).segments.folder
    live.parent.mkdir(exist_ok=True)
    live.write_bytes(b"")
    with pytest.raises(StoreError, match="nothing of this was written"):
        writer.append(prediction("a")).result()
    live.unlink()
    assert writer.append(prediction("a")).result() is True


def test_a_reader_leaves_the_segment_as_its_writer_needs_it(stores: Stores, writer: SegmentWriter, url: str) -> None:
    writer.append(prediction("a")).result()
    path = columnar(stores).segments.folder / segments(stores)[0]
    for number in range(3):
        with closing(open_stores(url, reading=True)) as reader:
            assert reader.log.count(VERSION, START, END) == 1 + number
        writer.append(prediction(f"b{number}")).result()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_day_that_is_over_is_rolled_when_its_writer_has_left_it(stores: Stores, clock: Clock) -> None:
    with closing(SegmentWriter(columnar(stores), clock=clock)) as writer:
        made = [prediction(f"p{number}") for number in range(5)]
        for one in made:
            writer.append(one).result()
        upto = stores.log.position("pets")
        tomorrow = clock.now + DAY
        assert stores.log.roll(tomorrow) == Rolled()
        assert stores.log.count(VERSION, START, END) == 5
        clock.now = tomorrow
        writer.append(prediction("next")).result()
        assert stores.log.roll(tomorrow) == Rolled(segments=1, rows=5)
        assert stores.log.by_ids("pets", [one.id for one in made]) == made
        assert stores.log.count(VERSION, START, END, after=upto) == 1
        assert sum(one.count for one in stores.log.cells(VERSION, START, END, upto=upto)) == 5
        assert [name[:10] for name in segments(stores)] == ["2025-03-02"]
        assert {path.name for path in columnar(stores).segments.folder.glob(".*")} == {f".{segments(stores)[0]}.lock"}


def test_an_id_of_today_can_be_forgotten_when_its_writer_is_done(stores: Stores, clock: Clock) -> None:
    with closing(SegmentWriter(columnar(stores), clock=clock)) as writer:
        writer.append(prediction("a")).result()
        with pytest.raises(HeldError, match="is being filled by another process"):
            stores.log.forget_ids("pets", ["a"])
        assert stores.log.forget_ids("pets", ["unknown"]).rows == 0
    assert stores.log.forget_ids("pets", ["a"]) == Forgotten(rows=1)
    assert stores.log.by_ids("pets", ["a"]) == []


def append_until_killed(url: str, said: Connection) -> None:
    """Runs in a process of its own, and says which rows are safely on disk."""
    with (
        closing(open_stores(url)) as opened,
        closing(SegmentWriter(columnar(opened), clock=lambda: datetime.now(UTC))) as writer,
    ):
        number = 0
        while True:
            waiting = [writer.append(prediction(f"p{number + place}")) for place in range(20)]
            for place, one in enumerate(waiting):
                one.result()
                said.send(number + place)
            number += len(waiting)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.4])
def test_a_killed_process_loses_no_row_that_it_acknowledged(stores: Stores, url: str, seconds: float) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=append_until_killed, args=(url, theirs))
    child.start()
    acknowledged = {ours.recv()}
    time.sleep(seconds)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while ours.poll():
        acknowledged.add(ours.recv())
    there = stores.log.by_ids("pets", [f"p{number}" for number in range(max(acknowledged) + 100)])
    assert {f"p{number}" for number in acknowledged} <= {one.id for one in there}
    assert all(one == prediction(one.id) for one in there)
    assert stores.log.count(VERSION, START, END, after=stores.log.position("pets")) == 0
    assert stores.log.count(VERSION, START, END) == len(there)
    recorded(stores.log, "goes on")
