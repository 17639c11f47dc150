"""A segment of a day that is over becomes parts: every row stays where a position puts it, and is seen once."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from test_log_nights import random_log

from battery import BIRDS, DAY, END, SECRET, START, VERSION, all_at_once, prediction, record, recorded, with_labels
from leeway.domain.records import Prediction, Recorded
from leeway.domain.upkeep import Rolled
from leeway.errors import ConflictError, StoreError
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.manifest import add_segment, replace_part
from leeway.stores.columnar.parts import PartWriter, publish, rows_of
from leeway.stores.columnar.segments import seal
from leeway.stores.opening import open_stores

LATER = START + DAY  # rows are received at START


def opened(folder: Path, **more: int) -> ColumnarLog:
    log = open_stores(f"sqlite:///{folder / 'leeway.db'}", secret=SECRET, **more).log
    assert isinstance(log, ColumnarLog)
    return log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ColumnarLog]:
    with closing(opened(tmp_path)) as made:
        yield made


def live(log: ColumnarLog) -> list[str]:
    return sorted(path.name for path in log.segments.folder.iterdir())


def parts_of(log: ColumnarLog, model: str = "pets") -> list[tuple[str, int]]:
    return [(part.kind, part.rows) for part in log.manifest.read(model)[0]]


def test_a_day_that_is_over_becomes_a_part_of_each_version_in_order_of_time(log: ColumnarLog) -> None:
    times = [START + timedelta(hours=hour) for hour in (5, 3, 4)]
    record(log, *(prediction(f"a{at}", occurred_at=at) for at in times), prediction("b", version=2))
    recorded(log, "c", model="birds")
    log.record("pets", [with_labels([prediction("a")], ["cat"], [0.5])], received_at=START)
    [segment] = live(log)
    assert log.roll(LATER) == Rolled(segments=1, rows=6)
    assert parts_of(log) == [("predictions", 4), ("predictions", 1), ("labels", 1)]
    assert parts_of(log, "birds") == [("predictions", 1)]
    first = log.manifest.read("pets")[0][0]
    assert (first.segment, first.version, first.received_at) == (segment, 1, START)
    read = pq.read_table(log.parts / first.file, columns=["occurred_at"])["occurred_at"].to_pylist()
    assert read == sorted(read)
    assert live(log) == []
    assert log.roll(LATER) == Rolled()


def test_a_day_that_is_not_over_is_left(log: ColumnarLog) -> None:
    recorded(log, "a")
    assert log.roll(END - timedelta(seconds=1)) == Rolled()
    assert len(live(log)) == 1


def test_a_day_ends_at_midnight_utc_wherever_the_clock_stands(log: ColumnarLog) -> None:
    tonight = END - timedelta(minutes=30)
    batch = with_labels([prediction("a")], [None], [None])
    log.record("pets", [batch], received_at=tonight.astimezone(ZoneInfo("Asia/Tokyo")))
    assert log.roll(END - timedelta(seconds=1)) == Rolled()
    assert log.roll(END) == Rolled(segments=1, rows=1)


def test_a_position_cuts_inside_a_segment_that_was_rolled_since(log: ColumnarLog) -> None:
    rows, positions = [one for one in random_log(400) if one.model == "pets"], list[str]()
    for some in (rows[:100], rows[100:150], rows[150:]):
        record(log, *some)
        log.record("pets", [with_labels([prediction(f"{len(some)}")], ["cat"], [0.5])], received_at=START)
        positions.append(log.position("pets"))

    def seen() -> list[object]:
        return [
            [
                log.cells(VERSION, START, END, upto=upto),
                log.sample(VERSION, START, END, 50, stream="plan", upto=upto),
                log.count(VERSION, START, END, after=upto),
                *(log.given_tallies(VERSION, START, END, upto=upto, rows_upto=rows) for rows in positions),
            ]
            for upto in positions
        ]

    before = seen()
    log.roll(LATER)
    recorded(log, "later")
    assert [one[:2] + one[3:] for one in seen()] == [one[:2] + one[3:] for one in before]  # type: ignore[index]
    assert [one[2] - 1 for one in seen()] == [one[2] for one in before]  # type: ignore[index]


def test_what_comes_again_after_its_segment_was_rolled_is_known(log: ColumnarLog) -> None:
    recorded(log, "a", "b")
    log.roll(LATER)
    assert record(log, prediction("a"), prediction("c")) == Recorded(new=1, known=1)
    with pytest.raises(ConflictError):
        record(log, prediction("a", predicted_class="cat"), strict=True)


# Rows that serving wrote without a look at the parts


def write_unseen(log: ColumnarLog, *rows: Prediction, label: str) -> None:
    """Put rows into a segment of their own as somebody does who knows of no other file."""
    with closing(opened(log.parts.parent.parent / "elsewhere")) as other:
        other.record("pets", [with_labels(rows, [label] * len(rows), [0.5] * len(rows))], received_at=START)
        [name] = live(other)
        path = other.segments.folder / name
    path.rename(log.segments.folder / name)
    with log.manifest.writing() as connection:
        add_segment(connection, name, START.date())


def test_of_an_id_that_stands_in_a_part_already_the_first_row_stays(
    log: ColumnarLog, caplog: pytest.LogCaptureFixture
) -> None:
    recorded(log, "same", "other")
    log.roll(LATER)
    write_unseen(log, prediction("same"), prediction("other", predicted_class="cat"), prediction("new"), label="ship")
    with caplog.at_level(logging.WARNING, "leeway.stores"):
        assert log.roll(LATER) == Rolled(segments=1, rows=1, known=1, changed=("other",))
    [line] = [record.getMessage() for record in caplog.records]
    assert "other" in line
    assert log.count(VERSION, START, END) == 3
    assert [one.predicted_class for one in log.by_ids("pets", ["other"])] == ["dog"]
    assert [one.prediction_id for one in log.given_by_ids("pets", ["same", "other", "new"])] == ["new", "same"]
    assert log.given_counts() == {"pets": 2}


def test_a_label_that_is_known_already_is_left_out_with_its_row(log: ColumnarLog) -> None:
    log.record("pets", [with_labels([prediction("a")], ["cat"], [0.5])], received_at=START)
    log.roll(LATER)
    write_unseen(log, prediction("a"), label="ship")
    assert log.roll(LATER) == Rolled(segments=1, known=1)
    assert [one.label for one in log.given_by_ids("pets", ["a"])] == ["cat"]
    assert log.given_counts() == {"pets": 1}


def test_a_row_from_before_contents_were_hashed_is_recognised_in_its_part(log: ColumnarLog) -> None:
    recorded(log, "a", "b", group="b")
    with sqlite3.connect(log.segments.folder / live(log)[0]) as connection:
        connection.execute("UPDATE predictions SET h = NULL WHERE id = 'a'")
    log.roll(LATER)
    assert record(log, *(prediction(one, group="b") for one in "ab")) == Recorded(known=2)


# Several at once


def test_nobody_writes_to_a_segment_that_is_being_rolled(log: ColumnarLog) -> None:
    recorded(log, "a")
    [first] = live(log)
    with log.segments.open(first).transaction(writes=True) as connection:
        seal(connection)
    recorded(log, "b")
    assert len(live(log)) == 2
    assert log.roll(LATER) == Rolled(segments=2, rows=2)
    recorded(log, "c")
    assert first not in live(log)
    assert log.count(VERSION, START, END) == 3


def test_of_several_who_roll_at_once_one_does(log: ColumnarLog, tmp_path: Path) -> None:
    record(log, *(prediction(f"p{place}") for place in range(500)))
    with ExitStack() as held:
        own = [held.enter_context(closing(opened(tmp_path))) for _ in range(4)]
        rolled: list[Rolled] = []
        assert all(all_at_once(lambda one: rolled.append(own[one].roll(LATER)) is None, 4))
    assert sorted(one.rows for one in rolled) == [0, 0, 0, 500]
    assert log.count(VERSION, START, END) == 500


def test_whoever_looks_while_segments_are_rolled_sees_every_row_once(log: ColumnarLog, tmp_path: Path) -> None:
    seen, done = list[tuple[int, int, int]](), Event()

    def look() -> None:
        with closing(opened(tmp_path)) as own:
            while not done.is_set():
                cells = own.cells(VERSION, START, END)
                seen.append(
                    (own.count(VERSION, START, END), sum(cell.count for cell in cells), own.given_counts()["pets"])
                )

    rounds = 8
    labelled = [prediction(f"l{place}") for place in range(20)]
    log.record("pets", [with_labels(labelled, ["cat"] * 20, [0.5] * 20)], received_at=START)
    record(log, *(prediction(f"p{place}") for place in range(980)))
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(look)
        for number in range(rounds):
            log.roll(LATER)
            record(log, prediction(f"of birds {number}", model="birds"), received_at=START + number * DAY)
            log.roll(LATER + number * DAY)
        done.set()
        reader.result()
    assert set(seen) == {(1000, 1000, 20)}
    assert log.count(BIRDS, START, END) == rounds


def test_whoever_looks_while_a_part_is_replaced_sees_every_row_once(log: ColumnarLog, tmp_path: Path) -> None:
    record(log, *(prediction(f"p{place}") for place in range(500)))
    log.roll(LATER)
    seen, done = set[int](), Event()

    def look() -> None:
        with closing(opened(tmp_path)) as own:
            while not done.is_set():
                seen.add(sum(cell.count for cell in own.cells(VERSION, START, END)))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(look)
        for _ in range(20):
            retire(log)
            time.sleep(0.01)
        done.set()
        reader.result()
    assert seen == {500}
    assert log.check() == []


def retire(log: ColumnarLog) -> None:
    """Put another file with the same rows in place of the first part, and delete the old one."""
    [old] = log.manifest.read("pets")[0]
    writer = PartWriter(log.parts, old.kind, old.model, old.version, old.received_at)
    for table in rows_of(log.parts / old.file):
        writer.write(table)
    staged = writer.finish(segment=old.segment)
    assert staged is not None
    with log.manifest.writing() as connection:
        replace_part(connection, old, publish(log.parts, staged))
    (log.parts / old.file).unlink()


# What is damaged


def test_a_part_that_is_gone_or_cut_short_is_named_and_never_counted_as_no_predictions(log: ColumnarLog) -> None:
    recorded(log, "a", "b")
    log.roll(LATER)
    [part] = log.manifest.read("pets")[0]
    path = log.parts / part.file
    content = path.read_bytes()
    for damage, said in ((content[:-10], "bytes"), (None, "is not there"), (bytes(len(content)), part.file)):
        path.unlink(missing_ok=True)
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(StoreError, match=part.file) as failed:
            log.cells(VERSION, START, END)
        assert said in str(failed.value)
        [problem] = log.check()
        assert (problem.file, problem.model, problem.rows, problem.lost) == (str(path), "pets", 2, True)
        assert len(log.check(quick=True)) == 1
    path.write_bytes(content)
    assert log.check() == []


def test_content_that_was_changed_in_place_is_noticed_by_its_digest(log: ColumnarLog) -> None:
    recorded(log, "a")
    log.roll(LATER)
    [part] = log.manifest.read("pets")[0]
    path = log.parts / part.file
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))
    assert [one.problem for one in log.check("pets")] == ["has other content than was written"]
    assert log.check("pets", quick=True) == log.check("birds") == []


def test_a_segment_that_is_gone_is_named(log: ColumnarLog) -> None:
    recorded(log, "a")
    [name] = live(log)
    log.segments.close()
    (log.segments.folder / name).unlink()
    with pytest.raises(StoreError, match=name):
        log.count(VERSION, START, END)
    assert [one.file for one in log.check()] == [str(log.segments.folder / name)]


def test_files_that_nothing_names_are_told_and_removed_when_they_are_old(log: ColumnarLog) -> None:
    recorded(log, "a")
    log.roll(LATER)
    [part] = log.manifest.read("pets")[0]
    names = [log.parts / "left.parquet", log.segments.folder / "2025-01-01.left.db"]
    for path in names:
        path.write_bytes(b"left")
    assert log.check() == []  # they may be named in a moment
    _touch(names, days=2)
    assert [(one.file, one.lost) for one in log.check()] == [(str(path), False) for path in names]
    log.roll(LATER)
    assert all(path.exists() for path in names)
    _touch(names, days=8)
    _touch([log.parts / part.file], days=8)
    log.roll(LATER)
    assert [path.exists() for path in names] == [False, False]
    assert log.check() == []


def _touch(paths: list[Path], *, days: int) -> None:
    for path in paths:
        os.utime(path, (time.time() - days * 86400,) * 2)
