"""Makes MLflow's SQLite database, or brings it up to date: whole or not at all, wherever the process is ended.

MLflow runs some 60 migrations, which are no single transaction in SQLite: ended in between, they leave a database that
no MLflow opens again. Here they run on a file beside it, which takes its place at the end.
"""

import logging
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from leeway import durable
from leeway.domain.text import counted
from leeway.errors import RegistryError

BESIDE = ".unfinished"  # what the file is called while it is made; a left-over one is removed by the next that connects
COMPANIONS = ("", "-journal", "-wal", "-shm")  # a database and the files that SQLite keeps beside it
FILLED_BY_MIGRATIONS = {"alembic_version", "workspaces"}
log = logging.getLogger("leeway.mlflow")


def database_file(address: str) -> Path | None:
    """Returns the file of an SQLite address, or None for a server, another database, or one in memory."""
    if not address.startswith("sqlite"):
        return None
    from sqlalchemy import make_url

    path = make_url(address).database
    return Path(path) if path and path != ":memory:" and not path.startswith("file:") else None


def prepare_database(path: Path) -> None:
    """Make the database, or bring it up to date, if need be. The caller keeps other processes out meanwhile.

    One that was half made by an earlier Leeway, with nothing in it yet, is made anew. Raises RegistryError for one that
    cannot be brought up to date and holds something.
    """
    path = path.resolve()
    beside = path.with_name(f"{path.name}{BESIDE}")
    _remove(beside)
    try:
        if path.exists() and path.stat().st_size:
            if _is_up_to_date(path):
                return
            _update_copy(path, beside)
        else:
            _migrate(beside)
        _put_in_place(beside, path)
    finally:
        _remove(beside)


def _is_up_to_date(path: Path) -> bool:
    from mlflow.store.db.utils import _get_latest_schema_revision

    with _reading(path) as database:
        if "alembic_version" not in _tables(database):
            return False
        latest = _get_latest_schema_revision()  # type: ignore[no-untyped-call]
        return database.execute("SELECT version_num FROM alembic_version").fetchall() == [(latest,)]


def _update_copy(path: Path, copy: Path) -> None:
    """Write `copy`, up to date: of the database at `path`, or a new one if that one is broken and never held anything.

    Raises RegistryError, with `path` as it was, if it is broken and holds something.
    """
    with _reading(path) as database, closing(sqlite3.connect(copy)) as target:
        database.backup(target)
    shutil.copymode(path, copy)
    try:
        _migrate(copy)
    except Exception as error:  # a migration on tables that it does not expect raises anything
        with _reading(path) as database:
            if not _never_worked(database):
                raise RegistryError(_broken(path, database, error)) from error
        log.warning("%s: MLflow's database was half made by an interrupted run; it held nothing and is made anew", path)
        _remove(copy)
        _migrate(copy)


def _migrate(path: Path) -> None:
    """Run MLflow's own migrations. Without care for a crash, since the file is thrown away then: that is faster."""
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def _hurry(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")

    _initialize_tables(engine)  # type: ignore[no-untyped-call]


def _put_in_place(made: Path, path: Path) -> None:
    """Rename `made` to `path`, on the disk before this returns.

    The journal of an older file there was played back when that was read; beside the new one it would damage it.
    """
    _remove(path, COMPANIONS[1:])
    durable.move_file(made, path)


def _remove(path: Path, suffixes: Sequence[str] = COMPANIONS) -> None:
    for suffix in suffixes:
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _reading(path: Path) -> "closing[sqlite3.Connection]":
    """The database; a transaction that a killed process left in its journal is undone by the first look."""
    return closing(sqlite3.connect(path, timeout=20))


def _tables(database: sqlite3.Connection) -> set[str]:
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {name for (name,) in rows}


def _never_worked(database: sqlite3.Connection) -> bool:
    """Whether these are tables of MLflow, all empty: one that ever answered holds the experiment `Default`."""
    names = {name: name.removeprefix("_alembic_tmp_") for name in _tables(database)}  # so called while it is altered
    ours = "experiments" in names.values()
    return ours and not any(_count(database, name) for name, of in names.items() if of not in FILLED_BY_MIGRATIONS)


def _count(database: sqlite3.Connection, table: str) -> int:
    return int(database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]) if table in _tables(database) else 0


def _broken(path: Path, database: sqlite3.Connection, error: Exception) -> str:
    held = " and ".join(
        (counted(_count(database, "runs"), "run"), counted(_count(database, "model_versions"), "model version"))
    )
    return (
        f"{path}: MLflow's tables in it are not those of the installed MLflow, and cannot be brought there "
        f"({' '.join(str(error).split())[:200]}). It holds {held}. If a newer MLflow made it, install that one; if it "
        "was damaged, move the file away: the next command makes a new one, which does not know them"
    )
