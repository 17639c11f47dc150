"""The ledger, wherever it is kept: what a closed plan measures, and what was answered after it had closed."""

from dataclasses import replace
from datetime import datetime

from battery import CLOSED, DAY, NIGHT, TwoStores, all_at_once, claimed, label, plan, planned
from leeway.domain.records import RecordedLabels
from leeway.stores.opening import Stores

SINCE = NIGHT - DAY


def said(stores: TwoStores, name: str, *, as_closed: bool = True) -> dict[str, str]:
    found = stores.ledger.labelled_draws(name, as_closed=as_closed)
    return {one.draw.prediction_id: one.label for one in found}


def late(stores: TwoStores) -> list[str]:
    return [one.id for one in stores.ledger.late_draws("pets", 1, since=SINCE)]


def unanswered(stores: TwoStores, since: datetime = CLOSED) -> list[tuple[str, int]]:
    return [(one.id, count) for one, count in stores.ledger.unanswered("pets", since=since)]


def record_late(stores: TwoStores, name: str, drawn: list[str]) -> None:
    made, design, draws = plan(name, drawn)
    made = replace(made, closed_at=CLOSED + DAY, late_of="x")
    assert stores.ledger.record_plan(made, design, draws, [], claim=claimed(stores.ledger))


def test_what_measures_is_what_counted_when_the_plan_closed(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b", "c"])
    stores.ledger.record_labels([label("a"), label("b")])
    assert said(stores, "x") == said(stores, "x", as_closed=False) == {"a": "dog", "b": "dog"}
    stores.ledger.close_plan("x", closed_at=CLOSED)
    earlier = label("b", "ship", labeler="bob", minute=-9)  # who labelled first counts, and is recorded too late
    stores.ledger.record_labels([label("a", "cat", minute=5), earlier, label("c")])
    assert said(stores, "x") == {"a": "dog", "b": "dog"}
    assert said(stores, "x", as_closed=False) == {"a": "cat", "b": "ship", "c": "dog"}
    stores.ledger.close_plan("x", closed_at=CLOSED + DAY)
    assert said(stores, "x") == {"a": "dog", "b": "dog"}


def test_of_a_plan_that_closed_before_any_label_nothing_measures(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"])
    stores.ledger.close_plan("x", closed_at=CLOSED)
    stores.ledger.record_labels([label("a")])
    assert said(stores, "x") == {}


def test_late_draws_are_those_answered_after_the_closing_that_no_late_plan_holds(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b", "c", "b", "d"])
    planned(stores.ledger, "y", ["e"], night=NIGHT + DAY)
    stores.ledger.record_labels([label("a")])
    assert late(stores) == []
    stores.ledger.close_plan("x", closed_at=CLOSED)
    assert late(stores) == []
    stores.ledger.record_labels([label("a", "cat", minute=5), label("b"), label("e")])
    assert late(stores) == ["x-1", "x-3"]
    assert stores.ledger.late_draws("pets", 1, since=NIGHT + DAY) == []
    assert stores.ledger.late_draws("pets", 2, since=SINCE) == []
    record_late(stores, "x/late/1", ["b", "b"])
    assert late(stores) == []
    stores.ledger.record_labels([label("b", "cat", minute=9), label("c")])
    assert late(stores) == ["x-2"]
    assert said(stores, "x/late/1") == {"b": "dog"}
    assert [one.late_of for one in stores.ledger.plans("pets", 1)] == [None, "x", None]


def test_tells_what_a_closed_plan_drew_and_nobody_answered(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b"])
    planned(stores.ledger, "y", ["c"], night=NIGHT + DAY)
    stores.ledger.record_labels([label("a")])
    assert stores.ledger.missed("pets") == set()
    stores.ledger.close_plan("x", closed_at=CLOSED)
    assert stores.ledger.missed("pets") == {"b"}
    assert stores.ledger.missed("birds") == set()
    stores.ledger.record_labels([label("b")])
    assert stores.ledger.missed("pets") == set()


def test_counts_what_each_plan_still_asks_or_asked_in_vain(stores: TwoStores) -> None:
    planned(stores.ledger, "y", ["c", "d", "c"], night=NIGHT + DAY)
    planned(stores.ledger, "x", ["a", "b", "a", "b"])
    planned(stores.ledger, "z", ["e"], night=NIGHT + 2 * DAY)
    stores.ledger.record_labels([label("a"), label("e", answer="unsure", said="")])
    assert unanswered(stores) == [("x", 1), ("y", 2), ("z", 0)]
    assert stores.ledger.unanswered("birds", since=CLOSED) == []
    for name, closed in (("x", CLOSED), ("y", CLOSED + DAY)):
        stores.ledger.close_plan(name, closed_at=closed)
    record_late(stores, "x/late/1", ["a"])
    assert unanswered(stores) == [("x", 1), ("y", 2), ("z", 0)]
    assert unanswered(stores, CLOSED + DAY) == [("y", 2), ("z", 0)]
    stores.ledger.record_labels([label("c")])
    assert unanswered(stores, CLOSED + 2 * DAY) == [("z", 0)]
    [(plan_y, _), _] = stores.ledger.unanswered("pets", since=CLOSED + DAY)
    assert plan_y == next(one for one in stores.ledger.plans("pets", 1) if one.id == "y")


def test_tells_the_plans_that_drew_some_predictions(stores: TwoStores) -> None:
    planned(stores.ledger, "y", ["b", "c"], night=NIGHT + DAY)
    planned(stores.ledger, "x", ["a", "b", "a"])
    stores.ledger.close_plan("x", closed_at=CLOSED)
    record_late(stores, "x/late/1", ["a"])
    assert [one.id for one in stores.ledger.plans_with("pets", ["b", "unknown"])] == ["x", "y"]
    assert [one.id for one in stores.ledger.plans_with("pets", ["a"])] == ["x"]
    assert stores.ledger.plans_with("birds", ["a"]) == stores.ledger.plans_with("pets", []) == []


def test_a_correction_says_whether_the_earlier_label_was_measured(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b"])
    planned(stores.ledger, "y", ["c"], night=NIGHT + DAY)
    planned(stores.ledger, "g", ["d"], purpose="gate")
    stores.ledger.record_labels([label("a"), label("c"), label("d")])
    for name in ("x", "g"):
        stores.ledger.close_plan(name, closed_at=CLOSED)
    stores.ledger.record_labels([label("b")])
    corrections = [label(one, "cat", minute=5) for one in ("a", "b", "c", "d")]
    assert stores.ledger.record_labels(corrections) == RecordedLabels(new=4, corrected=4, measured=1)


def test_a_plan_that_is_closed_while_people_hand_in_measures_the_same_ever_after(sql_stores: Stores) -> None:
    names = [f"p{place}" for place in range(40)]
    planned(sql_stores.ledger, "x", names)

    def act(number: int) -> bool:
        if number == 0:
            sql_stores.ledger.close_plan("x", closed_at=CLOSED)
            first.append(said(sql_stores, "x"))
        else:
            for name in names[number::6]:
                sql_stores.ledger.record_labels([label(name)])
        return True

    first: list[dict[str, str]] = []
    all_at_once(act)
    assert [said(sql_stores, "x")] == first
    assert len(first[0]) + len(late(sql_stores)) == len([one for at, one in enumerate(names) if at % 6])


def test_the_newest_night_is_asked_about_first_and_a_night_in_no_order_of_its_plan(stores: TwoStores) -> None:
    names = [f"{place:02}" for place in range(30)]
    for number in range(3):
        planned(stores.ledger, f"plan {number}", [f"{number}/{one}" for one in names], night=NIGHT + number * DAY)
    queue = stores.ledger.label_queue("pets")
    assert [plan_id for plan_id, _ in queue] == ["plan 2"] * 30 + ["plan 1"] * 30 + ["plan 0"] * 30
    places = [int(one.id[2:]) for _, one in queue[:30]]
    assert places != sorted(places)
    stores.ledger.record_labels([label(one.id) for _, one in queue[:7]])
    assert stores.ledger.label_queue("pets") == queue[7:]
