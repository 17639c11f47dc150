"""A database of an older Leeway is brought up to date, and nothing in it is lost."""

import logging
from bisect import bisect_right
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from leeway.checks.windows import count_window
from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import permanent_number
from leeway.domain.records import Label, ModelVersion, Recorded
from leeway.errors import ConflictError, StoreError
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.opening import Stores, open_stores
from leeway.stores.schema import SCHEMA_REVISION, VERSION_TABLE, metadata
from old_database import connected, fill, upgrade
from old_facts import (
    SECRET,
    columns_of,
    given_of,
    moment,
    predictions_of,
    table,
)
from schema import differences

VERSIONS = (("pets", 1), ("pets", 2), ("birds", 1), ("fish", 1), ("fish", 2))
MODELS = ("pets", "birds", "fish")
LATER = datetime(2026, 3, 14, tzinfo=UTC)
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
AS_THEY_WERE = ("models", "label_plans", "windows", "decisions", "check_results", "releases", "alerts")
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


def version_of(stores: Stores, model: str, version: int) -> ModelVersion:
    [found] = [one for one in stores.ledger.versions(model) if one.version == version]
    return found


def stored(stores: Stores) -> list[tuple[str, int]]:
    """(id, u) of every prediction as it is kept, in the order in which it was recorded."""
    if not isinstance(stores.log, ColumnarLog):
        return [(row.id, row.u) for row in stores.log.database.all(text("SELECT id, u FROM predictions ORDER BY seq"))]
    parts = [part for model in stores.log.manifest.models() for part in stores.log.manifest.read(model)[0]]
    rows = [
        row
        for part in parts
        if part.kind == "predictions"
        for row in pq.read_table(stores.log.parts / part.file, columns=["id", "u", "seq"]).to_pylist()
    ]
    return [(row["id"], row["u"]) for row in sorted(rows, key=lambda row: row["seq"])]


# The tables


def test_the_tables_are_those_that_the_code_uses(migrated: Stores) -> None:
    with migrated.ledger.database.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert differences(connection) == []
        assert context.get_current_revision() == SCHEMA_REVISION
        if migrated.ledger.database.is_sqlite:
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []


@pytest.mark.parametrize("name", AS_THEY_WERE)
def test_a_table_that_stays_holds_the_same_rows(migrated: Stores, name: str) -> None:
    now, before = metadata.tables[name], table(name)
    found = migrated.ledger.database.all(select(now).order_by(*now.primary_key.columns))
    kept = [column for column in before[0] if column in now.c]
    assert len(kept) >= len(before[0]) - (name == "models")  # all but `serving_since`
    assert [{column: _plain(getattr(row, column)) for column in kept} for row in found] == [
        {column: row[column] for column in kept} for row in before
    ]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def test_it_says_once_what_it_does(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    fill(database_url)
    with caplog.at_level(logging.INFO, "leeway.stores"):
        for _ in range(2):
            open_stores(database_url).close()
    line, *more = [record.getMessage() for record in caplog.records if record.name == "leeway.stores"]
    assert [one for one in more if "moving 3,030 predictions into columns, once" not in one] == []
    assert len(more) == database_url.startswith("sqlite")
    assert f"bringing 3,030 predictions from schema 0002 to {SCHEMA_REVISION}, once, in one transaction" in line


def test_a_reader_migrates_nothing_and_names_the_command_that_does(database_url: str) -> None:
    fill(database_url)
    with pytest.raises(StoreError, match=r"of the release before \(schema 0002\).*run `leeway monitor`"):
        open_stores(database_url, reading=True)
    with connected(database_url) as connection:
        assert connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == "0002"


def test_alerts_that_were_sent_stay_sent_and_the_others_wait_for_every_channel(migrated: Stores) -> None:
    unsent = [row["key"] for row in table("alerts") if row["sent_at"] is None]
    assert 0 < len(unsent) < len(table("alerts"))
    assert sorted(one.key for one in migrated.ledger.pending_alerts()) == sorted(unsent)
    assert migrated.ledger.deliveries() == []


@pytest.mark.parametrize(
    ("database_url", "last"), [("sqlite", "0003"), ("postgresql", "0013")], indirect=["database_url"]
)
def test_a_migration_that_rebuilds_no_large_table_counts_no_predictions_and_asks_for_no_room(
    database_url: str, last: str, caplog: pytest.LogCaptureFixture
) -> None:
    if last == SCHEMA_REVISION:
        pytest.skip("the newest schema is the one that rebuilds them")
    with connected(database_url) as connection:
        upgrade(connection, last)
    with caplog.at_level(logging.INFO, "leeway.stores"):
        open_stores(database_url).close()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records if record.name == "leeway.stores"] == [
        f"bringing it from schema {last} to {SCHEMA_REVISION}"
    ]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_migration_to_partitions_says_how_many_predictions_it_moves(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    fill(database_url)
    with connected(database_url) as connection:
        upgrade(connection, "0012")
    with caplog.at_level(logging.INFO, "leeway.stores"):
        open_stores(database_url).close()
    [line] = [record.getMessage() for record in caplog.records if record.name == "leeway.stores"]
    assert f"bringing 3,030 predictions from schema 0012 to {SCHEMA_REVISION}, once, in one transaction" in line


# The log


@pytest.mark.parametrize("model", MODELS)
def test_a_prediction_is_kept_as_it_was(migrated: Stores, model: str) -> None:
    before = predictions_of(model)
    found = migrated.log.by_ids(model, before)
    assert [one.id for one in found] == sorted(before)
    for one in found:
        row = before[one.id]
        assert (one.version, one.occurred_at) == (row["version"], moment(row["occurred_at"]))
        assert (list(one.probabilities), one.image, one.slice) == (row["probabilities"], row["image"], row["slice"])
        for name in ("model", "predicted_class", "confidence", "energy", "latency_ms", "group"):
            assert getattr(one, name) == row[name]
        assert (one.second_class, one.review) == (None, None)


def test_a_prediction_is_drawn_by_the_number_that_a_new_one_would_get(migrated: Stores) -> None:
    found = stored(migrated)
    ids = [row["id"] for row in table("predictions")]
    assert "naïve 日本語 🐟 ʻokina" in ids
    assert dict(found) == {one: permanent_number(one, SECRET) for one in ids}
    assert migrated.ledger.secret == SECRET


def test_a_confidence_that_is_no_number_is_none(database_url: str) -> None:
    fill(database_url)
    with connected(database_url) as connection:
        nan = "NULL" if connection.dialect.name == "sqlite" else "'NaN'"
        connection.execute(text(f"UPDATE predictions SET confidence = {nan} WHERE id = 'bird-12-087'"))
    with closing(open_stores(database_url)) as stores:
        [one] = stores.log.by_ids("birds", ["bird-12-087"])
        assert one.confidence is None
        assert sum(cell.count for cell in stores.log.cells(version_of(stores, "birds", 1), *EVER) if cell.bin < 0) == 1


def test_predictions_are_numbered_in_the_order_in_which_they_came(database_url: str) -> None:
    with connected(database_url) as connection:
        upgrade(connection, "0002")
        for second, name in enumerate("bca"):
            row = FIRST_ROWS[1].replace("p1", name).replace("05:00:01", f"05:00:0{second}")
            connection.execute(text(row.replace(":", "\\:")))
    with closing(open_stores(database_url)) as stores:
        assert [one for one, _ in stored(stores)] == ["b", "c", "a"]


@pytest.mark.parametrize(("model", "version"), VERSIONS)
def test_each_cell_of_each_night_counts_the_same(migrated: Stores, model: str, version: int) -> None:
    known = version_of(migrated, model, version)
    edges = known.reference.bin_edges if known.reference.with_confidence else ()
    nights = [(row["start"], row["end"]) for row in table("windows") if row["model"] == model]
    assert nights
    for start, end in [*[(moment(first), moment(last)) for first, last in nights], EVER]:
        counts = Counter[tuple[str, int, str | None]]()
        for row in predictions_of(model, version).values():
            place = -1 if row["confidence"] is None else bisect_right(edges, row["confidence"])
            counts[row["predicted_class"], place, row["slice"]] += start <= moment(row["occurred_at"]) < end
        found = migrated.log.cells(known, start, end)
        assert {(one.predicted_class, one.bin, one.slice): one.count for one in found} == +counts


@pytest.mark.parametrize(("model", "version"), VERSIONS)
def test_the_same_file_again_is_known_row_for_row(writable: Stores, model: str, version: int) -> None:
    again = columns_of(model, version)
    said = writable.log.record(model, [(version, again)], received_at=LATER)
    assert said == Recorded(known=len(predictions_of(model, version)))


def test_of_a_file_that_comes_again_a_changed_row_is_refused(writable: Stores) -> None:
    again = columns_of("birds", 1)
    changed = replace(again, predicted=["emu", *again.predicted[1:]])
    said = writable.log.record("birds", [(1, changed)], received_at=LATER)
    assert said == Recorded(known=1068, changed=(again.ids[0],))
    with pytest.raises(ConflictError):
        writable.log.record("birds", [(1, changed)], received_at=LATER, strict=True)


def test_what_comes_after_the_migration_is_new_and_behind_the_position(writable: Stores) -> None:
    before = writable.log.position("pets")
    one = PredictionColumns(ids=["bird-12-087"], occurred_at=["2026-03-13 05:00:00.000000"], predicted=["cat"])
    assert writable.log.record("pets", [(1, one)], received_at=LATER).new == 1  # the id is known of birds alone
    pets = version_of(writable, "pets", 1)
    assert writable.log.position("pets") != before
    assert writable.log.count(pets, *EVER, after=before) == 1
    assert len(writable.log.cells(pets, *EVER, upto=before)) == len(writable.log.cells(pets, *EVER)) - 1
    assert writable.log.elsewhere("fish", ["bird-12-087"]) == {"birds": 1, "pets": 1}


# Truth that came with the log


@pytest.mark.parametrize("model", MODELS)
def test_labels_from_files_stand_with_the_log(migrated: Stores, model: str) -> None:
    before = given_of(model)
    found = {one.prediction_id: one for one in migrated.log.given_by_ids(model, predictions_of(model))}
    assert {one: (label.label, label.labelled_at) for one, label in found.items()} == {
        one: (row["label"], moment(row["labelled_at"])) for one, row in before.items()
    }
    assert migrated.log.given_counts().get(model, 0) == len(before)
    assert migrated.log.given_counts() == {"birds": 1069, "fish": 81}


@pytest.mark.parametrize(("model", "version"), VERSIONS)
def test_labels_with_a_draw_probability_are_tallied_the_same(migrated: Stores, model: str, version: int) -> None:
    known, rows = version_of(migrated, model, version), predictions_of(model, version)
    with_chance = {
        one: row
        for one, row in given_of(model).items()
        if one in rows and row["draw_probability"] is not None and row["label"] is not None
    }
    counts = Counter(
        (rows[one]["predicted_class"], row["label"], rows[one]["slice"], row["draw_probability"])
        for one, row in with_chance.items()
    )
    found = migrated.log.given_tallies(known, *EVER, upto=migrated.log.position(model))
    assert {(one.predicted_class, one.label, one.slice, one.probability): one.count for one in found} == counts
    first = min((moment(rows[one]["occurred_at"]) for one in with_chance), default=None)
    assert migrated.log.first_given(known, None) == first


@pytest.mark.parametrize(("model", "version"), VERSIONS)
def test_labels_of_one_group_are_known_as_alike(migrated: Stores, model: str, version: int) -> None:
    known, rows = version_of(migrated, model, version), predictions_of(model, version)
    weights: dict[str, list[float]] = {}
    for one, row in given_of(model).items():
        if one in rows and row["draw_probability"] is not None and rows[one]["group"] != one:
            weights.setdefault(rows[one]["group"], []).append(1 / row["draw_probability"])
    pairs = sum(sum(own) ** 2 - sum(one * one for one in own) for own in weights.values())
    found = migrated.log.given_alike(known, *EVER)
    assert found.get("all", 0.0) == pytest.approx(pairs)


# The first schema


def make_first_tables(url: str) -> None:
    with connected(url) as connection:
        upgrade(connection, "0001")
        for row in FIRST_ROWS:
            connection.execute(text(row.replace(":", "\\:")))


def test_what_the_first_schema_held_is_read_by_the_present_one(database_url: str) -> None:
    make_first_tables(database_url)
    with closing(open_stores(database_url)) as stores:
        [version] = stores.ledger.versions("pets")
        assert (version.reference.total, version.reference.edges, version.reference.with_confidence) == (21, (), True)
        [plan] = stores.ledger.plans("pets", 1)
        assert (plan.given, plan.applied_by) == (0, "0001")
        design = stores.ledger.design(plan.id)
        assert (design.parts, design.given, design.uniform_share) == ({}, (), 0.2)
        [draw] = stores.ledger.labelled_draws("plan")
        assert (draw.predicted_class, draw.label, draw.count) == ("cat", "dog", 1)
        start = datetime(2025, 3, 1, tzinfo=UTC)
        window = count_window(version, start.date(), stores.log.cells(version, start, start + timedelta(days=1)))
        assert window.counts == ((0, 1, 0), (0, 0, 0))
        stores.ledger.record_labels([Label("pets", "p1", "cat", "bob", start)])
        assert len(stores.ledger.conflicts("pets")) == 1


def test_a_migration_keeps_foreign_keys_in_force(database_url: str) -> None:
    make_first_tables(database_url)
    with (
        closing(open_stores(database_url)) as stores,
        pytest.raises(StoreError, match=r"(?i)foreign key"),
        stores.ledger.database.transaction(writes=True) as connection,
    ):
        connection.execute(text("DELETE FROM pins WHERE prediction_id = 'p1'"))
