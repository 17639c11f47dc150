"""Prediction logs as other people keep them: in Parquet on a disk or in a bucket, in DuckDB, in PostgreSQL."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from leeway.domain.records import Prediction

# Our name -> theirs, and of which type each of theirs is.
COLUMNS = {
    "prediction_id": "uuid",
    "occurred_at": "ts",
    "predicted_class": "answer",
    "confidence": "conf",
    "second_class": "next",
    "label": "truth",
    "draw_probability": "chance",
    "slice": 'cam\'s "name"',
    "group": "group",
    "image": "picture",
    "model_version": "model",
}
SCHEMA = pa.schema(
    [
        ("uuid", pa.string()),
        ("ts", pa.timestamp("us", "UTC")),
        ("answer", pa.string()),
        ("conf", pa.float64()),
        ("next", pa.string()),
        ("truth", pa.string()),
        ("chance", pa.float64()),
        ('cam\'s "name"', pa.string()),
        ("group", pa.string()),
        ("picture", pa.string()),
        ("model", pa.string()),
    ]
)
BUCKET = "predictions"


class LogElsewhere(Protocol):
    """Somebody's log: its address, and how that somebody adds rows."""

    address: str

    def add(self, table: pa.Table) -> None: ...


def as_table(
    rows: Sequence[Prediction],
    *,
    labels: Sequence[str | None] = (),
    chances: Sequence[float | None] = (),
    names: Mapping[int, str] | None = None,
) -> pa.Table:
    """Rows of one model as somebody's table; `names`: what it calls each version."""
    called = names or {1: "one", 2: "two"}
    columns = [
        [one.id for one in rows],
        [one.occurred_at for one in rows],
        [one.predicted_class for one in rows],
        [one.confidence for one in rows],
        [one.second_class for one in rows],
        list(labels) or [None] * len(rows),
        list(chances) or [None] * len(rows),
        [one.slice for one in rows],
        [one.group for one in rows],
        [one.image for one in rows],
        [called[one.version] for one in rows],
    ]
    return pa.table([pa.array(one, field.type) for one, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


class InFolder:
    """Parquet files in a folder for each day."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder / "predictions", 0
        self.address = "predictions/dt=*/*.parquet"

    def add(self, table: pa.Table) -> None:
        self.written += 1
        for day, rows in by_day(table):
            path = self.folder / f"dt={day}" / f"part-{self.written}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(rows, path, row_group_size=500)

    def remove(self, name: str) -> str:
        """Remove the file of this name, and return its path."""
        [path] = self.folder.rglob(f"{name}.parquet")
        path.unlink()
        return str(path)


class InBucket:
    """Parquet objects in a bucket, on a server that speaks S3."""

    def __init__(self, bucket: str = BUCKET) -> None:
        self.bucket, self.written = bucket, 0
        self.address = f"s3://{bucket}/log/dt=*/*.parquet"
        self.filesystem = fs.S3FileSystem(
            endpoint_override=os.environ["AWS_ENDPOINT_URL"], region="us-east-1", allow_bucket_creation=True
        )
        self.filesystem.create_dir(bucket)

    def add(self, table: pa.Table) -> None:
        self.written += 1
        for day, rows in by_day(table):
            with self.filesystem.open_output_stream(f"{self.bucket}/log/dt={day}/part-{self.written}.parquet") as file:
                pq.write_table(rows, file, row_group_size=500)

    def remove(self, name: str) -> str:
        """Remove the object of this name, and return its path."""
        objects = self.filesystem.get_file_info(fs.FileSelector(self.bucket, recursive=True))
        [path] = [one.path for one in objects if one.path.endswith(f"/{name}.parquet")]
        self.filesystem.delete_file(path)
        return str(path)


class InDuckDb:
    """A table of a DuckDB file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.duckdb"
        self.address = "duckdb://log.duckdb?table=main.predictions"

    def add(self, table: pa.Table) -> None:
        with duckdb.connect(self.path) as connection:
            connection.register("more", table)
            connection.execute("CREATE TABLE IF NOT EXISTS predictions AS FROM more LIMIT 0")
            connection.execute("INSERT INTO predictions FROM more")


class InPostgres:
    """A table of a PostgreSQL database."""

    def __init__(self, server: str) -> None:
        self.server = server
        with psycopg.connect(server, autocommit=True) as connection:
            self.address = f"postgresql:///{connection.info.dbname}?table=theirs.log&host={connection.info.host}"
            self.address += f"&user={connection.info.user}&port={connection.info.port}"
            connection.execute("DROP SCHEMA IF EXISTS theirs CASCADE")
            connection.execute("CREATE SCHEMA theirs")
            connection.execute(
                'CREATE TABLE theirs.log (uuid text, ts timestamptz, answer text, conf double precision, "next" text, '
                'truth text, chance double precision, "cam\'s ""name""" text, "group" text, picture text, model text)'
            )

    def add(self, table: pa.Table) -> None:
        with psycopg.connect(self.server) as connection, connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(SCHEMA))
            cursor.executemany(
                f"INSERT INTO theirs.log VALUES ({marks})",
                [tuple(row.values()) for row in table.to_pylist()],
            )


def by_day(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """(day in UTC, its rows)"""
    moments: list[datetime] = table["ts"].to_pylist()
    days = [f"{one:%Y-%m-%d}" for one in moments]
    for day in sorted(set(days)):
        yield day, table.filter(pa.array([one == day for one in days]))


@contextmanager
def s3_server() -> Iterator[str]:
    """Give the address of an S3 server of this process, with keys in the environment for as long as it runs."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    wanted: dict[str, Any] = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield wanted["AWS_ENDPOINT_URL"]
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
        server.stop()
