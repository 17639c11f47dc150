"""What the prediction log in columns forgets: parts go, or are written anew in their place, and positions hold."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from battery import DAY, END, SECRET, START, VERSION, prediction, record, recorded, with_labels
from leeway.domain.forgetting import Forgotten
from leeway.domain.records import Cell, Recorded
from leeway.errors import ConflictError
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.manifest import LogPart
from leeway.stores.log_tables import log_sources
from leeway.stores.opening import Stores, open_stores

NOON = timedelta(hours=12)
KILLED = 9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'leeway.db'}"


@pytest.fixture
def in_parts(url: str) -> Iterator[Stores]:
    """Stores whose log puts every source, however small, into a part of its own."""
    with closing(open_stores(url, secret=SECRET, small=0)) as opened:
        yield opened


@pytest.fixture(params=["parts", "segment"])
def stores(request: pytest.FixtureRequest, url: str) -> Iterator[Stores]:
    with closing(open_stores(url, secret=SECRET, small=0 if request.param == "parts" else 10_000)) as opened:
        yield opened


def columnar(stores: Stores) -> ColumnarLog:
    assert isinstance(stores.log, ColumnarLog)
    return stores.log


def parts_of(stores: Stores) -> list[LogPart]:
    return columnar(stores).manifest.read("pets")[0]


def files(stores: Stores) -> set[str]:
    return {path.name for path in columnar(stores).parts.iterdir()}


def on_day(number: int) -> datetime:
    return START + number * DAY + NOON


def test_only_what_occurred_before_the_moment_goes_with_its_labels(stores: Stores) -> None:
    rows = [prediction("a", occurred_at=END - timedelta(microseconds=1)), prediction("b", occurred_at=END)]
    stores.log.record("pets", [with_labels(rows, ["cat", "dog"], [0.5, 0.5])], received_at=START)
    recorded(stores.log, "a", model="birds")
    assert stores.log.forget("pets", before=END) == Forgotten(rows=1, labels=1, first_at=END)
    assert [one.id for one in stores.log.by_ids("pets", ["a", "b"])] == ["b"]
    assert [one.prediction_id for one in stores.log.given_by_ids("pets", ["a", "b"])] == ["b"]
    assert stores.log.given_counts() == {"pets": 1}
    assert stores.log.by_ids("birds", ["a"]) == [prediction("a", model="birds")]
    assert stores.log.forget("pets", before=END) == Forgotten(first_at=END)
    assert stores.log.forget("pets", before=END + DAY) == Forgotten(rows=1, labels=1)


def test_forgotten_rows_are_refused_when_they_come_again_and_later_ones_are_taken(stores: Stores) -> None:
    recorded(stores.log, "a", occurred_at=START)
    stores.log.forget("pets", before=END)
    again = [prediction("a", occurred_at=START), prediction("b", occurred_at=END), prediction("c", occurred_at=START)]
    with pytest.raises(ConflictError, match="2 rows are from before 2025-03-02 00:00 UTC"):
        record(stores.log, *again, strict=True)
    assert record(stores.log, *again) == Recorded(new=1, too_old=2)
    assert [one.id for one in stores.log.by_ids("pets", ["a", "b", "c"])] == ["b"]
    stores.log.forget("pets", before=START)  # a horizon never moves back
    assert record(stores.log, again[0]) == Recorded(too_old=1)


def test_of_two_rows_with_one_id_the_one_before_the_horizon_does_not_count(stores: Stores) -> None:
    stores.log.forget("pets", before=END)
    twice = [prediction("a", occurred_at=START), prediction("a", occurred_at=END)]
    assert record(stores.log, *twice) == Recorded(new=1, too_old=1)
    assert record(stores.log, *twice) == Recorded(known=1, too_old=1)


def test_a_prediction_forgotten_by_its_id_is_new_when_it_comes_again(stores: Stores) -> None:
    rows = [prediction(name, image=f"/old/{name}.png") for name in "abc"]
    stores.log.record("pets", [with_labels(rows, ["cat", "dog", None], [0.5, None, None])], received_at=START)
    record(stores.log, *(replace(one, image=f"/new/{one.id}.png") for one in rows))  # they have moved
    assert stores.log.forget_ids("pets", ["a", "c", "unknown"]) == Forgotten(2, 1, rows[1].occurred_at)
    assert [one.image for one in stores.log.by_ids("pets", "abc")] == ["/new/b.png"]
    assert stores.log.given_counts() == {"pets": 1}
    assert record(stores.log, rows[0]) == Recorded(new=1)
    assert stores.log.by_ids("pets", ["a"]) == [rows[0]]
    assert stores.log.given_by_ids("pets", ["a"]) == []


def test_a_chance_that_was_stated_later_goes_with_its_label(in_parts: Stores) -> None:
    rows = [prediction("a", occurred_at=on_day(0)), prediction("b", occurred_at=on_day(1))]
    for chances in ([None, None], [0.5, 0.25]):
        batch = with_labels(rows, ["cat", "dog"], chances)
        in_parts.log.record("pets", [batch], received_at=START)
    assert in_parts.log.forget("pets", before=END) == Forgotten(1, 1, on_day(1))
    [tally] = in_parts.log.given_tallies(VERSION, START, END + DAY)
    assert (tally.label, tally.probability, tally.count) == ("dog", 0.25, 1)
    assert in_parts.log.given_counts() == {"pets": 1}


def test_positions_from_before_say_the_same_of_what_is_left(stores: Stores) -> None:
    positions = [stores.log.position("pets")]
    for number in range(4):  # each source has rows of two days
        recorded(stores.log, f"old {number}", occurred_at=on_day(0))
        recorded(stores.log, f"new {number}", f"more {number}", occurred_at=on_day(1))
        positions.append(stores.log.position("pets"))
    window = (VERSION, END, END + DAY)
    before = [(stores.log.cells(*window, upto=one), stores.log.count(*window, after=one)) for one in positions]
    assert stores.log.forget("pets", before=END).rows == 4
    assert [(stores.log.cells(*window, upto=one), stores.log.count(*window, after=one)) for one in positions] == before
    assert before[1] == ([Cell("dog", 1, "door", 2)], 6)


def test_a_part_of_which_some_stays_is_written_anew_under_its_number(in_parts: Stores) -> None:
    record(in_parts.log, *(prediction(f"p{number}", occurred_at=on_day(number)) for number in range(3)))
    recorded(in_parts.log, "first", occurred_at=on_day(0))
    recorded(in_parts.log, "last", occurred_at=on_day(2))
    straddling, whole, later = parts_of(in_parts)
    in_parts.log.forget("pets", before=START + DAY)
    [rewritten, same] = parts_of(in_parts)
    assert same == later
    assert rewritten.file not in (straddling.file, whole.file)
    assert (rewritten.seq, rewritten.rows, rewritten.first_at) == (straddling.seq, 2, on_day(1))
    assert rewritten.received_at == straddling.received_at
    assert files(in_parts) == {rewritten.file, later.file}


def test_parts_without_a_forgotten_id_stay_as_they_are(in_parts: Stores) -> None:
    for name in "abc":
        recorded(in_parts.log, name, f"{name}2")
    before = parts_of(in_parts)
    in_parts.log.forget_ids("pets", ["b"])
    after = parts_of(in_parts)
    assert [old.file == new.file for old, new in zip(before, after, strict=True)] == [True, False, True]


def test_sources_of_the_model_are_no_longer_known(in_parts: Stores) -> None:
    source = {"digest": "d", "report": {}, "recorded_at": START}
    with columnar(in_parts).manifest.writing() as connection:
        connection.execute(insert(log_sources), [source | {"model": model} for model in ("pets", "birds")])
    in_parts.log.forget_ids("pets", ["a"])
    with columnar(in_parts).manifest.database.transaction() as connection:
        assert connection.scalar(select(func.count()).select_from(log_sources)) == 1


def forget_and_die(url: str, at: int) -> None:
    """Runs in a process of its own, which ends when it touches a file for the `at`-th time."""
    with closing(open_stores(url, small=0)) as opened:
        seen = 0

        def count(event: str, args: tuple[object, ...]) -> None:
            nonlocal seen
            if event in ("os.rename", "os.remove", "open") and "-log/" in str(args[0]):
                seen += 1
                if seen == at:
                    os._exit(KILLED)

        sys.addaudithook(count)
        opened.log.forget("pets", before=END)
    os._exit(0)


def test_killed_at_any_file_a_reader_sees_what_was_there_or_what_remains(in_parts: Stores, url: str) -> None:
    for number in range(3):
        rows = [prediction(f"{number}-{day}", occurred_at=on_day(day)) for day in range(2)]
        in_parts.log.record("pets", [with_labels(rows, ["cat", "dog"], [0.5, 0.5])], received_at=START)
    whole, remaining = (3, 3, {"pets": 6}), (0, 3, {"pets": 3})
    states = []
    for at in range(1, 200):
        child = multiprocessing.get_context("spawn").Process(target=forget_and_die, args=(url, at))
        child.start()
        child.join()
        log = in_parts.log
        states.append((log.count(VERSION, START, END), log.count(VERSION, END, END + DAY), log.given_counts()))
        if child.exitcode == 0:
            break
        assert child.exitcode == KILLED
    assert all(one in (whole, remaining) for one in states)
    assert (states[0], states[-1]) == (whole, remaining)
    assert {part.file for part in parts_of(in_parts)} <= files(in_parts)


def test_a_reader_goes_on_while_parts_are_replaced(in_parts: Stores, url: str) -> None:
    names = [f"p{number}" for number in range(12)]
    recorded(in_parts.log, *names, "last")
    with closing(open_stores(url)) as other, ThreadPoolExecutor(1) as pool:
        forgetting = pool.submit(lambda: [other.log.forget_ids("pets", [name]) for name in names])
        seen = []
        while not forgetting.done():
            seen.append(sum(one.count for one in in_parts.log.cells(VERSION, START, END)))
        assert [one.rows for one in forgetting.result()] == [1] * 12
    assert seen == sorted(seen, reverse=True)
    assert in_parts.log.count(VERSION, START, END) == 1
