"""Days: in which partitions a question finds its rows; on SQLite the log lies in one piece, and no day bounds it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, true

from leeway.domain.records import ModelVersion, utc_text
from leeway.stores.log_terms import each_of
from leeway.stores.partitions import bounds, is_partitioned, log_days, prediction_keys
from leeway.stores.rows import batches

Window = tuple[datetime | None, datetime | None]


def days_of_ids(connection: Connection, model: str, ids: Iterable[str]) -> Iterator[tuple[date | None, list[str]]]:
    """Give (day, ids of it), as many as one query takes; unknown ids are left out where days are known."""
    kept = prediction_keys.c
    for some in batches(ids):
        if not is_partitioned(connection):
            yield None, some
            continue
        each = each_of(some)
        key = select(kept.day).where(kept.model == model, kept.id == each.c.id).limit(1).lateral("key")
        known = select(key.c.day, func.array_agg(each.c.id)).join_from(each, key, true())
        yield from map(tuple, connection.execute(known.group_by(key.c.day).order_by(key.c.day)).all())


def windows_of(
    connection: Connection, version: ModelVersion, since: datetime | None, end: datetime | None, *, last: bool = False
) -> Iterator[Window]:
    """Give the days of a version within since <= moment < end in order; with `last` the last one first."""
    if not is_partitioned(connection):
        yield since, end
        return
    kept = log_days.c
    query = _of_version(select(kept.day), version, since)
    query = query if end is None else query.where(kept.day <= _day(end))
    for day in connection.scalars(query.order_by(kept.day.desc() if last else kept.day)).all():
        first, behind = bounds(day)
        yield max(first, since or first), min(behind, end or behind)


def labelled_windows(connection: Connection, version: ModelVersion, since: datetime | None) -> Iterator[Window]:
    """Give the window, if any, of all labels of the version that came with the log, from a moment on."""
    if not is_partitioned(connection):
        yield since, None
        return
    kept = log_days.c
    query = _of_version(select(func.min(kept.day), func.max(kept.day)), version, since).where(kept.labelled)
    first, last = connection.execute(query).one()
    if first is not None:
        start, _ = bounds(first)
        yield max(start, since or start), bounds(last)[1]


def _of_version(query: Select[Any], version: ModelVersion, since: datetime | None) -> Select[Any]:
    kept = log_days.c
    query = query.where(kept.model == version.model, kept.version == version.version)
    return query if since is None else query.where(kept.day >= _day(since))


def _day(moment: datetime) -> date:
    utc_text(moment)  # raises for one without a zone
    return moment.astimezone(UTC).date()
