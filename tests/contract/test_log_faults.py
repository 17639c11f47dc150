"""Killed, out of room or two at once: a reader sees what was there or all the new, and the next try completes it."""

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from battery import DAY, END, SECRET, START, VERSION, all_at_once, prediction, record, with_labels
from killed_at_steps import killed_after, killed_at, steps_of, with_files_up_to
from leeway.domain.records import Recorded
from leeway.errors import StoreError
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.taking_over import take_over
from leeway.stores.opening import open_stores
from leeway.stores.prediction_log import SqlPredictionLog

ROWS = 60  # there already, in today's segment
NEW = 300  # of the source, of which some are known
Act = Callable[[Path], object]
Seen = tuple[int, int, int]


def opened(folder: Path, *, reading: bool = False, small: int = 0) -> ColumnarLog:
    url = f"sqlite:///{folder / 'leeway.db'}"
    log = open_stores(url, secret=SECRET, reading=reading, small=small).log
    assert isinstance(log, ColumnarLog)
    return log


def rows(first: int, number: int) -> list[object]:
    return [prediction(f"p{at}", occurred_at=START + timedelta(seconds=at)) for at in range(first, first + number)]


def record_source(folder: Path) -> Recorded:
    """A large source, in three batches, that says something of rows that are there."""
    with closing(opened(folder)) as log:
        batches = [
            with_labels(some, ["cat"] * len(some), [0.5] * len(some))
            for some in (rows(ROWS // 2, 100), rows(ROWS // 2 + 100, 100), rows(ROWS // 2 + 200, 100))
        ]
        return log.record("pets", batches, received_at=START)


def roll(folder: Path) -> object:
    with closing(opened(folder)) as log:
        return log.roll(START + DAY)


def move(folder: Path) -> None:
    with closing(opened(folder, reading=True)) as log:
        take_over(log.rolling, folder / "leeway.db", rows=40)


def seen(folder: Path) -> Seen:
    """By a reader: rows by count and by cells, and labels."""
    with closing(opened(folder, reading=True)) as log:
        cells = sum(cell.count for cell in log.cells(VERSION, START, END))
        return log.count(VERSION, START, END), cells, log.given_counts().get("pets", 0)


def with_a_segment(folder: Path) -> None:
    with closing(opened(folder, small=10_000)) as log:
        record(log, *rows(0, ROWS))  # type: ignore[arg-type]
        log.record("pets", [with_labels(rows(0, 5), ["cat"] * 5, [0.5] * 5)], received_at=START)


def with_old_tables(folder: Path) -> None:
    with closing(open_stores(f"sqlite:///{folder / 'leeway.db'}", secret=SECRET)) as stores:
        log = SqlPredictionLog(stores.ledger.database, secret=SECRET)
        record(log, *rows(0, ROWS))  # type: ignore[arg-type]
        log.record("pets", [with_labels(rows(0, 5), ["cat"] * 5, [0.5] * 5)], received_at=START)


OLD, RECORDED = (ROWS, ROWS, 5), (ROWS // 2 + NEW, ROWS // 2 + NEW, 5 + NEW)
CASES = {
    "record": (with_a_segment, record_source, RECORDED),
    "roll": (with_a_segment, roll, OLD),
    "move": (with_old_tables, move, OLD),
}


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[Callable[[Path], None]], Path]:
    """Makes a folder with a log as it is before the fault; each time the same."""

    def make(fill: Callable[[Path], None]) -> Path:
        template, folder = tmp_path / "template", tmp_path / "here"
        if not template.exists():
            template.mkdir()
            fill(template)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder)
        return folder

    return make


@pytest.mark.parametrize("case", list(CASES))
def test_killed_at_any_step_a_reader_sees_what_was_there_or_all_the_new(
    fresh: Callable[[Callable[[Path], None]], Path], case: str
) -> None:
    fill, act, after = CASES[case]
    steps = steps_of(act, fresh(fill))
    assert {"before fsync", "after fsync", "before replace", "after replace", "before COMMIT"} <= set(steps)
    left = []
    for number in _each_kind(steps):
        folder = fresh(fill)
        killed_at(act, folder, number)
        left.append(seen(folder))
        assert left[-1] in (OLD, after), steps[number - 1]
        act(folder)
        assert seen(folder) == after, steps[number - 1]
        with closing(opened(folder, reading=True)) as log:
            assert log.check() == []
    assert {OLD, after} == set(left)


def _each_kind(steps: list[str]) -> list[int]:
    """The number of every step; of those that come more than twice the first and the last."""
    return [
        at + 1 for at, name in enumerate(steps) if at in (steps.index(name), len(steps) - 1 - steps[::-1].index(name))
    ]


@pytest.mark.parametrize("kills", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_times_nothing_is_lost_and_nothing_seen_twice(
    fresh: Callable[[Callable[[Path], None]], Path], kills: int
) -> None:
    """One log goes through several of them, until all is recorded and rolled over: then comes the next."""
    draw = random.Random(7)
    seconds = {act: killed_after(act, fresh(with_a_segment), None) for act in (record_source, roll)}
    folder, before, completed = fresh(with_a_segment), OLD, 0
    for _ in range(kills):
        act = draw.choice([record_source, roll])
        killed_after(act, folder, draw.uniform(0, 1.2) * seconds[act])
        left = seen(folder)
        assert left in (before, RECORDED)
        before = left
        with closing(opened(folder, reading=True)) as log:
            assert log.check() == []
            is_done = left == RECORDED and log.manifest.read("pets")[1] == []
        if is_done:
            completed += 1
            folder, before = fresh(with_a_segment), OLD
    record_source(folder)
    roll(folder)
    assert seen(folder) == RECORDED
    assert completed < kills


@pytest.mark.parametrize("size", [500, 9_000])
def test_out_of_room_nothing_is_written_nothing_left_behind_and_one_line_says_so(
    fresh: Callable[[Callable[[Path], None]], Path], size: int
) -> None:
    folder = fresh(with_a_segment)
    files = sorted(folder.rglob("*"))
    said = with_files_up_to(size, record_source, folder)
    assert said.startswith("StoreError: ")
    assert "nothing of this was written" in said
    assert "\n" not in said
    assert sorted(folder.rglob("*")) == files
    assert seen(folder) == OLD
    record_source(folder)
    assert seen(folder) == RECORDED


@pytest.mark.parametrize(("case", "size"), [("roll", 1_000), ("move", 1_000)])
def test_out_of_room_rows_stay_where_they_are(
    fresh: Callable[[Callable[[Path], None]], Path], case: str, size: int
) -> None:
    fill, act, after = CASES[case]
    folder = fresh(fill)
    said = with_files_up_to(size, act, folder)
    assert said.startswith("StoreError: ") or case == "move"  # which tells it in the log
    assert list((folder / "leeway-log" / "parts").glob("*")) == []
    assert seen(folder) == OLD
    act(folder)
    assert seen(folder) == after


@pytest.mark.parametrize("act", [record_source, roll])
def test_of_a_commit_that_fails_no_part_is_left(fresh: Callable[[Callable[[Path], None]], Path], act: Act) -> None:
    folder = fresh(with_a_segment)

    def refuse(connection: Connection) -> None:
        if connection.get_execution_options().get("writes") and list(folder.glob("leeway-log/parts/*.parquet")):
            raise StoreError("the disk is gone")

    event.listen(Engine, "commit", refuse)
    try:
        with pytest.raises(StoreError, match="the disk is gone"):
            act(folder)
    finally:
        event.remove(Engine, "commit", refuse)
    assert list((folder / "leeway-log" / "parts").iterdir()) == []
    assert seen(folder) == OLD


def test_of_two_who_record_the_same_source_at_once_one_records_it(
    fresh: Callable[[Callable[[Path], None]], Path],
) -> None:
    folder = fresh(with_a_segment)
    told: list[Recorded] = []
    assert all(all_at_once(lambda _: told.append(record_source(folder)) is None, 3))
    assert sorted(one.new for one in told) == [0, 0, NEW - ROWS // 2]
    assert seen(folder) == RECORDED
