"""Feedback: production images with the labels people gave them, a Parquet shard for each batch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leeway import durable
from leeway.bundle.resize import decode
from leeway.data.corrections import is_corrections
from leeway.data.near_duplicates import thumbnail
from leeway.data.parquet import read_table, write_table
from leeway.data.parts import PART_SCHEMA
from leeway.errors import DataError

FEEDBACK_SCHEMA = pa.schema(
    [
        *PART_SCHEMA,
        *((name, pa.string()) for name in ("label", "group", "slice", "origin", "labeler")),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
NUMBER = b"number"  # in a feedback shard's metadata: it came after those with smaller ones

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedbackImage:
    """A production image with the label a person gave it."""

    content: bytes  # encoded
    label: str
    origin: str  # where it came from: the id of its prediction
    labeler: str
    group: str | None = None  # None: a group of its own
    slice: str | None = None


def write_feedback_shard(path: Path, items: Sequence[FeedbackImage]) -> None:
    """One immutable Parquet file for one batch of labelled production images.

    Writing the same batch again changes nothing. Raises DataError for another batch under this name, a label that is
    empty, or an image that cannot be decoded.
    """
    table = pa.Table.from_pylist([_feedback_row(item) for item in items], FEEDBACK_SCHEMA)
    if path.exists():
        if not read_table(path).equals(table):
            raise DataError(f"{path}: exists with other content; a feedback shard is never changed, name a new one")
        return
    number = 1 + max((number for number, _ in _feedback_paths(path.parent)), default=0)
    durable.remove_abandoned(path.parent)  # DVC would take it for a part of the feedback
    write_table(table.replace_schema_metadata({NUMBER: str(number)}), path)


def read_feedback(folder: Path) -> list[Row]:
    """FEEDBACK_SCHEMA without bytes and thumbnails, with `shard` (file name) and `row`; in the order it came."""
    columns = [name for name in FEEDBACK_SCHEMA.names if name not in ("bytes", "thumbnail")]
    return [
        {**dict.fromkeys(columns), **row, "shard": path.name, "row": number}
        for _, path in _feedback_paths(folder)
        for number, row in enumerate(_columns_there(path, columns).to_pylist())
    ]


def read_feedback_thumbnails(folder: Path) -> list[bytes | None]:
    """Of each row of `read_feedback`."""
    tables = (_columns_there(path, ["origin", "thumbnail"]) for _, path in _feedback_paths(folder))
    return [row.get("thumbnail") for table in tables for row in table.to_pylist()]


def _feedback_paths(folder: Path) -> list[tuple[int, Path]]:
    """(number, path) in the order they came."""
    paths = [path for path in folder.glob("*.parquet") if not is_corrections(path)]
    return sorted((int((_schema(path).metadata or {}).get(NUMBER, b"0")), path) for path in paths)


def _columns_there(path: Path, columns: Sequence[str]) -> pa.Table:
    """Shards of an earlier version have no sizes and thumbnails: their images take no part in near-duplicates."""
    return read_table(path, [name for name in columns if name in _schema(path).names])


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException):
        read_table(path)  # tells what is wrong
        raise


def _feedback_row(item: FeedbackImage) -> Row:
    if not isinstance(item.label, str) or not item.label.strip():
        raise DataError(f"feedback {item.origin}: label {item.label!r} is not the name of a class")
    try:
        image = decode(item.content)
    except DataError as error:
        raise DataError(f"feedback {item.origin}: {error}") from error
    return {
        **{"asset": hashlib.sha256(item.content).hexdigest(), "bytes": item.content, "label": item.label},
        **{"group": item.group, "slice": item.slice, "origin": item.origin, "labeler": item.labeler},
        **{"width": image.width, "height": image.height, "thumbnail": thumbnail(image)},
    }
