"""Every store: it opens on an empty database, on a current one, and says in one line why it does not open."""

import logging
import multiprocessing
import socket
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from leeway.errors import StoreError
from leeway.stores.sql import SqlStore, open_store
from leeway.stores.tables import SCHEMA_REVISION, VERSION_TABLE, metadata
from store_records import START, open_when_all_are_ready, prediction, recorded, somebody_else


def test_migrations_lead_from_empty_to_the_tables_that_the_code_uses(store: SqlStore, database_url: str) -> None:
    with somebody_else(database_url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA_REVISION


def test_opens_what_it_made_with_everything_in_it(database_url: str) -> None:
    with closing(open_store(database_url)) as first:
        made = recorded(first, "a")
    with closing(open_store(database_url)) as second:
        assert second.predictions_by_id(["a"]) == made


def test_opening_says_nothing_and_leaves_logging_alone(database_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("alembic").level)
    open_store(database_url).close()
    assert capfd.readouterr() == ("", "")
    assert (root.level, list(root.handlers), logging.getLogger("alembic").level) == before


def test_eight_processes_may_open_an_empty_database_at_once(database_url: str) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["leeway.stores.sql", "alembic.command", "pytest"]
    )  # imported once, not eight times
    barrier = processes.Barrier(8)
    started = [processes.Process(target=open_when_all_are_ready, args=(database_url, barrier)) for _ in range(8)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 8
    with closing(open_store(database_url)) as store:
        assert len(recorded(store, "a")) == 1


def test_refuses_a_schema_that_a_newer_leeway_wrote(database_url: str) -> None:
    open_store(database_url).close()
    with somebody_else(database_url) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        connection.commit()
    with pytest.raises(
        StoreError, match="has schema 9999; this Leeway knows 0001, 0002: it was written by a newer Leeway"
    ):
        open_store(database_url)


def test_leaves_a_database_alone_that_holds_tables_of_someone_else(database_url: str) -> None:
    with somebody_else(database_url) as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))
        connection.commit()
    with pytest.raises(StoreError, match=r"holds tables that Leeway did not make \(invoices\)"):
        open_store(database_url)
    with somebody_else(database_url) as connection:
        assert inspect(connection).get_table_names() == ["invoices"]


def test_says_that_the_database_is_locked_and_goes_on_when_it_no_longer_is(database_url: str) -> None:
    with closing(open_store(database_url, lock_timeout_seconds=0.05)) as store:
        with somebody_else(database_url) as other:
            locks = "LOCK TABLE predictions IN EXCLUSIVE MODE" if "postgres" in database_url else "BEGIN IMMEDIATE"
            other.exec_driver_sql(locks)
            with pytest.raises(StoreError, match=r"^database \S+.* is locked by another process; try again"):
                store.record_predictions([prediction("a")], received_at=START)
            other.rollback()
        assert store.record_predictions([prediction("a")], received_at=START) == 1


def test_names_host_and_database_that_cannot_be_reached_but_never_the_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = taken.getsockname()[1]
        with pytest.raises(StoreError) as told:
            open_store(f"postgresql://ada:hunter2@127.0.0.1:{port}/pets")
    assert str(told.value).startswith(f"database pets on 127.0.0.1:{port} cannot be reached (LEEWAY_DATABASE_URL): ")
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


def test_names_a_database_that_the_server_does_not_have(postgres_server: str) -> None:
    with pytest.raises(StoreError, match=r'database nowhere on .*"nowhere" does not exist'):
        open_store(postgres_server.replace("/postgres?", "/nowhere?"))
