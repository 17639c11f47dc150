"""Databases as commit 686141e left them, at schema revision 0002: tests migrate them, long after that code is gone."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import JSON, Connection, Date, DateTime, MetaData, Table, create_engine, insert, text

from leeway.stores.database import parse_address
from leeway.stores.opening import MIGRATIONS

FILE = Path(__file__).parent / "release_before" / "schema_0002.jsonl.gz"
REVISION = "0002"
MULTIPLIED = "birds"  # the model whose files are a census: nobody was ever asked about its rows
PREDICTIONS = """
    INSERT INTO predictions
        (id, model, version, occurred_at, image, predicted_class, confidence, probabilities, energy, latency_ms,
         "group", slice, received_at, digest)
    WITH RECURSIVE copy(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM copy WHERE number < :times)
    SELECT id || '~' || number, model, version, occurred_at, image, predicted_class, confidence, probabilities, energy,
           latency_ms, "group" || '~' || number, slice, received_at, digest
    FROM predictions CROSS JOIN copy WHERE model = :model
"""
LABELS = """
    INSERT INTO labels (prediction_id, labeler, label, labelled_at, draw_probability, plan_id)
    WITH RECURSIVE copy(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM copy WHERE number < :times)
    SELECT prediction_id || '~' || number, labeler, label, labelled_at, draw_probability, plan_id
    FROM labels CROSS JOIN copy
    WHERE labeler = 'file'
      AND EXISTS (SELECT 1 FROM predictions WHERE predictions.id = labels.prediction_id AND model = :model)
"""


def old_rows() -> dict[str, list[dict[str, Any]]]:
    """Return the rows by table, in the order of its key: times and dates as ISO text, JSON columns as lists and dicts.

    Tables come in an order in which foreign keys hold.
    """
    rows = defaultdict[str, list[dict[str, Any]]](list)
    for line in _lines():
        read = json.loads(line)
        rows[read["table"]].append(read["row"])
    return dict(rows)


def fill(url: str, *, times: int = 1, labelled: bool = True) -> None:
    """Bring the empty database at `url` to revision 0002 and put the old rows in, all in one transaction.

    With `times` above 1 the predictions of MULTIPLIED and their labels stand so many times there, each copy under the
    ids `ID~2`, `ID~3` and so on, at the same moments: a million rows with `times=1_000`. Windows and label plans stay
    as they were, so that the copies count as late. Without `labelled` the copies have no labels.
    """
    with connected(url) as connection:
        upgrade(connection, REVISION)
        tables = MetaData()
        tables.reflect(connection)
        for name, rows in old_rows().items():
            table = tables.tables[name]
            connection.execute(insert(table), [_typed(table, row) for row in rows])
        _continue_numbering(connection)
        if times > 1:
            for statement in (PREDICTIONS, LABELS) if labelled else (PREDICTIONS,):
                connection.execute(text(statement), {"times": times, "model": MULTIPLIED})


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection that knows nothing of the code under test, in one transaction."""
    engine = create_engine(parse_address(url), json_serializer=_to_json)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to this revision inside the connection's transaction."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, revision)


@cache
def _lines() -> tuple[str, ...]:
    return tuple(gzip.decompress(FILE.read_bytes()).decode().splitlines())


def _typed(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(table.c[name].type, value) for name, value in row.items()}


def _value(kind: Any, value: Any) -> Any:
    if value is None or isinstance(kind, JSON):
        return value
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(kind, Date) else value


def _to_json(value: Any) -> str:
    """The text that the old code stored."""
    return json.dumps(value, sort_keys=True)


def _continue_numbering(connection: Connection) -> None:
    """Let PostgreSQL number the next release after those that came with their numbers; SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval(pg_get_serial_sequence('releases', 'id'), max(id)) FROM releases"))
