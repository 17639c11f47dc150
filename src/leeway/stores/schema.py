"""The schema's column types, its revision, and the metadata that its tables stand in.

A change of a table needs a revision under migrations/versions, and SCHEMA_REVISION moved to it.
"""

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, DateTime, Enum, MetaData, String
from sqlalchemy.types import TypeDecorator

from leeway.errors import StoreError

SCHEMA_REVISION = "0013"  # known without importing Alembic, so that opening a current database is quick
VERSION_TABLE = "leeway_schema"  # a name of our own: MLflow and Prefect keep theirs in `alembic_version`

# Sorted by code point on both databases; PostgreSQL would otherwise sort ids and names by its locale.
TEXT = String().with_variant(String(collation="C"), "postgresql")


def to_json(value: Any) -> str:
    """Raises StoreError for what JSON does not have: NaN, infinity, arrays, other objects."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{value!r} cannot be stored as JSON: {error}") from error


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as UTC and given back aware. A naive one raises StoreError: nobody knows its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise StoreError(f"time {value.isoformat()} has no time zone; give an aware datetime (UTC)")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Any) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


def words(kind: type[StrEnum]) -> Enum:
    """An enumeration as its words, in a text column that may learn new ones without a migration."""
    return Enum(kind, native_enum=False, length=20, values_callable=lambda members: [str(one) for one in members])


def column(name: str, kind: Any, *more: Any, null: bool = False, key: bool = False) -> Column[Any]:
    """Columns hold a value unless they say otherwise."""
    return Column(name, kind, *more, nullable=null, primary_key=key)


metadata = MetaData()
