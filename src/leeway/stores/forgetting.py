"""Forgetting in SQL: on PostgreSQL a day that holds nothing else is dropped as a whole; what lies among others' rows,
and everything on SQLite, is deleted.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, delete, func, insert, select, text, update

from leeway.domain.forgetting import Forgotten
from leeway.domain.records import utc_text
from leeway.stores import partitions, sources
from leeway.stores.database import Database
from leeway.stores.days import days_of_ids
from leeway.stores.log_tables import given_labels, log_heads, predictions
from leeway.stores.log_terms import between
from leeway.stores.partitions import AT_ONCE, bounds, is_partitioned, log_days, prediction_keys

KEYS_OF = "DELETE FROM prediction_keys AS k USING {} AS p WHERE k.model = p.model AND k.id = p.id"


def forget_before(database: Database, model: str, before: datetime) -> Forgotten:
    """See `leeway.domain.forgetting.Forgetting.forget`. More than 50 days are several transactions, the oldest first.

    Writers wait meanwhile, and readers for as long as it takes to drop what was looked through before.
    """
    utc_text(before)  # raises for one without a zone
    total = Counter[str]()  # by table
    while True:
        with database.transaction(writes=True) as connection:
            partitions.lock_to_forget(connection)
            horizon = _move_horizon(connection, model, before)
            more, removed = False, Counter[str]()
            if is_partitioned(connection):
                more, removed = _drop_days(connection, model, horizon)
            if not more:
                removed += _delete_older(connection, model, horizon)
            _count_given(connection, model, less=removed[given_labels.name])
            sources.forget_sources(connection, model)
            first = _first_at(connection, model)
        total += removed
        if not more:
            return Forgotten(total[predictions.name], total[given_labels.name], first)


def forget_these(database: Database, model: str, ids: Iterable[str]) -> Forgotten:
    """See `leeway.domain.forgetting.Forgetting.forget_ids`."""
    removed = Counter[str]()  # by table
    with database.transaction(writes=True) as connection:
        partitions.lock_to_record(connection, model)
        for day, some in days_of_ids(connection, model, set(ids)):
            window = (None, None) if day is None else bounds(day)
            for table in (given_labels, predictions):
                these = and_(table.c.model == model, table.c.id.in_(some), between(table, *window))
                removed[table.name] += connection.execute(delete(table).where(these)).rowcount
            if is_partitioned(connection):
                keys = prediction_keys.c
                connection.execute(delete(prediction_keys).where(keys.model == model, keys.id.in_(some)))
        _count_given(connection, model, less=removed[given_labels.name])
        sources.forget_sources(connection, model)
        first = _first_at(connection, model)
    return Forgotten(removed[predictions.name], removed[given_labels.name], first)


def _move_horizon(connection: Connection, model: str, before: datetime) -> datetime:
    """A model of which nothing is recorded has one, too."""
    known = connection.execute(select(log_heads.c.horizon).where(log_heads.c.model == model)).one_or_none()
    if known is None:
        connection.execute(insert(log_heads).values(model=model, seq=0, given=0, horizon=before))
        return before
    horizon: datetime = max(before, known.horizon or before)
    connection.execute(update(log_heads).where(log_heads.c.model == model).values(horizon=horizon))
    return horizon


def _count_given(connection: Connection, model: str, *, less: int) -> None:
    connection.execute(update(log_heads).where(log_heads.c.model == model).values(given=log_heads.c.given - less))


def _first_at(connection: Connection, model: str) -> datetime | None:
    query = select(func.min(predictions.c.occurred_at)).where(predictions.c.model == model)
    if not is_partitioned(connection):
        first: datetime | None = connection.scalar(query)
        return first
    days = connection.scalars(
        select(log_days.c.day).where(log_days.c.model == model).distinct().order_by(log_days.c.day)
    ).all()
    looks = (connection.scalar(query.where(between(predictions, *bounds(day)))) for day in days)
    return next((found for found in looks if found is not None), None)


def _delete_older(connection: Connection, model: str, horizon: datetime) -> Counter[str]:
    """Delete what is left before the horizon, row by row; how many of each table."""
    start = None
    if is_partitioned(connection):
        own = log_days.c.model == model
        first = connection.scalar(select(func.min(log_days.c.day)).where(own))
        if first is None:
            return Counter()
        start, _ = bounds(first)
        kept = predictions.c
        same = and_(prediction_keys.c.model == kept.model, prediction_keys.c.id == kept.id)
        older = and_(kept.model == model, between(predictions, start, horizon))
        connection.execute(delete(prediction_keys).where(same, older))
        connection.execute(delete(log_days).where(own, log_days.c.day < horizon.astimezone(UTC).date()))
    removed = Counter[str]()
    for table in (given_labels, predictions):
        older = and_(table.c.model == model, between(table, start, horizon))
        removed[table.name] = connection.execute(delete(table).where(older)).rowcount
    return removed


def _drop_days(connection: Connection, model: str, horizon: datetime) -> tuple[bool, Counter[str]]:
    """Drop the oldest partitions that hold rows of this model alone; (whether there are more, rows of each table)."""
    end = horizon.astimezone(UTC).date()
    others = set(connection.scalars(select(log_days.c.day).where(log_days.c.model != model, log_days.c.day < end)))
    removed, dropped, more = Counter[str](), list[str](), False
    for table in partitions.PARTITIONED:
        alone = partitions.of_days(connection, table, end, besides=others)
        more |= len(alone) > AT_ONCE
        for name in alone[:AT_ONCE]:
            own, of_all = connection.execute(
                text(f"SELECT count(*) FILTER (WHERE model = :model), count(*) FROM {name}"), {"model": model}
            ).one()
            if own < of_all:  # else deleted row by row, below
                continue
            removed[table] += own
            dropped.append(name)
            if table == predictions.name:
                connection.execute(text(KEYS_OF.format(name)))
    for name in dropped:  # at the end: who reads waits from here on
        connection.execute(text(f"DROP TABLE {name}"))
    return more and bool(dropped), removed
