"""Counting in the log in columns, mostly from its manifest; and predictions found by their ids."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import pyarrow as pa

from leeway.domain.records import (
    ModelVersion,
    Prediction,
    utc_text,
)
from leeway.stores import log_queries
from leeway.stores.columnar.looking import NEVER, Looking, window_of, with_ids
from leeway.stores.columnar.manifest import PREDICTIONS, Position, Window
from leeway.stores.columnar.relation import LogContents, moves_text, predictions_relation
from leeway.stores.duck import as_table, ask, asking
from leeway.stores.rows import batches

RECENT_PARTS = 30  # of another model, in which ids are looked for


class ColumnarCounting(Looking):
    """`leeway.domain.moments.Moments`, counts and ids in columns."""

    def count(self, version: ModelVersion, start: datetime, end: datetime | None, *, after: str | None = None) -> int:
        return self._looking(
            window_of(version, start, end), lambda contents: self._count(contents, version, start, end, after)
        )

    def _count(
        self, contents: LogContents, version: ModelVersion, start: datetime, end: datetime | None, after: str | None
    ) -> int:
        utc_text(start)
        window = window_of(version, start, end)
        before = None if after is None else Position.parse(after)
        limits = {
            part.file: 0 if before is None else before.limit(part)
            for part in contents.of(PREDICTIONS)
            if window.touches(part)
        }
        inside = [part for part in contents.of(PREDICTIONS) if part.file in limits and limits[part.file] is not None]
        whole = [part for part in inside if window.holds(part) and limits[part.file] == 0]
        total = sum(part.rows for part in whole)
        for name, log in self._live(contents):
            number = None if before is None else str((before.segments or {}).get(name, 0))
            total += log.count(version, start, end, after=number)
        rest = [part for part in inside if part not in whole]
        if rest:
            query = log_queries.number_in(version, start, end, after=None)
            of_parts = contents.of_parts(rest)
            with asking(predictions_relation(of_parts, window, after=before)) as cursor:
                total += int(ask(cursor, query)[0][0])
        return total

    def first_at(self, version: ModelVersion, *, since: datetime | None = None) -> datetime | None:
        def read(contents: LogContents) -> datetime | None:
            found = [log.first_at(version, since=since) for _, log in self._live(contents)]
            found += [self.manifest.edge(window_of(version, None, None), first=True)] if since is None else []
            found += self._edges(contents, version, window_of(version, since, None), first=True)
            return min((one for one in found if one is not None), default=None)

        return self._looking(window_of(version, since or NEVER, None), read)

    def last_at(self, version: ModelVersion, *, before: datetime | None = None) -> datetime | None:
        def read(contents: LogContents) -> datetime | None:
            found = [log.last_at(version, before=before) for _, log in self._live(contents)]
            found += [self.manifest.edge(window_of(version, None, None), first=False)] if before is None else []
            found += self._edges(contents, version, window_of(version, None, before), first=False)
            return max((one for one in found if one is not None), default=None)

        return self._looking(window_of(version, NEVER if before is None else None, before), read)

    def _edges(
        self, contents: LogContents, version: ModelVersion, window: Window, *, first: bool
    ) -> list[datetime | None]:
        """When predictions of the window first, or last, occurred: of parts that are cut by its edge DuckDB says so."""
        parts = [part for part in contents.of(PREDICTIONS) if window.touches(part)]
        whole = [part for part in parts if window.holds(part)]
        found = [part.first_at if first else part.last_at for part in whole]
        if cut := [part for part in parts if not window.holds(part)]:
            query = log_queries.first_at(version, window.start) if first else log_queries.last_at(version, window.end)
            with asking(predictions_relation(contents.of_parts(cut), window)) as cursor:
                found.append(ask(cursor, query)[0][0])
        return found

    def rows_by_version(self, model: str, versions: Collection[int], start: datetime, end: datetime) -> dict[int, int]:
        def read(contents: LogContents) -> dict[int, int]:
            total: Counter[int] = Counter()
            for _, log in self._live(contents):
                total.update(log.rows_by_version(model, versions, start, end))
            window = Window(model, None, start, end)
            parts = [part for part in contents.of(PREDICTIONS) if part.version in versions and window.touches(part)]
            for part in parts:
                if Window(model, part.version, start, end).holds(part):
                    total[part.version or 0] += part.rows
            if cut := [part for part in parts if not Window(model, part.version, start, end).holds(part)]:
                query = log_queries.rows_by_version(model, versions, start, end)
                with asking(predictions_relation(contents.of_parts(cut), window)) as cursor:
                    total.update(dict(ask(cursor, query)))
            return {version: rows for version, rows in total.items() if rows}

        return self._looking(Window(model, None, start, end), read) if versions else {}

    def by_ids(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        names = sorted(set(ids))

        def read(contents: LogContents) -> list[Prediction]:
            found = self._live_by_ids(contents, model, names)
            missing = [name for name in names if name not in found]
            if missing and contents.of(PREDICTIONS):
                only_parts = contents.of_parts(contents.parts)
                with asking(predictions_relation(only_parts, Window(model))) as cursor:
                    for some in batches(missing):
                        found |= {one.id: one for one in with_ids(cursor, some, self._secret)}
            return _with_moves(contents, [found[name] for name in names if name in found])

        return self._looking(Window(model), read) if names else []

    def elsewhere(self, model: str, ids: Sequence[str]) -> dict[str, int]:
        found: Counter[str] = Counter()
        for other in self._models() if ids else []:
            if other != model:
                found[other] = self._looking(Window(other), partial(self._known, other, sorted(set(ids))))
        return {other: number for other, number in found.items() if number}

    def _known(self, model: str, ids: Sequence[str], contents: LogContents) -> int:
        found = set(self._live_by_ids(contents, model, ids))
        parts = contents.of(PREDICTIONS)[-RECENT_PARTS:]
        if parts:
            recent = contents.of_parts(parts)
            with asking(predictions_relation(recent, Window(model))) as cursor:
                found |= {one.id for one in with_ids(cursor, ids, self._secret)}
        return len(found)


def _with_moves(contents: LogContents, found: Sequence[Prediction]) -> list[Prediction]:
    """Return these with their images where they lie now."""
    moves = moves_text(contents)
    if not moves:
        return list(found)
    ids = pa.table({"id": [one.id for one in found]})
    with asking({"ids": ids, "moves": moves}) as cursor:
        moved = {
            row["id"]: row["moved"]
            for row in as_table(cursor, "SELECT * FROM moves SEMI JOIN ids USING (id)").to_pylist()
        }
    return [replace(one, image=moved.get(one.id, one.image)) for one in found]
