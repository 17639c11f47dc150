"""Stage files beside the folder they are for, so that a killed run leaves what was there before."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leeway.errors import DataError


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty hidden folder beside `folder`, on the same disk, to write in; gone at the end.

    If an earlier run was killed while it swapped the folders, the old one is put back first.
    """
    staging = staging_folder(folder)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def staging_folder(folder: Path) -> Path:
    """Where a run writes what is for `folder`: what an earlier one left there may still stand in it."""
    replaced = _replaced(folder)
    if replaced.exists() and not folder.exists():
        replaced.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)
    return folder.with_name(f".{folder.name}.partial")


def replace_folder(staging: Path, folder: Path) -> None:
    """Puts the whole of `staging` where `folder` is, by renaming: a reader never sees a half-written folder."""
    if folder.exists():
        folder.rename(_replaced(folder))
    staging.rename(folder)
    shutil.rmtree(_replaced(folder), ignore_errors=True)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or some of its columns. Raises DataError if it is none."""
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a readable Parquet file ({reason}); restore it with `dvc checkout`") from error


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")
