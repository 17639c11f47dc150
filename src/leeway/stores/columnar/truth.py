"""Truth that came with the log in columns."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from leeway.domain.records import (
    FILE,
    GIVEN,
    Label,
    ModelVersion,
    Prediction,
    Tally,
)
from leeway.stores import given_queries
from leeway.stores.columnar.looking import NEVER, Looking, window_of
from leeway.stores.columnar.manifest import LogPart, Position, Window
from leeway.stores.columnar.relation import LogContents, predictions_relation, truth_relation
from leeway.stores.duck import ask, asking
from leeway.stores.rows import batches, prediction_from


class ColumnarTruth(Looking):
    """The part of `leeway.domain.stores.PredictionLog` about labels that came with the log, in columns."""

    def first_given(self, version: ModelVersion, since: datetime | None) -> datetime | None:
        def read(contents: LogContents) -> datetime | None:
            found = [log.first_given(version, since) for _, log in self._live(contents)]
            window = window_of(version, since, None)
            parts = [part for part in contents.parts if part.first_given_at is not None and window.touches(part)]
            whole = [part.first_given_at for part in parts if part.version is not None and _begins(part, since)]
            found += whole
            earliest = min((one for one in found if one is not None), default=None)
            cut = [
                part
                for part in parts
                if not (part.version is not None and _begins(part, since))
                and (earliest is None or (part.first_at or earliest) < earliest)
            ]
            if cut:
                query = given_queries.first_given(version, since)
                with asking(truth_relation(contents.of_parts(cut), window)) as cursor:
                    found += [at for (at,) in ask(cursor, query)]
            return min((one for one in found if one is not None), default=None)

        return self._looking(window_of(version, since, None), read)

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
        query = given_queries.given_tallies(version, start, end, after=None, upto=None, rows_upto=None)
        found = self._truth(query, version, start, end, after=after, upto=upto, rows_upto=rows_upto)
        return [Tally(*row) for row in found]

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
        query = given_queries.given_alike(version, start, end, after=None, upto=None, rows_upto=None)
        found = self._truth(query, version, start, end, after=after, upto=upto, rows_upto=rows_upto)
        return dict(found)

    def given(
        self, version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
    ) -> list[tuple[Label, Prediction]]:
        window = window_of(version, start, end)
        query = given_queries.given_in(version, start, end, k, stream=stream)

        def read(contents: LogContents) -> list[tuple[Label, Prediction]]:
            if not self._has_truth(contents, version.model):
                return []
            relations = predictions_relation(contents, window) | truth_relation(contents, window)
            with asking(relations) as cursor:
                return [
                    (Label(version.model, row[2], row[0], FILE, row[1], GIVEN), prediction_from(row))
                    for row in ask(cursor, query)
                ]

        return self._looking(window, read)

    def given_by_ids(self, model: str, ids: Iterable[str]) -> list[Label]:
        names = sorted(set(ids))

        def read(contents: LogContents) -> list[Label]:
            found: dict[str, Label] = {}
            if not self._has_truth(contents, model):
                return []
            with asking(truth_relation(contents, Window(model))) as cursor:
                for some in batches(names):
                    found |= {
                        row[0]: Label(model, row[0], row[1], FILE, row[2], GIVEN)
                        for row in ask(cursor, given_queries.given_with(model, some))
                    }
            return [found[name] for name in names if name in found]

        return self._looking(Window(model), read) if names else []

    def given_counts(self) -> dict[str, int]:
        found = Counter(self.manifest.labelled())
        for model in self._models():
            live = self._looking(Window(model, None, NEVER, NEVER), partial(self._heads, model=model))
            found[model] += sum(given for _, given in live.values())
        return {model: number for model, number in found.items() if number}

    def _truth(
        self,
        query: Any,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        **positions: str | None,
    ) -> list[tuple[Any, ...]]:
        parsed = {name: None if text is None else Position.parse(text) for name, text in positions.items()}

        def read(contents: LogContents) -> list[tuple[Any, ...]]:
            if not self._has_truth(contents, version.model):
                return []
            with asking(truth_relation(contents, window_of(version, start, end), **parsed)) as cursor:
                return ask(cursor, query)

        return self._looking(window_of(version, start, end), read)


def _begins(part: LogPart, since: datetime | None) -> bool:
    """Whether the part's first label with a draw probability is one of those that are asked for."""
    return since is None or (part.first_given_at is not None and part.first_given_at >= since)
