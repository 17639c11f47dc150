"""The prediction log kept in memory: the twin of the SQL, in plain dictionaries."""

import json
from bisect import bisect
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isnan
from typing import Any, TypeVar

from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import Forgotten, behind_horizon, too_old_text
from leeway.domain.identity import DIGEST, permanent_number, stream_order
from leeway.domain.records import (
    GIVEN,
    Cell,
    Copies,
    Label,
    ModelVersion,
    Pick,
    Prediction,
    Recorded,
    Tally,
    utc_text,
)
from leeway.domain.upkeep import LogProblem, Rolled
from leeway.errors import ConflictError

T = TypeVar("T")
Key = tuple[str, str]  # model, id


@dataclass(frozen=True, slots=True)
class Row:
    """A prediction with its number in the log."""

    said: Prediction
    seq: int


@dataclass(frozen=True, slots=True)
class Truth:
    """A label that came with the log, with its number in it."""

    label: str
    probability: float | None
    received_at: datetime
    seq: int


class MemoryLog:
    """`leeway.domain.stores.PredictionLog`; for one thread."""

    def __init__(self, secret: str = "s") -> None:
        self._secret = secret
        self._seq = 0
        self._rows: dict[Key, Row] = {}
        self._given: dict[Key, Truth] = {}
        self._heads: dict[str, int] = {}
        self._sources: dict[tuple[str, str], str] = {}
        self._horizons: dict[str, datetime] = {}

    def roll(self, now: datetime) -> Rolled:
        return Rolled()

    def close(self) -> None: ...

    def check(self, model: str | None = None, *, quick: bool = False) -> list[LogProblem]:
        return []

    def record(
        self,
        model: str,
        batches: Iterable[tuple[int, PredictionColumns]],
        *,
        received_at: datetime,
        strict: bool = False,
    ) -> Recorded:
        utc_text(received_at)  # raises for one without a zone
        seq, rows, given = self._seq + 1, dict(self._rows), dict(self._given)
        arrival, total = seq, Recorded()
        for version, columns in batches:
            columns, too_old = behind_horizon(columns, self._horizons.get(model))
            total += Recorded(too_old=too_old)
            columns, changed = columns.lists(), []
            for said in _predictions(model, version, columns):
                key = (model, said.id)
                known = rows.get(key)
                if known is not None and not columns.version_stated:
                    said = replace(said, version=known.said.version)
                if known is None:
                    seq += 1
                    rows[key] = Row(said, seq)
                    total += Recorded(new=1)
                elif _content(known.said) != _content(said):
                    changed.append(said.id)
                else:
                    total += Recorded(known=1)
                    rows[key] = replace(known, said=_moved(known.said, said.image))
            total += Recorded(changed=tuple(changed))
            for at, label in enumerate(columns.labels):
                key = (model, columns.ids[at])
                if label is None or key[1] in changed:
                    continue
                if key not in given:
                    probability = _at(columns.draw_probabilities, at, None)
                    given[key] = Truth(label, probability, received_at, arrival)
                    total += Recorded(labels=1)
                elif given[key].label != label:
                    total += Recorded(labels_changed=(key[1],))
                elif given[key].probability is None and _at(columns.draw_probabilities, at, None) is not None:
                    probability = _at(columns.draw_probabilities, at, None)
                    given[key] = replace(given[key], probability=probability, seq=arrival)
        if strict and total.changed + total.labels_changed:
            raise ConflictError(f"{total.changed + total.labels_changed}")
        if strict and total.too_old:
            raise ConflictError(too_old_text(total.too_old, self._horizons[model]))
        self._seq, self._rows, self._given = seq + 1, rows, given
        self._heads[model] = self._seq
        return total

    def position(self, model: str) -> str:
        return str(self._heads.get(model, 0))

    def known_source(self, model: str, digest: str) -> Mapping[str, Any] | None:
        report = self._sources.get((model, digest))
        return None if report is None else json.loads(report)

    def remember_source(self, model: str, digest: str, report: Mapping[str, Any], *, now: datetime) -> None:
        utc_text(now)  # raises for one without a zone
        self._sources.setdefault((model, digest), json.dumps(report))

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
        counts = Counter(_cell(version, row.said, second) for row in self._window(version, start, end, upto))
        cells = [Cell(*key[:3], count, key[3]) for key, count in counts.items()]
        return sorted(
            cells,
            key=lambda one: (one.predicted_class, one.slice is not None, one.slice or "", one.bin, one.second or ""),
        )

    def pick(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        picks: Sequence[Pick],
        *,
        stream: str,
        upto: str | None,
        second: Collection[str] = (),
    ) -> list[Prediction]:
        cells: dict[tuple[str, int, str | None, str | None], list[Prediction]] = {}
        for said in self._in_order(self._window(version, start, end, upto), stream):
            cells.setdefault(_cell(version, said, second), []).append(said)
        ordered = [(cells.get((one.predicted_class, one.bin, one.slice, one.second), []), one.rank) for one in picks]
        return [cell[rank] for cell, rank in ordered if rank < len(cell)]

    def sample(
        self, version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, upto: str | None = None
    ) -> list[Prediction]:
        return self._in_order(self._window(version, start, end, upto), stream)[: max(k, 0)]

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
        rows = [row.said for row in self._window(version, start, end, upto)]
        alike = [one for one in rows if one.image in images or one.group in groups]
        counts = Counter(
            (one.image if one.image in images else one.group, *_cell(version, one, ())[:2]) for one in alike
        )
        return [Copies(*key, count) for key, count in sorted(counts.items())]

    def by_ids(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        return [self._rows[model, one].said for one in sorted(set(ids)) if (model, one) in self._rows]

    def count(self, version: ModelVersion, start: datetime, end: datetime | None, *, after: str | None = None) -> int:
        return sum(row.seq > int(after or 0) for row in self._window(version, start, end))

    def first_at(self, version: ModelVersion, *, since: datetime | None = None) -> datetime | None:
        return min((row.said.occurred_at for row in self._window(version, since, None)), default=None)

    def last_at(self, version: ModelVersion, *, before: datetime | None = None) -> datetime | None:
        return max((row.said.occurred_at for row in self._window(version, None, before)), default=None)

    def rows_by_version(self, model: str, versions: Collection[int], start: datetime, end: datetime) -> dict[int, int]:
        own = [row.said for row in self._rows.values() if row.said.model == model and row.said.version in versions]
        return dict(Counter(said.version for said in own if start <= said.occurred_at < end))

    def elsewhere(self, model: str, ids: Sequence[str]) -> dict[str, int]:
        asked = set(ids)
        return dict(Counter(other for other, one in self._rows if other != model and one in asked))

    # Truth that came with the log

    def first_given(self, version: ModelVersion, since: datetime | None) -> datetime | None:
        pairs = self._labelled(version, since, None)
        return min((said.occurred_at for said, truth in pairs if truth.probability is not None), default=None)

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
        counts = Counter(
            (said.predicted_class, truth.label, said.slice, truth.probability)
            for said, truth in self._labelled(version, start, end)
            if truth.probability is not None
            and int(after or 0) < truth.seq <= int(upto or self._seq)
            and self._rows[version.model, said.id].seq <= int(rows_upto or self._seq)
        )
        tallies = [Tally(*key, count) for key, count in counts.items() if key[3] is not None]
        return sorted(
            tallies,
            key=lambda one: (one.predicted_class, one.label, one.slice is not None, one.slice or "", one.probability),
        )

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
        weights: dict[tuple[str, str], list[float]] = {}
        for said, truth in self._labelled(version, start, end):
            if (
                truth.probability is not None
                and int(after or 0) < truth.seq <= int(upto or self._seq)
                and self._rows[version.model, said.id].seq <= int(rows_upto or self._seq)
            ):
                of_slice = [] if said.slice is None else [f"slice {said.slice}"]
                for part in ("all", f"class {said.predicted_class}", *of_slice):
                    weights.setdefault((part, said.group), []).append(1 / truth.probability)
        found: dict[str, float] = {}
        for (part, _), own in weights.items():
            if len(own) > 1:
                found[part] = found.get(part, 0.0) + sum(own) ** 2 - sum(one * one for one in own)
        return found

    def given(
        self, version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
    ) -> list[tuple[Label, Prediction]]:
        rows = [row for row in self._window(version, start, end) if (version.model, row.said.id) in self._given]
        return [(self._label(version.model, said.id), said) for said in self._in_order(rows, stream)[:k]]

    def given_by_ids(self, model: str, ids: Iterable[str]) -> list[Label]:
        return [self._label(model, one) for one in sorted(set(ids)) if (model, one) in self._given]

    def given_counts(self) -> dict[str, int]:
        return dict(Counter(model for model, _ in self._given))

    # Retention

    def horizon(self, model: str) -> datetime | None:
        return self._horizons.get(model)

    def forget(self, model: str, *, before: datetime) -> Forgotten:
        utc_text(before)  # raises for one without a zone
        horizon = self._horizons[model] = max(before, self._horizons.get(model, before))
        return self._drop({key for key, row in self._own(model).items() if row.said.occurred_at < horizon}, model)

    def forget_ids(self, model: str, ids: Iterable[str]) -> Forgotten:
        return self._drop({(model, one) for one in ids} & self._rows.keys(), model)

    def _drop(self, keys: set[Key], model: str) -> Forgotten:
        labels = len(keys & self._given.keys())
        self._sources = {key: report for key, report in self._sources.items() if key[0] != model}
        self._rows = {key: row for key, row in self._rows.items() if key not in keys}
        self._given = {key: truth for key, truth in self._given.items() if key not in keys}
        first = min((row.said.occurred_at for row in self._own(model).values()), default=None)
        return Forgotten(len(keys), labels, first)

    def _own(self, model: str) -> dict[Key, Row]:
        return {key: row for key, row in self._rows.items() if key[0] == model}

    def _window(
        self, version: ModelVersion, start: datetime | None, end: datetime | None, upto: str | None = None
    ) -> list[Row]:
        for moment in filter(None, (start, end)):
            utc_text(moment)  # raises for one without a zone
        return [
            row
            for row in self._rows.values()
            if (row.said.model, row.said.version) == (version.model, version.version)
            and (start is None or row.said.occurred_at >= start)
            and (end is None or row.said.occurred_at < end)
            and (upto is None or row.seq <= int(upto))
        ]

    def _in_order(self, rows: Iterable[Row], stream: str) -> list[Prediction]:
        """By the place of each row's permanent number in the stream."""
        return [
            row.said
            for row in sorted(
                rows, key=lambda row: (stream_order(permanent_number(row.said.id, self._secret), stream), row.seq)
            )
        ]

    def _labelled(
        self, version: ModelVersion, start: datetime | None, end: datetime | None
    ) -> Iterator[tuple[Prediction, Truth]]:
        for row in self._window(version, start, end):
            truth = self._given.get((version.model, row.said.id))
            if truth:
                yield row.said, truth

    def _label(self, model: str, name: str) -> Label:
        truth = self._given[model, name]
        return Label(model, name, truth.label, "file", truth.received_at, GIVEN)


def _predictions(model: str, version: int, given: PredictionColumns) -> Iterator[Prediction]:
    for at, name in enumerate(given.ids):
        confidence = _at(given.confidence, at, None)
        yield Prediction(
            id=name,
            model=model,
            version=version,
            occurred_at=datetime.fromisoformat(given.occurred_at[at]).replace(tzinfo=UTC),
            image=_at(given.images, at, ""),
            predicted_class=given.predicted[at],
            confidence=None if confidence is None or isnan(confidence) else confidence,
            probabilities=tuple(json.loads(_at(given.probabilities, at, "[]"))),
            energy=_at(given.energy, at, None),
            latency_ms=_at(given.latency_ms, at, None),
            group=_at(given.groups, at, name),
            slice=_at(given.slices, at, None),
            second_class=_at(given.second, at, None),
            review=_at(given.review, at, None),
        )


def _at(values: Sequence[T], at: int, otherwise: T) -> T:
    return values[at] if values else otherwise


def _content(said: Prediction) -> tuple[object, ...]:
    """What may not change once it is recorded."""
    digest = said.image if DIGEST.fullmatch(said.image) else None
    return (said.version, said.occurred_at, said.predicted_class, said.confidence, said.slice, said.group, digest)


def _moved(known: Prediction, image: str) -> Prediction:
    return replace(known, image=image) if image and not DIGEST.fullmatch(image) else known


def _cell(version: ModelVersion, said: Prediction, second: Collection[str]) -> tuple[str, int, str | None, str | None]:
    edges = version.reference.bin_edges if version.reference.with_confidence else ()
    place = -1 if said.confidence is None else bisect(edges, said.confidence)
    return said.predicted_class, place, said.slice, said.second_class if said.second_class in second else None
