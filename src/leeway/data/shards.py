"""Shards: immutable Parquet parts with the images' bytes, and a listing of what the source holds now.

A folder of shards only grows: parts are never rewritten, and the listing, which points into them, is replaced last.
So a run that is killed leaves what was there before, the next one goes on where it was, and a run that finds nothing
new writes nothing.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leeway import durable
from leeway.data.inspection import inspect_all
from leeway.data.items import ImageSource, Item
from leeway.data.parquet import read_table, write_table
from leeway.data.parts import JOURNAL, PART_SCHEMA, SEEN_SCHEMA, Parts, journalled, next_number, part_paths, stored_in
from leeway.domain.text import counted
from leeway.errors import DataError, LeewayError

MIN_IMAGES = 3  # per class: one for each split
LISTING = "listing.parquet"
SOURCE = "source.json"
RUN = "run.json"  # beside what a run has staged: what it is for

NAMED_SCHEMA = pa.schema(
    [
        *((SEEN_SCHEMA.field(name)) for name in ("origin", "size", "mtime_ns")),
        ("label", pa.string()),
        ("group", pa.string()),  # null: a group of its own
        ("slice", pa.string()),
        ("split", pa.string()),  # one of GIVEN_SPLITS; null: the hash decides
    ]
)
FOUND = ("asset", "shard", "row", "width", "height", "finding", "reason", "remarks")
LISTING_SCHEMA = pa.schema([*NAMED_SCHEMA, *(SEEN_SCHEMA.field(name) for name in FOUND)])
Row = dict[str, Any]


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

    Files whose (origin, size, mtime_ns) is listed already are neither read nor decoded; nor are those that a run had
    inspected which was killed. Another source than the folder's starts new shards. Raises DataError, with the folder as
    it was, if no classifier could learn from this.
    """
    items = source.items()
    params = source.model_dump(mode="json")
    staging = durable.partial_folder(folder)
    fresh = _json_in(folder / SOURCE) != params or any(
        pq.read_schema(path) != PART_SCHEMA for path in part_paths(folder)
    )
    _begin(staging, {"source": params, "base": [] if fresh else [path.name for path in part_paths(folder)]})
    try:
        found = _gather(items, source.place, folder, staging, fresh=fresh)
        if fresh:
            durable.write_text(staging / SOURCE, json.dumps(params, sort_keys=True) + "\n")
        _finish(staging, folder, fresh=fresh)
    except LeewayError:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return found


def _begin(staging: Path, run: Row) -> None:
    """Keeps what an earlier run staged if it was for the same; whatever ends a run but an error of ours leaves it."""
    if _json_in(staging / RUN) != run:
        shutil.rmtree(staging, ignore_errors=True)
        durable.write_text(staging / RUN, json.dumps(run))
    for half_written in staging.glob(".*"):
        half_written.unlink()


def _gather(items: Sequence[Item], place: str, folder: Path, staging: Path, *, fresh: bool) -> Gathered:
    before = _listed_before(folder, fresh=fresh)
    stored = part_paths(staging) if fresh else part_paths(folder, staging)
    seen = pa.concat_tables([journalled(staging), before.select(SEEN_SCHEMA.names)]).combine_chunks()
    named = _named(items)
    places = _places(named, seen, [path.name for path in stored])
    missing = np.flatnonzero(places < 0)
    new = [items[number] for number in missing.tolist()]
    if new:
        parts = Parts(staging, stored_in(stored), next_number(stored))
        for item, inspected in inspect_all(new):
            parts.keep(item, inspected)
        parts.finish()
        places[missing] = len(seen) + np.arange(len(new))
        seen = pa.concat_tables([seen, pa.Table.from_pylist(parts.seen, SEEN_SCHEMA)])
    unchanged = np.array_equal(places, np.arange(len(before))) and named.equals(before.select(NAMED_SCHEMA.names))
    found = seen.select(FOUND).take(places)
    listing = before if unchanged else pa.table([*named.columns, *found.columns], schema=LISTING_SCHEMA)
    _refuse_unlearnable(listing, place)
    changed = not listing.equals(before)
    if changed:
        write_table(listing, staging / LISTING)
    return Gathered(
        files=len(items),
        inspected=sum(item.refusal is None for item in new),
        gone=0 if unchanged else int((~_true(pc.is_in(before["origin"], named["origin"]))).sum()),
        unusable=len(listing) - listing["finding"].null_count,
        changed=changed,
    )


def _listed_before(folder: Path, *, fresh: bool) -> pa.Table:
    """The listing; empty where another version of leeway wrote it, which makes every file new."""
    if fresh or not (folder / LISTING).exists():
        return LISTING_SCHEMA.empty_table()
    found = read_listing(folder)
    return found.combine_chunks() if found.schema == LISTING_SCHEMA else LISTING_SCHEMA.empty_table()


def _named(items: Sequence[Item]) -> pa.Table:
    """NAMED_SCHEMA, (N,) in the items' order."""
    by_name = {name: [item[place] for item in items] for place, name in enumerate(Item._fields)}
    return pa.table([pa.array(by_name[field.name], field.type) for field in NAMED_SCHEMA], schema=NAMED_SCHEMA)


def _places(named: pa.Table, seen: pa.Table, stored: Sequence[str]) -> np.ndarray:
    """(N,) int64 row of `seen` that tells of each item, -1 for what has to be inspected.

    That is what is new or has changed, what could not be read, and what was stored in a part that is lost.
    """
    if len(seen) >= len(named) and named["origin"].equals(seen["origin"][: len(named)]):
        places = np.arange(len(named))
    else:
        places = pc.fill_null(pc.index_in(named["origin"], seen["origin"].combine_chunks()), -1).to_numpy().astype(int)
    known = np.flatnonzero(places >= 0)
    rows = seen.select(["size", "mtime_ns", "asset", "shard", "finding"]).take(places[known])
    same = _true(pc.equal(rows["size"], named["size"].take(known)))
    same &= _true(pc.equal(rows["mtime_ns"], named["mtime_ns"].take(known)))
    same &= _true(pc.is_valid(rows["asset"]))
    same &= _true(pc.or_(pc.is_valid(rows["finding"]), pc.is_in(rows["shard"], pa.array(stored, pa.string()))))
    places[known[~same]] = -1
    return places


def _finish(staging: Path, folder: Path, *, fresh: bool) -> None:
    for path in (staging / RUN, *staging.glob(JOURNAL)):
        path.unlink()
    if fresh:
        durable.replace_folder(staging, folder)
        return
    # new parts first, the listing last: a part without a listing is found again by its assets
    for path in sorted(staging.iterdir(), key=lambda path: (path.name == LISTING, path.name)):
        durable.move_file(path, folder / path.name)
    staging.rmdir()


def _refuse_unlearnable(listing: pa.Table, place: str) -> None:
    """At least two classes, each with MIN_IMAGES usable images."""
    usable = listing.filter(pc.is_null(listing["finding"]))["label"]
    counts = dict.fromkeys((name for name in pc.unique(listing["label"]).to_pylist() if name is not None), 0)
    counts |= {pair["values"]: pair["counts"] for pair in pc.value_counts(usable).to_pylist()}
    if not len(usable):
        rows = listing.slice(0, 1).to_pylist()
        first = "".join(f"; the first: {row['origin']}: {row['finding']}, {row['reason']}" for row in rows)
        raise DataError(
            f"{place}: none of {counted(len(listing), 'file')} is a usable image{first} (params.yaml, data.source)"
        )
    if len(counts) == 1:
        raise DataError(
            f"{place} has one class only, '{next(iter(counts))}'; needed: 2 or more (params.yaml, data.source)"
        )
    small = [f"'{label}' has {count}" for label, count in sorted(counts.items()) if count < MIN_IMAGES]
    if small:
        raise DataError(
            f"{place}: class {', '.join(small)} usable images; needed: {MIN_IMAGES} or more in each class; "
            "add images, or take the class away"
        )


def _json_in(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _true(mask: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = mask.to_numpy()
    return found.astype(bool)


def read_listing(folder: Path) -> pa.Table:
    """LISTING_SCHEMA, sorted by origin: what the source held when it was last gathered."""
    if not (folder / LISTING).exists():
        raise DataError(f"{folder}: no {LISTING}; run `dvc repro gather`, or `python -m leeway.stages.gather`")
    return read_table(folder / LISTING)
