"""Copying: puts rows into PostgreSQL's partitions by COPY, each id of a model once."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from leeway.stores.log_tables import given_labels, predictions
from leeway.stores.partitions import bounds, make_partitions, prediction_keys

Columns = Mapping[str, Sequence[Any]]
KNOWN = (  # each is looked up by itself, whatever PostgreSQL knows of their number
    "SELECT each_id.id FROM unnest(CAST(%s AS text[])) AS each_id (id) CROSS JOIN LATERAL "
    "(SELECT 1 FROM prediction_keys AS k WHERE k.model = %s AND k.id = each_id.id LIMIT 1) AS key"
)
DAY_OF_ROWS = (
    "INSERT INTO log_days (model, version, day, received_at, labelled) VALUES (%s, %s, %s, %s, false) "
    "ON CONFLICT (model, version, day) DO UPDATE SET received_at = greatest(log_days.received_at, excluded.received_at)"
)
MOVED = (
    "UPDATE predictions AS p SET image = moved.image "
    "FROM unnest(CAST(%s AS text[]), CAST(%s AS text[])) AS moved (id, image) "
    "WHERE p.model = %s AND p.id = moved.id AND p.occurred_at >= %s AND p.occurred_at < %s"
)
DAY_OF_LABELS = "UPDATE log_days SET labelled = true WHERE model = %s AND version = %s AND day = %s"


def put_predictions(connection: Connection, columns: Columns) -> int:
    """Rows whose id is known are left out, and of two with one id the second; return how many went in.

    Call it under the lock of the model: no other writer then comes between the look and the rows.
    """
    columns = _unknown(connection, columns)
    ids, days = columns["id"], [moment[:10] for moment in columns["occurred_at"]]
    if not ids:
        return 0
    make_partitions(connection, predictions.name, {date.fromisoformat(day) for day in set(days)})
    _copy(connection, prediction_keys.name, {"model": columns["model"], "id": ids, "day": days})
    _copy(connection, predictions.name, columns)
    of_days = sorted({*zip(columns["model"], columns["version"], days, columns["received_at"], strict=True)})
    connection.exec_driver_sql(DAY_OF_ROWS, of_days)
    return len(ids)


def put_labels(connection: Connection, columns: Columns) -> int:
    """Labels of what has one are left out; return how many went in. A label lies on the day of its prediction."""
    days = [moment[:10] for moment in columns["occurred_at"]]
    make_partitions(connection, given_labels.name, {date.fromisoformat(day) for day in set(days)})
    connection.exec_driver_sql("CREATE TEMPORARY TABLE coming_labels (LIKE given_labels) ON COMMIT DROP")
    _copy(connection, "coming_labels", columns)
    new = connection.exec_driver_sql("INSERT INTO given_labels SELECT * FROM coming_labels ON CONFLICT DO NOTHING")
    connection.exec_driver_sql("DROP TABLE coming_labels")
    of_days = sorted({*zip(columns["model"], columns["version"], days, strict=True)})
    connection.exec_driver_sql(DAY_OF_LABELS, of_days)
    return new.rowcount


def move_images(
    connection: Connection, model: str, images: Mapping[str, str], occurred_at: Mapping[str, datetime]
) -> None:
    """Write where these images are now, of a day at once."""
    days: dict[date, list[str]] = {}
    for one in images:
        days.setdefault(occurred_at[one].date(), []).append(one)
    for day, ids in sorted(days.items()):
        connection.exec_driver_sql(MOVED, (ids, [images[one] for one in ids], model, *bounds(day)))


def _unknown(connection: Connection, columns: Columns) -> Columns:
    """The rows whose id is not recorded yet, each id once."""
    ids, model = list(columns["id"]), columns["model"][0]
    known = set(connection.exec_driver_sql(KNOWN, (ids, model)).scalars())
    if not known and len(set(ids)) == len(ids):
        return columns
    first = {one: index for index, one in reversed(list(enumerate(ids))) if one not in known}
    chosen = sorted(first.values())
    return {name: [column[index] for index in chosen] for name, column in columns.items()}


def _copy(connection: Connection, table: str, columns: Columns) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    cursor: Any = connection.connection.cursor()
    with cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
        for row in zip(*columns.values(), strict=True):
            copy.write_row(row)
