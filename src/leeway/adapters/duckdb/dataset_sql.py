"""Queries a dataset version in SQL: DuckDB over its manifest, with no way to the file system."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from leeway.data.parquet import read_table
from leeway.data.spreadsheet import read_file
from leeway.errors import DataError, WorkspaceError, in_one_line

IMAGES = "manifest.parquet"  # the table `images`
LISTS = ("findings", "conflicts", "leaks")  # tables of text, as data/dataset holds them in .csv


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query gives."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def query(statement: str, files: Mapping[str, Path]) -> QueryResult:
    """Runs one statement over the files of a dataset version (its name: where it is).

    Nothing that it says reaches a file or the network, and what it creates is gone afterwards. Raises DataError in
    DuckDB's own words, WorkspaceError without DuckDB.
    """
    try:
        import duckdb
    except ImportError as error:
        raise WorkspaceError(f"queries need DuckDB ({error}): pip install 'leeway[pipeline]'") from None
    with closing(duckdb.connect(config={"enable_external_access": False, "lock_configuration": True})) as connection:
        for name, table in _tables(files):
            connection.register(name, table)
        try:
            asked = connection.execute(statement)
            if asked is None:
                raise DataError("SQL: the statement is empty; `leeway data sql --help` shows one")
            return QueryResult(tuple(column[0] for column in asked.description or ()), asked.fetchall())
        except (duckdb.Error, RuntimeError) as error:  # the latter for a statement that is not UTF-8
            raise DataError(f"SQL: {_in_one_line(str(error))}") from None


def _tables(files: Mapping[str, Path]) -> Iterator[tuple[str, pa.Table]]:
    if IMAGES not in files:
        raise DataError(f"the dataset version has no {IMAGES}: make it anew with `dvc repro prepare`")
    yield "images", read_table(files[IMAGES])
    for name in LISTS:
        if f"{name}.csv" in files:  # versions of before lack the newer ones
            yield name, _read_csv(files[f"{name}.csv"])


def _read_csv(path: Path) -> pa.Table:
    """Every column as text, as it was before it was written for a spreadsheet."""
    try:
        columns, *lines = read_file(path)
        schema = pa.schema([(name, pa.string()) for name in columns])
        return pa.Table.from_pylist([dict(zip(columns, line, strict=True)) for line in lines], schema)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: damaged ({in_one_line(error)}); make it anew with `dvc repro prepare`") from error


def _in_one_line(message: str) -> str:
    """Without the picture of the statement that DuckDB draws below."""
    return " ".join(message.split("\n\nLINE ")[0].split())
