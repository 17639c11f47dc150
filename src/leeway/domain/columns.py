"""Columns of predictions: lists, or Arrow columns of the same values, in which a million rows pass in one hand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isfinite, isnan
from typing import Any

from leeway.domain.arrow import is_arrow
from leeway.domain.records import Prediction, utc_text
from leeway.errors import StoreError

# The name in a table of each column, and its Arrow type in short.
TABLE = {
    "ids": ("id", "text"),
    "occurred_at": ("occurred_at", "time"),
    "predicted": ("predicted_class", "text"),
    "second": ("second_class", "text"),
    "confidence": ("confidence", "number"),
    "probabilities": ("probabilities", "numbers"),
    "energy": ("energy", "number"),
    "latency_ms": ("latency_ms", "number"),
    "groups": ("group", "text"),
    "slices": ("slice", "text"),
    "images": ("image", "text"),
    "review": ("review", "text"),
    "labels": ("label", "text"),
    "draw_probabilities": ("draw_probability", "number"),
}


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """Predictions of one model version as columns, each (N,) or empty where the log has no such column.

    A column is a sequence, or an Arrow array (also a chunked one) of the same values; a moment in Arrow may be a
    timestamp[us, UTC] and probabilities may be list<double>.
    """

    ids: Sequence[str]
    occurred_at: Sequence[str]  # UTC, `2026-01-31 08:00:00.000000`
    predicted: Sequence[str]
    labels: Sequence[str | None] = ()
    draw_probabilities: Sequence[float | None] = ()
    confidence: Sequence[float | None] = ()
    second: Sequence[str | None] = ()
    probabilities: Sequence[str] = ()  # JSON
    slices: Sequence[str | None] = ()
    groups: Sequence[str] = ()
    images: Sequence[str] = ()
    energy: Sequence[float | None] = ()
    latency_ms: Sequence[float | None] = ()
    review: Sequence[str | None] = ()
    version_stated: bool = True  # whether the source says of which version they are; else known rows keep theirs

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> "PredictionColumns":
        """Return predictions of one version as columns. Raises StoreError for a number that is not finite."""
        numbers = [number for one in predictions for number in (one.energy, one.latency_ms, *one.probabilities)]
        if not all(number is None or isfinite(number) for number in numbers):
            raise StoreError("a probability, energy or latency is not a finite number, which JSON does not have")
        return cls(
            ids=[one.id for one in predictions],
            occurred_at=[utc_text(one.occurred_at) for one in predictions],
            predicted=[one.predicted_class for one in predictions],
            confidence=[_known(one.confidence) for one in predictions],
            second=[one.second_class for one in predictions],
            probabilities=[json.dumps(one.probabilities) for one in predictions],
            slices=[one.slice for one in predictions],
            groups=[one.group for one in predictions],
            images=[one.image for one in predictions],
            energy=[one.energy for one in predictions],
            latency_ms=[one.latency_ms for one in predictions],
            review=[one.review for one in predictions],
        )

    @classmethod
    def from_table(cls, table: Any) -> "PredictionColumns":
        """Return the columns of a pyarrow.Table (N, ...) that has some of the store's; those it lacks are empty."""
        names = set(table.column_names)
        return cls(**{ours: table[name] for ours, (name, _) in TABLE.items() if name in names})

    def lists(self) -> "PredictionColumns":
        """Return the same with every Arrow column as a list: moments as text, probabilities as JSON."""
        columns: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        listed = {name: _listed(column) for name, column in columns.items() if is_arrow(column)}
        return PredictionColumns(**columns | listed) if listed else self

    def table(self) -> Any:
        """Return a pyarrow.Table (N, 14) with the names of the store's columns.

        Times are timestamp[us, UTC], probabilities list<double>; what is not given is null, a confidence that is NaN
        too; a group that is not given is the id, an image that is not given is empty.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = {name: _arrow(getattr(self, ours), kind, len(self.ids)) for ours, (name, kind) in TABLE.items()}
        columns["confidence"] = pc.if_else(pc.is_nan(columns["confidence"]), None, columns["confidence"])
        columns["group"] = pc.coalesce(columns["group"], columns["id"])
        columns["image"] = pc.fill_null(columns["image"], "")
        return pa.table(columns)


def _known(number: float | None) -> float | None:
    return None if number is None or isnan(number) else number


def _listed(column: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us")).cast(pa.string())
    elif pa.types.is_list(column.type):
        return [json.dumps(row or []) for row in column.to_pylist()]
    listed: list[Any] = column.to_pylist()
    return listed


def _arrow(column: Any, kind: str, rows: int) -> Any:
    """Return a column as Arrow has it; null in all rows where it is empty."""
    import pyarrow as pa

    time = pa.timestamp("us", "UTC")
    wanted = {"text": pa.string(), "number": pa.float64(), "numbers": pa.list_(pa.float64()), "time": time}[kind]
    if not len(column):
        return pa.nulls(rows, wanted)
    if is_arrow(column) and column.type == wanted:
        return column
    if kind == "numbers":
        texts = column.to_pylist() if is_arrow(column) else column
        return pa.array([json.loads(text) or None for text in texts], wanted)
    if not is_arrow(column):
        column = pa.array(column, wanted if kind == "number" else pa.string())
    if kind == "time" and pa.types.is_string(column.type):
        column = column.cast(pa.timestamp("us"))
    return column.cast(wanted)
