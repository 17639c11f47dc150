"""Database: where both stores are kept. Address, connection settings, transactions, and one line when they fail."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Executable,
    Row,
    StaticPool,
    Table,
    create_engine,
    event,
    make_url,
    update,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from leeway.errors import LeewayError, ParamsError, StoreError
from leeway.stores.schema import to_json

SAFE_WAL = (3, 51, 3)  # SQLite before it can corrupt a WAL when two connections checkpoint at once
CONNECT_SECONDS = 10
JSON = TypeAdapter(Any)  # reads a night's counts 2.5 times as fast as json.loads

# What a driver says -> what it means and what to do. The first that is found in the driver's words is told.
MEANINGS = {
    "database is locked": "is locked by another process; try again when it is done",
    "lock timeout": "is locked by another process; try again when it is done",
    "file is not a database": "is no SQLite database; give another path (LEEWAY_DATABASE_URL)",
    "unable to open database file": "cannot be opened; is it a folder, or may it not be read?",
    "readonly database": "may not be written; mend the permissions of the file and its folder",
    "disk is full": "has no room left on its disk; nothing of this was written",
    "disk I/O error": "cannot be written, its disk refuses; nothing of this was written",
    "connection failed": "cannot be reached (LEEWAY_DATABASE_URL)",
    "connection timeout": "cannot be reached (LEEWAY_DATABASE_URL)",
    "connection is lost": "went away; try again (LEEWAY_DATABASE_URL)",
    "terminating connection": "went away; try again (LEEWAY_DATABASE_URL)",
    "out of shared memory": "has too few locks for so many days at once; raise its max_locks_per_transaction",
}


class Database:
    """One database, which threads may share. Raises StoreError, in one line."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        """Committed at the end, rolled back on any error; the database's own errors come out as ours."""
        try:
            with self.engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except (SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error) as error:  # of the driver: by COPY
            raise explain(error, self.engine.url) from error

    def all(self, query: Executable) -> Sequence[Row[Any]]:
        with self.transaction() as connection:
            return connection.execute(query).all()

    def scalar(self, query: Executable) -> Any:
        with self.transaction() as connection:
            return connection.scalar(query)

    def change(self, table: Table, this: ColumnElement[bool], values: dict[str, Any], *, named: str) -> None:
        """Update these rows; raises StoreError, which names what was meant, where there is none."""
        with self.transaction(writes=True) as connection:
            if not connection.execute(update(table).where(this).values(**values)).rowcount:
                raise StoreError(f"'{named}' is not among the {table.name.replace('_', ' ')} of the ledger")

    def close(self) -> None:
        self.engine.dispose()


class Snapshot(Database):
    """A database as of one moment: all that is asked of it is asked in one transaction, which is held open."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.engine)
        self._connection = connection

    @contextmanager
    def transaction(self, *, writes: bool = False) -> Iterator[Connection]:
        if writes:
            raise ValueError("a snapshot is only read")
        yield self._connection


def connect(address: URL, *, lock_timeout_seconds: float) -> Engine:
    """Return an engine; nothing is asked of the database yet.

    Writers must take a connection with the execution option `writes=True`: on SQLite it locks at the start of the
    transaction, since a reader that turns writer half-way is refused at once. Raises StoreError.
    """
    try:
        engine = create_engine(address, json_serializer=to_json, json_deserializer=from_json, **_driver(address))
    except ModuleNotFoundError as error:
        raise StoreError(f"{place(address)}: {error.name} is not installed; pip install 'leeway[postgres]'") from error
    _set_up(engine, lock_timeout_seconds)
    return engine


def from_json(text: str) -> Any:
    if text == "[]":  # a prediction without probabilities, as in most logs
        return []
    try:
        return JSON.validate_json(text)
    except ValidationError:
        raise StoreError(f"the database holds {text!r:.40} where JSON belongs; restore it from a backup") from None


def parse_address(url: str) -> URL:
    """LEEWAY_DATABASE_URL as SQLAlchemy reads it, with the driver that Leeway uses. Raises ParamsError."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise ParamsError("LEEWAY_DATABASE_URL: not an address; allowed: sqlite:///PATH or postgresql://...") from None
    if address.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return address.set(drivername="postgresql+psycopg")
    if address.drivername == "sqlite" and address.database not in (None, "", ":memory:"):
        return address
    raise ParamsError(
        f"LEEWAY_DATABASE_URL: got {address.drivername}://; allowed: sqlite:///PATH (a file) or postgresql://..."
    )


def explain(error: Exception, address: URL) -> LeewayError:
    """The driver's error as one line of ours: which database, what it means. Never the password."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, LeewayError):  # raised by a column type
        return cause
    words = " ".join(str(cause).split())
    if address.password:
        words = words.replace(str(address.password), "***")
    meaning = next((told for said, told in MEANINGS.items() if said in words), "refused")
    return StoreError(f"{place(address)} {meaning}: {words}")


def place(address: URL) -> str:
    """Return how people are told which database is meant."""
    if address.get_backend_name() == "sqlite":
        return f"database {unquote(str(address.database).removeprefix('file:'))}"
    host = address.host or address.query.get("host", "localhost")
    return f"database {address.database} on {host}" + (f":{address.port}" if address.port else "")


def _driver(address: URL) -> dict[str, Any]:
    if address.get_backend_name() == "sqlite":
        return {} if address.database else {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    return {"connect_args": {"connect_timeout": CONNECT_SECONDS}, "pool_pre_ping": True}


def _set_up(engine: Engine, lock_timeout_seconds: float) -> None:
    """What every new connection is told before its first use."""
    milliseconds = round(1000 * lock_timeout_seconds)

    def tell_sqlite(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` below does
        for pragma in sqlite_pragmas(milliseconds):
            connection.execute(f"PRAGMA {pragma}")

    def tell_postgres(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {milliseconds}")
        connection.commit()

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", tell_sqlite)
        event.listen(engine, "begin", begin)
    else:
        event.listen(engine, "connect", tell_postgres)


def sqlite_pragmas(lock_timeout_ms: int) -> list[str]:
    """Durable at every commit; the write-ahead log only where the library's is sound."""
    journal = "wal" if sqlite3.sqlite_version_info >= SAFE_WAL else "delete"
    return [
        f"busy_timeout = {lock_timeout_ms}",
        f"journal_mode = {journal}",
        "synchronous = full",
        "foreign_keys = on",
        "cache_size = -65536",  # KiB: a million ids are put into their index from memory
    ]
