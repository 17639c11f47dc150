"""Both stores in a database: they open on an empty one, on a current one, and say in one line why they do not."""

import logging
import multiprocessing
import socket
from contextlib import closing
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from battery import (
    CLOSED,
    END,
    START,
    VERSION,
    open_when_all_are_ready,
    planned,
    prediction,
    record,
    recorded,
    somebody_else,
    with_labels,
)
from leeway.errors import StoreError
from leeway.stores.opening import Stores, open_stores
from leeway.stores.schema import SCHEMA_REVISION, VERSION_TABLE
from schema import differences


def tables(url: str) -> list[str]:
    with somebody_else(url) as connection:
        return inspect(connection).get_table_names()


def test_migrations_lead_from_empty_to_the_tables_that_the_code_uses(sql_stores: Stores, database_url: str) -> None:
    with somebody_else(database_url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert differences(connection) == []
        assert context.get_current_revision() == SCHEMA_REVISION


def test_opens_what_it_made_with_everything_in_it(database_url: str) -> None:
    with closing(open_stores(database_url)) as first:
        made = recorded(first.log, "a")
        first.log.record("pets", [with_labels([prediction("b")], ["cat"], [0.5])], received_at=START)
        planned(first.ledger, "x", ["a"])
        upto = first.log.position("pets")
        queue = first.ledger.label_queue("pets")
    for reading in (False, True):
        with closing(open_stores(database_url, reading=reading)) as again:
            assert again.log.by_ids("pets", ["a"]) == made
            assert again.log.given_counts() == {"pets": 1}
            assert again.log.position("pets") == upto
            assert again.ledger.label_queue("pets") == queue != []


def test_the_numbers_of_a_log_go_on_where_they_ended(database_url: str) -> None:
    for number in range(3):
        with closing(open_stores(database_url)) as stores:
            upto = stores.log.position("pets")
            recorded(stores.log, f"p{number}")
            assert stores.log.count(VERSION, START, END, after=upto) == 1


def test_opening_says_nothing_and_leaves_logging_alone(database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("alembic").level)
    open_stores(database_url).close()
    assert capfd.readouterr() == ("", "")
    assert (root.level, list(root.handlers), logging.getLogger("alembic").level) == before


def test_eight_processes_may_open_an_empty_database_at_once(database_url: str) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["leeway.stores.opening", "alembic.command", "pytest"]
    )  # imported once, not eight times
    barrier = processes.Barrier(8)
    started = [processes.Process(target=open_when_all_are_ready, args=(database_url, barrier)) for _ in range(8)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 8
    with somebody_else(database_url) as connection:
        assert connection.scalar(text("SELECT count(*) FROM ledger")) == 1
    with closing(open_stores(database_url)) as stores:
        assert len(recorded(stores.log, "a")) == 1


# Id and secret


def test_a_ledger_keeps_its_id_and_its_secret(database_url: str) -> None:
    with closing(open_stores(database_url, secret="first")) as made:
        told = (made.ledger.id, made.ledger.secret)
    assert told[1] == "first"
    for named in ({"secret": "second"}, {}, {"reading": True}, {"expected": told[0]}):
        with closing(open_stores(database_url, **named)) as again:  # type: ignore[arg-type]
            assert (again.ledger.id, again.ledger.secret) == told


def test_draws_go_by_the_secret(tmp_path: Path) -> None:
    drawn = []
    for number, secret in enumerate(("one", "two", "one")):
        with closing(open_stores(f"sqlite:///{tmp_path / str(number)}", secret=secret)) as stores:
            recorded(stores.log, *(f"p{place}" for place in range(50)))
            drawn.append([one.id for one in stores.log.sample(VERSION, START, END, 50, stream="plan")])
    assert drawn[0] == drawn[2] != drawn[1]


def test_every_ledger_has_an_id_and_a_secret_of_its_own(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")]
    with closing(open_stores(urls[0])) as one, closing(open_stores(urls[1])) as other:
        assert one.ledger.id != other.ledger.id
        assert one.ledger.secret != other.ledger.secret


@pytest.mark.parametrize("reading", [False, True], ids=["writing", "reading"])
def test_a_lost_database_is_an_error_and_none_is_made_in_its_place(database_url: str, reading: bool) -> None:
    with pytest.raises(StoreError, match=r"is empty or not there, and the ledger 12ab was used here.*\.leeway-ledger"):
        open_stores(database_url, expected="12ab", reading=reading)
    assert tables(database_url) == []


@pytest.mark.parametrize("reading", [False, True], ids=["writing", "reading"])
def test_a_swapped_database_is_an_error_that_names_both(database_url: str, reading: bool) -> None:
    with closing(open_stores(database_url)) as made:
        own = made.ledger.id
    with pytest.raises(StoreError, match=rf"its id is {own}, 12ab was expected; .*\.leeway-ledger"):
        open_stores(database_url, expected="12ab", reading=reading)
    open_stores(database_url, expected=own, reading=reading).close()


# Reading


def test_a_reader_of_an_empty_database_sees_empty_stores_and_makes_nothing(database_url: str) -> None:
    with closing(open_stores(database_url, reading=True)) as stores:
        assert stores.log.by_ids("pets", ["a"]) == []
        assert stores.log.cells(VERSION, START, END) == []
        assert stores.ledger.decisions("pets") == []
        assert stores.ledger.versions("pets") == []
        assert stores.ledger.is_reconciled()
    assert tables(database_url) == []


def test_a_reader_of_a_missing_file_makes_neither_file_nor_folder(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "leeway.db"
    with closing(open_stores(f"sqlite:///{path}", reading=True)) as stores:
        assert stores.ledger.pending_alerts() == []
    assert list(tmp_path.iterdir()) == []


def test_a_reader_does_not_migrate(database_url: str) -> None:
    """One of the release before is told to the user, with the command to run."""
    open_stores(database_url).close()
    with somebody_else(database_url) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0002'"))
        connection.commit()
    with pytest.raises(StoreError, match=r"is of the release before \(schema 0002\).*run `leeway monitor`"):
        open_stores(database_url, reading=True)


# What is not ours, locked or out of reach


@pytest.mark.parametrize("reading", [False, True], ids=["writing", "reading"])
def test_refuses_a_schema_that_a_newer_leeway_wrote(database_url: str, reading: bool) -> None:
    open_stores(database_url).close()
    with somebody_else(database_url) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        connection.commit()
    known = rf"has schema 9999; this Leeway knows 0001, .*{SCHEMA_REVISION}: it was written by a newer Leeway"
    with pytest.raises(StoreError, match=known):
        open_stores(database_url, reading=reading)


@pytest.mark.parametrize("reading", [False, True], ids=["writing", "reading"])
def test_leaves_a_database_alone_that_holds_tables_of_someone_else(database_url: str, reading: bool) -> None:
    with somebody_else(database_url) as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
        connection.commit()
    with pytest.raises(StoreError, match=r"holds tables that Leeway did not make \(invoices\)"):
        open_stores(database_url, reading=reading)
    assert tables(database_url) == ["invoices"]


def test_says_that_the_database_is_locked_and_goes_on_when_it_no_longer_is(database_url: str) -> None:
    with closing(open_stores(database_url, lock_timeout_seconds=0.05)) as stores:
        with somebody_else(database_url) as other:
            both = "LOCK TABLE predictions, alerts IN EXCLUSIVE MODE"
            other.exec_driver_sql(both if "postgres" in database_url else "BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"^database \S+.* is locked by another process; try again"):
                recorded(stores.log, "a")
            with pytest.raises(StoreError, match=r"^database \S+.* is locked by another process; try again"):
                stores.ledger.mark_alert("a", sent_at=CLOSED)
            other.rollback()
        assert record(stores.log, prediction("a")).new == 1


def test_names_host_and_database_that_cannot_be_reached_but_never_the_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = taken.getsockname()[1]
        with pytest.raises(StoreError) as told:
            open_stores(f"postgresql://ada:hunter2@127.0.0.1:{port}/pets")
    assert str(told.value).startswith(f"database pets on 127.0.0.1:{port} cannot be reached (LEEWAY_DATABASE_URL): ")
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


def test_names_a_database_that_the_server_does_not_have(postgres_server: str) -> None:
    with pytest.raises(StoreError, match=r'database nowhere on .*"nowhere" does not exist'):
        open_stores(postgres_server.replace("/postgres?", "/nowhere?"))
