"""Estimates for people: which formula, and what it says."""

from dataclasses import replace

import numpy as np
import pytest

from leeway.checks.estimates import accuracy_estimate, class_estimates
from leeway.domain.records import NightLabels, UnansweredDraw
from made_nights import labels


def with_guesses(night: NightLabels, *, of_wrong: float, of_right: float) -> NightLabels:
    """The same night whose guess knows something: its mean over the window is 10 %."""
    draws = tuple(
        replace(one, draw=replace(one.draw, guess=of_wrong if one.wrong else of_right)) for one in night.draws
    )
    return replace(night, draws=draws, mean_guess=0.1)


def test_uniform_labels_are_sharpened_by_a_guess_that_knows_something():
    plain = accuracy_estimate([labels(0, wrong=20, right=180, predictions=20_000)])
    knowing = accuracy_estimate(
        [with_guesses(labels(0, wrong=20, right=180, predictions=20_000), of_wrong=0.8, of_right=0.02)]
    )
    assert plain is not None
    assert knowing is not None
    assert plain.value == pytest.approx(0.9)
    assert knowing.value == pytest.approx(0.9, abs=0.01)
    assert knowing.high - knowing.low < 0.6 * (plain.high - plain.low)


def test_a_guess_that_knows_nothing_costs_nothing():
    rng = np.random.default_rng(0)
    night = labels(0, wrong=20, right=180, predictions=20_000)
    noise = replace(
        night,
        draws=tuple(replace(one, draw=replace(one.draw, guess=float(rng.uniform(0, 0.2)))) for one in night.draws),
        mean_guess=0.1,
    )
    plain, noisy = accuracy_estimate([night]), accuracy_estimate([noise])
    assert plain is not None
    assert noisy is not None
    assert noisy.high - noisy.low == pytest.approx(plain.high - plain.low, rel=0.1)


def test_below_ten_labels_there_is_no_estimate():
    assert accuracy_estimate([labels(0, wrong=1, right=8)]) is None
    assert accuracy_estimate([]) is None


def test_labels_that_came_late_add_no_predictions_to_their_night():
    whole = with_guesses(labels(1, wrong=40, right=160), of_wrong=0.5, of_right=0.02)
    early, late = replace(whole, draws=whole.draws[::2]), replace(whole, draws=whole.draws[1::2])
    assert accuracy_estimate([early, late]) == accuracy_estimate([replace(whole, draws=(*early.draws, *late.draws))])


def in_stratum(night: NightLabels, stratum: str, *, skipped: int = 0) -> NightLabels:
    """The same night with all draws in one stratum, and so many more there that nobody answered."""
    draws = tuple(replace(one, draw=replace(one.draw, stratum=stratum)) for one in night.draws)
    unanswered = tuple(UnansweredDraw(draws[0].draw, draws[0].predicted_class, "") for _ in range(skipped))
    return replace(night, draws=draws, unanswered=unanswered)


def half_easy_half_hard(*, skipped: int) -> NightLabels:
    """100 draws of either kind: of the easy ones none is wrong, of the hard ones 40 are; easy ones may be skipped."""
    easy = in_stratum(labels(0, wrong=0, right=100 - skipped, predictions=20_000), "easy", skipped=skipped)
    hard = in_stratum(labels(0, wrong=40, right=60, predictions=20_000), "hard")
    knowing = with_guesses(hard, of_wrong=0.5, of_right=0.1)
    shares = {"easy": 0.5, "hard": 0.5}
    return replace(easy, draws=(*easy.draws, *knowing.draws), stratum_shares=shares, mean_guess=0.155)


def test_skipping_the_easy_ones_makes_nothing_look_worse():
    all_answered, skipped = (half_easy_half_hard(skipped=count) for count in (0, 80))
    for night in (all_answered, skipped):
        found = accuracy_estimate([night])
        assert found is not None
        assert found.value == pytest.approx(0.8)
    whole, part = (class_estimates([night], ["cat"])["cat"].recall for night in (all_answered, skipped))
    assert whole is not None
    assert part is not None
    assert (whole.value, part.value) == pytest.approx((0.8, 0.8))
    assert part.high - part.low > whole.high - whole.low


def test_an_error_whose_truth_nobody_knows_is_no_miss_of_the_class_it_was_first_called():
    night = labels(0, wrong=20, right=80, predictions=20_000)
    unsure = replace(night, draws=tuple(replace(one, same_truth=not one.wrong) for one in night.draws))
    before, after = (class_estimates([one], ["cat", "dog"]) for one in (night, unsure))
    missed, known = before["cat"].recall, after["cat"].recall
    assert missed is not None
    assert known is not None
    assert (missed.value, missed.labels, known.value, known.labels) == (pytest.approx(0.8), 100, 1.0, 80)
    false_dogs = after["dog"].false_positive_rate
    assert false_dogs is not None
    assert (false_dogs.value, false_dogs.labels) == (0.0, 80)
    assert after["dog"].precision == before["dog"].precision
