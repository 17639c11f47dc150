"""Opens the store's database: address, connection settings, schema. Says in one line what went wrong."""

import sqlite3
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from leeway import durable
from leeway.errors import LeewayError, ParamsError, StoreError
from leeway.stores.tables import SCHEMA_REVISION, VERSION_TABLE, to_json

MIGRATIONS = Path(__file__).parent / "migrations"
SAFE_WAL = (3, 51, 3)  # SQLite before it can corrupt a WAL when two connections checkpoint at once
ADVISORY_LOCK = int.from_bytes(b"leeway")  # PostgreSQL's advisory locks are numbers
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
}


def open_engine(url: str, *, lock_timeout_seconds: float) -> Engine:
    """An engine on a database whose schema is current; an empty or older one is migrated first.

    Writers must take a connection with the execution option `writes=True`: on SQLite it locks at the start of the
    transaction, since a reader that turns writer half-way is refused at once. Raises ParamsError, StoreError.
    """
    address = parse_address(url)
    if address.get_backend_name() == "sqlite":
        _make_folder(Path(str(address.database)))
    try:
        engine = create_engine(address, json_serializer=to_json, json_deserializer=_from_json, **_driver(address))
    except ModuleNotFoundError as error:
        raise StoreError(f"{_place(address)}: {error.name} is not installed; pip install 'leeway[postgres]'") from error
    _set_up(engine, lock_timeout_seconds)
    try:
        _bring_up_to_date(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise explain(error, address) from error
    except StoreError:
        engine.dispose()
        raise
    return engine


def _from_json(text: str) -> Any:
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


def explain(error: SQLAlchemyError, address: URL) -> LeewayError:
    """The driver's error as one line of ours: which database, what it means. Never the password."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, LeewayError):  # raised by a column type
        return cause
    words = " ".join(str(cause).split())
    if address.password:
        words = words.replace(str(address.password), "***")
    meaning = next((told for said, told in MEANINGS.items() if said in words), "refused")
    return StoreError(f"{_place(address)} {meaning}: {words}")


def _place(address: URL) -> str:
    if address.get_backend_name() == "sqlite":
        return f"database {address.database}"
    host = address.host or address.query.get("host", "localhost")
    return f"database {address.database} on {host}" + (f":{address.port}" if address.port else "")


def _make_folder(path: Path) -> None:
    try:
        durable.make_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"database {path}: its folder cannot be made ({error.strerror}); give another path (LEEWAY_DATABASE_URL)"
        ) from error


def _driver(address: URL) -> dict[str, Any]:
    if address.get_backend_name() == "sqlite":
        return {}
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


def _bring_up_to_date(engine: Engine) -> None:
    with engine.begin() as connection:
        if _revision(connection, engine.url) == SCHEMA_REVISION:
            return
    with engine.execution_options(writes=True).connect() as connection:
        _tell_driver(connection, "foreign_keys = off")  # a table that is rebuilt is dropped for a moment
        with connection.begin():  # whoever comes second finds it done
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ADVISORY_LOCK})
            _migrate(connection, _revision(connection, engine.url), engine.url)
        _tell_driver(connection, "foreign_keys = on")


def _tell_driver(connection: Connection, pragma: str) -> None:
    """Outside a transaction, where alone SQLite listens to it; nothing on PostgreSQL."""
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute(f"PRAGMA {pragma}")


def _revision(connection: Connection, address: URL) -> str | None:
    """The schema's revision; None for an empty database. Tables of someone else raise StoreError."""
    found = inspect(connection).get_table_names()
    if VERSION_TABLE in found:
        revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        return revision
    if found:
        raise StoreError(
            f"{_place(address)} holds tables that Leeway did not make ({', '.join(sorted(found)[:5])}); "
            "give Leeway a database of its own (LEEWAY_DATABASE_URL)"
        )
    return None


def _migrate(connection: Connection, revision: str | None, address: URL) -> None:
    """Upgrades to the newest revision inside the connection's transaction."""
    from alembic import command  # here, since a current database needs none of it
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if revision is not None and revision not in known:
        raise StoreError(
            f"{_place(address)} has schema {revision}; this Leeway knows {', '.join(sorted(known))}: "
            "it was written by a newer Leeway, upgrade this one"
        )
    command.upgrade(config, "head")
