"""Every query of the store: how the databases find the predictions it needs, among all that a model ever made."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Alias, Connection, event, text
from sqlalchemy.sql import visitors

from leeway.domain.records import Pick, PredictionColumns
from leeway.stores import queries, tables
from leeway.stores.sql import open_store
from store_records import CLASSES, CLOSED, END, NIGHT, START, VERSION, label, plan, somebody_else

NIGHTS, PREDICTIONS, DRAWN = 20, 1000, 10  # of each model; predictions and draws a night
BOUNDED = re.compile(r"\bid\b|occurred_at")  # what an index is searched by, beside model and version
ARGUMENTS: dict[str, Any] = {
    "model": "pets",
    "version": 1,
    "start": START,
    "end": END,
    "moment": END + timedelta(days=NIGHTS - 1),
    "now": CLOSED,
    "lease_hours": 24.0,
    "edges": (0.5, 0.9),
    "ids": ["pets-0-1", "pets-0-2"],
    "ranks": [3, 5],
    "most": 10,
    "picks": [Pick("dog", 1, "door", 2), Pick("cat", 0, None, 0)],
    "plan_id": "pets-plan-3",
    "key": "pets/1/2025-03-01",
    "nights": [NIGHT],
    "check": "accuracy",
    "since": NIGHT,
    "purpose": "measure",
    "only": None,
}
ALLOWED = {
    "first_prediction_at": "min() of the index's next column: both databases read its first entry",
    "first_of_many_given": "asked only where thousands of labels wait: it stops at the first of them",
}
COUNTS = ("cells", "number_in", "number_after", "first_prediction_at")  # of a night; from the index alone


def test_no_query_looks_at_every_prediction_of_a_model(database_url: str) -> None:
    fill(database_url)
    with somebody_else(database_url) as connection:
        if connection.dialect.name == "sqlite":
            assert wide_accesses(connection) == {}
        connection.execute(text("ANALYZE"))
        assert wide_accesses(connection) == {}


def test_sees_a_query_that_looks_at_every_prediction(database_url: str) -> None:
    """Else the test above would pass whatever it is shown."""
    fill(database_url)
    with somebody_else(database_url) as connection:
        connection.execute(text("ANALYZE"))
        of_model = queries.select(queries.predictions.c.image).where(queries.predictions.c.model == "pets")
        everything = queries.select(queries.predictions.alias("renamed").c.image)
        assert [len(accesses(connection, query)) for query in (of_model, everything)] == [1, 1]


def test_counts_a_night_from_the_index_alone(tmp_path: Path) -> None:
    """On SQLite; PostgreSQL does it where a table was vacuumed."""
    fill(url := f"sqlite:///{tmp_path / 'leeway.db'}")
    with somebody_else(url) as connection:
        for name in COUNTS:
            make = all_queries()[name]
            plan = explained(connection, make(**arguments_of(make)))[0]
            used = [row[3] for row in plan if " predictions " in row[3]]
            assert [line.partition(" (")[0] for line in used] == [
                "SEARCH predictions USING COVERING INDEX predictions_of_night"
            ]


def wide_accesses(connection: Connection) -> dict[str, list[str]]:
    """Query -> accesses to predictions that no id and no time bounds."""
    found = {name: accesses(connection, make(**arguments_of(make))) for name, make in all_queries().items()}
    return {name: wide for name, wide in found.items() if wide and name not in ALLOWED}


def all_queries() -> dict[str, Callable[..., Any]]:
    """Public functions of the module, so that a new one is looked at, too."""
    found = inspect.getmembers(queries, inspect.isfunction)
    return {name: make for name, make in found if make.__module__ == queries.__name__ and not name.startswith("_")}


def arguments_of(make: Callable[..., Any]) -> dict[str, Any]:
    return {name: ARGUMENTS[name] for name in inspect.signature(make).parameters}


def accesses(connection: Connection, query: Any) -> list[str]:
    plans = explained(connection, query)
    if connection.dialect.name == "sqlite":
        return [line for plan in plans for line in wide_in_sqlite([row[3] for row in plan], names_of(query))]
    return [line for plan in plans for line in wide_in_postgres(plan[0][0][0]["Plan"])]


def explained(connection: Connection, query: Any) -> list[Any]:
    """The database's plan, as rows, of each statement that the query is."""
    with explaining(connection) as plans:
        connection.execute(query)
        connection.rollback()
    return plans


@contextmanager
def explaining(connection: Connection) -> Iterator[list[Any]]:
    """Collects the plan of every statement before it is executed."""
    words = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN (FORMAT JSON)"
    plans: list[Any] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        cursor.execute(f"{words} {statement}", parameters)
        plans.append(cursor.fetchall())

    event.listen(connection, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(connection, "before_cursor_execute", explain)


def names_of(query: Any) -> set[str]:
    """Under which the query knows the table."""
    aliases = [one for one in visitors.iterate(query) if isinstance(one, Alias) and one.element is tables.predictions]
    return {tables.predictions.name, *(str(one.name) for one in aliases)}


def wide_in_sqlite(lines: list[str], names: set[str]) -> list[str]:
    """`SCAN predictions`, or `SEARCH predictions USING INDEX ... (model=?)`."""
    about = [line for line in lines if line.split()[0] in ("SCAN", "SEARCH") and line.split()[1] in names]
    return [line for line in about if not BOUNDED.search(line.partition("(")[2])]


def wide_in_postgres(node: dict[str, Any]) -> list[str]:
    index = node.get("Index Name", "")
    wide = node["Node Type"] == "Seq Scan" and node["Relation Name"] == tables.predictions.name
    if index.startswith(tables.predictions.name):
        wide = not BOUNDED.search(node.get("Index Cond", ""))
    below = [line for one in node.get("Plans", []) for line in wide_in_postgres(one)]
    return [f"{node['Node Type']} {index} {node.get('Index Cond', '')}".strip(), *below] if wide else below


def fill(url: str) -> None:
    """Two models with their predictions, label plans and labels."""
    with closing(open_store(url)) as store:
        store.record_model(VERSION)
        for model in ("pets", "birds"):
            for number in range(NIGHTS):
                names = [f"{model}-{number}-{place}" for place in range(PREDICTIONS)]
                store.record_columns(model, [(1, columns(names, number))], received_at=CLOSED)
                if model == "pets":
                    store.record_plan(*plan(f"pets-plan-{number}", names[:DRAWN], night=NIGHT + timedelta(days=number)))
                    store.close_plan(f"pets-plan-{number}", closed_at=CLOSED)
                store.record_labels([label(one) for one in names[:DRAWN]])
        store.record_plan(*plan("open", [f"pets-1-{place}" for place in range(50, 60)], night=END.date()))


def columns(names: list[str], night: int) -> PredictionColumns:
    """The last few came with labels that somebody else's design chose."""
    moment = (START + timedelta(days=night)).strftime("%Y-%m-%d")
    given = [place >= len(names) - 3 for place in range(len(names))]
    return PredictionColumns(
        ids=names,
        occurred_at=[f"{moment} {place * 86 // 3600 % 24:02}:{place % 60:02}:00.000000" for place in range(len(names))],
        predicted=[CLASSES[place % 3] for place in range(len(names))],
        labels=["dog" if one else None for one in given],
        draw_probabilities=[0.1 if one else None for one in given],
        confidence=[place % 100 / 100 for place in range(len(names))],
        slices=["door"] * len(names),
    )
