"""Every query of both stores: how the databases find what it needs, among all that a model ever said."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Alias, Connection, event, select, text
from sqlalchemy.sql import visitors

from battery import BIRDS, CLASSES, CLOSED, END, NIGHT, START, VERSION, label, planned, somebody_else
from leeway.domain.columns import PredictionColumns
from leeway.stores import given_queries, ledger_queries, log_queries, missing_labels
from leeway.stores.log_tables import given_labels, predictions
from leeway.stores.opening import open_stores
from leeway.stores.partitions import name_of, prediction_keys
from leeway.stores.prediction_log import SqlPredictionLog

NIGHTS, PREDICTIONS, DRAWN = 20, 1000, 10  # of each model; predictions and draws a night
LARGE = (predictions, given_labels)
TONIGHT = tuple(name_of(table.name, NIGHT) for table in LARGE)  # partitions on PostgreSQL
BOUNDED = re.compile(r"\bid\b|occurred_at|rowid=|seq = ANY")  # what an index is searched by, beside model and version
ARGUMENTS: dict[str, Any] = {
    "model": "pets",
    "version": 1,
    "versions": [1, 2],
    "start": START,
    "end": END,
    "since": START,
    "at": CLOSED,
    "now": CLOSED,
    "night": NIGHT,
    "day": None,
    "lease_hours": 24.0,
    "ids": ["pets-0-1", "pets-0-2"],
    "seqs": [5, 7],
    "images": ["ab" * 32],
    "groups": ["thing-1"],
    "besides": "birds",
    "most": {0: 2**60, 1: 2**59},
    "k": 10,
    "stream": "plan",
    "second": (),
    "upto": "12000",
    "rows_upto": "11000",
    "after": "12000",
    "plan_id": "pets-plan-3",
    "key": "pets/1/2025-03-01",
    "names": ("seq",),
    "nights": [NIGHT],
    "check": "accuracy",
    "purpose": "measure",
    "as_closed": True,
    "only": None,
    "keys": ["pets/1/2025-03-01/alarm"],
    "channel": "json",
    "holder": "ada",
    "until": CLOSED,
    "instead_of": ["bob"],
    "error": "",
    "table": predictions,
}
ALLOWED = {  # where no moment bounds them
    "first_at": "min() of the index's next column: both databases read its first entry",
    "last_at": "max() of the same",
}
NIGHTLY = (  # from the index alone
    *("cells", "first_of_cells", "first_of_stream", "number_in", "first_at", "last_at", "rows_by_version"),
)
INDEX = "predictions_of_night"


def test_no_query_looks_at_every_prediction_of_a_model(database_url: str) -> None:
    fill(database_url)
    with somebody_else(database_url) as connection:
        if connection.dialect.name == "sqlite":
            assert wide_accesses(connection) == {}
        connection.execute(text("ANALYZE"))
        assert wide_accesses(connection) == {}


def test_no_query_of_the_ledger_looks_into_the_log(database_url: str) -> None:
    open_stores(database_url).close()
    for make in (queries_of(ledger_queries) | queries_of(missing_labels)).values():
        assert not {table.name for table in tables_of(make(**arguments_of(make)))} & {table.name for table in LARGE}


def test_sees_a_query_that_looks_at_every_prediction(database_url: str) -> None:
    """Else the test above would pass whatever it is shown."""
    fill(database_url)
    with somebody_else(database_url) as connection:
        connection.execute(text("ANALYZE"))
        of_model = select(predictions.c.image).where(predictions.c.model == "pets")
        everything = select(predictions.alias("renamed").c.image)
        later = select(predictions.c.image).where(predictions.c.seq > 5)
        labels = select(given_labels.c.received_at)
        asked = (of_model, everything, later, labels)
        partitions = 1 if connection.dialect.name == "sqlite" else NIGHTS - 1  # a night's own may be read whole
        assert [len(accesses(connection, query)) for query in asked] == [partitions] * len(asked)


@pytest.mark.parametrize("analyzed", [False, True], ids=["as it is", "analyzed"])
def test_a_night_is_counted_and_drawn_from_the_index_alone(tmp_path: Path, analyzed: bool) -> None:
    """On SQLite; PostgreSQL does it where a table was vacuumed."""
    fill(url := f"sqlite:///{tmp_path / 'leeway.db'}")
    with somebody_else(url) as connection:
        if analyzed:
            connection.execute(text("ANALYZE"))
        for name in NIGHTLY:
            make = queries_of(log_queries)[name]
            plan = explained(connection, make(**arguments_of(make)))[0]
            used = [row[3].partition(" (")[0] for row in plan if " predictions " in row[3]]
            assert used == [f"SEARCH predictions USING COVERING INDEX {INDEX}"], name


@pytest.mark.parametrize("analyzed", [False, True], ids=["as it is", "analyzed"])
def test_what_people_are_still_asked_is_found_by_the_draws_of_each_plan(tmp_path: Path, analyzed: bool) -> None:
    """Never by a look at every draw, label or pin: a ledger of years holds 1,000 plans, most of them closed."""
    fill(url := f"sqlite:///{tmp_path / 'leeway.db'}")
    with somebody_else(url) as connection:
        if analyzed:
            connection.execute(text("ANALYZE"))
        for name, make in queries_of(missing_labels).items():
            plan = [row[3].split() for row in explained(connection, make(**arguments_of(make)))[0]]
            assert {words[1] for words in plan if words[0] == "SCAN"} <= {"label_plans"}, name
            assert {words[1] for words in plan if words[0] == "SEARCH"} >= {"draws", "labels"}, name


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_vacuumed_night_is_counted_and_drawn_from_the_index_alone(database_url: str) -> None:
    fill(database_url)
    with somebody_else(database_url) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE predictions"))
    with somebody_else(database_url) as connection:
        connection.execute(text("SET enable_seqscan = off"))  # the night is small, and half of its partition
        connection.commit()
        for name in NIGHTLY:
            make = queries_of(log_queries)[name]
            plan = explained(connection, make(**arguments_of(make)))[0][0][0][0]["Plan"]
            used = [node for node in nodes(plan) if node.get("Relation Name", "").startswith(predictions.name)]
            assert [(node["Node Type"], node["Relation Name"]) for node in used] == [
                ("Index Only Scan", name_of(predictions.name, NIGHT))
            ], name
            assert "version_occurred_at" in used[0]["Index Name"]  # PostgreSQL's name for a partition's `INDEX`


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_question_about_a_night_looks_into_its_partitions_alone(database_url: str) -> None:
    """Even one that has never been analyzed; a plan of the other days' would take longer than the night."""
    fill(database_url)
    made = queries_of(log_queries) | queries_of(given_queries)
    asked = {
        name: make for name, make in made.items() if {"start", "day", "since"} & {*inspect.signature(make).parameters}
    }
    assert len(asked) > 12
    with somebody_else(database_url) as connection:
        for name, make in asked.items():
            arguments = arguments_of(make)
            told = {"day": NIGHT, "after": "11000"}  # nothing is after a position and up to it
            [plan] = explained(connection, make(**{name: told.get(name, value) for name, value in arguments.items()}))
            used = {node["Relation Name"] for node in nodes(plan[0][0][0]["Plan"]) if is_large(node)}
            assert used, name
            assert used <= {*TONIGHT}, name


@pytest.mark.parametrize("analyzed", [False, True], ids=["as it is", "analyzed"])
def test_labels_of_no_group_are_not_looked_at_to_see_which_are_alike(tmp_path: Path, analyzed: bool) -> None:
    fill(url := f"sqlite:///{tmp_path / 'leeway.db'}")
    with somebody_else(url) as connection:
        if analyzed:
            connection.execute(text("ANALYZE"))
        make = given_queries.given_alike
        plan = explained(connection, make(**arguments_of(make) | {"rows_upto": ARGUMENTS["upto"]}))[0]
        used = [row[3].partition(" (")[0] for row in plan if " given_labels " in row[3]]
        assert used == ["SEARCH given_labels USING COVERING INDEX given_labels_alike"]


def wide_accesses(connection: Connection) -> dict[str, list[str]]:
    """Query -> accesses to what is large that no id and no time bounds."""
    modules = (log_queries, given_queries, ledger_queries, missing_labels)
    made = {name: make for module in modules for name, make in queries_of(module).items()}
    by_day = {"day": NIGHT, "table": prediction_keys} if connection.dialect.name == "postgresql" else {}
    arguments = {name: arguments_of(make) for name, make in made.items()}
    found = {
        name: accesses(connection, make(**{one: by_day.get(one, value) for one, value in arguments[name].items()}))
        for name, make in made.items()
    }
    return {name: wide for name, wide in found.items() if wide and name not in ALLOWED}


def queries_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Public functions of the module that return SQL, so that a new one is looked at, too."""
    found = inspect.getmembers(module, inspect.isfunction)
    own = {name: make for name, make in found if make.__module__ == module.__name__ and not name.startswith("_")}
    return {
        name: make
        for name, make in own.items()
        if inspect.signature(make).return_annotation not in (str, tuple[Any, Any])
    }


def arguments_of(make: Callable[..., Any]) -> dict[str, Any]:
    asked = inspect.signature(make).parameters
    of_log = "version" in asked and "model" not in asked
    by_night = make in (ledger_queries.marks_of, ledger_queries.late_draws)
    special = {"version": VERSION} if of_log else {"since": NIGHT} if by_night else {}
    return {name: (ARGUMENTS | special)[name] for name in asked}


def accesses(connection: Connection, query: Any) -> list[str]:
    plans = explained(connection, query)
    if connection.dialect.name == "sqlite":
        return [line for plan in plans for line in wide_in_sqlite([row[3] for row in plan], names_of(query))]
    return [line for plan in plans for line in wide_in_postgres(plan[0][0][0]["Plan"])]


def explained(connection: Connection, query: Any) -> list[Any]:
    """The database's plan, as rows, of each statement that the query is."""
    log_queries.wanted.create(connection)
    with explaining(connection) as plans:
        connection.execute(query)
    connection.rollback()
    log_queries.wanted.drop(connection, checkfirst=True)
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


def tables_of(query: Any) -> list[Any]:
    return [one for one in visitors.iterate(query) if one.__visit_name__ == "table"]


def names_of(query: Any) -> set[str]:
    """Under which the query knows the large tables."""
    aliases = [one for one in visitors.iterate(query) if isinstance(one, Alias) and one.element in LARGE]
    return {*(table.name for table in LARGE), *(str(one.name) for one in aliases)}


def wide_in_sqlite(lines: list[str], names: set[str]) -> list[str]:
    """`SCAN predictions`, or `SEARCH predictions USING INDEX ... (model=?)`."""
    about = [line for line in lines if line.split()[0] in ("SCAN", "SEARCH") and line.split()[1] in names]
    return [line for line in about if not BOUNDED.search(line.partition("(")[2])]


def wide_in_postgres(plan: dict[str, Any]) -> list[str]:
    about = [node for node in nodes(plan) if is_large(node)]
    wide = [
        node
        for node in about
        if node["Relation Name"] not in TONIGHT
        and not BOUNDED.search(node.get("Index Cond") or node.get("Recheck Cond", ""))
    ]
    return [f"{node['Node Type']} {node.get('Index Name', '')} {node.get('Index Cond', '')}".strip() for node in wide]


def is_large(node: dict[str, Any]) -> bool:
    """Whether the node reads a large table, or a partition of one."""
    large = tuple(table.name for table in (*LARGE, prediction_keys))
    return node.get("Relation Name", "").startswith(large)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def fill(url: str) -> None:
    """Two models with their predictions, label plans and labels."""
    with closing(open_stores(url)) as stores:
        for version in (VERSION, BIRDS):
            stores.ledger.record_model(version)
            nights = [(1, columns(version.model, number)) for number in range(NIGHTS)]
            log = SqlPredictionLog(stores.ledger.database, secret=stores.ledger.secret)
            log.record(version.model, nights, received_at=CLOSED)
        for number in range(NIGHTS):
            names = [f"pets-{number}-{place}" for place in range(DRAWN)]
            planned(stores.ledger, f"pets-plan-{number}", names, night=NIGHT + timedelta(days=number))
            stores.ledger.close_plan(f"pets-plan-{number}", closed_at=CLOSED)
            stores.ledger.record_labels([label(one) for one in names])
        planned(stores.ledger, "open", [f"pets-1-{place}" for place in range(50, 60)], night=END.date())


def columns(model: str, night: int) -> PredictionColumns:
    """A night of a model; every fifth came with a label that somebody else's design chose."""
    moment = (START + timedelta(days=night)).strftime("%Y-%m-%d")
    places = range(PREDICTIONS)
    return PredictionColumns(
        ids=[f"{model}-{night}-{place}" for place in places],
        occurred_at=[f"{moment} {place * 86 // 3600 % 24:02}:{place % 60:02}:00.000000" for place in places],
        predicted=[CLASSES[place % 3] for place in places],
        labels=["dog" if place % 5 == 0 else None for place in places],
        draw_probabilities=[0.1 if place % 5 == 0 else None for place in places],
        confidence=[place % 100 / 100 for place in places],
        slices=["door"] * PREDICTIONS,
    )
