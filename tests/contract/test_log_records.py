"""The prediction log, wherever it is kept: what is recorded once, known again, refused, and found by its id."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from battery import DAY, END, START, VERSION, TwoStores, prediction, record, recorded, with_labels
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import GIVEN, Label, Recorded
from leeway.errors import ConflictError, StoreError

CHANGES = [
    {"predicted_class": "cat"},
    {"confidence": 0.5},
    {"confidence": None},
    {"occurred_at": START},
    {"version": 2},
    {"slice": None},
    {"slice": ""},
    {"image": "cd" * 32},
    {"image": "/shots/1.png"},
    {"group": "thing-2"},
]


def test_gives_predictions_back_as_they_were_recorded_in_order_of_id(stores: TwoStores) -> None:
    made = [
        prediction("b"),
        prediction("a", confidence=None, second_class=None, review=None, slice=None, energy=None, latency_ms=None),
        prediction("B", probabilities=(), image=""),
        prediction("_", version=2, occurred_at=START + timedelta(microseconds=1)),
    ]
    assert record(stores.log, *made) == Recorded(new=4)
    found = stores.log.by_ids("pets", ["_", "a", "b", "B", "a", "unknown"])
    assert found == sorted(made, key=lambda one: one.id)
    assert [one.id for one in found] == ["B", "_", "a", "b"]
    assert stores.log.by_ids("pets", []) == []


def test_a_column_that_a_log_does_not_have_is_empty_in_its_rows(stores: TwoStores) -> None:
    columns = PredictionColumns(["a"], ["2025-03-01 05:00:00.000000"], ["dog"], labels=["cat"])
    assert stores.log.record("pets", [(1, columns)], received_at=START) == Recorded(new=1, labels=1)
    [found] = stores.log.by_ids("pets", ["a"])
    nothing = {"confidence": None, "energy": None, "latency_ms": None, "slice": None, "second_class": None}
    assert found == prediction("a", image="", probabilities=(), group="a", review=None, **nothing)


def test_the_same_ids_under_two_models_are_two_predictions(stores: TwoStores) -> None:
    ours, theirs = prediction("a"), prediction("a", model="birds", predicted_class="cat")
    assert record(stores.log, ours) == record(stores.log, theirs) == Recorded(new=1)
    assert stores.log.by_ids("pets", ["a"]) == [ours]
    assert stores.log.by_ids("birds", ["a"]) == [theirs]
    assert stores.log.count(VERSION, START, END) == 1


def test_counts_the_ids_that_other_models_hold(stores: TwoStores) -> None:
    recorded(stores.log, "a", "b", model="birds")
    recorded(stores.log, "b", "c", "d", model="fish")
    recorded(stores.log, "a", "d")
    assert stores.log.elsewhere("pets", ["a", "b", "c", "unknown"]) == {"birds": 2, "fish": 2}
    assert stores.log.elsewhere("cars", ["d", "d"]) == {"pets": 1, "fish": 1}
    assert stores.log.elsewhere("pets", []) == {}


# Again


def test_counts_a_prediction_once_however_often_it_is_recorded(stores: TwoStores) -> None:
    made = [prediction("a"), prediction("b", slice=None, confidence=None)]
    assert record(stores.log, *made) == Recorded(new=2)
    assert record(stores.log, *made, prediction("c"), made[0], received_at=END) == Recorded(new=1, known=3)
    assert stores.log.by_ids("pets", ["a", "b", "c"]) == [*made, prediction("c")]


def test_what_was_measured_beside_the_answer_may_differ_when_it_comes_again(stores: TwoStores) -> None:
    [made] = recorded(stores.log, "a")
    again = replace(made, latency_ms=99.0, energy=None, second_class=None, review=None, probabilities=())
    assert record(stores.log, again, strict=True) == Recorded(known=1)
    assert stores.log.by_ids("pets", ["a"]) == [made]


@pytest.mark.parametrize("changed", CHANGES, ids=str)
def test_a_known_id_with_other_content_is_refused_and_named(stores: TwoStores, changed: dict[str, object]) -> None:
    made = recorded(stores.log, "a", "b")
    again = [prediction("new"), prediction("a"), prediction("b", **changed)]
    assert record(stores.log, *again) == Recorded(new=1, known=1, changed=("b",))
    assert stores.log.by_ids("pets", ["a", "b", "new"]) == [*made, prediction("new")]


@pytest.mark.parametrize("changed", CHANGES, ids=str)
def test_where_all_or_nothing_is_asked_for_a_changed_row_refuses_its_whole_source(
    stores: TwoStores, changed: dict[str, object]
) -> None:
    made = recorded(stores.log, "a")
    before = stores.log.position("pets")

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield with_labels([prediction("first")], ["cat"], [0.5])
        yield 1, PredictionColumns.of([prediction("second"), prediction("third")])
        rows = [prediction("fourth"), prediction("a", **changed)]
        yield rows[1].version, PredictionColumns.of([replace(one, version=rows[1].version) for one in rows])
        yield 1, PredictionColumns.of([prediction("fifth")])

    with pytest.raises(ConflictError):
        stores.log.record("pets", source(), received_at=START, strict=True)
    assert stores.log.by_ids("pets", ["a", "first", "second", "third", "fourth", "fifth"]) == made
    assert (stores.log.given_counts(), stores.log.position("pets")) == ({}, before)


def test_the_refusal_names_the_rows_and_says_that_nothing_was_written(sql_stores: TwoStores) -> None:
    recorded(sql_stores.log, "a", "b")
    with pytest.raises(ConflictError, match=r"1 row is recorded with other content: b; nothing of this was written"):
        record(sql_stores.log, prediction("a"), prediction("b", confidence=0.5), strict=True)


def test_a_source_that_breaks_off_leaves_nothing(stores: TwoStores) -> None:
    recorded(stores.log, "a")
    before = stores.log.position("pets")

    def source() -> Iterator[tuple[int, PredictionColumns]]:
        yield with_labels([prediction("first"), prediction("a")], ["cat", "dog"], [0.5, None])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stores.log.record("pets", source(), received_at=START)
    assert stores.log.by_ids("pets", ["first"]) == []
    assert (stores.log.given_counts(), stores.log.position("pets")) == ({}, before)


def test_of_two_contents_for_one_id_in_one_source_the_first_is_taken(stores: TwoStores) -> None:
    twice = [prediction("a"), prediction("a", confidence=0.5)]
    with pytest.raises(ConflictError):
        record(stores.log, *twice, strict=True)
    assert stores.log.by_ids("pets", ["a"]) == []
    assert record(stores.log, *twice) == Recorded(new=1, changed=("a",))
    assert stores.log.by_ids("pets", ["a"]) == [twice[0]]


def test_the_path_of_an_image_that_has_moved_is_renewed(stores: TwoStores) -> None:
    made = [prediction("a", image="/old/a.png"), prediction("b", image="/old/b.png"), prediction("c", image="")]
    record(stores.log, *made)
    moved = [replace(made[0], image="/new/a.png"), replace(made[1], image=""), replace(made[2], image="/new/c.png")]
    assert record(stores.log, *moved, strict=True) == Recorded(known=3)
    assert stores.log.by_ids("pets", ["a", "b", "c"]) == [moved[0], made[1], moved[2]]


def test_the_path_of_a_row_that_is_refused_stays(stores: TwoStores) -> None:
    [made] = recorded(stores.log, "a", image="/old/a.png")
    assert record(stores.log, replace(made, image="/new/a.png", confidence=0.5)).changed == ("a",)
    assert stores.log.by_ids("pets", ["a"]) == [made]


# Times and numbers


def test_gives_times_back_in_utc_whatever_zone_they_came_in(stores: TwoStores) -> None:
    zurich = timezone(timedelta(hours=1))
    recorded(stores.log, "a", occurred_at=START.astimezone(zurich))
    [found] = stores.log.by_ids("pets", ["a"])
    assert (found.occurred_at, found.occurred_at.tzinfo) == (START, UTC)
    assert record(stores.log, prediction("a", occurred_at=START), strict=True) == Recorded(known=1)
    assert stores.log.count(VERSION, START.astimezone(zurich), END.astimezone(zurich)) == 1


def test_refuses_a_time_without_zone(stores: TwoStores) -> None:
    naive = datetime(2025, 3, 1, 12)  # noqa: DTZ001
    with pytest.raises(StoreError, match="time 2025-03-01T12:00:00 has no time zone"):
        record(stores.log, prediction("a", occurred_at=naive))
    with pytest.raises(StoreError, match="has no time zone"):
        record(stores.log, prediction("a"), received_at=naive)
    with pytest.raises(StoreError, match="has no time zone"):
        stores.log.cells(VERSION, naive, END)
    with pytest.raises(StoreError, match="has no time zone"):
        stores.log.first_at(VERSION, since=naive)
    assert stores.log.by_ids("pets", ["a"]) == []


@pytest.mark.parametrize("changed", [{"energy": float("nan")}, {"probabilities": (float("inf"), 0.5)}], ids=str)
def test_refuses_numbers_that_are_none(stores: TwoStores, changed: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="JSON"):
        record(stores.log, prediction("a", **changed))
    assert stores.log.by_ids("pets", ["a"]) == []


def test_a_confidence_that_is_no_number_is_none(stores: TwoStores) -> None:
    nan = replace(PredictionColumns.of([prediction("a")]), confidence=[float("nan")])
    assert stores.log.record("pets", [(1, nan)], received_at=START) == Recorded(new=1)
    assert stores.log.by_ids("pets", ["a"]) == [prediction("a", confidence=None)]
    assert [one.bin for one in stores.log.cells(VERSION, START, END)] == [-1]
    assert record(stores.log, prediction("a", confidence=None), strict=True) == Recorded(known=1)


def test_finds_predictions_by_more_ids_than_fit_one_statement(stores: TwoStores) -> None:
    made = recorded(stores.log, *(f"p{number:05}" for number in range(6_000)))
    assert stores.log.by_ids("pets", [*(one.id for one in reversed(made)), "unknown", "p00000"]) == made
    assert record(stores.log, *made, strict=True) == Recorded(known=6_000)
    assert stores.log.elsewhere("birds", [one.id for one in made]) == {"pets": 6_000}


def test_says_when_a_version_first_predicted(stores: TwoStores) -> None:
    assert stores.log.first_at(VERSION) is None
    recorded(stores.log, "a")
    recorded(stores.log, "b", occurred_at=START)
    recorded(stores.log, "c", occurred_at=START - 9 * DAY, version=2)
    recorded(stores.log, "c", occurred_at=START - 9 * DAY, model="birds")
    assert stores.log.first_at(VERSION) == START


def test_says_when_a_version_predicted_next_and_last_around_a_moment(stores: TwoStores) -> None:
    assert stores.log.last_at(VERSION) is None
    for day in (0, 3, 9):
        recorded(stores.log, f"day {day}", occurred_at=START + day * DAY)
    recorded(stores.log, "other", occurred_at=START + 5 * DAY, version=2)
    assert stores.log.first_at(VERSION, since=START) == START
    assert stores.log.first_at(VERSION, since=START + timedelta(seconds=1)) == START + 3 * DAY
    assert stores.log.first_at(VERSION, since=START + 10 * DAY) is None
    assert stores.log.last_at(VERSION) == START + 9 * DAY
    assert stores.log.last_at(VERSION, before=START + 9 * DAY) == START + 3 * DAY
    assert stores.log.last_at(VERSION, before=START) is None


def test_counts_the_rows_of_each_version_that_is_asked_for(stores: TwoStores) -> None:
    recorded(stores.log, "a", "b", occurred_at=START)
    recorded(stores.log, "c", occurred_at=END - timedelta(seconds=1), version=2)
    recorded(stores.log, "d", occurred_at=END, version=2)
    recorded(stores.log, "e", version=3)
    recorded(stores.log, "f", model="birds")
    assert stores.log.rows_by_version("pets", [1, 2, 7], START, END) == {1: 2, 2: 1}
    assert stores.log.rows_by_version("pets", [], START, END) == {}


# Truth that comes with the log


def test_keeps_one_label_of_each_prediction_and_names_those_that_came_with_another(stores: TwoStores) -> None:
    rows = [prediction(name) for name in "abc"]
    first = with_labels(rows, ["cat", "dog", None], [0.5, None, None])
    assert stores.log.record("pets", [first], received_at=START) == Recorded(new=3, labels=2)
    again = with_labels(rows, ["cat", "ship", "dog"], [0.25, None, None])
    told = stores.log.record("pets", [again], received_at=END)
    assert told == Recorded(known=3, labels=1, labels_changed=("b",))
    assert stores.log.given_by_ids("pets", ["c", "b", "a", "b", "unknown"]) == [
        Label("pets", "a", "cat", "file", START, GIVEN),
        Label("pets", "b", "dog", "file", START, GIVEN),
        Label("pets", "c", "dog", "file", END, GIVEN),
    ]
    assert stores.log.given_by_ids("birds", ["a"]) == []
    assert stores.log.given_counts() == {"pets": 3}


def test_where_all_or_nothing_is_asked_for_another_label_refuses_its_whole_source(stores: TwoStores) -> None:
    rows = [prediction("a"), prediction("b")]
    stores.log.record("pets", [with_labels(rows, ["cat", None], [None, None])], received_at=START)
    again = with_labels([prediction("new"), *rows], ["cat", "dog", "ship"], [None] * 3)
    with pytest.raises(ConflictError):
        stores.log.record("pets", [again], received_at=END, strict=True)
    assert stores.log.by_ids("pets", ["new"]) == []
    assert [one.prediction_id for one in stores.log.given_by_ids("pets", ["a", "b", "new"])] == ["a"]


def test_the_label_of_a_row_that_is_refused_is_left_out(stores: TwoStores) -> None:
    recorded(stores.log, "a", "b")
    rows = [prediction("a", confidence=0.5), prediction("b")]
    told = stores.log.record("pets", [with_labels(rows, ["cat", "cat"], [None, None])], received_at=END)
    assert told == Recorded(known=1, changed=("a",), labels=1)
    assert [one.prediction_id for one in stores.log.given_by_ids("pets", ["a", "b"])] == ["b"]


def test_counts_the_labels_that_came_with_the_log_of_each_model(stores: TwoStores) -> None:
    for model, names in (("pets", "abc"), ("birds", "a"), ("fish", "")):
        rows = [prediction(name, model=model) for name in [*names, "without"]]
        batch = with_labels(rows, ["cat"] * len(names) + [None], [None] * len(rows))
        stores.log.record(model, [batch], received_at=START)
    assert stores.log.given_counts() == {"pets": 3, "birds": 1}


def test_a_source_that_states_no_version_is_known_whether_its_rows_are_of_a_group_or_not(stores: TwoStores) -> None:
    rows = [prediction("a", version=2, group="a"), prediction("b", version=2, group="g"), prediction("c", version=2)]
    record(stores.log, *rows)
    again = replace(PredictionColumns.of(rows), version_stated=False)
    assert stores.log.record("pets", [(1, again)], received_at=START) == Recorded(known=3)
