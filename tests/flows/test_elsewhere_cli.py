"""Watching a log where it lies, as people type it: nothing is copied, a night is decided as an ingested one is."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from logs_elsewhere import COLUMNS, SCHEMA, InBucket, InDuckDb, InFolder, LogElsewhere, s3_server
from prediction_logs import Row, answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]
MAPPED = ",".join(f"{ours}={theirs}" for ours, theirs in COLUMNS.items() if "'" not in theirs)
MORNING = "2026-03-04T02:00:00"


def diagnosis(leeway: Leeway, folder: Path) -> dict[str, Any]:
    """What `leeway doctor` says of logs that lie elsewhere."""
    checks = json.loads(leeway(folder, "doctor", "--json")[1])["checks"]
    return {one["name"]: one for one in checks}["logs elsewhere"]


def table_of(rows: Sequence[Row], *, model: str | None = None) -> pa.Table:
    columns = {
        "uuid": [one["prediction_id"] for one in rows],
        "ts": [datetime.fromisoformat(one["occurred_at"]).astimezone(UTC) for one in rows],
        "answer": [one["predicted_class"] for one in rows],
        "conf": [float(one["confidence"]) for one in rows],
        "model": [model] * len(rows),
    }
    arrays = [pa.array(columns.get(field.name, [None] * len(rows)), field.type) for field in SCHEMA]
    return pa.table(arrays, SCHEMA)


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "bucket", "duckdb"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> LogElsewhere:
    if request.param == "bucket":
        request.getfixturevalue("bucket_server")
        return InBucket(f"b{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}")
    return InFolder(tmp_path) if request.param == "folder" else InDuckDb(tmp_path)


def begin(leeway: Leeway, folder: Path, address: str, *more: str) -> tuple[int, str, str]:
    reference(folder / "reference.csv")
    line = ("watch", "init", "pets", "--reference", "reference.csv", "--floor", "0.85", "--log", address)
    return leeway(folder, *line, "--log-columns", MAPPED, *more)


def told(leeway: Leeway, folder: Path, *arguments: str) -> str:
    code, out, error = leeway(folder, *arguments)
    assert code == 0, error
    return out


def decided(leeway: Leeway, folder: Path, model: str = "pets") -> dict[str, object]:
    """What a morning says of its night, without what names the model or the address."""
    said = json.loads(told(leeway, folder, "monitor", "--model", model, "--as-of", MORNING, "--json"))
    checks = [{name: one[name] for name in ("check", "status", "reason", "n", "statistic")} for one in said["checks"]]
    return {"night": said["night"], "checks": checks, "decision": said["decision"]["action"]}


def test_a_night_is_decided_and_its_labels_are_asked_as_of_an_ingested_log(
    leeway: Leeway, elsewhere: LogElsewhere, tmp_path: Path
) -> None:
    rows = answers(300, nights=3)
    elsewhere.add(table_of(rows))
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    (tmp_path / "ingested").mkdir()
    reference(tmp_path / "ingested" / "reference.csv")
    told(leeway, tmp_path / "ingested", "watch", "init", "pets", "--reference", "reference.csv", "--floor", "0.85")
    write_log(tmp_path / "ingested" / "log.csv", [{**one, "slice": ""} for one in rows])
    told(leeway, tmp_path / "ingested", "ingest", "log.csv", "--model", "pets")
    assert decided(leeway, tmp_path) == decided(leeway, tmp_path / "ingested")
    tasks = told(leeway, tmp_path, "labels", "export", "tasks", "--model", "pets")
    assert "tasks in tasks" in tasks
    with sqlite3.connect(tmp_path / ".leeway" / "leeway.db") as database:
        assert database.execute("SELECT count(*) FROM predictions").fetchone() == (0,)
        assert 0 < database.execute("SELECT count(*) FROM pins").fetchone()[0] < 300
    assert "pets" in told(leeway, tmp_path, "status")


def test_doctor_says_what_is_read_what_a_night_costs_and_which_rows_are_wrong(
    leeway: Leeway, elsewhere: LogElsewhere, tmp_path: Path
) -> None:
    rows = answers(300, nights=2)
    table = table_of(rows)
    elsewhere.add(table)
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    sound = diagnosis(leeway, tmp_path)
    assert sound["status"] == "ok"
    assert not (tmp_path / ".leeway" / "external").exists()  # doctor reads
    assert "the night of 2026-03-02 has 300 rows" in sound["found"]
    last = rows[-1]
    spoiled = table_of([{**last, "prediction_id": f"spoiled-{at}"} for at in range(4)] + [last])
    for name, values in {
        "uuid": ["", None, "c", "d", last["prediction_id"]],
        "answer": ["cat", "cat", None, "horse", last["predicted_class"]],
        "conf": [0.5, 0.5, 0.5, 7.0, 0.5],
    }.items():
        spoiled = spoiled.set_column(spoiled.schema.get_field_index(name), name, pa.array(values))
    elsewhere.add(spoiled)
    found = diagnosis(leeway, tmp_path)
    assert found["status"] == "warn"
    for said in (
        "2 rows without an id",
        "1 row without a predicted class",
        "1 row with a confidence outside 0 to 1",
        "1 row with an id that came before",
        "1 row with an answer that is no class of the model (horse)",
    ):
        assert said in found["found"], found["found"]


def test_nothing_is_ingested_into_it(leeway: Leeway, tmp_path: Path) -> None:
    elsewhere = InFolder(tmp_path)
    elsewhere.add(table_of(answers(20)))
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    write_log(tmp_path / "log.csv", answers(20, name="other"))
    code, _, error = leeway(tmp_path, "ingest", "log.csv", "--model", "pets")
    assert code == 2
    assert elsewhere.address in error


def test_a_version_that_the_log_names_begins_its_own_nights(leeway: Leeway, tmp_path: Path) -> None:
    elsewhere = InFolder(tmp_path)
    elsewhere.add(table_of(answers(120, nights=3), model="one"))
    assert begin(leeway, tmp_path, elsewhere.address, "--version", "one")[0] == 0
    told(leeway, tmp_path, "monitor", "--as-of", "2026-03-04T02:00:00")
    elsewhere.add(table_of(answers(120, nights=2, first=3, name="q"), model="two"))
    said = json.loads(told(leeway, tmp_path, "monitor", "--as-of", "2026-03-06T02:00:00", "--json"))
    assert "version 2" in json.dumps(said) or '"version": 2' in json.dumps(said)


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("nowhere/*.parquet", "nowhere"),
        ("s3://no-such-bucket/log/*.parquet", "no-such-bucket"),
        ("duckdb://nothing.duckdb?table=log", "nothing.duckdb"),
        ("oracle://host/table", "oracle"),
        ("postgresql://me:secret@host/db?table=log", "PGPASSWORD"),
        ("snowflake://account/table", "database.schema.table"),
        ("snowflake://account/shop.serving.log?token=secret", "SNOWFLAKE_PASSWORD"),
        ("trino://host/shop.serving.log", "pip install trino"),
        ("bigquery://shop.serving.log", "pip install google-cloud-bigquery"),
        ("snowflake://account/shop.serving.log", "pip install snowflake-connector-python"),
        ("databricks://host/shop.serving.log", "pip install databricks-sql-connector"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_nothing_is_enrolled(
    leeway: Leeway, bucket_server: str, tmp_path: Path, address: str, word: str
) -> None:
    code, _, error = begin(leeway, tmp_path, address)
    assert code == 2
    assert word in error
    assert "secret" not in error.replace("secret_key", "")
    assert not (tmp_path / "monitoring" / "watched" / "pets.yaml").exists()


def test_columns_that_are_missing_or_of_another_type_are_named(leeway: Leeway, tmp_path: Path) -> None:
    folder = tmp_path / "predictions" / "dt=2026-03-01"
    folder.mkdir(parents=True)
    table = table_of(answers(20))
    pq.write_table(table.drop_columns(["answer"]), folder / "part.parquet")
    code, _, error = begin(leeway, tmp_path, "predictions/*/*.parquet")
    assert code == 2
    assert "'answer'" in error
    wrong = table.set_column(1, "ts", table["ts"].cast(pa.timestamp("us"))).set_column(3, "conf", table["answer"])
    pq.write_table(wrong, folder / "part.parquet")
    code, _, error = begin(leeway, tmp_path, "predictions/*/*.parquet")
    assert code == 2
    assert "occurred_at (ts) is timestamp" in error
    assert "time zone" in error
    assert "confidence (conf) is varchar" in error


def test_a_file_that_is_gone_is_named_and_its_night_is_not_counted_without_it(leeway: Leeway, tmp_path: Path) -> None:
    elsewhere = InFolder(tmp_path)
    elsewhere.add(table_of(answers(200, nights=3)))
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    told(leeway, tmp_path, "monitor", "--as-of", "2026-03-03T02:00:00")
    [gone] = (tmp_path / "predictions" / "dt=2026-03-03").glob("*.parquet")
    kept = gone.rename(tmp_path / "kept.parquet")
    code, _, error = leeway(tmp_path, "monitor", "--as-of", "2026-03-04T02:00:00")
    assert code != 0
    assert gone.name in error
    assert "200 rows" in error
    told(leeway, tmp_path, "status")
    kept.rename(gone)
    said = json.loads(told(leeway, tmp_path, "monitor", "--model", "pets", "--as-of", "2026-03-04T02:00:00", "--json"))
    assert said["night"] == "2026-03-03"


def test_a_log_that_cannot_be_read_hides_no_other_model(leeway: Leeway, tmp_path: Path) -> None:
    elsewhere = InFolder(tmp_path)
    elsewhere.add(table_of(answers(200, nights=2)))
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    told(leeway, tmp_path, "watch", "init", "birds", "--reference", "reference.csv", "--floor", "0.85")
    elsewhere.folder.rename(tmp_path / "away")
    first, *others = told(leeway, tmp_path, "status").splitlines()
    assert first.startswith("! pets: ")
    assert "predictions" in first
    assert any("birds" in line for line in others)
    code, out, error = leeway(tmp_path, "monitor", "--as-of", "2026-03-03T02:00:00")
    assert code == 2
    assert "birds" in out
    assert "pets" in error or "predictions" in error


def test_rows_without_a_version_are_of_the_last_reference_from_when_it_came(leeway: Leeway, tmp_path: Path) -> None:
    elsewhere = InFolder(tmp_path)
    elsewhere.add(table_of(answers(100, nights=2)))
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    reference(tmp_path / "better.csv", accuracy=0.99)
    said = told(leeway, tmp_path, "watch", "init", "pets", "--reference", "better.csv", "--floor", "0.85", "--json")
    assert (json.loads(said)["version"], json.loads(said)["log"]) == (2, elsewhere.address)
    kept = yaml.safe_load((tmp_path / "monitoring" / "watched" / "logs" / "pets.yaml").read_text())
    assert list(map(int, kept["since"])) == [2]
    morning = json.loads(
        told(leeway, tmp_path, "monitor", "--model", "pets", "--as-of", "2026-03-03T02:00:00", "--json")
    )
    assert (morning["version"], morning["night"]) == (1, "2026-03-02")


def test_files_that_were_put_together_are_read_in_place_of_those_that_are_gone(leeway: Leeway, tmp_path: Path) -> None:
    elsewhere = InFolder(tmp_path)
    for part in (answers(200, nights=3), answers(100, nights=3, name="more")):
        elsewhere.add(table_of(part))
    assert begin(leeway, tmp_path, elsewhere.address)[0] == 0
    told(leeway, tmp_path, "monitor", "--as-of", "2026-03-03T02:00:00")
    small = sorted((tmp_path / "predictions" / "dt=2026-03-03").glob("*.parquet"))
    pq.write_table(
        pa.concat_tables([pq.read_table(one, schema=SCHEMA) for one in small]), small[0].parent / "all.parquet"
    )
    for one in small:
        os.unlink(one)  # noqa: PTH108
    said = json.loads(told(leeway, tmp_path, "monitor", "--model", "pets", "--as-of", "2026-03-04T02:00:00", "--json"))
    assert said["night"] == "2026-03-03"
    traffic = next(one for one in said["checks"] if one["check"] == "traffic")
    assert traffic["n"] == 300
