"""Estimates for people: which formula, and what it says."""

from dataclasses import replace

import numpy as np
import pytest

from leeway.checks.estimates import accuracy_estimate
from leeway.domain.records import NightLabels
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
