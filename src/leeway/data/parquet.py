"""Reads and writes Parquet files."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leeway import durable
from leeway.errors import DataError


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or some of its columns. Raises DataError if it is none."""
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not a readable Parquet file ({reason}); restore it with `dvc checkout`") from error


def write_table(table: pa.Table, path: Path) -> None:
    """Write the table as a Parquet file that is complete or not there; its folder is made if need be."""
    with durable.replacing_file(path) as partial:
        pq.write_table(table, partial)
