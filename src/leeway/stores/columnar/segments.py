"""Live segments: SQLite files that take what comes in small numbers, until a closed day is rolled into a part."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import URL, Connection, Table, and_, select

from leeway import durable
from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import content_hashes
from leeway.errors import StoreError
from leeway.stores.columnar.manifest import BEFORE, Window, add_segment
from leeway.stores.columnar.parts import SCHEMA, TRUTH
from leeway.stores.columnar.write_ahead import connect_reader, connect_writer, held, is_writers, lock_of
from leeway.stores.database import Database, connect
from leeway.stores.log_tables import given_labels, log_heads, predictions
from leeway.stores.schema import metadata

TABLES: Sequence[Table] = (predictions, given_labels, log_heads)
AT_ONCE = 50_000  # rows that are taken out of SQLite at once
SEALED = 1  # SQLite's own number for a file's user: nobody writes to this one any more


class SealedSegmentError(StoreError):
    """A segment that was going to be written to is being rolled: another one is taken."""


class MissingSegmentError(StoreError):
    """A segment that the manifest named a moment ago is not there: it was rolled meanwhile, or is lost."""


class Segments:
    """The SQLite files of one log, each opened once and kept open."""

    def __init__(self, folder: Path, ledger: Database, *, lock_timeout_seconds: float) -> None:
        self.folder, self._wait = folder, lock_timeout_seconds
        self._open: dict[str, Database] = {BEFORE: ledger}

    def open(self, name: str) -> Database:
        """Return the segment's database. Raises MissingSegmentError."""
        path = self.folder / name
        if name != BEFORE and not path.is_file():
            self.close(name)
            raise MissingSegmentError(
                f"the prediction log is damaged: {path} is not there; it holds predictions that were received on "
                f"{name[:10]}: copy the file back from a backup; `leeway log check` says what else is missing"
            )
        if name not in self._open:
            self._open[name] = self.connect(name)
        return self._open[name]

    def take_today(self, connection: Connection, names: Sequence[str], day: date) -> tuple[str, Database]:
        """Return a segment of this day; made, and named in the manifest's transaction, where none is open.

        Each has a name of its own for ever: positions and parts go on to name one that was rolled.
        """
        for name in names:
            if name.startswith(f"{day}.") and not self.is_sealed(name):
                return name, self.open(name)
        durable.make_folder(self.folder)
        name = f"{day}.{secrets.token_hex(4)}.db"
        database = self.connect(name, make=True)
        metadata.create_all(database.engine, tables=TABLES)
        add_segment(connection, name, day)
        self._open[name] = database
        return name, database

    @contextmanager
    def alone(self, name: str) -> Iterator[Database]:
        """Give a database of its own, to write to. Raises HeldError for a segment that another process fills now."""
        if not is_writers(name):
            with closing(self.connect(name)) as database:
                yield database
            return
        path = self.folder / name
        with held(path), closing(Database(connect_writer(path, lock_timeout_seconds=self._wait))) as database:
            yield database

    def is_sealed(self, name: str) -> bool:
        with self.open(name).transaction() as connection:
            return is_sealed(connection)

    def keep(self, names: Collection[str]) -> None:
        """Close all but these: a file that was rolled takes room on the disk for as long as it is open."""
        for name in [one for one in self._open if one not in names]:
            self.close(name)

    def close(self, name: str | None = None) -> None:
        """Close one segment, or all."""
        for one in [name] if name is not None else list(self._open):
            if one != BEFORE and (database := self._open.pop(one, None)) is not None:
                database.close()

    def connect(self, name: str, *, make: bool = False) -> Database:
        """Return a database of its own of the segment's file, which is not made unless asked for."""
        if is_writers(name):
            return Database(connect_reader(self.folder / name, lock_timeout_seconds=self._wait))
        mode = {"mode": "rwc" if make else "rw", "uri": "true"}
        file = URL.create("sqlite", database=f"file:{quote(str(self.folder / name))}", query=mode)
        return Database(connect(file, lock_timeout_seconds=self._wait))


def seal(connection: Connection) -> None:
    """Let nobody write to this segment from this transaction on, but for what forgets rows."""
    connection.exec_driver_sql(f"PRAGMA user_version = {SEALED}")


def is_sealed(connection: Connection) -> bool:
    """Whether the segment is closed for ever. Whoever adds rows asks in the transaction that adds them."""
    return connection.exec_driver_sql("PRAGMA user_version").scalar() == SEALED


def remove_segment(folder: Path, name: str) -> None:
    """Delete the file of a segment that the manifest no longer names, with what SQLite keeps beside it."""
    for one in (name, *(f"{name}{ending}" for ending in ("-wal", "-shm", "-journal")), lock_of(name)):
        (folder / one).unlink(missing_ok=True)


def heads(connection: Connection) -> dict[str, tuple[int, int]]:
    """Model -> (where its log ends, labels that came with it) in one segment."""
    return {row.model: (row.seq, row.given) for row in connection.execute(select(log_heads))}


def live_rows(
    connection: Connection,
    window: Window,
    *,
    after: int = 0,
    upto: int | None = None,
    truth: bool = False,
) -> Iterator[pa.Table]:
    """Yield a segment's predictions, or with `truth` its labels, as parts have them: those between two numbers."""
    table, schema = (given_labels, TRUTH) if truth else (predictions, SCHEMA)
    bounds = [table.c.model == window.model]
    bounds += [] if window.version is None else [table.c.version == window.version]
    bounds += [] if window.start is None else [table.c.occurred_at >= window.start]
    bounds += [] if window.end is None else [table.c.occurred_at < window.end]
    bounds += [table.c.seq + 0 > after] if after else []
    bounds += [] if upto is None else [table.c.seq + 0 <= upto]
    query = select(*(table.c[one.name] for one in schema if one.name in table.c)).where(and_(*bounds))
    rows = connection.execute(query)
    names = list(rows.keys())
    while some := rows.fetchmany(AT_ONCE):
        columns = dict(zip(names, zip(*some, strict=True), strict=True))
        made = pa.table({one.name: _column(one, columns.get(one.name), len(some)) for one in schema}, schema)
        yield made if truth else _with_hashes(made)


def _with_hashes(table: pa.Table) -> pa.Table:
    """With `h` of rows from before it was kept."""
    if not table["h"].null_count:
        return table
    h = table["h"].combine_chunks()
    for version in table["version"].unique().to_pylist():
        own = pc.and_(table["h"].is_null(), pc.equal(table["version"], version)).combine_chunks()
        made = content_hashes(version, PredictionColumns.from_table(table))
        h = pc.if_else(own, pa.array(made), h)
    return table.set_column(table.column_names.index("h"), "h", h)


def _column(field: pa.Field, values: Sequence[Any] | None, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    return pa.array(values, field.type)
