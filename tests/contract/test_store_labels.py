"""Every store: label plans, labels, releases and alerts."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from leeway.domain.records import LabelledDraw, PredictionColumns, Release
from leeway.errors import StoreError
from leeway.stores import queries
from leeway.stores.sql import SqlStore
from store_records import ALERT, CLOSED, NIGHT, START, label, plan, recorded, somebody_else

# Labels


def test_gives_plans_back_with_their_draws_in_order(store: SqlStore) -> None:
    recorded(store, "a", "b")
    later, design, drawn = plan("x", ["b", "a", "b"], night=NIGHT + timedelta(days=1))
    first, *_ = plan("y", [])
    assert store.record_plan(later, design, drawn)
    assert store.record_plan(first, design)
    assert not store.record_plan(later, design)
    assert store.design("x") == design
    assert store.plans("pets", 1) == [first, later]
    assert store.draws("x") == drawn
    assert store.draws("y") == []
    assert store.plans("pets", 2) == []


def test_the_first_closing_of_a_plan_stands(store: SqlStore) -> None:
    store.record_plan(*plan("x", []))
    store.close_plan("x", closed_at=CLOSED)
    store.close_plan("x", closed_at=CLOSED + timedelta(days=1))
    assert store.plans("pets", 1) == [replace(plan("x", [])[0], closed_at=CLOSED)]
    with pytest.raises(StoreError, match="'z' is not among the label plans"):
        store.close_plan("z", closed_at=CLOSED)


def test_refuses_a_plan_that_draws_an_unknown_prediction(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="refused"):
        store.record_plan(*plan("x", ["nobody"]))
    assert store.plans("pets", 1) == []


def test_takes_one_label_of_a_prediction_from_each_labeler(store: SqlStore) -> None:
    recorded(store, "a", "b")
    assert store.record_labels([label("a"), label("b")]) == 2
    assert store.record_labels([label("a", "cat", minute=-5), label("a", labeler="bob", minute=5)]) == 1
    assert [given.label for given, _ in store.labels("pets")] == ["dog", "dog"]
    assert store.record_labels([]) == 0


def test_a_label_for_an_unknown_prediction_is_refused_with_all_of_its_call(store: SqlStore) -> None:
    recorded(store, "a")
    with pytest.raises(StoreError, match="1 labels are for predictions that are not recorded: nobody;"):
        store.record_labels([label("a"), label("nobody")])
    assert store.labels("pets") == []


def test_the_earliest_label_counts_and_at_one_time_the_labeler_first_in_the_alphabet(store: SqlStore) -> None:
    a, b = recorded(store, "a", "b")
    recorded(store, "other", model="birds")
    store.record_labels(
        [
            label("a", "cat", labeler="bob", minute=2),
            label("a", "ship", labeler="ada", minute=3),
            label("b", "dog", labeler="ada", minute=1),
            label("b", "cat", labeler="Zoe", minute=1),
            label("other", labeler="ada"),
        ]
    )
    assert store.labels("pets") == [
        (label("b", "cat", labeler="Zoe", minute=1), b),
        (label("a", "cat", labeler="bob", minute=2), a),
    ]


def test_counts_the_labelled_predictions_of_each_model(store: SqlStore) -> None:
    recorded(store, "a", "b", "nobody's")
    recorded(store, "c", model="birds")
    store.record_labels([label("a"), label("a", "cat", labeler="bob"), label("b"), label("c")])
    assert store.numbers_of_labels() == {"pets": 2, "birds": 1}


def test_finds_the_first_label_that_came_with_a_draw_probability(store: SqlStore, database_url: str) -> None:
    """Both ways: where few wait, and where many do."""
    assert first_given(store, database_url) == [None, None, None]
    record_given(store, "birds", ["bird"], "2025-02-01 00:00:00.000000")
    record_given(store, "pets", ["x", "y", "z"], "2025-03-01 04:00:00.000000")
    record_given(store, "pets", ["earliest"], "2025-03-01 03:00:00.000000")
    recorded(store, "no chance", occurred_at=START)
    store.record_labels([label("no chance")])
    assert first_given(store, database_url) == [START + timedelta(hours=3)] * 3
    made, design, _ = plan("x", [])
    taken = replace(made, id="pets/1/given")
    store.record_given(taken, design, start=START, end=START + timedelta(hours=4))
    assert first_given(store, database_url) == [START + timedelta(hours=4)] * 3


def first_given(store: SqlStore, url: str) -> list[datetime | None]:
    ways = (queries.first_given("pets", 1), queries.first_of_many_given("pets", 1))
    with somebody_else(url) as connection:
        return [store.first_given("pets", 1), *(connection.scalar(query) for query in ways)]


def test_stops_counting_labels_that_no_plan_has_taken(store: SqlStore, database_url: str) -> None:
    record_given(store, "pets", ["x", "y", "z"], "2025-03-01 04:00:00.000000")
    with somebody_else(database_url) as connection:
        assert [connection.scalar(queries.number_untaken(most=most)) for most in (2, 3, 4)] == [2, 3, 3]


def record_given(store: SqlStore, model: str, names: list[str], occurred_at: str) -> None:
    number = len(names)
    columns = PredictionColumns(names, [occurred_at] * number, ["dog"] * number, ["cat"] * number, [1.0] * number)
    store.record_columns(model, [(1, columns)], received_at=CLOSED)


def test_queues_each_unlabelled_prediction_of_open_plans_once(store: SqlStore) -> None:
    a, b, c, _, _ = recorded(store, "a", "b", "c", "labelled", "closed")
    store.record_plan(*plan("later", ["c", "a"], night=NIGHT + timedelta(days=1), purpose="gate"))
    store.record_plan(*plan("first", ["b", "labelled", "a", "b"]))
    store.record_plan(*plan("over", ["closed"]))
    store.close_plan("over", closed_at=CLOSED)
    store.record_labels([label("labelled")])
    assert store.label_queue("pets") == [("first", b), ("first", a), ("later", c)]
    assert store.label_queue("birds") == []


def test_an_item_drawn_twice_is_answered_twice(store: SqlStore) -> None:
    recorded(store, "a", "b", "c")
    made, design, drawn = plan("x", ["b", "a", "b", "c"])
    store.record_plan(made, design, drawn)
    store.record_labels([label("b", "cat"), label("a"), label("b", "ship", labeler="bob", minute=-1)])

    def answer(at: int, said: str) -> LabelledDraw:
        return LabelledDraw(drawn[at], NIGHT, "dog", said, group="thing-1", image="ab" * 32, slice="door")

    assert store.labelled_draws("x") == [answer(0, "ship"), answer(1, "dog"), answer(2, "ship")]


# Releases and alerts


def test_keeps_every_release_in_order(store: SqlStore) -> None:
    made = [
        Release("pets", 1, None, "promoted", "first", CLOSED),
        Release("pets", 2, 1, "refused", "worse", START),
        Release("pets", 2, 1, "refused", "worse", START),
    ]
    for release in made:
        store.record_release(release)
    store.record_release(replace(made[0], model="birds"))
    assert store.releases("pets") == made


def test_an_alert_is_pending_until_it_is_sent(store: SqlStore) -> None:
    earlier = replace(ALERT, key="z", made_at=START)
    assert store.queue_alert(ALERT)
    assert store.queue_alert(earlier)
    assert not store.queue_alert(replace(ALERT, body="other"))
    store.mark_alert(ALERT.key, sent_at=None, error="json://host did not answer")
    assert store.pending_alerts() == [earlier, replace(ALERT, error="json://host did not answer")]
    store.mark_alert(ALERT.key, sent_at=CLOSED)
    assert store.pending_alerts() == [earlier]
    with pytest.raises(StoreError, match="'nobody' is not among the alerts"):
        store.mark_alert("nobody", sent_at=CLOSED)
