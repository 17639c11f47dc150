"""Parts: Parquet files of the prediction log, each written beside its place and moved there when it is whole."""

import hashlib
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leeway import durable
from leeway.errors import StoreError
from leeway.stores.columnar.manifest import LABELS, PREDICTIONS, LogPart

ROWS = 122_880  # of a row group: DuckDB's own measure
TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(  # of predictions; what is null in all rows of a part is left out of its file
    [
        ("id", pa.string()),
        ("version", pa.int32()),
        ("occurred_at", TIME),
        ("image", pa.string()),
        ("predicted_class", pa.string()),
        ("second_class", pa.string()),
        ("confidence", pa.float64()),
        ("probabilities", pa.list_(pa.float64())),
        ("energy", pa.float64()),
        ("latency_ms", pa.float64()),
        ("group", pa.string()),  # null for a row that is a group of its own
        ("slice", pa.string()),
        ("review", pa.string()),
        ("received_at", TIME),
        ("u", pa.int64()),
        ("h", pa.int64()),
        ("label", pa.string()),
        ("draw_probability", pa.float64()),
        ("seq", pa.int64()),  # of a part that was a segment
    ]
)
TRUTH = pa.schema([SCHEMA.field(name) for name in (
    "id", "version", "occurred_at", "predicted_class", "slice", "group", "received_at", "u", "label",
    "draw_probability", "seq",
)])  # fmt: skip
MOVED = pa.schema([SCHEMA.field(name) for name in ("id", "image", "u")])
ALIKE = ("version", "image", "predicted_class", "second_class", "slice", "review", "label", "received_at")  # few values


@dataclass(frozen=True, slots=True)
class Staged:
    """A part that is written whole, and is not named by the manifest yet."""

    part: LogPart
    path: Path


class PartWriter:
    """Writes one part, batch by batch, to a hidden file in the folder of parts."""

    def __init__(self, folder: Path, kind: str, model: str, version: int | None, received_at: datetime) -> None:
        durable.make_folder(folder)
        self.path = folder / f".{uuid.uuid4().hex}.{secrets.token_hex(4)}.partial"
        self._part = LogPart("", kind, model, version, 0, 0, "", None, None, received_at)
        self._writer: Any = None
        self.columns: list[str] = []

    def write(self, table: pa.Table) -> None:
        """Add rows: columns of SCHEMA, in any order, those that are missing are null. Raises OSError."""
        if not table.num_rows:
            return
        table = self._with_columns(table)
        if self._writer is None:
            self._open(table.schema)
        self._writer.write_table(table, row_group_size=ROWS)
        self._count(table)

    def _with_columns(self, table: pa.Table) -> pa.Table:
        """A column that was null up to here is only written from the first batch on that has a value in it."""
        filled = [
            one.name for one in SCHEMA if one.name in table.column_names and table[one.name].null_count < table.num_rows
        ]
        more = [name for name in filled if name not in self.columns]
        if self._writer is not None and more:
            self._begin_anew(more)
        self.columns = [one.name for one in SCHEMA if one.name in (*self.columns, *filled)]
        fields = [SCHEMA.field(name) for name in self.columns]
        given = [
            table[one.name].cast(one.type) if one.name in table.column_names else pa.nulls(table.num_rows, one.type)
            for one in fields
        ]
        return pa.table(given, pa.schema(fields))

    def _open(self, schema: pa.Schema) -> None:
        dictionary = [one for one in ALIKE if one in schema.names]
        self._writer = pq.ParquetWriter(
            self.path,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionary,
            write_statistics=["occurred_at"],
        )

    def _begin_anew(self, more: list[str]) -> None:
        """Copy what is written into a file that has these columns, too."""
        self._writer.close()
        before = self.path.with_suffix(".before.partial")
        self.path.rename(before)
        columns = [one.name for one in SCHEMA if one.name in (*self.columns, *more)]
        self._open(pa.schema([SCHEMA.field(name) for name in columns]))
        for batch in pq.ParquetFile(before).iter_batches(ROWS):
            table = pa.table(batch)
            for name in more:
                table = table.append_column(SCHEMA.field(name), pa.nulls(table.num_rows, SCHEMA.field(name).type))
            self._writer.write_table(table.select(columns), row_group_size=ROWS)
        before.unlink()

    def _count(self, table: pa.Table) -> None:
        part = replace(self._part, rows=self._part.rows + table.num_rows)
        if "occurred_at" in table.column_names:
            span = pc.min_max(table["occurred_at"]).as_py()
            part = replace(
                part,
                first_at=min(filter(None, (part.first_at, span["min"]))),
                last_at=max(filter(None, (part.last_at, span["max"]))),
            )
        if "label" in table.column_names:
            labelled = pc.is_valid(table["label"])
            part = replace(part, labelled=part.labelled + (pc.sum(labelled).as_py() or 0))
            if "draw_probability" in table.column_names:
                given = table["occurred_at"].filter(pc.and_(labelled, pc.is_valid(table["draw_probability"])))
                first = pc.min(given).as_py()
                part = replace(part, first_given_at=min(filter(None, (part.first_given_at, first)), default=None))
        self._part = part

    def finish(self, *, segment: str | None = None) -> Staged | None:
        """Close the file and return it with what the manifest has to know; None if no row was written."""
        if self._writer is None:
            return None
        self._writer.close()
        self._writer = None
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part = replace(
            self._part,
            file=f"{uuid.uuid4().hex}.parquet",
            bytes=self.path.stat().st_size,
            sha256=digest,
            segment=segment,
        )
        return Staged(part, self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self.path.unlink(missing_ok=True)


def publish(folder: Path, staged: Staged) -> LogPart:
    """Move the file, safely on disk, to where the transaction that follows is going to name it."""
    durable.move_file(staged.path, folder / staged.part.file)
    return staged.part


def check_present(folder: Path, part: LogPart) -> Path:
    """Return the part's path. Raises StoreError for one that is gone or has another size than it was written with."""
    path = folder / part.file
    try:
        size = path.stat().st_size
    except OSError:
        raise MissingPartError(_missing(path, part, "is not there")) from None
    if size != part.bytes:
        raise damaged_part(folder, part, f"has {size:,} bytes, {part.bytes:,} were written")
    return path


class MissingPartError(StoreError):
    """A part that the manifest named a moment ago is not there: it was retired meanwhile, or is lost."""


def damaged_part(folder: Path, part: LogPart, problem: str) -> StoreError:
    """Return the error that says which part is not as it was written, what it holds, and what to do."""
    return StoreError(_missing(folder / part.file, part, problem))


def _missing(path: Path, part: LogPart, problem: str) -> str:
    span = f"{part.first_at:%Y-%m-%d} to {part.last_at:%Y-%m-%d}" if part.first_at and part.last_at else "no time"
    return (
        f"the prediction log of {part.model} is damaged: {path} {problem}; it holds {part.rows:,} rows of {span}: "
        "copy the file back from a backup; `leeway log check` says what else is missing"
    )


def rows_of(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a part, some at a time, with these columns (all by default) where the file has them."""
    file = pq.ParquetFile(path)
    wanted = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
    for batch in file.iter_batches(ROWS, columns=wanted):
        yield pa.Table.from_batches([batch])


__all__ = [
    "LABELS",
    "MOVED",
    "PREDICTIONS",
    "SCHEMA",
    "TRUTH",
    "PartWriter",
    "Staged",
    "check_present",
    "publish",
    "rows_of",
]
