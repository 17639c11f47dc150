"""Staging: rows of SQLite tables become hidden files in order of time, which are going to be parts."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import content_hashes
from leeway.stores.columnar.manifest import LABELS, PREDICTIONS
from leeway.stores.columnar.parts import ROWS, SCHEMA, TIME, TRUTH, PartWriter, Staged, rows_of
from leeway.stores.columnar.source import Staging
from leeway.stores.duck import permanent_numbers
from leeway.stores.log_tables import given_labels, predictions

AT_ONCE = ROWS // 4  # rows that are Python's at once: there they take ten times the room
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
INDEXES = {predictions.name: "predictions_of_night", given_labels.name: "given_labels_of_night"}


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one model version in a database: all, or those that occurred before a moment."""

    model: str
    version: int
    before: str | None = None  # as SQLite has it

    @property
    def where(self) -> tuple[str, tuple[Any, ...]]:
        """The condition in SQL, and its values."""
        if self.before is None:
            return "model = ? AND version = ?", (self.model, self.version)
        return "model = ? AND version = ? AND occurred_at < ?", (self.model, self.version, self.before)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where hidden files are made: they are gone at the end of `hidden`, unless they were published."""

    connection: Connection  # of the database the rows stand in
    folder: Path
    segment: str
    secret: str
    hidden: ExitStack

    def writer(self, kind: str, model: str, version: int | None) -> PartWriter:
        writer = PartWriter(self.folder, kind, model, version, EARLIEST)
        self.hidden.callback(writer.discard)
        return writer


def stage_predictions(desk: Desk, of: Slice, first: int) -> tuple[Staging, NDArray[np.int64]] | None:
    """Return the slice's predictions as a hidden file, the first row at this place among all, and (N,) `u`."""
    writer, numbers = desk.writer(PREDICTIONS, of.model, of.version), list[NDArray[np.int64]]()
    received = EARLIEST
    for table in _ordered(desk.connection, predictions, of):
        numbers.append(table["u"].to_numpy())
        received = max(received, pc.max(table["received_at"]).as_py())
        writer.write(_as_parts_have_it(table, of.version))
    staged = _received(writer.finish(segment=desk.segment), received)
    if staged is None:
        return None
    return Staging(staged, of.version, True, first, tuple(writer.columns)), np.concatenate(numbers)


def stage_labels(desk: Desk, model: str, slices: Sequence[Slice]) -> Staged | None:
    """Return the labels of these slices of one model as a hidden file; None without any."""
    writer, received = desk.writer(LABELS, model, None), EARLIEST
    for of in slices:
        for table in _ordered(desk.connection, given_labels, of):
            received = max(received, pc.max(table["received_at"]).as_py())
            table = table.append_column("u", pa.array(permanent_numbers(table["id"], desk.secret)))
            writer.write(table)
    return _received(writer.finish(segment=desk.segment), received)


def filtered(desk: Desk, staged: Staged, kept: NDArray[np.bool_]) -> Staged | None:
    """Return the file with those of its rows alone, in place of the other one; None where none is kept."""
    if kept.all():
        return staged
    part, first = staged.part, 0
    writer = desk.writer(part.kind, part.model, part.version)
    for table in rows_of(staged.path):
        writer.write(table.filter(pa.array(kept[first : first + table.num_rows])))
        first += table.num_rows
    return _received(writer.finish(segment=part.segment), part.received_at)


def _received(staged: Staged | None, at: datetime) -> Staged | None:
    return None if staged is None else replace(staged, part=replace(staged.part, received_at=at))


def _ordered(connection: Connection, table: Table, of: Slice) -> Iterator[pa.Table]:
    """Yield rows in order of time, a row group at once."""
    schema = SCHEMA if table is predictions else TRUTH
    names = [one.name for one in schema if one.name in table.c and one.name != "version"]
    where, values = of.where
    columns = ", ".join(f'"{name}"' for name in names)
    text = f"SELECT {columns} FROM {table.name} INDEXED BY {INDEXES[table.name]} WHERE {where} ORDER BY occurred_at"
    result = connection.exec_driver_sql(text, values)
    pending: list[pa.Table] = []
    while some := result.cursor.fetchmany(AT_ONCE):
        values_of = dict(zip(names, zip(*some, strict=True), strict=True))
        arrays = {name: _column(schema.field(name), column) for name, column in values_of.items()}
        pending.append(pa.table(arrays | {"version": pa.repeat(pa.scalar(of.version, pa.int32()), len(some))}))
        if len(pending) * AT_ONCE >= ROWS:
            yield pa.concat_tables(pending).combine_chunks()
            pending.clear()
    result.close()
    if pending:
        yield pa.concat_tables(pending).combine_chunks()


def _column(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    if field.type == TIME:
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(TIME)
    if pa.types.is_list(field.type):
        return pa.array([None if text == "[]" else json.loads(text) for text in values], field.type)
    return pa.array(values, field.type)


def _as_parts_have_it(table: pa.Table, version: int) -> pa.Table:
    """With `h` of rows from before it was kept; without what is not said."""
    if table["h"].null_count:
        made = pa.array(content_hashes(version, PredictionColumns.from_table(table)))
        table = _set(table, "h", pc.coalesce(table["h"], made))
    table = _set(table, "group", pc.if_else(pc.equal(table["group"], table["id"]), None, table["group"]))
    return _set(table, "image", pc.if_else(pc.equal(table["image"], ""), None, table["image"]))


def _set(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
