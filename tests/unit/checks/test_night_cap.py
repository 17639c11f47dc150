"""One night never decides alone, in however many label plans its labels come."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.records import CheckResult, NightLabels, Status, UnansweredDraw
from made_nights import labels, reference, window

ALPHA, LATE = 0.02, 8  # plans of labels that come late
POLICY = Policy.model_validate({"accuracy": {"night_spread": 0.0}, "labels": {"error_rate": 0.0}})
CHECKS = ("accuracy", "class_accuracy")


def in_parts(number: int, *, wrong: int = 20, right: int = 0) -> list[NightLabels]:
    """A night of which a ninth is answered in time, and the rest in eight parts."""
    whole = labels(number, wrong=wrong * (LATE + 1), right=right * (LATE + 1))
    size = len(whole.draws) // (LATE + 1)
    parts = [whole.draws[at :: LATE + 1] for at in range(LATE + 1)]
    later = [one for part in parts[1:] for one in part]
    missing = tuple(UnansweredDraw(one.draw, one.predicted_class, one.group) for one in later)
    late = [replace(whole, draws=part, counted_before=size * at) for at, part in enumerate(parts)]
    return [replace(late[0], unanswered=missing), *late[1:]]


def run(name: str, plans: Sequence[Sequence[NightLabels]], *, first: int = 1) -> CheckResult:
    """The check's answer after nights in which these plans closed."""
    result: CheckResult | None = None
    for number, closed in enumerate(plans, start=first):
        evidence = Evidence(window(number), reference(), closed=list(closed), recent=list(closed))
        result = POLICY.checks[name].run(evidence, result, alpha=ALPHA, rng=np.random.default_rng(0))
    assert result is not None
    return result


def evidence_of(name: str, plans: Sequence[Sequence[NightLabels]], *, first: int = 1) -> float:
    found = run(name, plans, first=first).statistic
    assert found is not None
    return found


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("at_once", [True, False], ids=["on one morning", "morning by morning"])
def test_a_night_all_of_whose_labels_are_wrong_does_not_alarm_alone(name: str, at_once: bool) -> None:
    own, *late = in_parts(0)
    own = replace(own, unanswered=own.unanswered[:1])  # so that the labels that are in say as much as they can
    found = run(name, [[own, *late]] if at_once else [[own], *([one] for one in late)])
    assert found.status is not Status.FIRED
    assert found.statistic is not None
    assert found.statistic <= 12.001


@pytest.mark.parametrize("name", CHECKS)
def test_as_many_nights_do(name: str) -> None:
    nights = [replace(in_parts(number)[0], unanswered=()) for number in range(LATE + 1)]
    assert run(name, [[one] for one in nights]).status is Status.FIRED


def test_late_labels_add_what_the_night_has_left() -> None:
    """3 of 20 labels are wrong in each part: none of them reaches the most that a night may add."""
    own, *late = in_parts(0, wrong=3, right=17)
    own = replace(own, unanswered=own.unanswered[:1])
    first, second, third = (evidence_of("accuracy", [[own, *late[:number]]]) for number in (0, 1, 2))
    assert 1 < first < second < third < 12
    assert evidence_of("accuracy", [[own, *late]]) <= 12.001


def test_a_night_that_is_complete_is_not_remembered() -> None:
    whole = replace(in_parts(0)[0], unanswered=())
    assert "added" not in run("accuracy", [[whole]]).state
    assert run("accuracy", [[in_parts(0)[0]]]).state["added"].keys() == {"2025-03-01 all"}


def test_two_months_later_a_night_is_forgotten_and_its_labels_only_speak_for_the_model() -> None:
    known, wrong, right = in_parts(60)[0], in_parts(0)[1], in_parts(0, wrong=0, right=20)[1]
    before, with_wrong, with_right = (
        evidence_of("accuracy", [[known], more], first=61) for more in ([], [wrong], [right])
    )
    assert with_wrong == before
    assert with_right < before
    assert run("accuracy", [[in_parts(0)[0]], [known]], first=60).state["added"].keys() == {"2025-04-30 all"}
