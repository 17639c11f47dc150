"""The label plan: probabilities that add up, a floor under every item, and draws that can be repeated."""

import numpy as np
import pytest

from leeway.stats.allocation import CONTROL_LIMIT, allocate

GUESSES = np.random.default_rng(0).beta(0.3, 3, 500)


def test_probabilities_sum_to_one_and_no_weight_exceeds_one_over_the_uniform_share():
    plan = allocate(GUESSES, uniform_share=0.2)
    assert plan.probability.sum() == pytest.approx(1)
    assert (1 / (500 * plan.probability)).max() <= 5 + 1e-9


def test_follows_the_neyman_rule_with_a_floor():
    """Two strata by hand: 90 items at .05 (s = .218), 10 at .5 (s = .5); mean s = .246."""
    plan = allocate(np.array([0.05] * 90 + [0.5] * 10), uniform_share=0.2)
    appeal = {0.05: 0.2179 + 0.15 * 0.2461, 0.5: 0.5 + 0.15 * 0.2461}
    total = 90 * appeal[0.05] + 10 * appeal[0.5]
    assert plan.probability[0] == pytest.approx(0.8 * appeal[0.05] / total + 0.2 / 100, rel=1e-3)
    assert plan.probability[-1] == pytest.approx(0.8 * appeal[0.5] / total + 0.2 / 100, rel=1e-3)


def test_looks_more_often_where_the_guess_is_unsure():
    plan = allocate(GUESSES, uniform_share=0.2)
    assert plan.probability[GUESSES > 0.4].min() > plan.probability[GUESSES < 0.01].max()


def test_a_uniform_share_of_one_is_a_plain_random_sample():
    assert allocate(GUESSES, uniform_share=1.0).probability == pytest.approx(np.full(500, 1 / 500))


def test_shares_of_the_strata_are_those_of_the_window():
    plan = allocate(GUESSES, uniform_share=0.2)
    assert plan.shares == pytest.approx(np.bincount(plan.stratum, minlength=6) / 500)


def test_a_drawn_control_times_its_weight_stays_under_its_limit():
    plan = allocate(np.array([0.99] * 5 + [0.001] * 95), uniform_share=0.2)
    assert (plan.control / (100 * plan.probability)).max() <= CONTROL_LIMIT + 1e-9
    assert plan.mean_control == pytest.approx(plan.control.mean())


def test_rows_in_another_order_get_the_same_probabilities():
    order = np.random.default_rng(1).permutation(500)
    straight, shuffled = allocate(GUESSES, uniform_share=0.2), allocate(GUESSES[order], uniform_share=0.2)
    assert shuffled.probability == pytest.approx(straight.probability[order])


def test_draws_are_repeatable_and_as_frequent_as_they_say():
    plan = allocate(np.array([0.005, 0.05, 0.5, 0.5]), uniform_share=0.2)
    drawn = plan.draw(20_000, np.random.default_rng(5))
    assert (drawn == plan.draw(20_000, np.random.default_rng(5))).all()
    assert np.bincount(drawn, minlength=4) / 20_000 == pytest.approx(plan.probability, abs=0.015)


@pytest.mark.parametrize("guesses", [[0.0, 0.0, 1.0], [float("nan"), 0.2, 0.1], [1.0]], ids=str)
def test_copes_with_guesses_that_say_nothing(guesses):
    plan = allocate(np.array(guesses), uniform_share=0.2)
    assert plan.probability.sum() == pytest.approx(1)
    assert (plan.probability > 0).all()


def test_an_empty_window_gives_an_empty_plan():
    plan = allocate(np.array([]), uniform_share=0.2)
    assert len(plan.draw(20, np.random.default_rng(0))) == 0
