"""Writes the SQL of every question to a log that lies elsewhere into tests/dialects/, a file for each dialect.

python tests/dialect_texts.py
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, Select

from leeway.domain.records import NAMED_BY_LOG, WATCHED, ModelVersion, Pick, ReferenceCounts
from leeway.stores.external import queries
from leeway.stores.external.address import parse_address
from leeway.stores.external.asking import Extent, Relations
from leeway.stores.external.log import ExternalLog
from leeway.stores.external.source import LogSource
from leeway.stores.external.table import Table

FOLDER = Path(__file__).parent / "dialects"
ADDRESSES = {
    "bigquery": "bigquery://shop-1.serving.predictions",
    "snowflake": "snowflake://leeway@account/SHOP.SERVING.PREDICTIONS",
    "trino": "trino://leeway@host/shop.serving.predictions",
    "databricks": "databricks://host/shop.serving.predictions?http_path=/sql/1.0/warehouses/1",
    "postgresql": "postgresql://host/shop?table=serving.predictions",
    "duckdb": "duckdb://shop.duckdb?table=main.predictions",
}
POSITIONS = {
    "bigquery": "as of:2025-03-02 02:00:00.000000+00",
    "snowflake": "as of:2025-03-02 02:00:00.000000+00:00",
    "trino": "as of:8954597067493422955",
    "databricks": "as of:17",
}
ODD = 'it\'s "50%" \\ $1 :x ?'  # what a name may hold
COLUMNS = {"prediction_id": "uuid", "slice": "Camera Name", "label": "truth", "draw_probability": "chance"}
KINDS = {
    "uuid": "text",
    "occurred_at": "timestamptz",
    "predicted_class": "text",
    "confidence": "double",
    "second_class": "text",
    "truth": "text",
    "chance": "double",
    "Camera Name": "text",
    "group": "text",
    "image": "text",
    "model_version": "text",
}
REFERENCE = ReferenceCounts(("cat", ODD), (0.6, 0.9), ((1, 2, 3), (4, 5, 6)), correct=18, total=21)
VERSION = ModelVersion("pets", 1, f"{WATCHED}v1", "", REFERENCE)
VERSIONS = [VERSION, replace(VERSION, version=2, bundle_digest=f"{WATCHED}{ODD}", dataset_digest=NAMED_BY_LOG)]
SAME = "WITH predictions AS (... as above)"
START = datetime(2025, 3, 1, tzinfo=UTC)
END = START + timedelta(days=1)


class Listening:
    """A `Keeper` that answers nothing, and keeps what it would have been asked."""

    def __init__(self, kind: str) -> None:
        self.table = Table(parse_address(ADDRESSES[kind], Path("/")))
        self.asked: list[tuple[str, list[Any]]] = []
        self.dialect = self.table.dialect

    def columns(self) -> Mapping[str, str]:
        zoned = {"bigquery": "TIMESTAMP", "databricks": "timestamp", "snowflake": "TIMESTAMP_TZ"}
        others = zoned.get(self.table.address.kind, "timestamp with time zone")
        return {name: others if kind == "timestamptz" else kind for name, kind in KINDS.items()}

    def position(self) -> str:
        return ""

    def is_kept(self, position: str) -> bool:
        return True

    def keeps_past(self) -> bool:
        return False

    def tells_news(self) -> bool:
        return False

    def rows(self, extent: Extent) -> int | None:
        return None

    def spans(
        self, names: Collection[str] | None, start: datetime | None, end: datetime | None
    ) -> tuple[list[tuple[datetime, datetime]], Extent | None]:
        return self.table.spans(names, start, end)

    def ask(self, query: Executable, relations: Relations, extent: Extent) -> list[tuple[Any, ...]]:
        self.asked.append(self.table.statement(query, relations, extent))
        return [(None,)] if isinstance(query, Select) and len(query.selected_columns) == 1 else []

    def cost(self, query: Executable, relations: Relations, extent: Extent) -> str:
        return ""

    def close(self) -> None: ...


def questions(log: ExternalLog, upto: str | None) -> dict[str, Callable[[], object]]:
    """Every question, by its name."""
    night = (VERSION, START, END)
    picks = [Pick("cat", 1, None, 3, 40), Pick(ODD, 2, ODD, 0, 7)]
    return {
        "cells": lambda: log.cells(*night),
        "cells with second classes": lambda: log.cells(*night, second=["cat", ODD]),
        "cells as they were": lambda: log.cells(*night, upto=upto),
        "pick": lambda: log.pick(*night, picks, stream="plan"),
        "pick one among second classes": lambda: log.pick(
            *night, [Pick("cat", 1, None, 0, 5, ODD)], stream="gate", second=[ODD]
        ),
        "sample": lambda: log.sample(*night, 20, stream="page"),
        "copies": lambda: log.copies(*night, images=["ab" * 32], groups=[ODD]),
        "count": lambda: log.count(*night),
        "first at": lambda: log.first_at(VERSION, since=START),
        "last at": lambda: log.last_at(VERSION, before=END),
        "rows by version": lambda: log.rows_by_version("pets", [1, 2], START, END),
        "by ids": lambda: log.by_ids("pets", ["a", ODD]),
        "names of versions": lambda: log.names_of_versions(START),
        "first given": lambda: log.first_given(VERSION, START),
        "given tallies": lambda: log.given_tallies(*night),
        "given alike": lambda: log.given_alike(*night),
        "given": lambda: log.given(*night, 50, stream="page"),
        "given by ids": lambda: log.given_by_ids("pets", ["a", ODD]),
        "unusable rows": lambda: log.ask(queries.unusable(START, END), Extent(START, END)),
        "rows without a time": lambda: log.ask(queries.without_time(), Extent(START, END)),
        "answers": lambda: log.ask(queries.answers(START, END), Extent(START, END)),
    }


def texts(kind: str) -> dict[str, str]:
    """The SQL of every question to this kind of table, by its name; values beside it in a comment."""
    listening, found = Listening(kind), {}
    source = LogSource(address=ADDRESSES[kind], columns=COLUMNS, since={2: END})
    log = ExternalLog("pets", source, listening, secret="it's secret", versions=lambda: VERSIONS)
    for name, ask in questions(log, POSITIONS.get(kind)).items():
        listening.asked.clear()
        ask()
        text, values = listening.asked[0]
        found[name] = text + (f"\n-- {values!r}" if values else "")
    return found


def page(kind: str) -> str:
    """The file of this kind; what every question begins with stands in the first alone."""
    found = texts(kind)
    before, end, _ = found["cells"].partition("\n)")
    shown = {name: text if name == "cells" else text.replace(before + end, SAME) for name, text in found.items()}
    head = f"-- What leeway asks of {ADDRESSES[kind].partition('?')[0]}: made by `python tests/dialect_texts.py`\n"
    return head + "".join(f"\n-- {name}\n{text};\n" for name, text in shown.items())


if __name__ == "__main__":
    for kind in ADDRESSES:
        (FOLDER / f"{kind}.sql").write_text(page(kind), encoding="utf-8")
