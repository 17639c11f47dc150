"""Shards: immutable Parquet parts with the images' bytes, and a listing of what the source holds now.

A folder of shards only grows: parts are never rewritten, and the listing, which points into them, is replaced last.
So a run that is killed leaves what was there before, and a run that finds nothing new writes nothing.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leeway.bundle.resize import decode
from leeway.data.inspection import Inspected, inspect_all
from leeway.data.sources import ImageSource, Item
from leeway.errors import DataError

PART_IMAGES = 4_000
PART_BYTES = 256 * 2**20  # a part of photos is full sooner: it has to fit in memory when it is read
MIN_IMAGES = 3  # per class: one for each split
LISTING = "listing.parquet"
SOURCE = "source.json"

PART_SCHEMA = pa.schema([("asset", pa.string()), ("bytes", pa.binary())])
LISTING_SCHEMA = pa.schema(
    [
        ("origin", pa.string()),
        ("size", pa.int64()),  # bytes
        ("mtime_ns", pa.int64()),
        ("asset", pa.string()),  # sha256 of the encoded image; null if it was not read
        ("label", pa.string()),
        ("group", pa.string()),  # null: a group of its own
        ("slice", pa.string()),
        ("shard", pa.string()),  # file name of the part; null if there is a finding
        ("row", pa.int32()),
        ("finding", pa.string()),  # null: usable
        ("reason", pa.string()),  # of the finding; of a usable image, a remark
    ]
)

FEEDBACK_SCHEMA = pa.schema(
    [*PART_SCHEMA, *((name, pa.string()) for name in ("label", "group", "slice", "origin", "labeler"))]
)

Row = dict[str, Any]
FileKey = tuple[str, int, int]  # origin, size, mtime_ns


@dataclass(frozen=True, slots=True)
class FeedbackImage:
    """A production image with the label a person gave it."""

    content: bytes  # encoded
    label: str
    origin: str  # where it came from: the id of its prediction
    labeler: str
    group: str | None = None  # None: a group of its own
    slice: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a gathering found."""

    files: int
    inspected: int  # of them for the first time, or again because they could not be read
    gone: int  # listed before, not there any more
    unusable: int
    changed: bool  # whether the folder did


def gather_images(source: ImageSource, folder: Path) -> Gathered:
    """Brings the shards in `folder` up to what the source holds now.

    Files whose (origin, size, mtime_ns) is listed already are neither read nor decoded. Another source than the
    folder's starts new shards. Raises DataError, with the folder as it was, if no classifier could learn from this.
    """
    items = source.items()
    with staged(folder) as staging:
        return _gather(source, items, folder, staging)


def _gather(source: ImageSource, items: Sequence[Item], folder: Path, staging: Path) -> Gathered:
    origin = source.model_dump(mode="json")
    fresh = _source_of(folder) != origin
    before = [] if fresh or not (folder / LISTING).exists() else read_listing(folder).to_pylist()
    parts = _Parts(staging) if fresh else _Parts(staging, *_stored_in(folder))
    known = {_key(row): row for row in before if row["asset"] and (row["finding"] or row["asset"] in parts.places)}
    new = [item for item in items if _item_key(item) not in known]
    known |= {_item_key(item): parts.keep(found) for item, found in inspect_all(new)}
    parts.write()
    rows = [_listed(item, known[_item_key(item)], parts) for item in items]
    _refuse_unlearnable(rows, source.place)
    if fresh:
        (staging / SOURCE).write_text(json.dumps(origin, sort_keys=True) + "\n", encoding="utf-8")
    if rows != before:
        pq.write_table(pa.Table.from_pylist(rows, LISTING_SCHEMA), staging / LISTING)
    replace_folder(staging, folder) if fresh else _move_into(staging, folder)
    return Gathered(
        files=len(items),
        inspected=sum(item.refusal is None for item in new),
        gone=len({row["origin"] for row in before} - {item.origin for item in items}),
        unusable=sum(row["finding"] is not None for row in rows),
        changed=rows != before,
    )


def read_listing(folder: Path) -> pa.Table:
    """LISTING_SCHEMA, sorted by origin: what the source held when it was last gathered."""
    if not (folder / LISTING).exists():
        raise DataError(f"{folder}: no {LISTING}; run `dvc repro gather`, or `python -m leeway.stages.gather`")
    return read_table(folder / LISTING)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or some of its columns. Raises DataError if it is none."""
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a readable Parquet file ({reason}); restore it with `dvc checkout`") from error


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
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    partial.replace(path)


def read_feedback(folder: Path) -> list[Row]:
    """FEEDBACK_SCHEMA without the bytes, with `shard` (file name) and `row`; by name of shard, then row."""
    columns = [name for name in FEEDBACK_SCHEMA.names if name != "bytes"]
    return [
        {**row, "shard": path.name, "row": number}
        for path in sorted(folder.glob("*.parquet"))
        for number, row in enumerate(read_table(path, columns).to_pylist())
    ]


def _feedback_row(item: FeedbackImage) -> Row:
    if not isinstance(item.label, str) or not item.label.strip():
        raise DataError(f"feedback {item.origin}: label {item.label!r} is not the name of a class")
    try:
        decode(item.content)
    except DataError as error:
        raise DataError(f"feedback {item.origin}: {error}") from error
    return {
        **{"asset": hashlib.sha256(item.content).hexdigest(), "bytes": item.content, "label": item.label},
        **{"group": item.group, "slice": item.slice, "origin": item.origin, "labeler": item.labeler},
    }


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty hidden folder beside `folder`, on the same disk, to write in; gone at the end.

    If an earlier run was killed while it swapped the folders, the old one is put back first.
    """
    staging, replaced = folder.with_name(f".{folder.name}.partial"), _replaced(folder)
    if replaced.exists() and not folder.exists():
        replaced.rename(folder)
    for left in (staging, replaced):
        shutil.rmtree(left, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def replace_folder(staging: Path, folder: Path) -> None:
    """Puts the whole of `staging` where `folder` is, by renaming: a reader never sees a half-written folder."""
    if folder.exists():
        folder.rename(_replaced(folder))
    staging.rename(folder)
    shutil.rmtree(_replaced(folder), ignore_errors=True)


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _move_into(staging: Path, folder: Path) -> None:
    """New parts first, the listing last: a part without a listing is found again by its assets."""
    for path in sorted(staging.iterdir(), key=lambda path: (path.name == LISTING, path.name)):
        path.replace(folder / path.name)


@dataclass(slots=True)
class _Parts:
    """The parts while they grow: where each stored asset is, and what waits for the next file."""

    staging: Path
    places: dict[str, tuple[str, int]] = field(default_factory=dict)  # asset: (part, row)
    number: int = 0  # of the next part
    waiting: list[Row] = field(default_factory=list)
    waiting_bytes: int = 0

    def keep(self, found: Inspected) -> Row:
        """What the listing says of this content; a usable image that is not stored yet is put into a part."""
        if found.finding is None and found.asset is not None and found.asset not in self.places:
            self.places[found.asset] = (_part_name(self.number), len(self.waiting))
            self.waiting.append({"asset": found.asset, "bytes": found.content})
            self.waiting_bytes += len(found.content)
            if len(self.waiting) == PART_IMAGES or self.waiting_bytes >= PART_BYTES:
                self.write()
        return {"asset": found.asset, "finding": found.finding and found.finding.value, "reason": found.reason}

    def write(self) -> None:
        if self.waiting:
            pq.write_table(pa.Table.from_pylist(self.waiting, PART_SCHEMA), self.staging / _part_name(self.number))
            self.number, self.waiting, self.waiting_bytes = self.number + 1, [], 0


def _part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _stored_in(folder: Path) -> tuple[dict[str, tuple[str, int]], int]:
    """Where each asset stands in the parts that are there, listed or not; and the number of the next part."""
    paths = sorted(folder.glob("part-*.parquet"))
    places = {asset: (path.name, row) for path in paths for row, asset in enumerate(_assets(path))}
    return places, 1 + max((int(path.stem.removeprefix("part-")) for path in paths), default=-1)


def _assets(path: Path) -> Iterator[str]:
    yield from read_table(path, ["asset"])["asset"].to_pylist()


def _source_of(folder: Path) -> Any:
    """The params of the source whose images these are; None if it cannot be told."""
    try:
        return json.loads((folder / SOURCE).read_text())
    except (OSError, ValueError):
        return None


def _key(row: Row) -> FileKey:
    return row["origin"], row["size"], row["mtime_ns"]


def _item_key(item: Item) -> FileKey:
    return item.origin, item.size, item.mtime_ns


def _listed(item: Item, seen: Row, parts: _Parts) -> Row:
    """A row of the listing: names from the source, findings from the inspection, place from the parts."""
    shard, row = parts.places[seen["asset"]] if seen["finding"] is None else (None, None)
    return {
        **dict(zip(("origin", "size", "mtime_ns"), _item_key(item), strict=True)),
        "asset": seen["asset"],
        **{"label": item.label, "group": item.group, "slice": item.slice},
        **{"shard": shard, "row": row, "finding": seen["finding"], "reason": seen["reason"]},
    }


def _refuse_unlearnable(rows: Sequence[Row], place: str) -> None:
    """At least two classes, each with MIN_IMAGES usable images."""
    usable = Counter({row["label"]: 0 for row in rows if row["label"] is not None})
    usable.update(row["label"] for row in rows if row["finding"] is None)
    if not usable.total():
        first = next((f"; the first: {row['origin']}: {row['finding']}, {row['reason']}" for row in rows), "")
        raise DataError(f"{place}: none of {len(rows)} files is a usable image{first} (params.yaml, data.source)")
    if len(usable) == 1:
        raise DataError(
            f"{place} has one class only, '{next(iter(usable))}'; needed: 2 or more (params.yaml, data.source)"
        )
    small = [f"'{label}' has {count}" for label, count in sorted(usable.items()) if count < MIN_IMAGES]
    if small:
        raise DataError(
            f"{place}: class {', '.join(small)} usable images; needed: {MIN_IMAGES} or more in each class; "
            "add images, or take the class away"
        )
