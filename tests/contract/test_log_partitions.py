"""The prediction log on PostgreSQL: a partition for each UTC day, made when its first row comes, dropped as a whole."""

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import date, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event, select, text

from battery import DAY, END, START, VERSION, all_at_once, prediction, record, recorded, somebody_else, with_labels
from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import Forgotten
from leeway.domain.records import Pick, Recorded
from leeway.errors import StoreError
from leeway.stores import partitions
from leeway.stores.log_tables import given_labels, predictions
from leeway.stores.opening import Stores, open_stores
from old_database import connected, upgrade

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

HORIZON = START + 2 * DAY


def days(url: str, table: str = "predictions") -> list[str]:
    """The partitions by the days that they are named for."""
    with somebody_else(url) as connection:
        return [name.removeprefix(f"{table}_") for name in partitions.partitions_of(connection, table)]


def day_of(number: int) -> str:
    return f"{START + number * DAY:%Y%m%d}"


def on_day(stores: Stores, number: int, *, model: str = "pets", labelled: bool = False) -> Recorded:
    """Record one row of this day."""
    row = prediction(f"day {number}", model=model, occurred_at=START + number * DAY)
    batch = with_labels([row], ["cat" if labelled else None], [1.0])
    return stores.log.record(model, [batch], received_at=END)


def keys(url: str) -> int:
    with somebody_else(url) as connection:
        return int(connection.scalar(text("SELECT count(*) FROM prediction_keys")) or 0)


# Partitions come


def test_a_day_gets_its_partition_with_its_first_row_in_whatever_order_they_come(
    sql_stores: Stores, database_url: str
) -> None:
    assert days(database_url) == []
    for number in (5, 0, -400):
        on_day(sql_stores, number)
    on_day(sql_stores, 2, labelled=True)
    assert days(database_url) == [day_of(number) for number in (-400, 0, 2, 5)]
    assert days(database_url, "given_labels") == [day_of(2)]
    assert (sql_stores.log.first_at(VERSION), sql_stores.log.last_at(VERSION)) == (START - 400 * DAY, START + 5 * DAY)


def test_a_day_ends_at_midnight_in_utc(sql_stores: Stores, database_url: str) -> None:
    recorded(sql_stores.log, "last", occurred_at=START + DAY - timedelta(microseconds=1))
    recorded(sql_stores.log, "first", occurred_at=START + DAY)
    assert days(database_url) == [day_of(0), day_of(1)]
    with somebody_else(database_url) as connection:
        assert list(connection.scalars(text(f"SELECT id FROM predictions_{day_of(0)}"))) == ["last"]


def test_a_source_that_breaks_off_leaves_an_empty_partition_at_most(sql_stores: Stores, database_url: str) -> None:
    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield 1, PredictionColumns.of([prediction("a")])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sql_stores.log.record("pets", source(), received_at=START)
    assert (days(database_url), keys(database_url)) == ([day_of(0)], 0)
    assert record(sql_stores.log, prediction("a"), strict=True) == Recorded(new=1)


def die_half_way(url: str) -> None:
    """Runs in a process of its own: the partition is there, its row is written and not committed."""

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield with_labels([prediction("a")], ["cat"], [1.0])
        os.kill(os.getpid(), signal.SIGKILL)

    open_stores(url).log.record("pets", source(), received_at=START)


def test_a_recorder_that_is_killed_between_a_partition_and_its_rows_does_no_harm(
    sql_stores: Stores, database_url: str
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die_half_way, args=(database_url,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert days(database_url) == days(database_url, "given_labels") == [day_of(0)]
    assert (sql_stores.log.cells(VERSION, START, END), sql_stores.log.first_at(VERSION)) == ([], None)
    told = sql_stores.log.record("pets", [with_labels([prediction("a")], ["cat"], [1.0])], received_at=START)
    assert told == Recorded(new=1, labels=1)


def test_many_who_bring_the_same_new_days_at_once_each_record_their_rows(sql_stores: Stores, database_url: str) -> None:
    with ExitStack() as opened:
        own = [opened.enter_context(closing(open_stores(database_url))) for _ in range(4)]

        def act(one: int) -> bool:
            rows = [prediction(f"{day}", model=f"model {one}", occurred_at=START + day * DAY) for day in range(8)]
            return record(own[one].log, *rows) == Recorded(new=8)

        assert all(all_at_once(act, 4))
    assert days(database_url) == [day_of(number) for number in range(8)]


def test_a_writer_who_brings_a_new_day_keeps_nobody_waiting(sql_stores: Stores, database_url: str) -> None:
    halfway, go_on = Event(), Event()

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield with_labels([prediction("a")], ["cat"], [1.0])
        halfway.set()
        assert go_on.wait(30)
        yield 1, PredictionColumns.of([prediction("b", occurred_at=END)])

    with closing(open_stores(database_url, lock_timeout_seconds=0.5)) as other, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(sql_stores.log.record, "pets", source(), received_at=START)
        assert halfway.wait(30)
        assert other.log.cells(VERSION, START, END) == []
        recorded(other.log, "a", "b", model="birds")
        recorded(other.log, "c", model="birds", occurred_at=START + 7 * DAY)
        go_on.set()
        assert writing.result() == Recorded(new=2, labels=1)


def test_one_row_of_an_id_is_kept_whichever_day_it_comes_for(sql_stores: Stores, database_url: str) -> None:
    [made] = recorded(sql_stores.log, "a")
    assert record(sql_stores.log, prediction("a", occurred_at=END)).changed == ("a",)
    assert sql_stores.log.by_ids("pets", ["a"]) == [made]
    assert (days(database_url), keys(database_url)) == ([day_of(0)], 1)


def partitions_asked(stores: Stores, ask: Callable[[], object]) -> set[str]:
    """The partitions that PostgreSQL plans to look into for all statements of a call."""
    found = set[str]()

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith(("SELECT", "WITH", "UPDATE")):
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            found.update(re.findall(r"'Relation Name': '((?:predictions|given_labels)_\d+)'", str(cursor.fetchall())))

    engine = stores.log.database.engine
    event.listen(engine, "before_cursor_execute", explain)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    return found


def test_a_question_about_a_night_looks_into_no_other_however_many_there_are(
    sql_stores: Stores, database_url: str
) -> None:
    number, log = 12, sql_stores.log
    for day in range(number):
        on_day(sql_stores, day, labelled=True)
    ids = [f"day {day}" for day in range(number)]
    last = (VERSION, START + (number - 1) * DAY, START + number * DAY)
    tonight = {f"{table}_{day_of(number - 1)}" for table in ("predictions", "given_labels")}
    first = {name.replace(day_of(number - 1), day_of(0)) for name in tonight}
    again = with_labels([prediction(ids[-1], occurred_at=last[1], image="/moved.png")], ["cat"], [1.0])
    asked: list[tuple[set[str], Callable[[], object]]] = [
        (tonight, lambda: log.cells(*last, upto=log.position("pets"))),
        (tonight, lambda: log.pick(*last, [Pick("dog", 1, "door", rank=0, among=1)], stream="plan")),
        (tonight, lambda: log.sample(*last, 5, stream="page")),
        (tonight, lambda: log.count(*last, after="3")),
        (tonight, lambda: log.count(VERSION, last[1], None)),
        (tonight, lambda: log.copies(*last, images=["x"], groups=["thing-1"])),
        (tonight, lambda: log.rows_by_version("pets", [1, 2], *last[1:])),
        (tonight, lambda: log.given_tallies(*last, after="3", upto="9000", rows_upto="8000")),
        (tonight, lambda: log.given_alike(*last)),
        (tonight, lambda: log.given(*last, 5, stream="page")),
        (tonight, lambda: log.by_ids("pets", [*ids[-1:], "unknown"])),
        (tonight, lambda: log.given_by_ids("pets", [*ids[-1:], "unknown"])),
        (tonight, lambda: log.last_at(VERSION)),
        (tonight, lambda: log.first_at(VERSION, since=last[1])),
        (tonight, lambda: log.record("pets", [again], received_at=END)),
        (tonight, lambda: log.first_given(VERSION, last[1])),
        (first, lambda: log.first_at(VERSION)),
        (set(), lambda: log.elsewhere("birds", ids)),
        (set(), lambda: log.record("birds", [again], received_at=END)),
    ]
    for place, (days_of_it, ask) in enumerate(asked):
        found = partitions_asked(sql_stores, ask)
        assert found <= days_of_it, place
        assert bool(found) == bool(days_of_it), place


# Partitions go


def test_a_day_that_holds_nothing_else_is_dropped_and_one_that_does_is_kept(
    sql_stores: Stores, database_url: str
) -> None:
    for number in range(4):
        on_day(sql_stores, number, labelled=True)
    on_day(sql_stores, 1, model="birds", labelled=True)
    assert sql_stores.log.forget("pets", before=HORIZON) == Forgotten(rows=2, labels=2, first_at=HORIZON)
    kept = [day_of(number) for number in (1, 2, 3)]
    assert days(database_url) == days(database_url, "given_labels") == kept
    assert keys(database_url) == 3
    sql_stores.log.forget("birds", before=HORIZON)
    assert days(database_url) == days(database_url, "given_labels") == kept[1:]
    assert keys(database_url) == 2


def test_a_day_that_another_model_has_just_left_is_dropped_with_the_last_one(
    sql_stores: Stores, database_url: str
) -> None:
    on_day(sql_stores, 0)
    on_day(sql_stores, 0, model="birds")
    sql_stores.log.forget_ids("birds", ["day 0"])
    sql_stores.log.forget("birds", before=END)
    assert sql_stores.log.forget("pets", before=END) == Forgotten(rows=1)
    assert days(database_url) == []


def test_rows_that_nothing_is_known_of_are_never_dropped_with_others(sql_stores: Stores, database_url: str) -> None:
    """Somebody may have written into a partition by hand."""
    on_day(sql_stores, 0)
    with somebody_else(database_url) as connection:
        copied = select(predictions).where(predictions.c.id == "day 0")
        row = dict(connection.execute(copied).mappings().one()) | {"model": "strange", "seq": 99}
        connection.execute(predictions.insert(), row)
        connection.commit()
    assert sql_stores.log.forget("pets", before=END) == Forgotten(rows=1)
    assert days(database_url) == [day_of(0)]


def test_more_days_than_one_transaction_drops_are_forgotten_in_one_call(sql_stores: Stores, database_url: str) -> None:
    number = 2 * partitions.AT_ONCE + 5
    rows = [prediction(f"{day}", occurred_at=START + day * DAY) for day in range(number + 3)]
    record(sql_stores.log, *rows)
    end = START + number * DAY
    assert sql_stores.log.forget("pets", before=end) == Forgotten(rows=number, first_at=end)
    assert days(database_url) == [day_of(number + day) for day in range(3)]
    assert keys(database_url) == 3


def test_a_reader_sees_a_day_that_is_dropped_whole_or_not_at_all(sql_stores: Stores, database_url: str) -> None:
    """Whoever reads while days go, in one statement or several, meets no error and no half of a day."""
    number, each = 30, 20
    for day in range(number):
        recorded(sql_stores.log, *(f"{day}-{row}" for row in range(each)), occurred_at=START + day * DAY)
    ids = [f"{day}-0" for day in range(number)]
    done, seen = Event(), list[int]()

    def look() -> None:
        while not done.is_set():
            for day in range(number):
                start = START + day * DAY
                seen.append(sum(one.count for one in reader.log.cells(VERSION, start, start + DAY)))
                assert len(reader.log.sample(VERSION, start, start + DAY, each, stream="plan")) in (0, each)
            assert len(reader.log.by_ids("pets", ids)) <= number
            reader.log.first_at(VERSION)

    with closing(open_stores(database_url)) as reader, ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for day in range(1, number):
            sql_stores.log.forget("pets", before=START + day * DAY)
        done.set()
        looking.result()
    assert set(seen) == {0, each}


def test_a_reader_in_a_transaction_is_waited_for(sql_stores: Stores, database_url: str) -> None:
    on_day(sql_stores, 0)
    on_day(sql_stores, 5)
    with closing(open_stores(database_url, lock_timeout_seconds=0.3)) as other:
        with somebody_else(database_url) as reader:
            assert reader.scalar(text("SELECT count(*) FROM predictions")) == 2
            with pytest.raises(StoreError, match="is locked by another process"):
                other.log.forget("pets", before=HORIZON)
            assert reader.scalar(text("SELECT count(*) FROM predictions")) == 2
        assert other.log.forget("pets", before=HORIZON).rows == 1
        assert days(database_url) == [day_of(5)]


def test_forgetting_waits_until_nobody_records(sql_stores: Stores, database_url: str) -> None:
    on_day(sql_stores, 0)
    halfway, go_on = Event(), Event()

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield 1, PredictionColumns.of([prediction("late", model="birds")])
        halfway.set()
        assert go_on.wait(30)

    with closing(open_stores(database_url, lock_timeout_seconds=0.3)) as other, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(sql_stores.log.record, "birds", source(), received_at=START)
        assert halfway.wait(30)
        with pytest.raises(StoreError, match="is locked by another process"):
            other.log.forget("pets", before=HORIZON)
        go_on.set()
        writing.result()
        assert other.log.forget("pets", before=HORIZON).rows == 1
    assert [one.id for one in sql_stores.log.by_ids("birds", ["late"])] == ["late"]


def test_forgetting_that_broke_off_half_way_is_completed_by_the_next_call(
    sql_stores: Stores, database_url: str
) -> None:
    number = partitions.AT_ONCE + 5
    record(sql_stores.log, *(prediction(f"{day}", occurred_at=START + day * DAY) for day in range(number)))
    end = START + number * DAY
    with closing(open_stores(database_url, lock_timeout_seconds=0.3)) as other:
        with somebody_else(database_url) as reader:  # of a day that the second transaction drops
            reader.execute(text(f"SELECT count(*) FROM predictions_{day_of(number - 1)}"))
            with pytest.raises(StoreError, match="is locked by another process"):
                other.log.forget("pets", before=end)
        assert days(database_url) == [day_of(day) for day in range(partitions.AT_ONCE, number)]
        assert record(other.log, prediction("0")) == Recorded(too_old=1)
        assert other.log.forget("pets", before=end) == Forgotten(rows=5)
    assert (days(database_url), keys(database_url)) == ([], 0)


# What was there before


def test_a_log_of_years_is_moved_into_partitions_of_its_newest_days_and_one_for_the_rest(database_url: str) -> None:
    number = 700
    moment = datetime(2023, 1, 1, 12, tzinfo=START.tzinfo)
    with connected(database_url) as connection:
        upgrade(connection, "0012")
        rows = [
            {"id": f"{day}", "occurred_at": moment + day * DAY, "predicted_class": "dog", "label": "cat"}
            for day in range(number)
        ]
        of_all = {"model": "pets", "version": 1, "received_at": END, "image": "", "probabilities": [], "group": "g"}
        connection.execute(predictions.insert(), [of_all | row | {"u": 7} for row in rows])
        connection.execute(given_labels.insert(), [of_all | row | {"seq": 1} for row in rows])
        head = text("INSERT INTO log_heads (model, seq, given) VALUES ('pets', 1000, :given)")
        connection.execute(head, {"given": number})
    with closing(open_stores(database_url)) as stores:
        last = (moment + (number - 300) * DAY).date()
        assert days(database_url)[0] == days(database_url, "given_labels")[0] == f"before_{last:%Y%m%d}"
        assert len(days(database_url)) == len(days(database_url, "given_labels")) == 301
        assert [one.id for one in stores.log.by_ids("pets", ["0", "399", "400", "699"])] == ["0", "399", "400", "699"]
        assert (stores.log.first_at(VERSION), stores.log.count(VERSION, moment, moment + 500 * DAY)) == (moment, 500)
        late = prediction("late", occurred_at=moment + 3 * DAY)
        assert record(stores.log, late, prediction("today", occurred_at=END)) == Recorded(new=2)
        assert stores.log.forget("pets", before=moment + 100 * DAY).rows == 101
        assert days(database_url)[0] == f"before_{last:%Y%m%d}"
        assert stores.log.forget("pets", before=moment + 450 * DAY).rows == 350
        assert days(database_url)[0] == f"{date(2023, 1, 1) + 450 * DAY:%Y%m%d}"
        assert stores.log.given_counts() == {"pets": number - 450}
