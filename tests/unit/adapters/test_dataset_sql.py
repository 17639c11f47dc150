"""SQL over a dataset version: what is asked is answered, and nothing else can be reached."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leeway.adapters.duckdb.dataset_sql import QueryResult, query
from leeway.errors import DataError

Files = dict[str, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    table = pa.table({"asset": ["a", "b", "c"], "label": ["cat", "dog", "cat"], "split": ["train", "val", "val"]})
    pq.write_table(table, tmp_path / "manifest.parquet")
    (tmp_path / "findings.csv").write_text('origin,finding,reason\nx.jpg,truncated,"ends, early"\ny.jpg,7,""\n')
    return {path.name: path for path in tmp_path.iterdir()}


def test_says_which_images_validated(files: Files) -> None:
    told = query("SELECT asset, label FROM images WHERE split = 'val' ORDER BY asset", files)
    assert told == QueryResult(("asset", "label"), [("b", "dog"), ("c", "cat")])


def test_lists_are_tables_of_text(files: Files) -> None:
    told = query("SELECT finding, reason FROM findings ORDER BY origin", files)
    assert told.rows == [("truncated", "ends, early"), ("7", "")]


def test_a_list_without_a_line_is_an_empty_table(files: Files, tmp_path: Path) -> None:
    (tmp_path / "leaks.csv").write_text("asset,other\n")
    assert query("SELECT count(other) FROM leaks", {**files, "leaks.csv": tmp_path / "leaks.csv"}).rows == [(0,)]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"$'),
        ("SELECT lable FROM images", 'Referenced column "lable" not found .*"label"'),
        ("SELECT * FROM pictures", "Table with name pictures does not exist"),
        ("SELECT 1 / 'x'", "Could not convert string 'x'"),
        ("", "the statement is empty"),
        ("-- nothing", "the statement is empty"),
        ("SELECT '\udcff'", ""),
    ],
)
def test_a_mistake_is_told_in_one_line_of_duckdb(statement: str, told: str, files: Files) -> None:
    with pytest.raises(DataError, match=f"^SQL: .*{told}") as refused:
        query(statement, files)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM '{secret}'",
        "COPY images TO '{folder}/copy.csv'",
        "ATTACH '{folder}/other.db'",
        "EXPORT DATABASE '{folder}/all'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET enable_external_access = true; SELECT * FROM read_text('{secret}')",
    ],
)
def test_no_file_is_read_or_written(statement: str, files: Files, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="SQL: "):
        query(statement.format(secret=secret, folder=tmp_path), files)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_dataset_stays_as_it_was(files: Files) -> None:
    with pytest.raises(DataError):
        query("DELETE FROM images", files)
    query("CREATE OR REPLACE TEMP TABLE other AS SELECT 1", files)
    assert query("SELECT count(*) FROM images", files).rows == [(3,)]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1\n", b"a\n" + b"x" * 200_000])
def test_a_damaged_list_is_named_with_its_mend(content: bytes, files: Files, tmp_path: Path) -> None:
    (tmp_path / "findings.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"findings\.csv: damaged .*dvc repro prepare"):
        query("SELECT * FROM findings", files)


def test_a_version_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no manifest\.parquet"):
        query("SELECT 1", {})
