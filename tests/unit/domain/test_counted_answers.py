"""What all that people said of a draw counts as, and who may give a second opinion."""

from datetime import UTC, datetime, timedelta

import pytest

from leeway.domain.answers import Outcome, may_second, outcome, people, waits_for_second
from leeway.domain.counting import conflicting, counting_labels
from leeway.domain.records import Label

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WORDS = ("unsure", "none of these classes")
PEOPLE = ("ann", "bob", "cem")


def said(*answers: str, by: tuple[str, ...] = PEOPLE) -> list[Label]:
    """What people said one after another of an image that the model calls a dog."""
    return [
        Label(
            "pets",
            "p1",
            "" if one in WORDS else one,
            who,
            NOON + timedelta(hours=hour),
            answer=one if one in WORDS else "label",
        )
        for hour, (one, who) in enumerate(zip(answers, by, strict=False))
    ]


def of(*answers: str, second_opinion: str, purpose: str = "measure", by: tuple[str, ...] = PEOPLE) -> Outcome:
    given = people(said(*answers, by=by))["pets", "p1"]
    return outcome(given, "dog", purpose=purpose, second_opinion=second_opinion)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("dog",), Outcome("dog")),
        (("cat",), Outcome("cat")),
        (("unsure",), Outcome("unsure", same_truth=False)),
        (("none of these classes",), Outcome("none of these classes")),
        (("dog", "dog"), Outcome("dog")),
        (("cat", "cat"), Outcome("cat")),
        (("cat", "dog"), Outcome("cat", same_truth=False)),
        (("dog", "cat"), Outcome("cat", same_truth=False)),
        (("cat", "ship"), Outcome("cat", same_truth=False)),
        (("unsure", "dog"), Outcome("unsure", same_truth=False)),
    ],
)
def test_without_second_opinions_who_contradicts_the_model_counts(answers: tuple[str, ...], expected: Outcome) -> None:
    assert of(*answers, second_opinion="none") == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("dog",), Outcome("dog")),
        (("cat",), Outcome("cat")),  # nobody came: an error
        (("unsure",), Outcome("unsure", same_truth=False)),
        (("dog", "dog"), Outcome("dog")),  # nobody contradicts: no second opinion was asked for
        (("cat", "cat"), Outcome("cat", seconded=True)),
        (("cat", "ship"), Outcome("cat", seconded=True, same_truth=False)),
        (("cat", "dog"), Outcome("dog", seconded=True)),
        (("dog", "cat"), Outcome("dog", seconded=True)),
        (("unsure", "dog"), Outcome("dog", seconded=True)),
        (("unsure", "cat"), Outcome("cat", seconded=True, same_truth=False)),
        (("unsure", "unsure"), Outcome("unsure", seconded=True, same_truth=False)),
        (("none of these classes", "none of these classes"), Outcome("none of these classes", seconded=True)),
        (("cat", "cat", "dog"), Outcome("cat", seconded=True)),  # the first two decide
    ],
)
def test_with_second_opinions_an_error_needs_both(answers: tuple[str, ...], expected: Outcome) -> None:
    assert of(*answers, second_opinion="errors") == expected


def test_a_gate_draw_has_the_first_name_that_was_said() -> None:
    for rule in ("none", "errors"):
        assert of("cat", "dog", second_opinion=rule, purpose="gate") == Outcome("cat")
        assert of("unsure", "dog", second_opinion=rule, purpose="gate") == Outcome("dog")
        assert of("unsure", second_opinion=rule, purpose="gate") == Outcome("unsure", same_truth=False)
    assert of("dog", "cat", second_opinion="") == Outcome("dog")  # a plan of the release before


def test_who_says_no_name_is_not_a_second_person() -> None:
    assert of("cat", "cat", second_opinion="errors", by=("somebody", "ann")) == Outcome("cat")
    assert of("cat", "dog", second_opinion="errors", by=("ann", "Somebody")) == Outcome("cat")
    assert of("cat", second_opinion="errors", by=("somebody",)) == Outcome("cat")
    assert of("cat", "cat", second_opinion="errors", by=("Ann", " ann ")) == Outcome("cat")  # one person, twice
    [first] = said("cat", by=("Ann",))
    assert [may_second(first, who) for who in ("bob", "ann", "ANN ", "", "somebody")] == [True, *[False] * 4]
    [unnamed] = said("cat", by=("somebody",))
    assert not may_second(unnamed, "bob")


def test_a_contradiction_waits_until_a_second_person_has_answered() -> None:
    assert waits_for_second(said("dog"), "dog") is None
    [first] = said("cat")
    assert waits_for_second([first], "dog") == first
    assert waits_for_second(said("unsure"), "dog") is not None
    assert waits_for_second(said("cat", "ship"), "dog") is None
    assert waits_for_second([first], "dog", purpose="gate") is None
    assert waits_for_second([first], "dog", second_opinion="none") is None


def test_what_names_nothing_is_no_label() -> None:
    assert counting_labels(said("unsure", "none of these classes")) == {}
    _, cat = given = said("unsure", "cat")
    assert counting_labels(given) == {("pets", "p1"): cat}
    taken_back = said("cat", "unsure", by=("ann", "ann"))
    assert counting_labels(taken_back) == {}


def test_who_is_unsure_disagrees_with_nobody() -> None:
    assert conflicting(said("unsure", "cat")) == []
    assert [len(one) for one in conflicting(said("none of these classes", "cat", "unsure"))] == [3]
