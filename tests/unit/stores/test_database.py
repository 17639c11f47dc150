"""Addresses, SQLite's settings and its own ways to fail."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from leeway.errors import ParamsError, StoreError
from leeway.stores.database import SAFE_WAL, connect, parse_address
from leeway.stores.opening import MIGRATIONS, open_stores
from leeway.stores.schema import SCHEMA_REVISION


def test_takes_every_spelling_of_postgresql_for_the_one_driver() -> None:
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        address = parse_address(f"{scheme}://ada:secret@db.example:5433/pets")
        assert address.drivername == "postgresql+psycopg"
        assert (address.host, address.port, address.database) == ("db.example", 5433, "pets")


@pytest.mark.parametrize(
    ("url", "got"),
    [
        ("mysql://ada:secret@host/pets", "got mysql://"),
        ("sqlite://", "got sqlite://"),
        ("sqlite:///:memory:", "got sqlite://"),
        ("leeway.db", "not an address"),
        ("postgresql://ada:secret@host:port/pets", "not an address"),
    ],
)
def test_refuses_an_address_of_another_kind_without_telling_its_password(url: str, got: str) -> None:
    with pytest.raises(ParamsError, match=f"LEEWAY_DATABASE_URL: {got}.*; allowed: sqlite:///PATH") as told:
        open_stores(url)
    assert "secret" not in str(told.value)


def test_the_known_revision_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA_REVISION


def test_sqlite_is_durable_keeps_references_and_waits_for_locks(tmp_path: Path) -> None:
    engine = connect(parse_address(f"sqlite:///{tmp_path / 'leeway.db'}"), lock_timeout_seconds=1.5)
    with closing(engine.raw_connection()) as connection:
        told = {
            name: connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "foreign_keys", "busy_timeout", "journal_mode")
        }
    engine.dispose()
    journal = "wal" if sqlite3.sqlite_version_info >= SAFE_WAL else "delete"
    assert told == {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 1500, "journal_mode": journal}


def test_makes_the_folder_of_the_database_even_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "100% mine" / "new" / "leeway.db"
    open_stores(f"sqlite:///{path}").close()
    assert path.is_file()


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "leeway.db"
    path.touch()
    with closing(open_stores(f"sqlite:///{path}")) as stores:
        assert stores.ledger.pending_alerts() == []


def test_says_that_a_file_is_no_database_and_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n" * 200)
    with pytest.raises(StoreError, match=r"notes\.txt is no SQLite database; give another path"):
        open_stores(f"sqlite:///{path}")
    assert path.read_text() == "dear diary\n" * 200


def test_says_that_a_path_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="its folder cannot be made"):
        open_stores(f"sqlite:///{tmp_path / 'file' / 'sub' / 'leeway.db'}")
    with pytest.raises(StoreError, match="cannot be opened; is it a folder"):
        open_stores(f"sqlite:///{tmp_path}")


def test_says_that_a_new_database_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "leeway.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"leeway\.db is locked by another process"):
            open_stores(f"sqlite:///{path}", lock_timeout_seconds=0.05)
    open_stores(f"sqlite:///{path}").close()


def test_readers_do_not_wait_for_a_writer_that_has_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "leeway.db"
    with closing(open_stores(f"sqlite:///{path}")), closing(sqlite3.connect(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with closing(open_stores(f"sqlite:///{path}", lock_timeout_seconds=0.05)) as reader:
            assert reader.ledger.decisions("pets") == []
