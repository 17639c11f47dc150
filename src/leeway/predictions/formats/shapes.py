"""What a prediction log becomes: the schema, a batch, a bad row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("occurred_at", TIME),
        ("predicted_class", pa.string()),
        ("confidence", pa.float64()),  # null where missing or NaN; else 0..1
        ("probabilities", pa.list_(pa.float64())),  # in the order of the classes
        ("second_class", pa.string()),  # with the second largest probability; null where it is not known
        ("label", pa.string()),
        ("draw_probability", pa.float64()),
        ("slice", pa.string()),
        ("group", pa.string()),
        ("image", pa.string()),
        ("model_version", pa.string()),
    ]
)
REQUIRED = ("prediction_id", "occurred_at", "predicted_class")
SHARES = ("confidence", "draw_probability")  # numbers up to 1
TEXTS = tuple(field.name for field in SCHEMA if field.type == pa.string())


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was kept out."""

    line: int  # of the file, from 1 (a CSV header is line 1); in Parquet the row, from 1
    problem: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file, in its order."""

    table: pa.Table  # (N,) rows of SCHEMA
    bad: tuple[BadRow, ...]
    lines: np.ndarray  # (N,) int64
    emptied: int = 0  # labels such as `nan`, which stand for none


class RawRows(NamedTuple):
    columns: dict[str, pa.Array]  # by our name, of the file's types
    lines: np.ndarray
    bad: list[BadRow]


class Rows:
    """Which rows are good, and what is wrong with the others: the first problem of a row counts."""

    def __init__(self, lines: np.ndarray, bad: Iterable[BadRow]) -> None:
        self.lines, self.bad = lines, list(bad)
        self.good = np.ones(len(lines), bool)

    def refuse(self, wrong: np.ndarray, told: str | Callable[[int], str]) -> None:
        """`told` is what is wrong, or says it of the row of a number."""
        for row in np.flatnonzero(wrong & self.good).tolist():
            self.bad.append(BadRow(int(self.lines[row]), told if isinstance(told, str) else told(row)))
        self.good &= ~wrong

    def ordered(self) -> tuple[BadRow, ...]:
        return tuple(sorted(self.bad, key=lambda row: row.line))


def shown(column: pa.Array, row: int) -> str:
    text = str(column[row].as_py())
    return repr(text if len(text) <= 60 else text[:60] + "…")


def as_mask(column: pa.Array) -> np.ndarray:
    mask: np.ndarray = column.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def sums_of_rows(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return (N,) sums of values that lie row after row, so many of each."""
    if len(lengths) and lengths[0] and (lengths == lengths[0]).all():
        sums: np.ndarray = values.reshape(len(lengths), -1).sum(axis=1)
        return sums
    ends = np.append(0, np.cumsum(lengths))
    return np.add.reduceat(np.append(values, np.zeros(1, values.dtype)), ends[:-1]) * (lengths > 0)
