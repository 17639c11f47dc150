"""Likeness: a night that looks unlike what the model was measured on is told and asks; a harder production is not."""

from dataclasses import replace

import numpy as np
import pytest

from leeway.checks.likeness import FORMING, Likeness, left_out
from leeway.checks.registry import Evidence
from leeway.domain.records import SHOWN_ONLY, CheckResult, ReferenceCounts, Status, WindowCounts
from made_nights import CLASSES, night

REFERENCE = ReferenceCounts(CLASSES, (0.5, 0.9), ((30, 30, 30),) * 3, correct=260, total=270)


def window(
    number: int, *, unsure: float = 1 / 3, mix: tuple[float, ...] = (1 / 3,) * 3, size: int = 300
) -> WindowCounts:
    counts = [(round(size * share * unsure), round(size * share * (1 - unsure)), 0) for share in mix]
    return WindowCounts("m", 1, night(number), CLASSES, tuple(counts))


def run(tonight: WindowCounts, reference: ReferenceCounts = REFERENCE, **given: object) -> CheckResult:
    evidence = Evidence(tonight, reference, **given)  # type: ignore[arg-type]
    return Likeness().run(evidence, None, alpha=0.0, rng=np.random.default_rng(0))


def test_the_first_night_asks_if_its_confidences_are_not_those_of_the_reference() -> None:
    found = run(window(0, unsure=0.7))
    assert (found.status, found.answer) == (Status.FIRED, "fired")
    assert found.details["asks"]
    assert "70% of 300 answers are unsure, 33% of such on the reference" in found.reason
    assert "`leeway accept 2025-03-01 --model m`" in found.reason


@pytest.mark.parametrize("unsure", [0.15, 0.33, 0.5])
def test_a_production_that_is_easier_or_harder_than_the_test_split_does_not_ask(unsure: float) -> None:
    assert run(window(0, unsure=unsure, size=5000)).status is Status.QUIET


def test_a_few_predictions_that_are_unsure_by_chance_do_not_ask() -> None:
    assert run(window(0, unsure=0.54, size=120)).status is Status.QUIET
    assert run(window(0, unsure=0.54, size=600)).status is Status.FIRED


def test_another_class_mix_is_no_finding_unless_the_reference_has_that_of_production() -> None:
    tonight = window(0, mix=(0.8, 0.1, 0.1))
    assert run(tonight).status is Status.QUIET
    assert run(tonight).details["classes"] is None
    found = run(tonight, replace(REFERENCE, production=True))
    assert found.status is Status.FIRED
    assert found.details["classes"] == pytest.approx(0.8 - 1 / 3, abs=0.01)


def test_answers_are_held_against_those_of_their_class() -> None:
    """A class that is always unsure, and more frequent than in the test split, makes no night look unlike it."""
    uneven = ReferenceCounts(CLASSES, (0.5, 0.9), ((90, 0, 0), (0, 45, 45), (0, 45, 45)), correct=260, total=270)
    counts = ((240, 0, 0), (0, 30, 0), (0, 30, 0))
    found = run(WindowCounts("m", 1, night(0), CLASSES, counts), uneven)
    assert found.status is Status.QUIET
    assert found.details["unsure"] == pytest.approx(0.8)
    assert found.details["expected"] == pytest.approx(0.8, abs=0.03)


def test_once_the_references_are_complete_it_is_shown_and_called_that() -> None:
    earlier = [window(number) for number in range(FORMING)]
    found = run(window(FORMING, unsure=0.7), earlier=earlier)
    assert (found.status, found.answer) == (Status.QUIET, SHOWN_ONLY)
    assert "accept" not in found.reason
    left = frozenset(one.night for one in earlier[:3])
    assert run(window(FORMING, unsure=0.7), earlier=earlier, fired=left).status is Status.FIRED


def test_a_night_like_one_that_was_accepted_does_not_ask() -> None:
    earlier = [window(number, unsure=0.7) for number in range(3)]
    accepted = frozenset({night(1)})
    assert run(window(3, unsure=0.65), earlier=earlier, accepted=accepted).status is Status.QUIET
    assert run(window(3, unsure=0.95), earlier=earlier, accepted=accepted).status is Status.FIRED


def test_what_was_accepted_covers_nights_like_it_and_no_others() -> None:
    nights = [window(0, unsure=0.7), window(1, unsure=0.6), window(2, unsure=0.99), window(3)]
    asked = {night(0), night(1), night(2)}
    assert left_out(asked, frozenset(), nights, REFERENCE) == asked
    assert left_out(asked, {night(0)}, nights, REFERENCE) == {night(2)}


def test_without_confidences_nothing_is_known() -> None:
    assert run(replace(window(0), without_confidence=4)).status is Status.NO_VERDICT
    assert run(window(0), replace(REFERENCE, with_confidence=False)).status is Status.NO_VERDICT
