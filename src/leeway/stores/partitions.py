"""Partitions: on PostgreSQL the prediction log lies in a table for each UTC day, made when the first row of it comes.

PostgreSQL keeps an id unique within a partition at most. Hence a thin table of keys, in one piece, says which day an id
belongs to; and a small one which days a version has. By these two a query names its days, and PostgreSQL plans for
their partitions alone: a plan for all of a year takes a hundred times as long as a night's.
"""

import re
import zlib
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Boolean, Connection, Date, Integer, MetaData, Table, text

from leeway.stores.schema import TEXT, UtcDateTime, column

PARTITIONED = ("given_labels", "predictions")  # in the order in which a query of both locks them
LOG, DAYS = int.from_bytes(b"log"), int.from_bytes(b"day")  # PostgreSQL's advisory locks are pairs of numbers
WRITING, MAKING = 0, 1
AT_ONCE = 50  # days of a table that one transaction makes or drops: each takes half a dozen of the server's locks
DAY = timedelta(days=1)

own = MetaData()  # of PostgreSQL alone

prediction_keys = Table(
    "prediction_keys", own, column("model", TEXT, key=True), column("id", TEXT, key=True), column("day", Date)
)

log_days = Table(  # days that hold rows of a version, or held some
    "log_days",
    own,
    column("model", TEXT, key=True),
    column("version", Integer, key=True),
    column("day", Date, key=True),
    column("received_at", UtcDateTime),  # of the newest of them
    column("labelled", Boolean),  # whether labels came with some
)


def is_partitioned(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def bounds(day: date) -> tuple[datetime, datetime]:
    """Return start and end of a UTC day."""
    start = datetime.combine(day, time(), UTC)
    return start, start + DAY


# Locks, held to the end of the transaction


def lock_to_record(connection: Connection, model: str) -> None:
    """One writer of a model at a time; nothing on SQLite, which has one writer."""
    if is_partitioned(connection):
        _lock(connection, DAYS, WRITING, shared=True)
        _lock(connection, LOG, zlib.crc32(model.encode()) - 2**31)


def lock_to_forget(connection: Connection) -> None:
    """Wait until nobody records: a partition is dropped, which writers would hinder for as long as they write."""
    if is_partitioned(connection):
        _lock(connection, DAYS, WRITING)


def _lock(connection: Connection, kind: int, number: int, *, shared: bool = False) -> None:
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.execute(text(f"SELECT {function}(:kind, :number)"), {"kind": kind, "number": number})


# The partitions


def make_partitions(connection: Connection, table: str, days: Collection[date]) -> None:
    """Make what is missing, in transactions of its own, committed at once: other writers need not wait for this one.

    One that stays empty harms nobody. It is attached, not made in its place: that keeps no reader waiting.
    """
    missing = missing_days(connection, table, days)
    for start in range(0, len(missing), AT_ONCE):
        with connection.engine.begin() as other:
            _lock(other, DAYS, MAKING)
            for day in missing_days(other, table, missing[start : start + AT_ONCE]):
                make_partition(other, table, day)


def make_partition(connection: Connection, table: str, day: date) -> None:
    name, (start, end) = name_of(table, day), bounds(day)
    connection.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)"))
    connection.execute(text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"))


def missing_days(connection: Connection, table: str, days: Collection[date]) -> list[date]:
    ends = partitions_of(connection, table)
    begun = max((end for name, end in ends.items() if "before" in name), default=date.min)
    return sorted({day for day in days if day >= begun and name_of(table, day) not in ends})


def partitions_of(connection: Connection, table: str) -> dict[str, date]:
    """Return the first day behind each partition, by its name, in order."""
    query = (
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = CAST(:name AS regclass)"
    )
    found = {}
    for name in connection.scalars(text(query), {"name": table}):
        if end := re.fullmatch(rf"{table}_(before_)?(\d{{8}})", name):
            day = datetime.strptime(end[2], "%Y%m%d").replace(tzinfo=UTC).date()
            found[name] = day if end[1] else day + DAY
    return dict(sorted(found.items(), key=lambda one: one[1]))


def of_days(connection: Connection, table: str, end: date, *, besides: Collection[date]) -> list[str]:
    """Return the partitions of days before `end` that hold none of these days, the oldest first."""
    kept = []
    for name, behind in partitions_of(connection, table).items():
        first = date.min if "before" in name else behind - DAY
        if behind <= end and not any(first <= day < behind for day in besides):
            kept.append(name)
    return kept
