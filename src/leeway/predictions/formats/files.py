"""Reads prediction logs (CSV, JSON lines, Parquet) in batches of one schema, and tells which rows cannot be taken.

A file is read in blocks of lines, so its size does not matter. In CSV and JSON lines a row is one line: a quoted line
break makes a bad row. Empty CSV rows and blank lines are passed over. An id that comes twice is found over the whole
file by 64-bit hashes of ids and contents (16 bytes per row in memory); only good rows count.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePath
from typing import BinaryIO, cast

import pyarrow as pa

from leeway.errors import DataError
from leeway.predictions.formats.blocks import read_blocks, read_csv, read_jsonl, read_parquet
from leeway.predictions.formats.ids import SeenIds
from leeway.predictions.formats.rows import tidy
from leeway.predictions.formats.shapes import Batch, RawRows

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # what a compressed file begins with
ROWS_AT_ONCE = 122_880
SUFFIXES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet")


def read_predictions(
    path: Path,
    *,
    columns: Mapping[str, str] = {},
    classes: Sequence[str] | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
    now: datetime | None = None,
    name: str = "",
    common: Mapping[str, str | None] = {},
) -> Iterator[Batch]:
    """The rows of a file in batches of at most `rows_at_once`; `columns` maps our names to the file's.

    In errors the file is called by `name`, else by its path. `common` is what all rows have where the file has no such
    column, by our names.

    With `now`, a row of more than an hour after it or 10 years before it is a bad one.

    Columns `p_<class>` without `classes` are taken in the alphabetical order of their names, if there are several.
    """
    some, seen, name = False, SeenIds(), name or str(path)
    try:
        own = {ours: theirs for ours, theirs in columns.items() if ours not in common}
        for raw in _raw(path, own, classes, rows_at_once):
            for ours, value in common.items():
                raw.columns.setdefault(ours, pa.repeat(pa.scalar(value, pa.string()), len(raw.lines)))
            for part in _parts(raw, rows_at_once):
                batch = seen.sift(tidy(part, classes, now))
                some = some or len(batch.lines) > 0 or len(batch.bad) > 0
                yield batch
        if not some:
            raise DataError("has no rows; a prediction log has one row per prediction")
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file; check the path") from None
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except (OSError, EOFError, UnicodeError, csv.Error, zlib.error, pa.ArrowException) as error:
        told = " ".join(str(error).split())
        raise DataError(f"{name}: cannot be read to its end ({told}); is the file complete? Copy it anew") from error


def _parts(raw: RawRows, most: int) -> Iterator[RawRows]:
    """The rows in parts of like size."""
    rows = len(raw.lines)
    size = -(-rows // max(1, -(-rows // most))) or 1
    for start in range(0, max(1, rows), size):
        part = {name: column.slice(start, size) for name, column in raw.columns.items()}
        yield RawRows(part, raw.lines[start : start + size], [] if start else raw.bad)


def format_of(path: PurePath) -> str:
    """Return the ending that says how a file is read, such as `.csv` of `log.CSV.gz`."""
    name = path.name.lower()
    return PurePath(name.removesuffix(".gz").removesuffix(".zst")).suffix


def _raw(path: Path, columns: Mapping[str, str], classes: Sequence[str] | None, rows_at_once: int) -> Iterator[RawRows]:
    """Chooses the reader by the name, and holds the content against it."""
    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise DataError("is empty; a prediction log has one row per prediction")
    suffix = format_of(path)
    if suffix not in SUFFIXES:
        endings = f"{', '.join(SUFFIXES)}, with .gz or .zst if compressed"
        raise DataError(f"is named {path.name}; the name must end in {endings}")
    if (suffix == ".parquet") != (magic == b"PAR1"):
        raise DataError(f"its content {'is not' if suffix == '.parquet' else 'is'} Parquet; name it after its content")
    if suffix == ".parquet":
        yield from read_parquet(path, columns, classes, rows_at_once)
        return
    with _opened(path, magic) as file:
        yield from (read_csv if suffix == ".csv" else read_jsonl)(read_blocks(file), columns, classes)


def _opened(path: Path, magic: bytes) -> BinaryIO:
    """The file as text lies in it, whatever it is compressed with."""
    if magic == ZSTD:
        return cast(BinaryIO, io.BufferedReader(pa.input_stream(path, compression="zstd")))
    return cast(BinaryIO, gzip.open(path)) if magic[:2] == GZIP else path.open("rb")
