"""Parts: immutable Parquet files with the images' bytes and what was seen of each; there are only ever more of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leeway import durable
from leeway.data.inspection import Inspected
from leeway.data.items import Item
from leeway.data.parquet import read_table, write_table

PART_IMAGES = 4_000
PART_BYTES = 256 * 2**20  # a part of photos is full sooner: it has to fit in memory when it is read
GROUP_IMAGES = 256  # written at once: some megabytes of photos, whose memory is used again
PART_SCHEMA = pa.schema(
    [
        ("asset", pa.string()),
        ("bytes", pa.binary()),
        ("thumbnail", pa.binary()),  # as near_duplicates.thumbnail makes it; null: too small
    ]
)
SEEN_SCHEMA = pa.schema(
    [
        ("origin", pa.string()),
        ("size", pa.int64()),  # bytes, as the source says
        ("mtime_ns", pa.int64()),
        ("asset", pa.string()),  # sha256 of the encoded image; null if it was not read
        ("shard", pa.string()),  # file name of the part; null if there is a finding
        ("row", pa.int32()),
        ("width", pa.int32()),  # pixels, upright; null if there is a finding
        ("height", pa.int32()),
        ("finding", pa.string()),  # null: usable
        ("reason", pa.string()),  # of the finding
        ("remarks", pa.list_(pa.string())),  # on a usable image
    ]
)
JOURNAL = "inspected-*.parquet"
Row = dict[str, Any]


@dataclass(slots=True)
class Parts:
    """Parts while they grow: image by image, so that memory holds few of them.

    Each part that is full is followed by a journal of what was inspected up to it, so that a run that is killed goes on
    from there.
    """

    staging: Path
    places: dict[str, tuple[str, int]]  # asset: (part, row); of everything stored before
    number: int  # of the part that grows
    waiting: list[tuple[str, bytes, bytes | None]] = field(default_factory=list)  # rows of PART_SCHEMA
    rows: int = 0  # of the part that grows, those that wait included
    size: int = 0  # bytes of its images
    writer: pq.ParquetWriter | None = None
    seen: list[Row] = field(default_factory=list)  # of SEEN_SCHEMA, all of this run
    told: int = 0  # of them, in a journal

    def keep(self, item: Item, inspected: Inspected) -> None:
        """Notes what was seen; a usable image that is not stored yet is put into the part."""
        asset, found = inspected.asset, inspected.found
        if found.finding is None and asset is not None and asset not in self.places:
            self.places[asset] = (part_name(self.number), self.rows)
            self.waiting.append((asset, inspected.content, found.thumbnail))
            self.rows, self.size = self.rows + 1, self.size + len(inspected.content)
        place = self.places[asset] if found.finding is None and asset is not None else (None, None)
        self.seen.append(
            {
                **{"origin": item.origin, "size": item.size, "mtime_ns": item.mtime_ns, "asset": asset},
                **{"shard": place[0], "row": place[1], "width": found.width, "height": found.height},
                **{"finding": found.finding and found.finding.value, "reason": found.reason},
                "remarks": list(found.remarks),
            }
        )
        if self.rows >= PART_IMAGES or self.size >= PART_BYTES:
            self.finish()
        elif len(self.waiting) >= GROUP_IMAGES:
            self._write()

    def finish(self) -> None:
        """Closes the part, if anything is in it. The part first: a journal never names an image that is not stored."""
        self._write()
        if self.writer is None:
            return
        self.writer.close()
        durable.move_file(self.staging / f".{part_name(self.number)}", self.staging / part_name(self.number))
        journal = self.staging / JOURNAL.replace("*", f"{self.number:05d}")
        write_table(pa.Table.from_pylist(self.seen[self.told :], SEEN_SCHEMA), journal)
        self.writer, self.number, self.rows, self.size, self.told = None, self.number + 1, 0, 0, len(self.seen)

    def _write(self) -> None:
        """Images are compressed already, and no two are the same: plain bytes are written fastest."""
        if not self.waiting:
            return
        columns = [
            pa.array(column, kind.type)
            for column, kind in zip(zip(*self.waiting, strict=True), PART_SCHEMA, strict=True)
        ]
        if self.writer is None:
            self.writer = pq.ParquetWriter(
                self.staging / f".{part_name(self.number)}",
                PART_SCHEMA,
                compression="none",
                use_dictionary=False,
                write_statistics=False,
            )
        self.writer.write_table(pa.table(columns, schema=PART_SCHEMA))
        self.waiting = []


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def part_paths(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("part-*.parquet"))]


def next_number(paths: Sequence[Path]) -> int:
    return 1 + max((int(path.stem.removeprefix("part-")) for path in paths), default=-1)


def stored_in(paths: Sequence[Path]) -> dict[str, tuple[str, int]]:
    """Where each asset stands in these parts, listed or not."""
    return {
        asset: (path.name, row)
        for path in paths
        for row, asset in enumerate(read_table(path, ["asset"])["asset"].to_pylist())
    }


def journalled(staging: Path) -> pa.Table:
    """SEEN_SCHEMA: what a run that was cut short had inspected and stored."""
    return pa.concat_tables([SEEN_SCHEMA.empty_table(), *map(read_table, sorted(staging.glob(JOURNAL)))])
