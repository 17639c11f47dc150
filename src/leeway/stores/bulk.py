"""Puts whole columns of predictions into the store: a million rows in seconds, each id once."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, select

from leeway.domain.records import PredictionColumns, Recorded
from leeway.stores import tables

COMPARED = ("model", "version", "occurred_at", "predicted_class", "confidence", "slice", "group", "image")
IDS_PER_QUERY = 5_000  # SQLite takes 32,766 variables in one statement
LABELER = "file"  # in whose name the labels of a prediction log stand
T = TypeVar("T", str, int)


def insert_columns(
    connection: Connection, model: str, version: int, given: PredictionColumns, *, received_at: datetime
) -> Recorded:
    """Ids that are known stay as they are: those whose content differs are told, and their labels left out."""
    columns = _prediction_columns(connection, model, version, given, received_at)
    new = _insert(connection, tables.predictions, columns)
    changed = () if new == len(given.ids) else _changed(connection, given, columns)
    labels, refused = _insert_labels(connection, given, set(changed), received_at)
    return Recorded(
        new=new,
        known=len(given.ids) - new - len(changed),
        changed=changed,
        labels=labels,
        labels_changed=refused,
    )


def _prediction_columns(
    connection: Connection, model: str, version: int, given: PredictionColumns, received_at: datetime
) -> dict[str, Sequence[Any]]:
    rows = len(given.ids)
    nothing: list[None] = [None] * rows
    return {
        "id": given.ids,
        "model": [model] * rows,
        "version": [version] * rows,
        "occurred_at": [_moment(connection, text) for text in given.occurred_at],
        "image": given.images or [""] * rows,
        "predicted_class": given.predicted,
        "confidence": given.confidence or nothing,
        "probabilities": given.probabilities or ["[]"] * rows,
        "energy": nothing,
        "latency_ms": nothing,
        "group": given.groups or given.ids,
        "slice": given.slices or nothing,
        "received_at": [_moment(connection, _text(received_at))] * rows,
        "digest": [""] * rows,  # compared by its columns
    }


def _insert_labels(
    connection: Connection, given: PredictionColumns, changed: set[str], received_at: datetime
) -> tuple[int, tuple[str, ...]]:
    """(new labels, predictions whose label in this name is another already)."""
    chosen = [
        (one, label, chance)
        for one, label, chance in zip(given.ids, given.labels, given.draw_probabilities, strict=True)
        if label is not None and one not in changed
    ]
    if not chosen:
        return 0, ()
    ids, labels, chances = (list(column) for column in zip(*chosen, strict=True))
    at = [_moment(connection, _text(received_at))] * len(ids)
    columns = {"prediction_id": ids, "labeler": [LABELER] * len(ids), "label": labels, "labelled_at": at}
    new = _insert(connection, tables.labels, {**columns, "draw_probability": chances})
    if new == len(ids):
        return new, ()
    known: dict[str, str] = {}
    for some in batches(ids):
        table = tables.labels
        query = select(table.c.prediction_id, table.c.label).where(
            table.c.labeler == LABELER, table.c.prediction_id.in_(some)
        )
        known |= {row.prediction_id: row.label for row in connection.execute(query)}
    return new, tuple(one for one, label in zip(ids, labels, strict=True) if known.get(one) != label)


def _insert(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> int:
    """Rows whose key is known are left out; how many went in."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join([mark] * len(columns))
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'
    return connection.exec_driver_sql(statement, list(zip(*columns.values(), strict=True))).rowcount


def _changed(connection: Connection, given: PredictionColumns, columns: Mapping[str, Sequence[Any]]) -> tuple[str, ...]:
    """Ids that are recorded with another content than these columns."""
    table, found = tables.predictions, {}
    for some in batches(given.ids):
        query = select(table.c.id, *(table.c[name] for name in COMPARED)).where(table.c.id.in_(some))
        found.update({row[0]: tuple(row[1:]) for row in connection.execute(query)})
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in given.occurred_at]
    told = zip(*({**columns, "occurred_at": moments}[name] for name in COMPARED), strict=True)
    return tuple(one for one, content in zip(given.ids, told, strict=True) if found[one] != content)


def _moment(connection: Connection, text: str) -> str:
    """UTC in the database's own text."""
    return text if connection.dialect.name == "sqlite" else f"{text}+00"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def batches(ids: Sequence[T]) -> Iterator[list[T]]:
    """As many as one query takes, sorted, each once."""
    rest = iter(sorted(set(ids)))
    return iter(lambda: list(islice(rest, IDS_PER_QUERY)), [])
