"""Opening: finds the database of both stores as the code needs it, makes or migrates it, or says why not."""

import logging
import secrets
import shutil
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, insert, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from leeway import durable
from leeway.domain.stores import PredictionLog
from leeway.errors import StoreError
from leeway.stores import ledger_tables
from leeway.stores.database import Database, connect, explain, parse_address, place
from leeway.stores.ledger import SqlLedger
from leeway.stores.prediction_log import SqlPredictionLog
from leeway.stores.schema import SCHEMA_REVISION, VERSION_TABLE, metadata

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = int.from_bytes(b"leeway")  # PostgreSQL's advisory locks are numbers
SMALL = 10_000  # rows of a source that goes into today's segment; a larger one becomes a part at once
# The last revision that rebuilds the largest tables, and how many million predictions of them a minute.
REBUILT = {"sqlite": ("0003", 5), "postgresql": ("0013", 2)}
ROOM = 3  # times its size: what a migration of an SQLite file needs on the disk beside it
NOWHERE = make_url("sqlite://")  # an empty database in memory: what a reader sees of one that is not there
log = logging.getLogger("leeway.stores")


@dataclass(frozen=True, slots=True)
class Stores:
    """The prediction log and the ledger of one database."""

    log: PredictionLog
    ledger: SqlLedger

    def close(self) -> None:
        """Give the connections back."""
        self.log.close()
        self.ledger.database.close()


def open_stores(
    url: str,
    *,
    reading: bool = False,
    secret: str | None = None,
    expected: str | None = None,
    lock_timeout_seconds: float = 30.0,
    small: int = SMALL,
) -> Stores:
    """Return the stores at `sqlite:///PATH` or `postgresql://...`, made or migrated where needed.

    `reading` makes and migrates nothing: of a database that is not there it sees an empty one, and one of the release
    before raises StoreError with the command to run. `secret` is what a new ledger makes its permanent numbers with;
    default: nobody knows it. `expected` is the ledger's id: one that is gone, or another one, raises StoreError.
    `small`: sources of fewer rows go into today's segment (SQLite only).
    A lock that another process does not give up within the time-out raises StoreError, here and in every call.
    Raises ParamsError for an address of another kind; StoreError if the database cannot be used.
    """
    address = parse_address(url)
    log.debug("database %s, %s", address.render_as_string(), "to read" if reading else "to write")
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).exists():
        _refuse_lost(address, expected)
        address = NOWHERE if reading else address
    if not reading:
        _make_folder(address)
    engine = connect(address, lock_timeout_seconds=lock_timeout_seconds)
    try:
        if reading:
            engine = _as_it_is(engine, expected)
        else:
            _bring_up_to_date(engine, secret=secret, expected=expected)
        ledger = SqlLedger(Database(engine))
        if expected is not None and ledger.id != expected:
            raise StoreError(
                f"{place(address)} is another ledger than the one that was used here: its id is {ledger.id}, "
                f"{expected} was expected; {_way_out(address, 'go on with this one')}"
            )
    except SQLAlchemyError as error:
        engine.dispose()
        raise explain(error, address) from error
    except StoreError:
        engine.dispose()
        raise
    if engine.dialect.name != "sqlite" or engine.url.database is None:
        return Stores(SqlPredictionLog(Database(engine), secret=ledger.secret), ledger)
    from leeway.stores.columnar.opening import open_columns  # loads Arrow, which the others do not need

    return Stores(open_columns(ledger, small=small, reading=reading, wait=lock_timeout_seconds), ledger)


def older_revision(url: str) -> str | None:
    """Return the schema's revision of a database that an earlier release made; None for a current one, or none at all.

    Reads only. Raises ParamsError for an address of another kind; StoreError for one that a newer Leeway made, that
    holds other tables or that cannot be reached.
    """
    address = parse_address(url)
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).exists():
        return None
    engine = connect(address, lock_timeout_seconds=30.0)
    try:
        with engine.begin() as connection:
            revision = _revision(connection, address)
    except SQLAlchemyError as error:
        raise explain(error, address) from error
    finally:
        engine.dispose()
    if revision is None or revision == SCHEMA_REVISION:
        return None
    _refuse_newer(revision, address)
    return revision


def _make_folder(address: URL) -> None:
    if address.get_backend_name() != "sqlite":
        return
    path = Path(str(address.database))
    try:
        durable.make_folder(path.parent)
    except OSError as error:
        raise StoreError(
            f"database {path}: its folder cannot be made ({error.strerror}); give another path (LEEWAY_DATABASE_URL)"
        ) from error


def _as_it_is(engine: Engine, expected: str | None) -> Engine:
    """Return the engine, or where its database is empty one of an empty database in memory."""
    with engine.begin() as connection:
        revision = None if engine.url == NOWHERE else _revision(connection, engine.url)
    if revision is None:
        _refuse_lost(engine.url, expected)
        engine.dispose()
        engine = connect(NOWHERE, lock_timeout_seconds=0)
        metadata.create_all(engine)
        with engine.begin() as connection:
            _make_ledger(connection)
    elif revision != SCHEMA_REVISION:
        _refuse_newer(revision, engine.url)
        raise StoreError(
            f"{place(engine.url)} is of the release before (schema {revision}); the next command that writes brings it "
            "up to date: run `leeway monitor`"
        )
    return engine


def _bring_up_to_date(engine: Engine, *, secret: str | None, expected: str | None) -> None:
    with engine.begin() as connection:
        if _revision(connection, engine.url) == SCHEMA_REVISION:
            return
    with engine.execution_options(writes=True).connect() as connection:
        _tell_driver(connection, "foreign_keys = off")  # a table that is rebuilt is dropped for a moment
        with connection.begin():  # whoever comes second finds it done
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ADVISORY_LOCK})
            revision = _revision(connection, engine.url)
            if revision != SCHEMA_REVISION:
                _prepare(connection, revision, expected)
                _migrate(connection, secret)
        _tell_driver(connection, "foreign_keys = on")


def _prepare(connection: Connection, revision: str | None, expected: str | None) -> None:
    """Say what is going to happen to an older database, or why it cannot."""
    address = connection.engine.url
    if revision is None:
        _refuse_lost(address, expected)
        return
    _refuse_newer(revision, address)
    last, millions = REBUILT[connection.dialect.name]
    if revision >= last:
        log.info("%s: bringing it from schema %s to %s", place(address), revision, SCHEMA_REVISION)
        return
    if connection.dialect.name == "sqlite":
        path = Path(str(address.database))
        size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
        if free < ROOM * size:
            needed = f"{ROOM * size / 2**20:,.0f} MiB on its disk, {free / 2**20:,.0f} MiB are free"
            raise StoreError(
                f"{place(address)} is of the release before; to bring it up to date takes {needed}: "
                "nothing of this was written, make room and try again"
            )
    rows = connection.scalar(text("SELECT count(*) FROM predictions"))
    log.info(
        "%s: bringing %s predictions from schema %s to %s, once, in one transaction (a minute for each %s million)",
        *(place(address), f"{rows:,}", revision, SCHEMA_REVISION, millions),
    )


def _migrate(connection: Connection, secret: str | None) -> None:
    """Upgrade to the newest revision inside the connection's transaction; `secret` is what a new ledger gets."""
    from alembic import command  # here, since a current database needs none of it
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "secret": secret})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")


def _make_ledger(connection: Connection) -> None:
    """Give a database in memory its id and its secret; those of the others come with their migration."""
    now = datetime.now(UTC)
    made = {"id": uuid.uuid4().hex, "secret": secrets.token_hex(16), "made_at": now, "reconciled_at": now}
    connection.execute(insert(ledger_tables.ledger), made)


def _revision(connection: Connection, address: URL) -> str | None:
    """The schema's revision; None for an empty database. Tables of someone else raise StoreError."""
    found = inspect(connection).get_table_names()
    if VERSION_TABLE in found:
        revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        return revision
    if found:
        raise StoreError(
            f"{place(address)} holds tables that Leeway did not make ({', '.join(sorted(found)[:5])}); "
            "give Leeway a database of its own (LEEWAY_DATABASE_URL)"
        )
    return None


def _refuse_newer(revision: str, address: URL) -> None:
    known = sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    if revision not in known:
        raise StoreError(
            f"{place(address)} has schema {revision}; this Leeway knows {', '.join(known)}: "
            "it was written by a newer Leeway, upgrade this one"
        )


def _refuse_lost(address: URL, expected: str | None) -> None:
    if expected is not None:
        raise StoreError(
            f"{place(address)} is empty or not there, and the ledger {expected} was used here; {_way_out(address)}"
        )


def _way_out(address: URL, wish: str = "begin anew") -> str:
    where = "copy its file back" if address.get_backend_name() == "sqlite" else "restore it from a backup"
    return f"{where}, or mend LEEWAY_DATABASE_URL; to {wish} on purpose delete .leeway-ledger in the workspace"


def _tell_driver(connection: Connection, pragma: str) -> None:
    """Outside a transaction, where alone SQLite listens to it; nothing on PostgreSQL."""
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute(f"PRAGMA {pragma}")
