"""Reads prediction logs (CSV, JSON lines, Parquet) in batches of one schema, and tells which rows cannot be taken.

A file is read in blocks of lines, so its size does not matter. In CSV and JSON lines a row is one line: a quoted line
break makes a bad row. Empty CSV rows and blank lines are passed over. An id that comes twice is found over the whole
file by 64-bit hashes of ids and contents (16 bytes per row in memory); only good rows count.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from leeway.errors import DataError
from leeway.predictions.formats.blocks import read_blocks, read_csv, read_jsonl, read_parquet
from leeway.predictions.formats.ids import SeenIds
from leeway.predictions.formats.rows import tidy
from leeway.predictions.formats.shapes import Batch, RawRows

SUFFIXES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")


def read_predictions(
    path: Path,
    *,
    columns: Mapping[str, str] = {},
    classes: Sequence[str] | None = None,
    rows_at_once: int = 100_000,
    now: datetime | None = None,
) -> Iterator[Batch]:
    """The rows of a file in batches of at most `rows_at_once`; `columns` maps our names to the file's.

    With `now`, a row of more than an hour after it or 10 years before it is a bad one.

    Columns `p_<class>` without `classes` are taken in the alphabetical order of their names, if there are several.
    """
    some, seen = False, SeenIds()
    try:
        for raw in _raw(path, columns, classes, rows_at_once):
            for start in range(0, max(1, len(raw.lines)), rows_at_once):
                part = {name: column.slice(start, rows_at_once) for name, column in raw.columns.items()}
                bad = raw.bad if not start else []
                batch = tidy(RawRows(part, raw.lines[start : start + rows_at_once], bad), classes, now)
                batch = seen.sift(batch)
                some = some or len(batch.lines) > 0 or len(batch.bad) > 0
                yield batch
        if not some:
            raise DataError("has no rows; a prediction log has one row per prediction")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; check the path") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, EOFError, UnicodeError, csv.Error, zlib.error, pa.ArrowException) as error:
        told = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read to its end ({told}); is the file complete? Copy it anew") from error


def _raw(path: Path, columns: Mapping[str, str], classes: Sequence[str] | None, rows_at_once: int) -> Iterator[RawRows]:
    """Chooses the reader by the name, and holds the content against it."""
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise DataError("is empty; a prediction log has one row per prediction")
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        raise DataError(f"is named {path.name}; the name must end in {', '.join(SUFFIXES)}, with .gz if compressed")
    if (suffix == ".parquet") != (magic == b"PAR1"):
        raise DataError(f"its content {'is not' if suffix == '.parquet' else 'is'} Parquet; name it after its content")
    if suffix == ".parquet":
        yield from read_parquet(path, columns, classes, rows_at_once)
        return
    with cast(BinaryIO, gzip.open(path)) if magic[:2] == b"\x1f\x8b" else path.open("rb") as file:
        yield from (read_csv if suffix == ".csv" else read_jsonl)(read_blocks(file), columns, classes)
