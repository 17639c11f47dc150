"""The prediction log on SQLite and PostgreSQL."""

import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, text

from leeway.domain.identity import WHOLE, stream_limit
from leeway.domain.records import (
    FILE,
    GIVEN,
    Cell,
    Copies,
    Label,
    ModelVersion,
    Pick,
    Prediction,
    PredictionColumns,
    Recorded,
    Tally,
)
from leeway.domain.text import by_number, counted
from leeway.errors import ConflictError, first_few
from leeway.stores import bulk, given_queries, log_queries, rows
from leeway.stores.database import Database
from leeway.stores.rows import batches

WHOLE_CELL = 50  # predictions of a cell below which all are looked at
ADVISORY = int.from_bytes(b"log")  # PostgreSQL's advisory locks are numbers
WANTED = [one.name for one in log_queries.wanted.columns]
CellKey = tuple[str, int, str | None, str | None]


class SqlPredictionLog:
    """`leeway.domain.stores.PredictionLog` in SQL. May be shared by threads. Raises StoreError, in one line."""

    def __init__(self, database: Database, *, secret: str) -> None:
        self.database = database
        self._secret = secret

    def record(
        self,
        model: str,
        batches: Iterable[tuple[int, PredictionColumns]],
        *,
        received_at: datetime,
        strict: bool = False,
    ) -> Recorded:
        total = Recorded()
        with self.database.transaction(writes=True) as connection:
            if not self.database.is_sqlite:  # which has one writer: numbers are committed in their order
                key = {"log": ADVISORY, "model": zlib.crc32(model.encode()) - 2**31}
                connection.execute(text("SELECT pg_advisory_xact_lock(:log, :model)"), key)
            arrival = bulk.Arrival(model, received_at, bulk.next_number(connection), self._secret)
            for version, given in batches:
                total += bulk.insert_columns(connection, arrival, version, given)
            refused = total.changed + total.labels_changed
            if strict and refused:
                are = by_number(len(refused), "is", "are")
                raise ConflictError(
                    f"{counted(len(refused), 'row')} {are} recorded with other content: {first_few(refused)}; nothing "
                    "of this was written. A prediction never changes: give a new one a new id"
                )
            bulk.move_head(connection, arrival, given=total.labels)
        return total

    def position(self, model: str) -> str:
        return str(self.database.scalar(log_queries.head(model)) or 0)

    # Counts and draws of a window

    def cells(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        upto: str | None = None,
        second: Collection[str] = (),
    ) -> list[Cell]:
        found = self.database.all(log_queries.cells(version, start, end, upto=upto, second=second))
        return sorted((Cell(*row) for row in found), key=_in_order)

    def pick(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        picks: Sequence[Pick],
        *,
        stream: str,
        upto: str | None = None,
        second: Collection[str] = (),
    ) -> list[Prediction]:
        cells: dict[CellKey, Pick] = {}  # of each the pick that lies farthest
        for one in picks:
            cell = (one.predicted_class, one.bin, one.slice, one.second)
            cells[cell] = max(one, cells.get(cell, one), key=lambda pick: pick.rank)
        with self.database.transaction() as connection:
            ask = partial(log_queries.first_of_cells, version, start, end, stream=stream, upto=upto, second=second)
            seqs = _first_of_cells(connection, ask, cells) if cells else {}
            chosen = [
                seqs[one.predicted_class, one.bin, one.slice, one.second][one.rank : one.rank + 1] for one in picks
            ]
            return _with_seqs(connection, [seq for found in chosen for seq in found])

    def sample(
        self, version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, upto: str | None = None
    ) -> list[Prediction]:
        if k < 1:
            return []
        query = log_queries.first_of_stream(version, start, end, k, stream=stream, upto=upto)
        with self.database.transaction() as connection:
            return _with_seqs(connection, list(connection.scalars(query)))

    def copies(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        images: Collection[str],
        groups: Collection[str],
        upto: str | None = None,
    ) -> list[Copies]:
        found = self.database.all(log_queries.copies(version, start, end, images=images, groups=groups, upto=upto))
        return sorted((Copies(*row) for row in found), key=lambda one: (one.name, one.predicted_class, one.bin))

    def count(self, version: ModelVersion, start: datetime, end: datetime | None, *, after: str | None = None) -> int:
        return int(self.database.scalar(log_queries.number_in(version, start, end, after=after)) or 0)

    def first_at(self, version: ModelVersion, *, since: datetime | None = None) -> datetime | None:
        first: datetime | None = self.database.scalar(log_queries.first_at(version, since))
        return first

    def last_at(self, version: ModelVersion, *, before: datetime | None = None) -> datetime | None:
        last: datetime | None = self.database.scalar(log_queries.last_at(version, before))
        return last

    def rows_by_version(self, model: str, versions: Collection[int], start: datetime, end: datetime) -> dict[int, int]:
        if not versions:
            return {}
        return dict(map(tuple, self.database.all(log_queries.rows_by_version(model, versions, start, end))))

    def by_ids(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        with self.database.transaction() as connection:
            found = [row for some in batches(ids) for row in connection.execute(log_queries.with_ids(model, some))]
        return sorted(map(rows.prediction_from, found), key=lambda one: one.id)

    def elsewhere(self, model: str, ids: Sequence[str]) -> dict[str, int]:
        found: Counter[str] = Counter()
        with self.database.transaction() as connection:
            for some in batches(ids):
                found.update(dict(map(tuple, connection.execute(log_queries.models_with(some, besides=model)))))
        return dict(found)

    # Truth that came with the log

    def first_given(self, version: ModelVersion, since: datetime | None) -> datetime | None:
        first: datetime | None = self.database.scalar(given_queries.first_given(version, since))
        return first

    def given_tallies(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        after: str | None = None,
        upto: str | None = None,
        rows_upto: str | None = None,
    ) -> list[Tally]:
        query = given_queries.given_tallies(version, start, end, after=after, upto=upto, rows_upto=rows_upto)
        return [Tally(*row) for row in self.database.all(query)]

    def given_alike(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        after: str | None = None,
        upto: str | None = None,
        rows_upto: str | None = None,
    ) -> dict[str, float]:
        query = given_queries.given_alike(version, start, end, after=after, upto=upto, rows_upto=rows_upto)
        return dict(map(tuple, self.database.all(query)))

    def given(
        self, version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
    ) -> list[tuple[Label, Prediction]]:
        found = self.database.all(given_queries.given_in(version, start, end, k, stream=stream))
        return [(_label(version.model, row), rows.prediction_from(row)) for row in found]

    def given_by_ids(self, model: str, ids: Iterable[str]) -> list[Label]:
        with self.database.transaction() as connection:
            found = [row for some in batches(ids) for row in connection.execute(given_queries.given_with(model, some))]
        return sorted((_label(model, row) for row in found), key=lambda one: one.prediction_id)

    def given_counts(self) -> dict[str, int]:
        return dict(map(tuple, self.database.all(given_queries.given_counts())))


def _in_order(cell: Cell) -> tuple[str, str, int, str]:
    """By class, slice, bin and second class; what is of no slice stands first."""
    return cell.predicted_class, log_queries.slice_key(cell.slice), cell.bin, log_queries.slice_key(cell.second)


def _first_of_cells(
    connection: Connection, ask: Callable[..., Select[Any]], farthest: Mapping[CellKey, Pick]
) -> dict[CellKey, list[int]]:
    """Return the numbers of as many predictions of each cell as are wanted, in the order of the stream.

    Looks below a limit that is nearly always high enough, and again below twice that where it was not.
    """
    found: dict[CellKey, list[int]] = {}
    missing, factor = dict(farthest), 1
    log_queries.wanted.create(connection)
    while missing:
        limits = {cell: _limit(one, factor) for cell, one in missing.items()}
        key = log_queries.slice_key
        cells = [(cell[0], cell[1], key(cell[2]), key(cell[3]), limits[cell]) for cell in missing]
        connection.execute(delete(log_queries.wanted))
        connection.execute(insert(log_queries.wanted), [dict(zip(WANTED, cell, strict=True)) for cell in cells])
        below: dict[CellKey, list[tuple[int, int]]] = {cell: [] for cell in missing}
        most: dict[int, int] = {}
        for (_, place, *_), limit in limits.items():
            most[place] = max(limit, most.get(place, 0))
        for seq, *cell, order in connection.execute(ask(most=most)):
            below[cell[0], cell[1], cell[2], cell[3]].append((order, seq))
        found |= {cell: [seq for _, seq in sorted(pairs)] for cell, pairs in below.items()}
        missing = {cell: one for cell, one in missing.items() if len(found[cell]) <= one.rank and limits[cell] < WHOLE}
        factor *= 2
    log_queries.wanted.drop(connection)
    return found


def _limit(farthest: Pick, factor: int) -> int:
    if farthest.among <= WHOLE_CELL:
        return WHOLE
    return min(WHOLE, factor * stream_limit(farthest.rank + 1, farthest.among))


def _with_seqs(connection: Connection, seqs: Sequence[int]) -> list[Prediction]:
    """Return the predictions with these numbers, in their order."""
    found: dict[int, Row[Any]] = {}
    for some in batches(seqs):
        found |= {row[0]: row for row in connection.execute(log_queries.with_seqs(some)).all()}
    return [rows.prediction_from(found[seq]) for seq in seqs]


def _label(model: str, row: Row[Any]) -> Label:
    return Label(model, row.id, row.label, FILE, row.received_at, GIVEN)
