"""The ledger, wherever it is kept: what is drawn and pinned, what people say of it, and which label counts."""

from dataclasses import replace

import pytest

from battery import (
    CLOSED,
    DAY,
    NIGHT,
    START,
    VERSION,
    TwoStores,
    all_at_once,
    claimed,
    label,
    pinned,
    plan,
    planned,
    prediction,
)
from leeway.domain.records import LabelledDraw, RecordedLabels, Tally
from leeway.errors import StoreError
from leeway.stores.opening import Stores

# Label plans


def test_gives_plans_back_with_their_design_in_order_of_night(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["b", "a", "b"], night=NIGHT + DAY)
    planned(stores.ledger, "y", [])
    assert not planned(stores.ledger, "x", ["c"])
    assert stores.ledger.plans("pets", 1) == [plan("y", [])[0], plan("x", ["b", "a", "b"], night=NIGHT + DAY)[0]]
    assert (stores.ledger.plans("pets", 2), stores.ledger.plans("birds", 1)) == ([], [])
    assert stores.ledger.pinned("pets", ["c"]) == []


def test_keeps_the_design_of_a_plan(stores: TwoStores) -> None:
    made, design, _ = plan("x", [])
    tallies = (Tally("dog", "cat", None, 0.5, 3), Tally("dog", "dog", "door", 1.0, 4))
    design = replace(
        design, parts={"class cat": (20, 0.25, 0.5), "slice Tür": (1, 1.0, 0.0)}, given=tallies, position="17"
    )
    assert stores.ledger.record_plan(made, design, [], [], claim=claimed(stores.ledger))
    assert stores.ledger.design("x") == design
    assert stores.ledger.plans("pets", 1) == [replace(made, given=2)]


def test_the_first_closing_of_a_plan_stands(stores: TwoStores) -> None:
    planned(stores.ledger, "x", [])
    stores.ledger.close_plan("x", closed_at=CLOSED)
    stores.ledger.close_plan("x", closed_at=CLOSED + DAY)
    assert stores.ledger.plans("pets", 1) == [replace(plan("x", [])[0], closed_at=CLOSED)]
    with pytest.raises(StoreError, match="'z' is not among the label plans"):
        stores.ledger.close_plan("z", closed_at=CLOSED)


def test_refuses_a_plan_that_draws_what_is_not_pinned(stores: TwoStores) -> None:
    claim = claimed(stores.ledger)
    with pytest.raises(StoreError, match="refused"):
        stores.ledger.record_plan(*plan("x", ["a", "nobody"]), [prediction("a")], claim=claim)
    assert stores.ledger.plans("pets", 1) == []
    assert stores.ledger.pinned("pets", ["a"]) == []
    stores.ledger.pin([prediction("a")])
    assert stores.ledger.record_plan(*plan("x", ["a"]), [], claim=claim)


def test_tells_the_groups_that_were_drawn_for_a_purpose(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b", "a"])
    planned(stores.ledger, "y", ["b", "c"], purpose="gate", night=NIGHT + DAY)
    assert stores.ledger.groups_drawn("pets", 1, purpose="measure") == {"thing of a", "thing of b"}
    assert stores.ledger.groups_drawn("pets", 1, purpose="gate") == {"thing of b", "thing of c"}
    assert stores.ledger.groups_drawn("pets", 2, purpose="gate") == set()


# Pins


def test_pins_what_is_needed_of_a_prediction_and_learns_where_its_image_is(stores: TwoStores) -> None:
    first = prediction("b", image="/old/b.png")
    stores.ledger.pin([first, prediction("a", model="birds"), prediction("a")])
    stores.ledger.pin([])
    stores.ledger.pin([replace(first, image="/new/b.png", predicted_class="cat"), first, first])
    stores.ledger.pin([replace(first, image="/new/b.png", predicted_class="cat")])
    kept = replace(first, image="/new/b.png", probabilities=(), latency_ms=None)
    assert stores.ledger.pinned("pets", ["b", "a", "unknown", "b"]) == [
        pinned("a", group="thing-1"),
        kept,
    ]
    assert stores.ledger.pinned("birds", ["b", "a"]) == [pinned("a", model="birds", group="thing-1")]


def test_a_plan_renews_where_the_images_of_its_draws_are(stores: TwoStores) -> None:
    stores.ledger.pin([prediction("a", image="/old/a.png")])
    now = prediction("a", image="/new/a.png")
    assert stores.ledger.record_plan(*plan("x", ["a"]), [now], claim=claimed(stores.ledger))
    [(_, said)] = stores.ledger.label_queue("pets")
    assert said.image == "/new/a.png"


def test_tells_the_models_that_an_id_is_pinned_for(stores: TwoStores) -> None:
    for model in ("pets", "birds"):
        stores.ledger.record_model(replace(VERSION, model=model))
    stores.ledger.pin([prediction("a"), prediction("b"), prediction("b", model="birds")])
    assert stores.ledger.queues(["b", "a", "unknown", "a"]) == {"a": ["pets"], "b": ["birds", "pets"]}
    assert stores.ledger.queues([]) == {}


def test_pins_more_than_fit_one_statement(stores: TwoStores) -> None:
    stores.ledger.record_model(VERSION)
    names = [f"p{number:05}" for number in range(6_000)]
    stores.ledger.pin([prediction(name) for name in names])
    assert [one.id for one in stores.ledger.pinned("pets", reversed(names))] == names
    assert stores.ledger.queues(names) == {name: ["pets"] for name in names}
    assert stores.ledger.record_labels([label(name) for name in names]) == RecordedLabels(new=6_000)
    assert stores.ledger.record_labels([label(name) for name in names]) == RecordedLabels(known=6_000)


# Labels


def said(stores: TwoStores) -> dict[str, str]:
    return {one.prediction_id: one.label for one, _ in stores.ledger.labels("pets")}


def test_a_label_is_recorded_once(stores: TwoStores) -> None:
    stores.ledger.pin([prediction("a"), prediction("b")])
    assert stores.ledger.record_labels([label("a"), label("b")]) == RecordedLabels(new=2)
    assert stores.ledger.record_labels([label("a"), label("b", minute=9)]) == RecordedLabels(known=2)
    assert stores.ledger.record_labels([label("b"), label("b")]) == RecordedLabels(known=2)
    assert stores.ledger.record_labels([]) == RecordedLabels()
    assert [one for one, _ in stores.ledger.labels("pets")] == [label("a"), label("b")]


def test_the_same_persons_later_label_corrects_the_earlier_one(stores: TwoStores) -> None:
    stores.ledger.pin([prediction("a")])
    stores.ledger.record_labels([label("a", "cat")])
    told = stores.ledger.record_labels([label("a", "ship", minute=1)])
    assert told == RecordedLabels(new=1, corrected=1)
    assert [one for one, _ in stores.ledger.labels("pets")] == [label("a", "ship", minute=1)]
    again = stores.ledger.record_labels([label("a", "cat"), label("a", "ship", minute=1)])
    assert again == RecordedLabels(known=2)
    assert said(stores) == {"a": "ship"}
    back = stores.ledger.record_labels([label("a", "cat", minute=2)])
    assert back == RecordedLabels(new=1, corrected=1)
    assert said(stores) == {"a": "cat"}


def test_of_two_labels_at_one_time_the_one_recorded_last_counts(stores: TwoStores) -> None:
    stores.ledger.pin([prediction("a")])
    assert stores.ledger.record_labels([label("a", "cat"), label("a", "ship")]) == RecordedLabels(new=2, corrected=1)
    assert said(stores) == {"a": "ship"}


def test_what_a_person_said_earlier_is_kept_and_does_not_count(stores: TwoStores) -> None:
    stores.ledger.pin([prediction("a")])
    stores.ledger.record_labels([label("a", "cat", minute=5)])
    assert stores.ledger.record_labels([label("a", "ship", minute=3)]).new == 1
    assert said(stores) == {"a": "cat"}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one call", "one by one"])
def test_it_does_not_matter_how_labels_are_split_into_calls(stores: TwoStores, at_once: bool) -> None:
    stores.ledger.pin([prediction("a")])
    given = [label("a", "cat", minute=5), label("a", "ship", minute=3), label("a", "cat", minute=6)]
    for some in [given] if at_once else [[one] for one in given]:
        stores.ledger.record_labels(some)
    assert [one for one, _ in stores.ledger.labels("pets")] == [label("a", "cat", minute=5)]
    assert stores.ledger.record_labels(given) == RecordedLabels(known=3)


def test_of_several_people_the_one_counts_who_labelled_first(stores: TwoStores) -> None:
    """At one time whose name is first; and with what they said last."""
    stores.ledger.pin([prediction("a"), prediction("b")])
    stores.ledger.pin([prediction("other", model="birds")])
    stores.ledger.record_labels(
        [
            label("a", "cat", labeler="bob", minute=2),
            label("a", "ship", labeler="ada", minute=3),
            label("b", "dog", labeler="ada", minute=1),
            label("b", "cat", labeler="Zoe", minute=1),
            label("other", labeler="ada", model="birds"),
        ]
    )
    a, b = pinned("a", group="thing-1"), pinned("b", group="thing-1")
    assert stores.ledger.labels("pets") == [
        (label("b", "cat", labeler="Zoe", minute=1), b),
        (label("a", "cat", labeler="bob", minute=2), a),
    ]
    stores.ledger.record_labels([label("a", "dog", labeler="bob", minute=9)])
    assert stores.ledger.labels("pets")[1] == (label("a", "dog", labeler="bob", minute=9), a)
    assert stores.ledger.labels("fish") == []


def test_a_label_may_come_before_its_prediction(stores: TwoStores) -> None:
    assert stores.ledger.record_labels([label("a", "cat", kind="volunteered")]) == RecordedLabels(new=1)
    assert stores.ledger.labels("pets") == []
    assert stores.ledger.label_counts() == {"pets": 1}
    stores.ledger.pin([prediction("a")])
    assert stores.ledger.labels("pets") == [(label("a", "cat", kind="volunteered"), pinned("a", group="thing-1"))]


def test_counts_the_labelled_predictions_of_each_model(stores: TwoStores) -> None:
    assert stores.ledger.label_counts() == {}
    birds = [label("c", model="birds"), label("a", model="birds")]
    stores.ledger.record_labels([label("a"), label("a", "cat", labeler="bob"), label("b"), *birds])
    stores.ledger.record_labels([label("a", "ship", minute=1)])
    assert stores.ledger.label_counts() == {"pets": 2, "birds": 2}


def test_names_what_people_call_different_things(stores: TwoStores) -> None:
    stores.ledger.record_labels([label("a"), label("a", "cat", labeler="bob"), label("b"), label("b", labeler="bob")])
    stores.ledger.record_labels([label("c"), label("c", "cat", minute=1), label("a", "cat", model="birds")])
    assert stores.ledger.conflicts("pets") == [(label("a"), label("a", "cat", labeler="bob"))]
    assert stores.ledger.conflicts("birds") == []
    stores.ledger.record_labels([label("a", "cat", minute=1)])
    assert stores.ledger.conflicts("pets") == []


def test_of_many_who_record_the_same_label_at_once_one_is_new(sql_stores: Stores) -> None:
    told = all_at_once(lambda _: sql_stores.ledger.record_labels([label("a"), label("b")]).new == 2)
    assert sum(told) == 1


# Queue and answers


def test_queues_each_unlabelled_prediction_of_open_plans_once(stores: TwoStores) -> None:
    planned(stores.ledger, "later", ["c", "a"], night=NIGHT + DAY, purpose="gate")
    planned(stores.ledger, "first", ["b", "labelled", "a", "b"])
    planned(stores.ledger, "over", ["closed"])
    stores.ledger.close_plan("over", closed_at=CLOSED)
    stores.ledger.record_labels([label("labelled"), label("a", model="birds")])
    queue = stores.ledger.label_queue("pets")
    assert queue[2:] == [("first", pinned("b"))]
    assert sorted(queue[:2], key=lambda pair: pair[1].id) == [("later", pinned("a")), ("later", pinned("c"))]
    assert stores.ledger.label_queue("birds") == []


def test_an_item_drawn_twice_is_answered_twice(stores: TwoStores) -> None:
    _, _, drawn = plan("x", ["b", "a", "b", "c"])
    planned(stores.ledger, "x", ["b", "a", "b", "c"])
    stores.ledger.record_labels([label("b", "cat"), label("a"), label("b", "ship", labeler="bob", minute=-1)])

    def answer(at: int, said: str, *, same: bool = True) -> LabelledDraw:
        group = f"thing of {drawn[at].prediction_id}"
        return LabelledDraw(drawn[at], NIGHT, "dog", said, group, "ab" * 32, "door", same_truth=same)

    ship = [answer(at, "ship", same=False) for at in (0, 2)]  # what the other calls a cat
    assert stores.ledger.labelled_draws("x") == [ship[0], answer(1, "dog"), ship[1]]
    stores.ledger.record_labels([label("b", "dog", labeler="bob", minute=4)])
    assert [one.label for one in stores.ledger.labelled_draws("x")] == ["cat", "dog", "cat"]
    stores.ledger.record_labels([label("b", "dog", minute=5)])
    assert [one.label for one in stores.ledger.labelled_draws("x")] == ["dog"] * 3
    assert stores.ledger.labelled_draws("unknown") == []


def test_the_same_id_of_another_model_is_another_prediction(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"])
    stores.ledger.pin([prediction("a", model="birds", occurred_at=START)])
    stores.ledger.record_labels([label("a", "cat", model="birds")])
    assert stores.ledger.labelled_draws("x") == []
    assert [one.id for _, one in stores.ledger.label_queue("pets")] == ["a"]
    assert said(stores) == {}
