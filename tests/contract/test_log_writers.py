"""The prediction log in a database: several writers and readers of one model at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Event
from time import sleep

import pytest

from battery import END, START, VERSION, all_at_once, prediction, record, recorded, with_labels
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import Cell
from leeway.errors import StoreError
from leeway.stores.opening import Stores, open_stores

ROUNDS, ROWS = 40, 5
EVERYTHING = 2 * ROUNDS * 2 * ROWS  # of two writers, in two parts each


def test_a_position_never_hides_a_row_that_commits_later(sql_stores: Stores, database_url: str) -> None:
    """What a reader counts up to its position stays as it is, whatever two writers commit meanwhile."""
    seen: list[tuple[str, int]] = []
    done = Event()

    def write(writer: int) -> None:
        for number in range(ROUNDS):
            own[writer].log.record("pets", slowly(f"{writer}-{number}", number), received_at=START)

    def slowly(name: str, number: int) -> Iterator[tuple[int, PredictionColumns]]:
        for part in range(2):
            yield 1, PredictionColumns.of([prediction(f"{name}-{part}-{place}") for place in range(ROWS)])
            sleep(number % 5 / 1000)

    def look() -> None:
        while not done.is_set():
            upto = sql_stores.log.position("pets")
            seen.append((upto, total(sql_stores, upto)))

    with ExitStack() as opened, ThreadPoolExecutor(3) as pool:
        own = [opened.enter_context(closing(open_stores(database_url))) for _ in range(2)]
        reader = pool.submit(look)
        for writer in [pool.submit(write, writer) for writer in range(2)]:
            writer.result()
        done.set()
        reader.result()
    assert [(upto, total(sql_stores, upto)) for upto, _ in seen] == seen
    assert sql_stores.log.count(VERSION, START, END) == EVERYTHING
    for upto, before in seen[:: max(len(seen) // 20, 1)]:
        assert before + sql_stores.log.count(VERSION, START, END, after=upto) == EVERYTHING


def total(stores: Stores, upto: str) -> int:
    return sum(one.count for one in stores.log.cells(VERSION, START, END, upto=upto))


def test_a_reader_sees_nothing_of_a_source_that_is_not_through(sql_stores: Stores, database_url: str) -> None:
    recorded(sql_stores.log, "a")
    halfway, go_on = Event(), Event()

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield with_labels([prediction("b")], ["cat"], [0.5])
        halfway.set()
        assert go_on.wait(30)
        yield 1, PredictionColumns.of([prediction("c")])

    with closing(open_stores(database_url)) as writer, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writer.log.record, "pets", source(), received_at=START)
        assert halfway.wait(30)
        upto = sql_stores.log.position("pets")
        assert sql_stores.log.cells(VERSION, START, END) == [Cell("dog", 1, "door", 1)]
        assert sql_stores.log.given_counts() == {}
        go_on.set()
        writing.result()
    assert sql_stores.log.count(VERSION, START, END, after=upto) == 2
    assert sql_stores.log.cells(VERSION, START, END, upto=upto) == [Cell("dog", 1, "door", 1)]
    assert sql_stores.log.given_tallies(VERSION, START, END, upto=upto) == []


def test_of_many_who_record_the_same_rows_at_once_one_records_each(sql_stores: Stores, database_url: str) -> None:
    rows = [prediction(f"p{place}") for place in range(200)]
    new: list[int] = []
    with ExitStack() as opened:
        own = [opened.enter_context(closing(open_stores(database_url))) for _ in range(4)]

        def act(one: int) -> bool:
            told = record(own[one].log, *rows)
            new.append(told.new)
            return told.new + told.known == len(rows) and not told.changed

        assert all(all_at_once(act, 4))
    assert sum(new) == len(rows)
    assert sql_stores.log.count(VERSION, START, END) == len(rows)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
def test_writers_of_two_models_do_not_wait_for_each_other_on_postgresql(sql_stores: Stores, database_url: str) -> None:
    halfway, go_on = Event(), Event()

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield 1, PredictionColumns.of([prediction("a")])
        halfway.set()
        assert go_on.wait(30)

    with closing(open_stores(database_url, lock_timeout_seconds=0.2)) as other, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(sql_stores.log.record, "pets", source(), received_at=START)
        assert halfway.wait(30)
        recorded(other.log, "a", model="birds")
        with pytest.raises(StoreError, match="is locked by another process"):
            recorded(other.log, "b")
        go_on.set()
        writing.result()
    assert sql_stores.log.count(VERSION, START, END) == 1
