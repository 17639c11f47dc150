"""Checking: whether the files of the log are those that were written."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leeway.domain.upkeep import LogProblem
from leeway.errors import StoreError, in_one_line
from leeway.stores.columnar.manifest import BEFORE, LogManifest, LogPart
from leeway.stores.columnar.orphans import find_orphans
from leeway.stores.columnar.parts import damaged_part
from leeway.stores.columnar.segments import Segments
from leeway.stores.duck import EngineError


def check_log(
    manifest: LogManifest, folder: Path, segments: Segments, model: str | None = None, *, quick: bool = False
) -> list[LogProblem]:
    """Look at every part of a model, or of all, at every live segment, and at files that nothing names.

    `quick` leaves out reading the files whole: presence, size and what Parquet says of itself are looked at.
    """
    parts = [part for one in ([model] if model is not None else manifest.models()) for part in manifest.read(one)[0]]
    found = [
        LogProblem(str(folder / part.file), problem, part.model, part.rows, part.first_at, part.last_at)
        for part in parts
        if (problem := damage(folder, part, quick=quick))
    ]
    for name in manifest.read("")[1]:
        if name != BEFORE and (problem := _segment_damage(segments, name, quick=quick)):
            found.append(LogProblem(str(segments.folder / name), problem))
    for path in find_orphans(manifest, folder, segments.folder) if model is None else ():
        problem = "belongs to no log: a process was killed; it is removed after a week, or delete it"
        found.append(LogProblem(str(path), problem, lost=False))
    return found


def damage(folder: Path, part: LogPart, *, quick: bool) -> str:
    """Return what is wrong with a part; empty if nothing is."""
    path = folder / part.file
    try:
        size = path.stat().st_size
        if size != part.bytes:
            return f"has {size:,} bytes, {part.bytes:,} were written"
        if not quick and _digest(path) != part.sha256:
            return "has other content than was written"
        rows = pq.ParquetFile(path).metadata.num_rows
    except FileNotFoundError:
        return "is not there"
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read ({in_one_line(error)})"
    return "" if rows == part.rows else f"has {rows:,} rows, {part.rows:,} were written"


def damage_named(folder: Path, parts: Sequence[LogPart], error: StoreError) -> StoreError:
    """Return an error of DuckDB as one that names the part which is damaged; any other as it is."""
    for part in parts if isinstance(error, EngineError) else ():
        if problem := damage(folder, part, quick=False):
            return damaged_part(folder, part, problem)
    return error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _segment_damage(segments: Segments, name: str, *, quick: bool) -> str:
    if not (segments.folder / name).is_file():
        return "is not there"
    check = "SELECT count(*) FROM log_heads" if quick else "PRAGMA quick_check(1)"
    try:
        with segments.open(name).transaction() as connection:
            said = connection.exec_driver_sql(check).scalar()
    except StoreError as error:
        return f"cannot be read ({in_one_line(error)})"
    return "" if quick or said == "ok" else f"is damaged ({said})"
