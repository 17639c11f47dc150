"""Terms of questions to the prediction log: of which version, in which window, up to which position, in which order."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, String, Table, and_, func, literal, select, true

from leeway.domain.identity import WHOLE, stream_offset
from leeway.domain.records import ModelVersion
from leeway.stores.log_tables import predictions
from leeway.stores.partitions import bounds


def of_version(table: Table, version: ModelVersion) -> ColumnElement[bool]:
    return and_(table.c.model == version.model, table.c.version == version.version)


def in_window(
    table: Table, version: ModelVersion, start: datetime | None, end: datetime | None, upto: str | None = None
) -> ColumnElement[bool]:
    """start <= occurred_at < end, of what was there at the position."""
    inside = and_(of_version(table, version), between(table, start, end))
    return inside if upto is None else and_(inside, seq_of(table) <= int(upto))


def between(table: Table, start: datetime | None, end: datetime | None) -> ColumnElement[bool]:
    """start <= occurred_at < end; by this PostgreSQL knows which partitions it need not look at."""
    limits = [] if start is None else [table.c.occurred_at >= start]
    limits += [] if end is None else [table.c.occurred_at < end]
    return and_(true(), *limits)


def with_these(table: Table, columns: Sequence[Any], model: str, ids: Collection[str], day: date | None) -> Select[Any]:
    """Columns of a model's rows with these ids; `day`: the UTC day on which all of them lie, on PostgreSQL.

    Each is then looked up by itself: of a day that was never analyzed PostgreSQL would read all rows for many ids.
    """
    if day is None:
        return select(*columns).where(table.c.model == model, table.c.id.in_(ids))
    each = each_of(ids)
    same = and_(table.c.model == model, table.c.id == each.c.id, between(table, *bounds(day)))
    found = select(*columns).where(same).limit(1).lateral("found")
    return select(found).join_from(each, found, true())


def each_of(ids: Collection[str]) -> Any:
    """These ids as rows, on PostgreSQL."""
    return func.unnest(literal(list(ids), ARRAY(String))).table_valued("id", name="each_id").render_derived()


def seq_of(table: Table) -> Any:
    """The number of each row; not as the key, by which PostgreSQL else goes through all that other nights hold."""
    return table.c.seq + 0


def order_in(stream: str) -> Any:
    """The place of each prediction in the stream."""
    return (predictions.c.u - stream_offset(stream)).bitwise_and(WHOLE - 1).label("place")
