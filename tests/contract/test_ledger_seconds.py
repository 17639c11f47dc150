"""The ledger, wherever it is kept: answers that name nothing, and what goes to a second person."""

from battery import CLOSED, DAY, NIGHT, TwoStores, label, pinned, plan, planned
from leeway.domain.records import RecordedLabels


def facts(stores: TwoStores, name: str = "x", *, as_closed: bool = False) -> dict[str, tuple[str, bool, bool]]:
    found = stores.ledger.labelled_draws(name, as_closed=as_closed)
    return {one.draw.prediction_id: (one.label, one.seconded, one.same_truth) for one in found}


def queue(stores: TwoStores, labeler: str = "") -> set[str]:
    return {one.id for _, one in stores.ledger.label_queue("pets", labeler=labeler)}


def test_a_plan_keeps_which_of_its_answers_go_to_a_second_person(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"], second_opinion="errors")
    assert stores.ledger.plans("pets", 1) == [plan("x", ["a"], second_opinion="errors")[0]]
    planned(stores.ledger, "y", ["b"], night=NIGHT + DAY)
    assert [one.second_opinion for one in stores.ledger.plans("pets", 1)] == ["errors", "none"]


def test_what_contradicts_the_model_is_asked_again_of_anybody_else(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b", "c", "b"], second_opinion="errors")
    stores.ledger.record_labels([label("a"), label("b", "cat")])
    assert queue(stores) == queue(stores, "Ada") == queue(stores, "somebody") == {"c"}
    assert queue(stores, "bob") == {"b", "c"}
    assert stores.ledger.second_opinions("pets") == [("x", pinned("b"), label("b", "cat"))]
    assert stores.ledger.second_opinions("birds") == []
    stores.ledger.record_labels([label("b", "cat", labeler="ADA", minute=1)])  # the same person
    assert facts(stores)["b"] == ("cat", False, True)
    stores.ledger.record_labels([label("b", "cat", labeler="bob", minute=2)])
    assert queue(stores, "bob") == queue(stores, "cem") == {"c"}
    assert facts(stores) == {"a": ("dog", False, True), "b": ("cat", True, True)}


def test_a_correction_is_asked_of_nobody(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"], second_opinion="errors")
    stores.ledger.record_labels([label("a", "cat"), label("a", "dog", minute=1)])
    assert (queue(stores, "bob"), stores.ledger.second_opinions("pets")) == (set(), [])
    assert facts(stores) == {"a": ("dog", False, True)}


def test_a_second_person_settles_it(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b", "c"], second_opinion="errors")
    stores.ledger.record_labels([label(one, "cat") for one in ("a", "b", "c")])
    bobs = [label(one, said, labeler="bob", minute=5) for one, said in (("a", "dog"), ("b", "ship"))]
    stores.ledger.record_labels(bobs)
    assert facts(stores) == {"a": ("dog", True, True), "b": ("cat", True, False), "c": ("cat", False, True)}
    assert [said[0].prediction_id for said in stores.ledger.conflicts("pets")] == ["a", "b"]


def test_a_second_opinion_after_the_closing_changes_nothing_that_was_measured(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"], second_opinion="errors")
    stores.ledger.record_labels([label("a", "cat")])
    stores.ledger.close_plan("x", closed_at=CLOSED)
    assert (queue(stores, "bob"), stores.ledger.second_opinions("pets")) == (set(), [])
    stores.ledger.record_labels([label("a", "dog", labeler="bob", minute=9)])
    assert facts(stores, as_closed=True) == {"a": ("cat", False, True)}
    assert facts(stores) == {"a": ("dog", True, True)}
    assert stores.ledger.late_draws("pets", 1, since=NIGHT) == []


def test_only_draws_that_measure_in_plans_that_ask_for_it_go_to_a_second_person(stores: TwoStores) -> None:
    planned(stores.ledger, "gate", ["a"], purpose="gate", second_opinion="errors")
    planned(stores.ledger, "none", ["b"], night=NIGHT + DAY)
    planned(stores.ledger, "both", ["c"], night=NIGHT + 2 * DAY, second_opinion="errors")
    stores.ledger.record_labels([label(one, "cat") for one in ("a", "b", "c")])
    assert queue(stores, "bob") == {"c"}


def test_who_does_not_say_a_name_is_nobodys_second_person(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"], second_opinion="errors")
    stores.ledger.record_labels([label("a", "cat", labeler="somebody")])
    assert queue(stores, "bob") == queue(stores, "somebody") == set()
    assert [first.labeler for _, _, first in stores.ledger.second_opinions("pets")] == ["somebody"]
    stores.ledger.record_labels([label("a", "cat", labeler="ada", minute=1)])  # the same file again, with the name
    assert facts(stores) == {"a": ("cat", False, True)}
    assert (queue(stores, "ada"), queue(stores, "bob")) == (set(), {"a"})


def test_answers_that_name_nothing_are_answers_and_never_train(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a", "b", "c"])
    unsure = label("a", "", answer="unsure")
    told = stores.ledger.record_labels([unsure, label("b", "", answer="none of these classes")])
    assert told == RecordedLabels(new=2)
    assert stores.ledger.record_labels([label("a", "", answer="unsure", minute=4)]) == RecordedLabels(known=1)
    assert queue(stores) == {"c"}
    assert facts(stores) == {"a": ("unsure", False, False), "b": ("none of these classes", False, True)}
    assert (stores.ledger.labels("pets"), stores.ledger.label_counts()) == ([], {})
    stores.ledger.close_plan("x", closed_at=CLOSED)
    assert [one.draw.prediction_id for one in stores.ledger.unanswered_draws("x")] == ["c"]
    assert stores.ledger.missed("pets") == {"c"}
    stores.ledger.record_labels([label("a", "cat", minute=5)])  # a correction
    assert [one.label for one, _ in stores.ledger.labels("pets")] == ["cat"]
    assert facts(stores, as_closed=True)["a"] == ("unsure", False, False)
