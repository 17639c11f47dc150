"""How much was answered: in time, by which tonight's draws are weighed; and up to now, so that a check may be quiet."""

from dataclasses import replace

import pytest

from leeway.checks.bets import answered_shares, too_few_answers
from leeway.domain.records import NightLabels, UnansweredDraw
from made_nights import labels


def answered_in_time(number: int, in_time: int, *, drawn: int = 20) -> NightLabels:
    whole = labels(number, wrong=0, right=drawn)
    missing = tuple(UnansweredDraw(one.draw, one.predicted_class, one.group) for one in whole.draws[in_time:])
    return replace(whole, draws=whole.draws[:in_time], unanswered=missing)


def late(number: int, since: int, until: int) -> NightLabels:
    """Those draws of the night that were answered after its plan had closed."""
    whole = labels(number, wrong=0, right=until)
    return replace(whole, draws=whole.draws[since:], counted_before=since, late=True)


@pytest.mark.parametrize("in_time", [0, 10])
def test_what_is_answered_late_is_unanswered_to_the_draws_of_later_nights(in_time: int) -> None:
    nights = [answered_in_time(0, 14), answered_in_time(1, in_time), late(1, in_time, 20)]
    assert answered_shares(nights) == ({"2": (14, 20)} if not in_time else {"2": (24, 40)})
    assert answered_shares(nights, late=True) == {"2": (34, 40)}


def test_a_night_that_was_answered_late_no_longer_keeps_a_check_from_being_quiet() -> None:
    nights = [answered_in_time(number, 10) for number in range(3)]
    assert "30 of 60" in too_few_answers(nights)
    assert "35 of 60" in too_few_answers([*nights, late(1, 10, 15)])
    assert not too_few_answers([*nights, *(late(number, 10, 20) for number in range(3))])


def test_a_night_that_was_only_answered_late_and_in_part_is_not_answered_in_full() -> None:
    assert "5 of 20" in too_few_answers([answered_in_time(0, 0), late(0, 0, 5)])


def test_late_answers_to_a_night_that_is_not_looked_at_any_more_count_for_nothing() -> None:
    assert answered_shares([answered_in_time(1, 14), late(0, 10, 20)], late=True) == {"2": (14, 20)}
