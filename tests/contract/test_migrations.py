"""A database of an older Leeway is brought up to date, and nothing in it is lost."""

from contextlib import closing
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from leeway.checks.windows import count_window
from leeway.domain.records import Label
from leeway.errors import StoreError
from leeway.stores.database import MIGRATIONS
from leeway.stores.sql import open_store
from store_records import somebody_else

NIGHT = datetime(2025, 3, 1, 5, tzinfo=UTC)
FIRST_ROWS = (
    """INSERT INTO models VALUES ('pets', 1, 'b', 'd', '{"classes": ["cat", "dog"], "band_edges": [0.5, 0.9],
       "counts": [[1, 2, 3], [4, 5, 6]], "correct": 20, "total": 21}', NULL)""",
    """INSERT INTO predictions VALUES ('p1', 'pets', 1, '2025-03-01 05:00:00.000000', 'ab', 'cat', 0.7, '[0.7, 0.3]',
       -1.5, 2.5, 'g', NULL, '2025-03-01 05:00:01.000000', 'x')""",
    """INSERT INTO label_plans (id, model, version, night, made_at, predictions, mean_guess, closed_at, stratum_shares)
       VALUES ('plan', 'pets', 1, '2025-03-01', '2025-03-02 02:00:00.000000', 1, 0.1, '2025-03-02 20:00:00.000000',
       '{"0": 1.0}')""",
    "INSERT INTO draws VALUES ('d', 'plan', 'p1', 'measure', '0', 1.0, 0.1, 0)",
    "INSERT INTO labels VALUES ('p1', 'ada', 'dog', '2025-03-02 10:00:00.000000')",
)


def make_first_tables(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "0001")
    for row in FIRST_ROWS:
        connection.execute(text(row.replace(":", "\\:")))
    connection.commit()


def test_what_the_first_schema_held_is_read_by_the_present_one(database_url: str) -> None:
    with somebody_else(database_url) as connection:
        make_first_tables(connection)
    with closing(open_store(database_url)) as store:
        [version] = store.versions("pets")
        assert (version.reference.total, version.reference.edges, version.reference.with_confidence) == (21, (), True)
        [plan] = store.plans("pets", 1)
        assert (plan.given, plan.applied_by) == (0, "0001")
        design = store.design(plan.id)
        assert (design.parts, design.given, design.uniform_share) == ({}, (), 0.2)
        [draw] = store.labelled_draws("plan")
        assert (draw.predicted_class, draw.label, draw.count) == ("cat", "dog", 1)
        start = NIGHT.replace(hour=0)
        window = count_window(version, NIGHT.date(), store.cells(version, start, start.replace(day=2)))
        assert window.counts == ((0, 1, 0), (0, 0, 0))
        store.record_labels([Label("p1", "cat", "bob", NIGHT)])
        assert store.disagreements("pets") == 1


def test_an_update_keeps_foreign_keys_in_force(database_url: str) -> None:
    with somebody_else(database_url) as connection:
        make_first_tables(connection)
    open_store(database_url).close()
    with (
        closing(open_store(database_url)) as store,
        pytest.raises(StoreError, match=r"(?i)foreign key"),
        store._transaction(writes=True) as connection,
    ):
        connection.execute(text("DELETE FROM predictions WHERE id = 'p1'"))
