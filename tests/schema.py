"""Schema: how the tables of a database differ from those that the code uses."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from leeway.stores import partitions
from leeway.stores.schema import VERSION_TABLE, metadata

PARTITIONED_KEYS = ("prediction", "given_label")  # the moment stands in them, too: a key of all partitions has to


def differences(connection: Connection) -> list[Any]:
    """What Alembic would change; on PostgreSQL but for the partitions of the log, and for what they bring with them."""
    by_day = connection.dialect.name == "postgresql"

    def is_compared(name: str | None, kind: str, parents: Any) -> bool:
        table = str(name if kind == "table" else parents.get("table_name", ""))
        if table.startswith(tuple(f"{one}_" for one in partitions.PARTITIONED)):
            return False
        return not (kind == "index" and name in PARTITIONED_KEYS)

    def is_ours(_: Any, name: str | None, kind: str, *_more: Any) -> bool:
        return not (kind == "index" and name in PARTITIONED_KEYS)

    options = {"version_table": VERSION_TABLE}
    filters = {"include_name": is_compared, "include_object": is_ours} if by_day else {}
    context = MigrationContext.configure(connection, opts={**options, **filters})
    return list(compare_metadata(context, [metadata, partitions.own] if by_day else metadata))
