"""The ledger of a database that an older Leeway left: what was asked, answered and released is there as it was."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from leeway.domain.records import Release, ServingPeriod
from leeway.stores.opening import Stores, open_stores
from leeway.stores.schema import metadata
from old_database import connected, fill
from old_facts import MODELS, drawn_ids, labelled_draws_of, pinned_of, predictions_of, queue_of, table

LATER = datetime(2026, 3, 14, tzinfo=UTC)


@pytest.mark.parametrize(("model", "number"), [("pets", 32), ("birds", 0), ("fish", 9)])
def test_the_queue_asks_for_the_same(migrated: Stores, model: str, number: int) -> None:
    found = [(plan_id, one.id) for plan_id, one in migrated.ledger.label_queue(model)]
    assert sorted(found) == sorted(queue_of(model))
    assert len(found) == number


@pytest.mark.parametrize("model", MODELS)
def test_every_draw_has_the_answer_that_it_had(migrated: Stores, model: str) -> None:
    plans = [row for row in table("label_plans") if row["model"] == model]
    assert {row["id"]: migrated.ledger.labelled_draws(row["id"]) for row in plans} == {
        row["id"]: labelled_draws_of(row) for row in plans
    }


def test_a_plan_that_the_release_before_closed_measures_what_it_did_and_nothing_late(migrated: Stores) -> None:
    closed = [row["id"] for row in table("label_plans") if row["closed_at"] is not None]
    assert closed
    for name in closed:
        assert migrated.ledger.labelled_draws(name, as_closed=True) == migrated.ledger.labelled_draws(name)
    plans = {(one.model, one.version) for model in MODELS for one in migrated.ledger.versions(model)}
    assert [migrated.ledger.late_draws(*one, since=date.min) for one in plans] == [[]] * len(plans)
    assert {model: migrated.ledger.missed(model) for model in MODELS} == {model: set() for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_what_was_drawn_or_labelled_by_a_person_is_pinned(migrated: Stores, model: str) -> None:
    wanted = pinned_of(model)
    found = migrated.ledger.pinned(model, predictions_of(model))
    log = [replace(one, probabilities=(), latency_ms=None) for one in migrated.log.by_ids(model, wanted)]
    assert found == log
    assert {one.id for one in found} == wanted


def test_what_people_said_is_kept_with_a_files_answers_to_draws(migrated: Stores) -> None:
    drawn = drawn_ids()
    rows = [row for row in table("labels") if row["labeler"] != "file" or row["prediction_id"] in drawn]
    rows.sort(key=lambda row: (row["labelled_at"], row["labeler"], row["prediction_id"]))
    found = migrated.ledger.database.all(select(metadata.tables["labels"]).order_by(text("id")))
    assert [(row.prediction_id, row.labeler, row.label, row.labelled_at.isoformat(), row.kind) for row in found] == [
        (*(row[name] for name in ("prediction_id", "labeler", "label", "labelled_at")), _kind(row, drawn))
        for row in rows
    ]
    assert {(row.answer, row.mode) for row in found} == {("label", "single")}
    assert migrated.ledger.label_counts() == {"pets": 127, "fish": 26}  # those of people
    assert {model: len(migrated.ledger.conflicts(model)) for model in MODELS} == {"pets": 4, "birds": 0, "fish": 0}


def _kind(row: dict[str, Any], drawn: set[str]) -> str:
    return "drawn" if row["prediction_id"] in drawn else "volunteered"


def test_a_correction_after_the_migration_counts(writable: Stores) -> None:
    [(label, _)] = [pair for pair in writable.ledger.labels("fish") if pair[0].kind == "volunteered"]
    assert (label.label, label.labeler) == ("eel", "ada")
    said = writable.ledger.record_labels([replace(label, label="carp", labelled_at=LATER)])
    assert (said.new, said.corrected) == (1, 1)
    assert "carp" in [one.label for one, pin in writable.ledger.labels("fish") if pin.id == label.prediction_id]


def test_epochs_are_made_from_the_releases(migrated: Stores) -> None:
    first, second, third = (datetime(2026, *at, tzinfo=UTC) for at in ((2, 28, 16), (3, 5, 12), (3, 9, 12)))
    reasons = ("promoted: 97.8% is over the floor", "promoted: no class lost; 98.3% against 97.8%")
    assert migrated.ledger.serving_periods("pets") == [
        ServingPeriod("pets", 1, first, reasons[0], second),
        ServingPeriod("pets", 2, second, reasons[1], third),
        ServingPeriod("pets", 1, third, "rolled back: version 2 was withdrawn"),
    ]
    assert [migrated.ledger.serving_periods(model) for model in ("birds", "fish")] == [[], []]
    assert not migrated.ledger.is_reconciled()


def test_a_champion_without_a_release_has_an_epoch(database_url: str) -> None:
    fill(database_url)
    with connected(database_url) as connection:
        connection.execute(text("DELETE FROM releases WHERE version = 2"))
        dogs = "SELECT 'dogs', 7, 'b', 'd', reference, serving_since FROM models WHERE model = 'pets' AND version = 1"
        connection.execute(text(f"INSERT INTO models {dogs}"))
    with closing(open_stores(database_url)) as stores:
        [epoch] = stores.ledger.serving_periods("dogs")
        assert [one.why for one in stores.ledger.serving_periods("pets")] == [
            "promoted: 97.8% is over the floor",
            "before Leeway kept the reason",
            "rolled back: version 2 was withdrawn",
        ]
    assert epoch == ServingPeriod("dogs", 7, datetime(2026, 3, 9, 12, tzinfo=UTC), "before Leeway kept the reason")


def test_nothing_is_reconciled_where_no_model_was_trained(database_url: str) -> None:
    fill(database_url)
    with connected(database_url) as connection:
        connection.execute(text("DELETE FROM models WHERE model = 'pets'"))
    with closing(open_stores(database_url)) as stores:
        assert stores.ledger.is_reconciled()
        assert (len(stores.ledger.id), len(stores.ledger.secret)) == (32, 32)


def test_a_release_after_the_old_ones_gets_the_next_number(writable: Stores) -> None:
    writable.ledger.record_release(Release("pets", 2, 1, "promoted", "again", LATER))
    assert [one.version for one in writable.ledger.releases("pets")] == [1, 2, 1, 2]
