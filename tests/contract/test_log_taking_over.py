"""What a workspace held in its database becomes parts: every answer stays, at every old position, at every moment."""

import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text
from test_log_nights import LOG, random_picks

from battery import BIRDS, END, SECRET, START, VERSION, prediction, record, with_labels
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import Prediction, Recorded
from leeway.domain.stores import PredictionLog
from leeway.stores.columnar import taking_over
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.taking_over import take_over
from leeway.stores.database import Database, connect, parse_address
from leeway.stores.opening import _bring_up_to_date, open_stores
from leeway.stores.prediction_log import SqlPredictionLog
from old_database import fill as fill_old
from old_facts import SECRET as OLD_SECRET

NEXT = replace(VERSION, version=2)
VERSIONS = (VERSION, NEXT, BIRDS)
BEFORE, AFTER = START - timedelta(days=1), END + timedelta(days=1)
IDS = [one.id for one in LOG]
Answers = list[object]
Old = tuple[Path, list[str], Answers]


@pytest.fixture
def old(tmp_path: Path) -> Old:
    """A database as the release before kept it: its file, positions in it, and what it answers."""
    path, positions = tmp_path / "leeway.db", list[str]()
    with closing(open_stores(f"sqlite:///{path}", secret=SECRET)) as stores:
        log = SqlPredictionLog(stores.ledger.database, secret=SECRET)
        for first in range(0, 1500, 500):
            for model in ("pets", "birds"):
                rows = [one for one in LOG[first : first + 500] if one.model == model]
                for version in sorted({one.version for one in rows}):
                    log.record(model, [labelled([one for one in rows if one.version == version])], received_at=START)
            again = [replace(one) for one in LOG[:500] if (one.model, one.version) == ("pets", 1)][: 10 + first // 10]
            log.record("pets", [with_labels(again, ["ship"] * len(again), [0.25] * len(again))], received_at=END)
            positions.append(log.position("pets"))
        answers = asked(log, positions)
    shutil.rmtree(tmp_path / "leeway-log", ignore_errors=True)
    return path, positions, answers


def labelled(rows: Sequence[Prediction]) -> tuple[int, PredictionColumns]:
    """Every third with a label, every sixth with a draw probability."""
    labels = ["cat" if at % 3 == 2 else None for at in range(len(rows))]
    return with_labels(rows, labels, [0.5 if at % 6 == 5 else None for at in range(len(rows))])


def asked(log: PredictionLog, positions: Sequence[str]) -> Answers:
    """All that a log can be asked; with positions of pets."""
    found: Answers = [log.given_counts(), log.by_ids("pets", IDS), log.by_ids("birds", IDS), log.elsewhere("pets", IDS)]
    found += [log.given_by_ids(model, IDS) for model in ("pets", "birds")]
    found += [log.rows_by_version("pets", (1, 2), BEFORE, AFTER)]
    for version in VERSIONS:
        cells = log.cells(version, START, END)
        keys = {(one.predicted_class, one.bin, one.slice): [None] * one.count for one in cells}
        picks = random_picks(keys, 40)  # type: ignore[arg-type]
        found += [cells, log.pick(version, START, END, picks, stream="plan")]
        found += [log.sample(version, BEFORE, AFTER, 30, stream="gate"), log.count(version, START, None)]
        found += [log.first_at(version), log.last_at(version), log.first_given(version, None)]
        found += [log.given_tallies(version, BEFORE, AFTER), log.given(version, None, None, 20, stream="page")]
        found += [sorted(log.given_alike(version, BEFORE, AFTER).items())]
    for at, upto in enumerate(positions):
        found += [log.cells(VERSION, START, END, upto=upto), log.count(VERSION, START, END, after=upto)]
        found += [log.sample(VERSION, START, END, 30, stream="plan", upto=upto)]
        found += [log.given_tallies(VERSION, START, END, upto=upto, rows_upto=rows) for rows in positions[: at + 1]]
        found += [log.given_tallies(VERSION, START, END, after=after, upto=upto) for after in positions[:at]]
    return found


def opened(path: Path, *, reading: bool = False) -> ColumnarLog:
    log = open_stores(f"sqlite:///{path}", secret=SECRET, reading=reading).log
    assert isinstance(log, ColumnarLog)
    return log


def rows_left(log: ColumnarLog) -> int:
    return int(log.manifest.database.scalar(text("SELECT count(*) FROM predictions")))


def test_a_reader_takes_nothing_over_and_answers_the_same(old: Old) -> None:
    path, positions, before = old
    with closing(opened(path, reading=True)) as log:
        assert asked(log, positions) == before
        assert rows_left(log) == 1500
        assert not log.parts.exists()


def test_the_next_command_that_writes_takes_all_over_and_no_answer_changes(
    old: Old, caplog: pytest.LogCaptureFixture
) -> None:
    path, positions, before = old
    with caplog.at_level(logging.INFO, "leeway.stores"), closing(opened(path)) as log:
        assert asked(log, positions) == before
        assert rows_left(log) == 0
        assert log.manifest.read("pets")[1] == []
        assert log.check() == []
        known = [one for one in LOG[:500] if one.model == "pets" and one.version == 1]
        assert record(log, *known) == Recorded(known=len(known))
    [line] = [record.getMessage() for record in caplog.records]
    assert "moving 1,500 predictions into columns, once" in line


def test_at_every_moment_between_every_answer_is_the_same(old: Old) -> None:
    path, positions, before = old
    with closing(opened(path, reading=True)) as log:
        left = [rows_left(log)]
        while left[-1]:
            assert taking_over._next_part(log.rolling, 400) is not None
            left.append(rows_left(log))
            assert asked(log, positions) == before
        assert len(left) == 7
        assert all(0 < one - next_one <= 400 for one, next_one in pairwise(left))
        assert taking_over._next_part(log.rolling, 400) is None
        assert asked(log, positions) == before


def test_rows_of_one_moment_are_taken_over_together(tmp_path: Path) -> None:
    path = tmp_path / "leeway.db"
    with closing(open_stores(f"sqlite:///{path}", secret=SECRET)) as stores:
        log = SqlPredictionLog(stores.ledger.database, secret=SECRET)
        record(log, *(prediction(f"p{place}", occurred_at=START + timedelta(hours=place // 8)) for place in range(20)))
    with closing(opened(path, reading=True)) as columnar:
        take_over(columnar.rolling, path, rows=3)
        assert [part.rows for part in columnar.manifest.read("pets")[0]] == [8, 8, 4]


def test_whoever_looks_meanwhile_sees_every_row_once(old: Old) -> None:
    path, positions, _ = old
    seen, done = set[object](), Event()

    def look() -> tuple[object, ...]:
        cells = own.cells(VERSION, START, END, upto=positions[1])
        return sum(one.count for one in cells), own.count(VERSION, START, END), len(own.by_ids("pets", IDS))

    with closing(opened(path, reading=True)) as own, ThreadPoolExecutor(1) as pool:
        before = look()

        def go_on() -> None:
            while not done.is_set():
                seen.add(look())

        reader = pool.submit(go_on)
        with closing(opened(path, reading=True)) as log:
            take_over(log.rolling, path, rows=40)
            assert rows_left(log) == 0
        done.set()
        reader.result()
        assert seen == {before} == {look()}


def test_without_room_on_the_disk_nothing_is_moved_and_the_rows_are_read_where_they_are(
    old: Old, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, positions, before = old
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, "leeway.stores"), closing(opened(path)) as log:
        assert (rows_left(log), asked(log, positions)) == (1500, before)
    assert "make room" in caplog.text


# From the version before the stores issue


def test_a_database_of_schema_0002_answers_the_same_from_parts(tmp_path: Path) -> None:
    path = tmp_path / "leeway.db"
    fill_old(f"sqlite:///{path}")
    engine = connect(parse_address(f"sqlite:///{path}"), lock_timeout_seconds=5)
    _bring_up_to_date(engine, secret=OLD_SECRET, expected=None)
    tables = SqlPredictionLog(Database(engine), secret=OLD_SECRET)
    with closing(open_stores(f"sqlite:///{path}", reading=True)) as stores:
        versions = [one for model in ("pets", "birds", "fish") for one in stores.ledger.versions(model)]
    ids = [row.id for row in tables.database.all(text("SELECT id FROM predictions"))]

    def answers(log: PredictionLog) -> Answers:
        found: Answers = [log.given_counts()]
        for one in versions:
            start, end = START - timedelta(days=4000), START + timedelta(days=4000)
            found += [log.cells(one, start, end), log.sample(one, start, end, 50, stream="plan")]
            found += [log.given_tallies(one, start, end, upto=positions[one.model]), log.given_alike(one, start, end)]
            found += [log.count(one, start, None, after=positions[one.model]), log.by_ids(one.model, ids)]
            found += [log.given_by_ids(one.model, ids)]
        return found

    positions = {one.model: tables.position(one.model) for one in versions}
    before = answers(tables)
    engine.dispose()
    with closing(open_stores(f"sqlite:///{path}")) as stores:
        assert isinstance(stores.log, ColumnarLog)
        assert (rows_left(stores.log), stores.log.manifest.read("")[1]) == (0, [])
        assert answers(stores.log) == before


# Killed


def move(url: str, begun: ProcessEvent) -> None:
    """Runs in a process of its own."""
    path = Path(url.removeprefix("sqlite:///"))
    with closing(opened(path, reading=True)) as log:
        begun.set()
        take_over(log.rolling, path, rows=100)


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_at_any_time_it_leaves_every_answer_and_the_next_command_completes_it(old: Old, kills: int) -> None:
    path, positions, before = old
    shutil.copy(path, path.with_suffix(".old"))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["leeway.stores.opening", "duckdb", "pyarrow.parquet", "test_log_nights"])

    def run(kill_after: float | None) -> float:
        begun = processes.Event()
        process = processes.Process(target=move, args=(f"sqlite:///{path}", begun))
        process.start()
        assert begun.wait(60)
        start = time.monotonic()
        process.join(kill_after)
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        return time.monotonic() - start

    def begin_anew() -> None:
        shutil.rmtree(path.parent / "leeway-log", ignore_errors=True)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        shutil.copy(path.with_suffix(".old"), path)

    with closing(opened(path, reading=True)) as log:
        cells = log.cells(VERSION, START, END)
    seconds, halfway = run(None), 0
    for point in range(kills):
        begin_anew()
        run(seconds * (point + 0.5) / kills)
        with closing(opened(path, reading=True)) as log:
            assert asked(log, positions) == before
            halfway += 0 < rows_left(log) < 1500
        with closing(opened(path)) as log:
            assert rows_left(log) == 0
            assert log.cells(VERSION, START, END) == cells
    assert halfway
    with closing(opened(path)) as log:
        assert asked(log, positions) == before
