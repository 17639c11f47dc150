"""Corrections: labels that a person set right, kept beside the feedback as files that are never changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from leeway import durable
from leeway.data.parquet import read_table, write_table
from leeway.errors import DataError

PREFIX = "corrections-"
CORRECTION_SCHEMA = pa.schema([("asset", pa.string()), ("label", pa.string()), ("labeler", pa.string())])


@dataclass(frozen=True, slots=True)
class Correction:
    """What an image shows, whatever was said of it before."""

    asset: str  # sha256 of the encoded image
    label: str | None  # None: it is to be left out
    labeler: str


def write_corrections(folder: Path, corrections: Sequence[Correction]) -> Path:
    """One more file in `folder`, corrections-00001.parquet and so on; the last one again if it holds the same.

    Raises DataError if there are none, or one image is corrected twice.
    """
    if not corrections:
        raise DataError("no correction to write: the list is empty")
    counts = Counter(one.asset for one in corrections)
    twice = [asset for asset, count in counts.items() if count > 1]
    if twice:
        raise DataError(f"image {twice[0]} is corrected twice in one list; keep one line of it")
    table = pa.Table.from_pylist([asdict(one) for one in corrections], CORRECTION_SCHEMA)
    paths = _paths(folder)
    if paths and read_table(paths[-1]).equals(table):
        return paths[-1]
    number = int(paths[-1].stem.removeprefix(PREFIX)) + 1 if paths else 1
    path = folder / f"{PREFIX}{number:05d}.parquet"
    durable.remove_abandoned(folder)  # DVC would take it for a part of the feedback
    write_table(table, path)
    return path


def read_corrections(folder: Path) -> dict[str, Correction]:
    """The correction that holds for each asset: that of the latest file. The folder need not exist."""
    return {row["asset"]: Correction(**row) for path in _paths(folder) for row in read_table(path).to_pylist()}


def is_corrections(path: Path) -> bool:
    """Whether a file beside the feedback shards holds corrections."""
    return path.name.startswith(PREFIX)


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}[0-9]*.parquet"))
