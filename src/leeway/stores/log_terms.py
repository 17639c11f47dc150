"""Terms of questions to the prediction log: of which version, in which window, up to which position, in which order."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_

from leeway.domain.identity import WHOLE, stream_offset
from leeway.domain.records import ModelVersion
from leeway.stores.log_tables import predictions


def of_version(table: Table, version: ModelVersion) -> ColumnElement[bool]:
    return and_(table.c.model == version.model, table.c.version == version.version)


def in_window(
    table: Table, version: ModelVersion, start: datetime | None, end: datetime | None, upto: str | None = None
) -> ColumnElement[bool]:
    """start <= occurred_at < end, of what was there at the position."""
    bounds = [of_version(table, version)]
    bounds += [] if start is None else [table.c.occurred_at >= start]
    bounds += [] if end is None else [table.c.occurred_at < end]
    bounds += [] if upto is None else [seq_of(table) <= int(upto)]
    return and_(*bounds)


def seq_of(table: Table) -> Any:
    """The number of each row; not as the key, by which PostgreSQL else goes through all that other nights hold."""
    return table.c.seq + 0


def order_in(stream: str) -> Any:
    """The place of each prediction in the stream."""
    return (predictions.c.u - stream_offset(stream)).bitwise_and(WHOLE - 1).label("place")
