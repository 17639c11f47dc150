"""Recording: a source becomes rows of the log, each id once; in one transaction, whatever happens."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import too_old_text
from leeway.domain.records import Recorded, utc_text
from leeway.domain.text import by_number, counted
from leeway.errors import ConflictError, first_few
from leeway.stores import bulk
from leeway.stores.columnar.horizon import horizon_of
from leeway.stores.columnar.judging import KNOWN, NEW, TOO_OLD, Judgement, judge
from leeway.stores.columnar.manifest import CHANCES, LABELS, MOVES, PREDICTIONS, LogManifest
from leeway.stores.columnar.naming import naming
from leeway.stores.columnar.parts import MOVED, TRUTH, PartWriter, Staged, rows_of
from leeway.stores.columnar.relation import LogContents
from leeway.stores.columnar.segments import SealedSegmentError, Segments, is_sealed
from leeway.stores.columnar.source import Source, Staging, staged
from leeway.stores.log_tables import given_labels, predictions

TRIES = 3  # at a segment that is rolled at this moment


class Recording:
    """Records one source of one model."""

    def __init__(self, manifest: LogManifest, segments: Segments, parts: Path, source: Source, *, small: int) -> None:
        self.manifest, self.segments, self.parts, self.source, self.small = manifest, segments, parts, source, small

    def record(self, batches: Iterable[tuple[int, PredictionColumns]], *, strict: bool) -> Recorded:
        """Take all batches, then, alone with the log, what of them is news. Raises ConflictError, StoreError."""
        try:
            for version, columns in batches:
                self.source.add(version, columns)
            stagings, numbers = staged(self.source)
            for _ in range(TRIES):
                with suppress(SealedSegmentError):
                    return self._commit(stagings, numbers, strict=strict)
            return self._commit(stagings, numbers, strict=strict)
        finally:
            self.source.discard()

    def _commit(self, stagings: Sequence[Staging], numbers: NDArray[np.int64], *, strict: bool) -> Recorded:
        """Compare with all that is recorded and add what is news. Raises SealedSegmentError: try again."""
        today = self._today() if len(numbers) < self.small else None
        with naming(self.manifest, self.parts) as (connection, name_part):
            parts, names = self.manifest.read(self.source.model, connection)
            segments = {name: self.segments.open(name) for name in names}
            horizon = horizon_of(connection, self.source.model)
            contents = LogContents(self.parts, parts, segments, self.source.secret, horizon)
            verdict = judge(contents, self.source.model, stagings, numbers)
            recorded = recorded_of(verdict, stagings)
            _refuse(recorded, horizon, strict=strict)
            if today is not None and verdict.moves is None and verdict.chances is None:
                self._fill_segment(today, names, stagings, verdict)
            else:
                for one in [*self._new_rows(stagings, verdict), *self._news(verdict)]:
                    name_part(one)
        return recorded

    def _today(self) -> str:
        """The segment of today, named by the manifest before anything is in it."""
        day = self.source.received_at.astimezone(UTC).date()
        with self.manifest.writing() as connection:
            _, names = self.manifest.read(self.source.model, connection)
            return self.segments.take_today(connection, names, day)[0]

    def _new_rows(self, stagings: Sequence[Staging], verdict: Judgement) -> Iterable[Staged]:
        for one in stagings:
            states = verdict.states[one.first : one.first + one.staged.part.rows]
            if (states == NEW).all():
                yield one.staged
            elif (states == NEW).any():
                yield from self._written(PREDICTIONS, one.version, _new_only(one, states))

    def _news(self, verdict: Judgement) -> Iterable[Staged]:
        """Truth and image paths of rows that were there before."""
        for kind, table in ((LABELS, verdict.labels), (CHANCES, verdict.chances), (MOVES, verdict.moves)):
            if table is not None:
                names = (MOVED if kind == MOVES else TRUTH).names
                table = table.select([name for name in names if name in table.column_names and name != "seq"])
                if "received_at" in table.column_names:
                    table = _received(table, self.source.received_at)
                yield from self._written(kind, None, [table])

    def _written(self, kind: str, version: int | None, tables: Iterable[pa.Table]) -> Iterable[Staged]:
        writer = PartWriter(self.parts, kind, self.source.model, version, self.source.received_at)
        try:
            for table in tables:
                writer.write(table)
            finished = writer.finish()
            if finished is not None:
                counts = kind in (PREDICTIONS, LABELS)
                yield finished if counts else replace(finished, part=replace(finished.part, labelled=0))
        except BaseException:
            writer.discard()
            raise

    def _fill_segment(self, name: str, names: Sequence[str], stagings: Sequence[Staging], verdict: Judgement) -> None:
        """Put what is new into today's segment, in a transaction of its own."""
        if name not in names:  # it was rolled since it was taken
            raise SealedSegmentError(f"segment {name} was rolled; try again")
        tables = [
            table
            for one in stagings
            for table in _new_only(one, verdict.states[one.first : one.first + one.staged.part.rows])
        ]
        labels = [_labelled(table) for table in tables] + ([verdict.labels] if verdict.labels is not None else [])
        model, received_at = self.source.model, self.source.received_at
        with self.segments.open(name).transaction(writes=True) as connection:
            if is_sealed(connection):
                raise SealedSegmentError(f"segment {name} is being rolled; try again")
            arrival = bulk.Arrival(model, received_at, bulk.next_number(connection), self.source.secret)
            for table in tables:
                bulk.insert_rows(connection, predictions, _columns(table, predictions, model, arrival))
            for table in labels:
                if table.num_rows:
                    bulk.insert_rows(connection, given_labels, _columns(table, given_labels, model, arrival))
            bulk.move_head(connection, arrival, given=sum(table.num_rows for table in labels))


def recorded_of(verdict: Judgement, stagings: Sequence[Staging]) -> Recorded:
    """Say what becomes of a source."""
    labels = 0 if verdict.labels is None else verdict.labels.num_rows
    for one in stagings:
        states = verdict.states[one.first : one.first + one.staged.part.rows]
        if "label" in one.columns and (states == NEW).all():
            labels += one.staged.part.labelled
        elif "label" in one.columns:
            labels += sum(_labelled(table).num_rows for table in _new_only(one, states))
    return Recorded(
        new=verdict.number(NEW),
        known=verdict.number(KNOWN),
        changed=tuple(verdict.changed),
        labels=labels,
        labels_changed=tuple(verdict.labels_changed),
        too_old=verdict.number(TOO_OLD),
    )


def _refuse(recorded: Recorded, horizon: datetime | None, *, strict: bool) -> None:
    refused = recorded.changed + recorded.labels_changed
    if strict and refused:
        are = by_number(len(refused), "is", "are")
        raise ConflictError(
            f"{counted(len(refused), 'row')} {are} recorded with other content: {first_few(refused)}; nothing "
            "of this was written. A prediction never changes: give a new one a new id"
        )
    if strict and horizon and recorded.too_old:
        raise ConflictError(f"{too_old_text(recorded.too_old, horizon)}; nothing of this was written")


def _new_only(staging: Staging, states: Any) -> Iterator[pa.Table]:
    """The new rows of a hidden file, some at a time."""
    first = 0
    for table in rows_of(staging.staged.path):
        yield table.filter(pa.array(states[first : first + table.num_rows] == NEW))
        first += table.num_rows


def _labelled(table: pa.Table) -> pa.Table:
    return table.filter(table["label"].is_valid()) if "label" in table.column_names else table.slice(0, 0)


def _received(table: pa.Table, at: datetime) -> pa.Table:
    place = table.column_names.index("received_at")
    return table.set_column(place, "received_at", pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), table.num_rows))


def _columns(table: pa.Table, target: Any, model: str, arrival: bulk.Arrival) -> dict[str, Sequence[Any]]:
    """Rows of a part as columns of a segment's table."""
    rows = table.num_rows
    columns: dict[str, Sequence[Any]] = {}
    for name in [one.name for one in target.columns]:
        if name in table.column_names:
            column = table[name]
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.timestamp("us")).cast(pa.string())
            columns[name] = column.to_pylist()
    if target is predictions:
        columns["group"] = [
            own or name for own, name in zip(columns.get("group", [None] * rows), columns["id"], strict=True)
        ]
        columns["image"] = [one or "" for one in columns.get("image", [None] * rows)]
        columns["probabilities"] = [json.dumps(one or []) for one in columns.get("probabilities", [None] * rows)]
    else:
        columns["seq"] = [arrival.number] * rows
    columns.pop("u" if target is given_labels else "", None)
    return columns | {"model": [model] * rows, "received_at": [_moment(arrival.received_at)] * rows}


def _moment(at: datetime) -> str:
    return utc_text(at)
