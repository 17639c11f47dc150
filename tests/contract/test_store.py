"""Every store, on SQLite and on PostgreSQL: models, predictions, windows and what is concluded from them."""

import random
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from leeway.checks.windows import count_window
from leeway.domain.records import WindowCounts
from leeway.domain.stores import Store
from leeway.errors import ConflictError, StoreError
from leeway.stores.sql import SqlStore, open_store
from store_records import (
    ALERT,
    CLASSES,
    CLOSED,
    END,
    FIRED,
    NIGHT,
    START,
    UNSURE,
    VERSION,
    all_at_once,
    decision,
    prediction,
    recorded,
    window,
)

# Models


def test_gives_a_model_version_back_as_it_was_recorded(store: SqlStore) -> None:
    store.record_model(VERSION)
    assert store.model_version("pets", 1) == VERSION
    assert store.model_version("pets", 2) is None


def test_starts_an_epoch_of_a_known_version_and_keeps_it_when_the_version_is_registered_again(store: SqlStore) -> None:
    serving = replace(VERSION, serving_since=START)
    store.record_model(VERSION)
    store.record_model(serving)
    store.record_model(VERSION)
    assert store.model_version("pets", 1) == serving


def test_refuses_another_bundle_for_a_known_version(store: SqlStore) -> None:
    store.record_model(VERSION)
    with pytest.raises(ConflictError, match="pets version 1 is recorded with bundle bundle-1, got bundle bundle-2"):
        store.record_model(replace(VERSION, bundle_digest="bundle-2", serving_since=START))
    assert store.model_version("pets", 1) == VERSION


# Predictions


def test_gives_predictions_of_a_window_back_by_id(store: SqlStore) -> None:
    made = recorded(store, "b", "a", "B", "_")
    outside = [prediction("early", occurred_at=START - timedelta(microseconds=1)), prediction("end", occurred_at=END)]
    others = [prediction("v2", version=2), prediction("other", model="birds")]
    store.record_predictions(outside + others, received_at=START)
    assert store.predictions("pets", 1, START, END) == sorted(made, key=lambda one: one.id)


def test_counts_a_prediction_once_however_often_it_is_recorded(store: SqlStore) -> None:
    made = [prediction("a"), prediction("b", slice=None)]
    assert store.record_predictions(made, received_at=START) == 2
    assert store.record_predictions([*made, prediction("c"), made[0]], received_at=END) == 1
    assert store.predictions("pets", 1, START, END) == [*made, prediction("c")]


def test_takes_a_retried_prediction_that_took_longer_for_the_same(store: SqlStore) -> None:
    recorded(store, "a")
    assert store.record_predictions([prediction("a", latency_ms=99.0)], received_at=START) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"predicted_class": "cat"},
        {"probabilities": (0.1, 0.75, 0.14)},
        {"occurred_at": START},
        {"version": 2},
        {"slice": None},
        {"image": "cd" * 32},
        {"group": "thing-2"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_refuses_a_known_id_with_other_content_and_writes_nothing_of_that_call(
    store: SqlStore, changed: dict[str, object]
) -> None:
    recorded(store, "a", "b")
    with pytest.raises(ConflictError, match="1 of 3 predictions are recorded with other content: b;"):
        store.record_predictions([prediction("new"), prediction("a"), prediction("b", **changed)], received_at=START)
    assert store.predictions_by_id(["new", "b"]) == [prediction("b")]


def test_refuses_two_contents_for_one_id_in_one_call(store: SqlStore) -> None:
    with pytest.raises(ConflictError, match="other content: a;"):
        store.record_predictions([prediction("a"), prediction("a", confidence=0.5)], received_at=START)
    assert store.predictions_by_id(["a"]) == []


def test_gives_times_back_in_utc_whatever_zone_they_came_in(store: SqlStore) -> None:
    zurich = timezone(timedelta(hours=1))
    made = recorded(store, "a", occurred_at=START.astimezone(zurich))
    found = store.predictions("pets", 1, START, END)
    assert found == made
    assert found[0].occurred_at.tzinfo is UTC
    assert store.record_predictions([prediction("a", occurred_at=START)], received_at=END) == 0


def test_refuses_a_time_without_zone(store: SqlStore) -> None:
    naive = datetime(2025, 3, 1, 12)  # noqa: DTZ001
    with pytest.raises(StoreError, match="time 2025-03-01T12:00:00 has no time zone"):
        store.record_predictions([prediction("a", occurred_at=naive)], received_at=START)
    with pytest.raises(StoreError, match="has no time zone"):
        store.predictions("pets", 1, naive, END)


@pytest.mark.parametrize("changed", [{"energy": float("nan")}, {"probabilities": (float("nan"), 0.5, 0.5)}], ids=str)
def test_refuses_numbers_that_are_none(store: SqlStore, changed: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="JSON"):
        store.record_predictions([prediction("a", **changed)], received_at=START)
    assert store.predictions_by_id(["a"]) == []


def test_finds_predictions_by_more_ids_than_fit_one_statement(store: SqlStore) -> None:
    made = recorded(store, *(f"p{number:05}" for number in range(6_000)))
    assert store.predictions_by_id([*(one.id for one in reversed(made)), "unknown", "p00000"]) == made
    assert store.predictions_by_id([]) == []
    assert store.record_predictions(made, received_at=START) == 0


def test_says_when_a_version_first_predicted(store: SqlStore) -> None:
    assert store.first_prediction_at("pets", 1) is None
    recorded(store, "a")
    recorded(store, "b", occurred_at=START)
    recorded(store, "c", occurred_at=START - timedelta(days=9), version=2)
    assert store.first_prediction_at("pets", 1) == START


# Windows


def test_counts_classes_and_confidence_bands_as_a_loop_in_python_does(store: SqlStore) -> None:
    draw = random.Random(5)
    edges = [0.6, 0.9, 0.6 - 1e-16, 0.9 + 1e-16, 0.0, 1.0]
    made = [
        prediction(
            f"p{number}",
            predicted_class=draw.choice([*CLASSES[:2], "horse"]),
            confidence=draw.choice([*edges, draw.random()]),
            occurred_at=START + timedelta(hours=draw.randrange(-3, 27)),
        )
        for number in range(500)
    ]
    store.record_predictions(made, received_at=START)
    inside = [one for one in made if START <= one.occurred_at < END]
    cells = Counter((one.predicted_class, (one.confidence >= 0.6) + (one.confidence >= 0.9)) for one in inside)
    expected = tuple((cells[name, 0], cells[name, 1], cells[name, 2]) for name in CLASSES)
    foreign = sum(one.predicted_class == "horse" for one in inside)
    counted = counted_window(store, NIGHT, START, END)
    assert (counted.counts, counted.foreign) == (expected, foreign)
    assert counted.histogram == tuple(sum(band) for band in zip(*expected, strict=True))


def counted_window(store: Store, night: date, start: datetime, end: datetime) -> WindowCounts:
    return count_window(VERSION, night, store.cells(VERSION, start, end))


def test_counts_an_empty_window_as_zeros(store: SqlStore) -> None:
    counted = counted_window(store, NIGHT, START, END)
    assert counted == WindowCounts("pets", 1, NIGHT, CLASSES, ((0, 0, 0),) * 3, histogram=(0, 0, 0))


def test_the_first_closing_of_a_window_stands(store: SqlStore) -> None:
    assert store.record_window(window(), start=START, end=END, closed_at=CLOSED)
    assert not store.record_window(window(foreign=9), start=START, end=END, closed_at=CLOSED)
    assert store.windows("pets", 1) == [window()]


def test_counts_rows_that_came_after_the_closing_as_late(store: SqlStore) -> None:
    recorded(store, "a", "b", "c")
    recorded(store, "odd", predicted_class="horse")
    day = timedelta(days=1)
    counted = counted_window(store, NIGHT, START, END)
    empty = counted_window(store, NIGHT - day, START - day, START)
    store.record_window(counted, start=START, end=END, closed_at=CLOSED)
    store.record_window(empty, start=START - day, end=START, closed_at=START)
    assert store.windows("pets", 1) == [empty, counted]
    late = [prediction("late"), prediction("late too", predicted_class="horse")]
    store.record_predictions(late, received_at=CLOSED + day)
    assert store.windows("pets", 1) == [empty, replace(counted, late=2)]


# A night's conclusion


def test_records_results_decision_and_alerts_of_a_night_once(store: SqlStore) -> None:
    assert store.record_night(window(), [UNSURE, FIRED], decision(), [ALERT])
    other = replace(decision(), reason="another")
    assert not store.record_night(window(), [UNSURE], other, [replace(ALERT, key="second")])
    assert store.results("pets", 1) == [(NIGHT, UNSURE), (NIGHT, FIRED)]
    assert store.decisions("pets") == [decision()]
    assert store.pending_alerts() == [ALERT]


def test_an_alert_that_is_known_does_not_hinder_the_night(store: SqlStore) -> None:
    assert store.queue_alert(ALERT)
    assert store.record_night(window(), [], decision(), [replace(ALERT, body="again")])
    assert store.pending_alerts() == [ALERT]


def test_a_night_that_cannot_be_written_whole_is_not_written_at_all(store: SqlStore) -> None:
    bad = replace(FIRED, details={"p": float("inf")})
    with pytest.raises(StoreError, match="JSON"):
        store.record_night(window(), [UNSURE, bad], decision(), [ALERT])
    assert (store.results("pets", 1), store.decisions("pets"), store.pending_alerts()) == ([], [], [])


def test_gives_results_and_decisions_in_order(store: SqlStore) -> None:
    nights = [NIGHT + timedelta(days=day) for day in (2, 0, 1)]
    for at, night in enumerate(nights):
        made = replace(decision(night), made_at=CLOSED - timedelta(hours=at))
        store.record_night(window(night), [UNSURE, FIRED], made, [])
    assert [night for night, _ in store.results("pets", 1)] == sorted(nights * 2)
    assert [made.night for made in store.decisions("pets")] == list(reversed(nights))
    assert store.results("pets", 2) == []
    assert store.decisions("birds") == []


def test_one_of_many_racing_writers_records_the_night(store: SqlStore) -> None:
    def record(writer: int) -> bool:
        return store.record_night(window(), [FIRED], decision(), [replace(ALERT, key=f"writer {writer}")])

    assert sum(all_at_once(record)) == 1
    assert len(store.results("pets", 1)) == len(store.pending_alerts()) == 1


def test_what_was_recorded_is_there_after_reopening(database_url: str) -> None:
    with closing(open_store(database_url)) as first:
        made = recorded(first, "a")
    with closing(open_store(database_url)) as second:
        assert second.predictions_by_id(["a"]) == made
