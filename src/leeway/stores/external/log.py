"""A prediction log that lies elsewhere: what is asked of it runs there, and only counts and drawn rows travel."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Executable

from leeway.domain.identity import WHOLE, stream_limit
from leeway.domain.records import Cell, Copies, Label, ModelVersion, Pick, Prediction, Tally
from leeway.errors import LogError
from leeway.stores import given_queries, log_queries
from leeway.stores.drawing import cells_in_order, first_picked
from leeway.stores.external import queries
from leeway.stores.external.asking import Extent, Keeper
from leeway.stores.external.kept import KeptElsewhere
from leeway.stores.external.moments import SeenMoments
from leeway.stores.external.questions import Questions
from leeway.stores.external.source import LogSource
from leeway.stores.external.table import as_utc
from leeway.stores.log_tables import predictions
from leeway.stores.rows import batches

FURTHER = 8  # times as far a sample looks where it found too few: the files hold rows of other versions, too
REMEMBERED = 50_000  # drawn rows, which are asked for again by their ids
logger = logging.getLogger("leeway.log")


class ExternalLog(KeptElsewhere):
    """`leeway.domain.stores.PredictionLog` of one model, to read; for one thread. Raises LogError.

    `versions` returns the model's versions, as the ledger has them now; `moments`: what is remembered of a table.
    """

    def __init__(
        self,
        model: str,
        source: LogSource,
        keeper: Keeper,
        *,
        secret: str,
        versions: Callable[[], Sequence[ModelVersion]],
        moments: SeenMoments | None = None,
    ) -> None:
        self.model, self.source, self.keeper = model, source, keeper
        self._asked = Questions(model, source, keeper, secret=secret, versions=versions)
        self._moments = moments
        self._drawn: dict[str, Prediction] = {}

    def position(self, model: str) -> str:
        del model  # it is this one
        return self.keeper.position()

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
        query = log_queries.cells(version, start, end, upto=None, second=second)
        return cells_in_order(self._asked.ask(query, Extent(start, end, upto=upto)))

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
        rows: dict[str, Prediction] = {}

        def below(cells: Sequence[tuple[Any, ...]], _: object) -> Iterator[tuple[Any, ...]]:
            for some in queries.in_parts(cells):
                query = queries.first_of_cells(
                    version, start, end, stream=stream, cells=some, second=second, looked_up=self.keeper.tells_news()
                )
                for said, number, its_slice, its_second, place, *row in self._asked.ask(
                    query, Extent(start, end, upto=upto)
                ):
                    prediction = self._prediction(row)
                    rows[prediction.id] = prediction
                    yield prediction.id, said, int(number), its_slice, its_second, int(place)

        return [rows[name] for name, *_ in first_picked(picks, below)]

    def sample(
        self, version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, upto: str | None = None
    ) -> list[Prediction]:
        if k < 1:
            return []
        extent = Extent(start, end, upto=upto)
        rows = self.keeper.rows(extent)
        below = None if rows is None else stream_limit(k, rows)
        while True:
            query = queries.first_of_stream(version, start, end, k, stream=stream, below=below)
            found = self._asked.ask(query, extent)
            if below is None or len(found) == k or below == WHOLE:
                return [self._prediction(row) for row in found]
            below = min(WHOLE, FURTHER * below)

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
        query = log_queries.copies(version, start, end, images=images, groups=groups, upto=None)
        copies = [Copies(*row) for row in self._asked.ask(query, Extent(start, end, upto=upto))]
        return sorted(copies, key=lambda one: (one.name, one.predicted_class, one.bin))

    def count(self, version: ModelVersion, start: datetime, end: datetime | None, *, after: str | None = None) -> int:
        """Count; `after` a position of which the log can tell nothing any more, 0: what came late is then unknown."""
        query = log_queries.number_in(version, start, end, after=None)
        if after is None or self.keeper.tells_news():
            return self._asked.number(query, Extent(start, end, after=after))
        if not self.keeper.is_kept(after):
            return 0
        try:
            before = self._asked.number(query, Extent(start, end, upto=after))
        except LogError as error:
            logger.info("%s: what came late is not known: %s", self.model, error)
            return 0
        return max(0, self._asked.number(query, Extent(start, end)) - before)

    def first_at(self, version: ModelVersion, *, since: datetime | None = None) -> datetime | None:
        if since is None and self._moments is not None and (seen := self._moments.first(version.version)):
            return seen
        spans, rest = self.keeper.spans(self._asked.names_of(version), since, None)
        known = min((first for first, _ in spans), default=None)
        query = log_queries.first_at(version, since)
        asked = self._asked.moment(query, replace(rest, end=known)) if rest else None
        first = min(filter(None, (known, asked)), default=None)
        if since is None and self._moments is not None:
            self._moments.learn(version.version, first=first)
        return first

    def last_at(self, version: ModelVersion, *, before: datetime | None = None) -> datetime | None:
        spans, rest = self.keeper.spans(self._asked.names_of(version), None, before)
        seen = self._moments.last(version.version) if before is None and self._moments is not None else None
        known = max((last for _, last in spans), default=seen)
        query = log_queries.last_at(version, before)
        query = query if known is None else query.where(predictions.c.occurred_at >= known)
        asked = self._asked.moment(query, replace(rest, start=known)) if rest else None
        last = max(filter(None, (known, asked)), default=None)
        if before is None and self._moments is not None:
            self._moments.learn(version.version, last=last)
        return last

    def rows_by_version(self, model: str, versions: Collection[int], start: datetime, end: datetime) -> dict[int, int]:
        if not versions:
            return {}
        query = log_queries.rows_by_version(model, versions, start, end)
        return {int(one): int(number) for one, number in self._asked.ask(query, Extent(start, end))}

    def by_ids(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        del model
        asked = set(ids)
        found = {one: self._drawn[one] for one in asked & self._drawn.keys()}
        for some in batches(asked - found.keys()):
            for row in self._asked.ask(queries.with_ids(some), Extent()):
                prediction = self._prediction(row)
                found.setdefault(prediction.id, prediction)
        return [found[one] for one in sorted(found)]

    def elsewhere(self, model: str, ids: Sequence[str]) -> dict[str, int]:
        del model, ids  # a log that is not ingested cannot be one of another model by mistake
        return {}

    # Truth that came with the log

    def first_given(self, version: ModelVersion, since: datetime | None) -> datetime | None:
        if not self._asked.mapped.has_labels:
            return None
        [*rows] = self._asked.ask(given_queries.first_given(version, since), Extent(start=since))
        return as_utc(rows[0][0]) if rows else None

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
        """Count them; of a table that does not say what came after a position, none came after it."""
        extent = self._given_extent(start, end, after, upto, rows_upto)
        if extent is None:
            return []
        query = given_queries.given_tallies(version, start, end, after=None, upto=None, rows_upto=None)
        tallies = [Tally(*row) for row in self._asked.ask(query, extent)]
        return sorted(tallies, key=_tally_order)

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
        extent = self._given_extent(start, end, after, upto, rows_upto)
        if extent is None:
            return {}
        query = given_queries.given_alike(version, start, end, after=None, upto=None, rows_upto=None)
        return {str(name): float(pairs) for name, pairs in self._asked.ask(query, extent)}

    def given(
        self, version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
    ) -> list[tuple[Label, Prediction]]:
        if not self._asked.mapped.has_labels:
            return []
        query = queries.given_in(version, start, end, k, stream=stream)
        rows = [(row[0], self._prediction(row[1:])) for row in self._asked.ask(query, Extent(start, end))]
        return [(self._asked.label(said.id, label, said.occurred_at), said) for label, said in rows]

    def given_by_ids(self, model: str, ids: Iterable[str]) -> list[Label]:
        del model
        if not self._asked.mapped.has_labels:
            return []
        rows = [row for some in batches(ids) for row in self._asked.ask(queries.given_with(some), Extent())]
        labels = {name: self._asked.label(name, label, as_utc(at)) for name, label, at in rows}
        return [labels[name] for name in sorted(labels)]

    def given_counts(self) -> dict[str, int]:
        return {}  # it would take a look at every row there is

    # What this log alone is asked

    def names_of_versions(self, since: datetime | None) -> list[str]:
        """Return what rows from a moment on have in `model_version`, but for names that are known."""
        if not self._asked.mapped.has_versions:
            return []
        rows = self._asked.ask(queries.version_names(since), Extent(start=since))
        return sorted({row[0] for row in rows if row[0]} - self._asked.known().named.keys())

    def ask(self, query: Executable, extent: Extent) -> list[tuple[Any, ...]]:
        """Return the rows of a question over the relations `predictions`, `given_labels` and `renamed`."""
        return self._asked.ask(query, extent)

    def cost(self, version: ModelVersion, start: datetime, end: datetime) -> str:
        """Say what counting a night reads; empty where nobody says it."""
        query = log_queries.cells(version, start, end, upto=None)
        return self.keeper.cost(query, self._asked.relations, Extent(start, end))

    def check_columns(self) -> None:
        """Raises LogError for a column that is missing or of another type."""
        assert self._asked.mapped

    def close(self) -> None:
        self.keeper.close()

    def _given_extent(
        self, start: datetime, end: datetime, after: str | None, upto: str | None, rows_upto: str | None
    ) -> Extent | None:
        """What labels between two positions, of rows that were there at a third, are counted of: a row is both."""
        if not self._asked.mapped.has_labels or (after is not None and not self.keeper.tells_news()):
            return None
        return Extent(start, end, after=after, upto=rows_upto or upto if self.keeper.tells_news() else upto)

    def _prediction(self, row: Sequence[Any]) -> Prediction:
        """The record of a row, kept: whoever draws it asks for it again by its id."""
        prediction = self._asked.prediction(row)
        if len(self._drawn) < REMEMBERED:
            self._drawn[prediction.id] = prediction
        return prediction


def _tally_order(one: Tally) -> tuple[Any, ...]:
    return one.predicted_class, one.label, one.slice is not None, one.slice or "", one.probability
