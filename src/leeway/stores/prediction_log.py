"""The prediction log on SQLite and PostgreSQL."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert

from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import Forgotten, too_old_text
from leeway.domain.records import (
    FILE,
    GIVEN,
    Cell,
    Copies,
    Label,
    ModelVersion,
    Pick,
    Prediction,
    Recorded,
    Tally,
)
from leeway.domain.text import by_number, counted
from leeway.domain.upkeep import LogProblem, Rolled
from leeway.errors import ConflictError, first_few
from leeway.stores import bulk, drawing, forgetting, given_queries, log_queries, rows, sources
from leeway.stores.database import Database
from leeway.stores.days import days_of_ids, labelled_windows, windows_of
from leeway.stores.log_tables import predictions
from leeway.stores.partitions import is_partitioned, lock_to_record, prediction_keys
from leeway.stores.rows import batches


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
            lock_to_record(connection, model)  # numbers are committed in their order
            horizon = connection.scalar(log_queries.horizon(model))
            arrival = bulk.Arrival(model, received_at, bulk.next_number(connection), self._secret, horizon)
            for version, given in batches:
                total += bulk.insert_columns(connection, arrival, version, given)
            refused = total.changed + total.labels_changed
            if strict and refused:
                are = by_number(len(refused), "is", "are")
                raise ConflictError(
                    f"{counted(len(refused), 'row')} {are} recorded with other content: {first_few(refused)}; nothing "
                    "of this was written. A prediction never changes: give a new one a new id"
                )
            if strict and horizon and total.too_old:
                why = too_old_text(total.too_old, horizon)
                raise ConflictError(f"{why}; nothing of this was written: leave them out")
            bulk.move_head(connection, arrival, given=total.labels)
        return total

    def position(self, model: str) -> str:
        return str(self.database.scalar(log_queries.head(model)) or 0)

    def known_source(self, model: str, digest: str) -> Mapping[str, Any] | None:
        return sources.known_source(self.database, model, digest)

    def remember_source(self, model: str, digest: str, report: Mapping[str, Any], *, now: datetime) -> None:
        sources.remember_source(self.database, model, digest, report, now=now)

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
        return drawing.cells_in_order(found)

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
        ask = partial(log_queries.first_of_cells, version, start, end, stream=stream, upto=upto, second=second)
        if not picks:
            return []
        with self.database.transaction() as connection:
            log_queries.wanted.create(connection)

            def below(limits: Sequence[tuple[Any, ...]], most: Mapping[int, int]) -> Iterable[Sequence[Any]]:
                connection.execute(delete(log_queries.wanted))
                rows = [dict(zip(drawing.WANTED, cell, strict=True)) for cell in limits]
                connection.execute(insert(log_queries.wanted), rows)
                return connection.execute(ask(most=most)).all()

            seqs = drawing.first_picked(picks, below)
            log_queries.wanted.drop(connection)
            return _with_seqs(connection, [seq for (seq,) in seqs], start, end)

    def sample(
        self, version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, upto: str | None = None
    ) -> list[Prediction]:
        if k < 1:
            return []
        query = log_queries.first_of_stream(version, start, end, k, stream=stream, upto=upto)
        with self.database.transaction() as connection:
            return _with_seqs(connection, list(connection.scalars(query)), start, end)

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
        with self.database.transaction() as connection:
            windows = windows_of(connection, version, since, None)
            return _first_of(connection, (log_queries.first_at(version, *window) for window in windows))

    def last_at(self, version: ModelVersion, *, before: datetime | None = None) -> datetime | None:
        with self.database.transaction() as connection:
            windows = windows_of(connection, version, None, before, last=True)
            return _first_of(connection, (log_queries.last_at(version, end, start) for start, end in windows))

    def rows_by_version(self, model: str, versions: Collection[int], start: datetime, end: datetime) -> dict[int, int]:
        if not versions:
            return {}
        return dict(map(tuple, self.database.all(log_queries.rows_by_version(model, versions, start, end))))

    def by_ids(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        with self.database.transaction() as connection:
            days = days_of_ids(connection, model, ids)
            asked = [log_queries.with_ids(model, some, day) for day, some in days]
            found = [row for query in asked for row in connection.execute(query)]
        return sorted(map(rows.prediction_from, found), key=lambda one: one.id)

    def elsewhere(self, model: str, ids: Sequence[str]) -> dict[str, int]:
        found: Counter[str] = Counter()
        with self.database.transaction() as connection:
            table = prediction_keys if is_partitioned(connection) else predictions
            for some in batches(ids):
                query = log_queries.models_with(some, besides=model, table=table)
                found.update(dict(map(tuple, connection.execute(query))))
        return dict(found)

    # Truth that came with the log

    def first_given(self, version: ModelVersion, since: datetime | None) -> datetime | None:
        with self.database.transaction() as connection:
            windows = labelled_windows(connection, version, since)
            return _first_of(connection, (given_queries.first_given(version, *window) for window in windows))

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
            days = days_of_ids(connection, model, ids)
            asked = [given_queries.given_with(model, some, day) for day, some in days]
            found = [row for query in asked for row in connection.execute(query)]
        return sorted((_label(model, row) for row in found), key=lambda one: one.prediction_id)

    def given_counts(self) -> dict[str, int]:
        return dict(map(tuple, self.database.all(given_queries.given_counts())))

    # It has no files that leeway would have to look after

    def roll(self, now: datetime) -> Rolled:  # noqa: ARG002
        return Rolled()

    def close(self) -> None:
        """Nothing: its database is the ledger's."""

    def check(self, model: str | None = None, *, quick: bool = False) -> list[LogProblem]:  # noqa: ARG002
        return []

    # Retention

    def horizon(self, model: str) -> datetime | None:
        horizon: datetime | None = self.database.scalar(log_queries.horizon(model))
        return horizon

    def forget(self, model: str, *, before: datetime) -> Forgotten:
        return forgetting.forget_before(self.database, model, before)

    def forget_ids(self, model: str, ids: Iterable[str]) -> Forgotten:
        return forgetting.forget_these(self.database, model, ids)


def _first_of(connection: Connection, queries: Iterator[Select[Any]]) -> datetime | None:
    """Return the first answer that there is."""
    return next((found for query in queries if (found := connection.scalar(query)) is not None), None)


def _with_seqs(connection: Connection, seqs: Sequence[int], start: datetime, end: datetime) -> list[Prediction]:
    """Return the predictions of the window with these numbers, in their order."""
    found: dict[int, Row[Any]] = {}
    for some in batches(seqs):
        found |= {row[0]: row for row in connection.execute(log_queries.with_seqs(some, start, end)).all()}
    return [rows.prediction_from(found[seq]) for seq in seqs]


def _label(model: str, row: Row[Any]) -> Label:
    return Label(model, row.id, row.label, FILE, row.received_at, GIVEN)
