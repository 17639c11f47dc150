"""Drawing from the log in columns: a night counted in cells, and predictions drawn from them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
from sqlalchemy import Select, select

from leeway.domain.identity import WHOLE, stream_limit
from leeway.domain.records import (
    Cell,
    Copies,
    ModelVersion,
    Pick,
    Prediction,
    utc_text,
)
from leeway.stores import drawing, log_queries
from leeway.stores.columnar.looking import Looking, window_of
from leeway.stores.columnar.manifest import PREDICTIONS, Position
from leeway.stores.columnar.relation import LogContents, predictions_relation
from leeway.stores.duck import ask, asking
from leeway.stores.log_tables import predictions
from leeway.stores.log_terms import in_window, order_in
from leeway.stores.rows import PREDICTION, prediction_from

QUICK = ("u", "occurred_at")  # by which a prediction is found
FEW = 100  # predictions that are looked for in the row groups of their moments; more lie in nearly all


class ColumnarDrawing(Looking):
    """`leeway.domain.drawing.Drawing` in columns."""

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
        return drawing.cells_in_order(self._all(query, version, start, end, upto=upto))

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
        ask_first = partial(
            log_queries.first_of_cells, version, start, end, stream=stream, upto=None, second=second, names=QUICK
        )

        def read(contents: LogContents) -> list[Prediction]:
            with self._predictions(contents, version, start, end, upto=upto) as cursor:

                def below(limits: Sequence[tuple[Any, ...]], most: Mapping[int, int]) -> Iterable[Sequence[Any]]:
                    columns = zip(*limits, strict=True)
                    cursor.register(
                        "wanted_cells", pa.table(dict(zip(drawing.WANTED, map(list, columns), strict=True)))
                    )
                    return ask(cursor, ask_first(most=most))

                return _with_keys(cursor, drawing.first_picked(picks, below))

        return self._looking(window_of(version, start, end), read)

    def sample(
        self, version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, upto: str | None = None
    ) -> list[Prediction]:
        if k < 1:
            return []
        utc_text(start)

        def read(contents: LogContents) -> list[Prediction]:
            """In one look at all columns of what lies below a limit; a window that is short in its parts takes more."""
            rows = sum(part.rows for part in contents.of(PREDICTIONS) if window_of(version, start, end).touches(part))
            limit = stream_limit(k, rows)
            with self._predictions(contents, version, start, end, upto=upto) as cursor:
                while True:
                    found = ask(cursor, _first_below(version, start, end, k, stream=stream, limit=limit))
                    if len(found) >= k or limit >= WHOLE:
                        return [prediction_from(row) for row in found]
                    limit = min(WHOLE, 8 * limit)

        return self._looking(window_of(version, start, end), read)

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
        found = [Copies(*row) for row in self._all(query, version, start, end, upto=upto)]
        return sorted(found, key=lambda one: (one.name, one.predicted_class, one.bin))

    def _all(
        self, query: Select[Any], version: ModelVersion, start: datetime, end: datetime, *, upto: str | None
    ) -> list[tuple[Any, ...]]:
        def read(contents: LogContents) -> list[tuple[Any, ...]]:
            with self._predictions(contents, version, start, end, upto=upto) as cursor:
                return ask(cursor, query)

        return self._looking(window_of(version, start, end), read)

    @contextmanager
    def _predictions(
        self, contents: LogContents, version: ModelVersion, start: datetime, end: datetime, *, upto: str | None
    ) -> Iterator[Any]:
        position = None if upto is None else Position.parse(upto)
        with asking(predictions_relation(contents, window_of(version, start, end), upto=position)) as cursor:
            yield cursor


def _first_below(
    version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, limit: int
) -> Select[Any]:
    place = order_in(stream).element
    query = select(*PREDICTION).where(in_window(predictions, version, start, end), place < limit)
    return query.order_by(place).limit(k)


def _with_keys(cursor: Any, keys: Sequence[tuple[int, datetime]]) -> list[Prediction]:
    """Return the predictions with these numbers, in their order; a few are looked for where their moments lie."""
    if not keys:
        return []
    these = [predictions.c.u.in_([u for u, _ in keys])]
    these += [predictions.c.occurred_at.in_([at for _, at in keys])] if len(keys) <= FEW else []
    found = {row[0]: row[1:] for row in ask(cursor, select(predictions.c.u, *PREDICTION).where(*these))}
    return [prediction_from(found[u]) for u, _ in keys]
