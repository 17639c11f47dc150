"""The e-detector: fair under the null draw by draw, growing otherwise."""

import math
from itertools import product

import numpy as np
import pytest

from leeway.stats import edetector
from leeway.stats.allocation import allocate

LIMIT = 0.1


def log_product(wrong, weights, guesses, mean_guess=0.0, error_limit=LIMIT):
    return edetector.night_log_product(
        np.array(wrong, dtype=bool),
        weights=np.array(weights, dtype=float),
        guesses=np.array(guesses, dtype=float),
        mean_guess=mean_guess,
        error_limit=error_limit,
    )


def test_bets_are_the_growth_optimal_ones():
    assert edetector.growth_optimal_bets(0.1) == pytest.approx([0.333, 0.556, 1.111, 2.222], abs=1e-3)
    q, grid = 0.2, np.linspace(0, 5, 5001)
    growth = q * np.log1p(grid * 0.9) + (1 - q) * np.log1p(-grid * 0.1)
    assert edetector.growth_optimal_bets(0.1)[2] == pytest.approx(grid[growth.argmax()], abs=1e-3)


@pytest.mark.parametrize("error_limit", [0.03, 0.074, 0.1, 0.3])
@pytest.mark.parametrize("errors", ["where the guess is high", "where the guess is low"])
def test_one_draw_is_fair_whatever_items_are_wrong(error_limit, errors):
    """Exactly: the factor's mean over every item that could be drawn is 1 when the night's error rate is the limit."""
    rng = np.random.default_rng(2)
    guesses = np.sort(rng.beta(0.3, 2, 400))
    plan, wrong = allocate(guesses, uniform_share=0.2), np.zeros(400, dtype=bool)
    count = math.floor(error_limit * 400)
    wrong[-count:] = errors.endswith("high")
    wrong[:count] |= errors.endswith("low")
    weights = 1 / (400 * plan.probability)
    factors = np.exp(
        [
            log_product(
                [wrong[i]], [weights[i]], [plan.control[i]], mean_guess=plan.mean_control, error_limit=count / 400
            )
            for i in range(400)
        ]
    )
    assert plan.probability @ factors == pytest.approx(np.ones(4), abs=1e-9)


def test_no_single_draw_takes_all_the_wealth():
    for wrong, weight, guess in product([False, True], [0.1, 1, 5, 50], [0.0, 0.5, 1.0]):
        assert np.isfinite(log_product([wrong], [weight], [guess], mean_guess=0.02)).all()
        assert np.isfinite(log_product([wrong], [weight], [guess], error_limit=0.001)).all()


def test_a_night_without_labels_multiplies_by_one():
    assert log_product([], [], []).tolist() == [0, 0, 0, 0]
    wealth = np.log([1.0, 2.0, 3.0, 4.0])
    assert np.exp(edetector.update(wealth, np.zeros(4))) == pytest.approx([2, 3, 4, 5])


def test_the_first_night_starts_from_nothing():
    assert np.exp(edetector.update(edetector.START, np.log([2.0, 2, 2, 2]))) == pytest.approx([2] * 4)


def test_the_order_of_draws_does_not_matter():
    one = log_product([True, False, False], [1, 0.5, 3], [0.1, 0.2, 0.05])
    other = log_product([False, True, False], [3, 1, 0.5], [0.05, 0.1, 0.2])
    assert one == pytest.approx(other)


def test_the_e_value_is_the_weighted_mean_and_stays_a_number():
    assert edetector.e_value(np.log([10.0, 20, 40, 100])) == pytest.approx(2 + 8 + 10 + 15)
    assert edetector.e_value(edetector.START) == 0.0
    assert math.isfinite(edetector.e_value(np.full(4, 5000.0)))


def test_wealth_grows_past_the_threshold_when_one_in_four_is_wrong():
    wealth = edetector.START
    for _ in range(12):
        wealth = edetector.update(wealth, log_product([True] * 5 + [False] * 15, [1.0] * 20, [0.05] * 20, 0.05))
    assert edetector.e_value(wealth) > edetector.threshold(0.05) == 7300
