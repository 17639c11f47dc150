"""Addresses of logs that lie elsewhere, the columns that are found there, and the files that a pattern names."""

import copy
import re
from pathlib import Path

import pytest

from leeway.errors import DataError, ParamsError
from leeway.stores.external.address import EXAMPLES, LOGINS, parse_address
from leeway.stores.external.objects import as_regex, open_filesystem
from leeway.stores.external.relation import ZONED, map_columns
from leeway.stores.external.routing import RoutedLog
from leeway.stores.external.source import LogSource, read_source, write_source
from memory_ledger import MemoryLedger
from memory_log import MemoryLog

HERE = Path("/srv")


@pytest.mark.parametrize("kind", LOGINS)
def test_the_example_of_every_kind_is_an_address(kind: str) -> None:
    address = parse_address(EXAMPLES[kind], HERE)
    assert address.kind == kind
    assert all(address.table)
    assert "table" not in address.options


def test_an_address_is_taken_apart() -> None:
    address = parse_address("snowflake://me@acme/SHOP.SERVING.LOG?warehouse=WH", HERE)
    assert (address.host, address.user, address.table) == ("acme", "me", ("SHOP", "SERVING", "LOG"))
    assert address.options == {"warehouse": "WH"}
    file = parse_address("duckdb://logs/shop.duckdb?table=log", HERE)
    assert (file.path, file.table) == ("/srv/logs/shop.duckdb", ("log",))
    assert parse_address("logs/*.parquet", HERE).path == "/srv/logs/*.parquet"
    assert parse_address("file:///data/logs", HERE).path == "/data/logs"


@pytest.mark.parametrize(
    "text",
    [
        "trino://me:word@host/a.b.c",
        "s3://key:word@bucket/x",
        "postgresql://host/db?table=a&password=word",
        "databricks://host/a.b.c?access_token=word",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ParamsError) as refused:
        parse_address(text, HERE)
    assert "word@" not in str(refused.value)
    assert "=word" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["bigquery://table", "trino://host/a.b", "postgresql://host/db", "duckdb://x.duckdb", "trino://host/a.b.c'd"],
)
def test_an_address_without_the_whole_table_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ParamsError, match="://"):
        parse_address(text, HERE)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("b/dt=*/*.parquet", "b/dt=1/a.parquet", True),
        ("b/dt=*/*.parquet", "b/dt=1/2/a.parquet", False),
        ("b/**/*.parquet", "b/a.parquet", True),
        ("b/**/*.parquet", "b/1/2/a.parquet", True),
        ("b/**/*.parquet", "b/1/a.csv", False),
        ("b/a?.parquet", "b/a1.parquet", True),
        ("b/a+b.parquet", "b/aab.parquet", False),
    ],
)
def test_a_pattern_names_files_as_a_shell_does(pattern: str, path: str, fits: bool) -> None:
    assert bool(re.fullmatch(as_regex(pattern), path)) is fits


def test_a_folder_stands_for_all_parquet_below_it(tmp_path: Path) -> None:
    _, pattern = open_filesystem(parse_address(str(tmp_path), HERE))
    assert pattern == f"{tmp_path}/**/*.parquet"


TYPES = {"prediction_id": "text", "occurred_at": "", "predicted_class": "varchar(20)", "confidence": "double precision"}


@pytest.mark.parametrize("dialect", ZONED)
def test_a_time_must_have_a_zone(dialect: str) -> None:
    zoned = {"trino": "timestamp(6) with time zone"}.get(dialect, ZONED[dialect][0])
    assert map_columns({**TYPES, "occurred_at": zoned}, {}, dialect=dialect).names["occurred_at"] == "occurred_at"
    for kind in ("timestamp_ntz", "datetime", "timestamp without time zone", "varchar", "timestamp(6)"):
        if kind.partition("(")[0] not in ZONED[dialect]:
            with pytest.raises(DataError, match="occurred_at is"):
                map_columns({**TYPES, "occurred_at": kind}, {}, dialect=dialect)


def test_columns_are_found_whatever_their_case() -> None:
    kinds = {name.upper(): kind for name, kind in {**TYPES, "occurred_at": "timestamp_tz"}.items()}
    found = map_columns(kinds, {"predicted_class": "Predicted_Class"}, dialect="snowflake")
    assert found.names["predicted_class"] == "PREDICTED_CLASS"
    assert not found.has_versions


def test_a_source_is_kept_without_what_is_as_usual(tmp_path: Path) -> None:
    source = LogSource(address="s3://bucket/log/*.parquet", columns={"prediction_id": "uuid"})
    path = write_source(tmp_path, "pets", source)
    assert read_source(tmp_path, "pets") == source
    assert read_source(tmp_path, "birds") is None
    assert "since" not in path.read_text()
    path.write_text("address: x\ncolumns: {prediction: uuid}\n")
    with pytest.raises(ParamsError, match="prediction_id"):
        read_source(tmp_path, "pets")


def test_the_router_passes_on_whatever_the_workspaces_own_log_can_be_asked(tmp_path: Path) -> None:
    class Own(MemoryLog):
        def known_source(self, model: str, digest: str) -> str:
            return f"{model} {digest}"

    routed = RoutedLog(Own(), MemoryLedger(), watched=tmp_path, folder=tmp_path, writing=False)
    assert routed.known_source("pets", "abc") == "pets abc"
    assert routed.position("pets") == "0"
    with pytest.raises(AttributeError):
        _ = routed.nothing_of_the_kind
    assert copy.copy(routed).position("pets") == "0"
