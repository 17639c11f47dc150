"""The label plan: probabilities that add up, a floor under every item, and draws that can be repeated."""

import numpy as np
import pytest

from leeway.stats.allocation import CONTROL_LIMIT, allocate, limited

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


CELL_GUESSES, SIZES = np.array([0.004, 0.02, 0.15, 0.15, 0.7, 0.3]), np.array([300, 120, 40, 1, 9, 0])
SUSPICION = np.array([0.0, 0.1, 0.0, 1.0, 0.4, 0.2])


@pytest.mark.parametrize("lean", [0.0, 0.6])
def test_a_cell_of_some_like_items_equals_as_many_single_items(lean):
    cells = allocate(CELL_GUESSES, uniform_share=0.2, sizes=SIZES, suspicion=SUSPICION, lean=lean)
    one_by_one = np.repeat(np.arange(6), SIZES)
    single = allocate(CELL_GUESSES[one_by_one], uniform_share=0.2, suspicion=SUSPICION[one_by_one], lean=lean)
    assert single.probability == pytest.approx(cells.probability[one_by_one])
    assert single.control == pytest.approx(cells.control[one_by_one])
    assert single.mean_control == pytest.approx(cells.mean_control)
    assert single.shares == pytest.approx(cells.shares)
    assert SIZES @ cells.probability == pytest.approx(1)
    for inside in (CELL_GUESSES > 0.1, CELL_GUESSES < 0.1):
        one, other = cells.part(inside), single.part(inside[one_by_one])
        assert (one.items, one.drawn, one.mean_control) == pytest.approx((other.items, other.drawn, other.mean_control))


def test_a_cell_is_drawn_in_proportion_to_its_items_and_an_empty_one_never():
    plan = allocate(CELL_GUESSES, uniform_share=0.2, sizes=SIZES)
    drawn = np.bincount(plan.draw(20_000, np.random.default_rng(6)), minlength=6)
    assert drawn / 20_000 == pytest.approx(plan.probability * SIZES, abs=0.015)
    assert drawn[5] == 0


@pytest.mark.parametrize("lean", [0.0, 0.3, 0.9, 1.0])
def test_suspicion_draws_more_where_it_points_and_leaves_every_weight_under_its_limit(lean):
    suspicion = (np.arange(500) < 10).astype(float)
    plan = allocate(GUESSES, uniform_share=0.2, suspicion=suspicion, lean=lean)
    assert plan.probability.sum() == pytest.approx(1)
    assert (1 / (500 * plan.probability)).max() <= 5 + 1e-9
    unmoved = allocate(GUESSES, uniform_share=0.2).probability[:10].sum()
    assert plan.probability[:10].sum() == pytest.approx((1 - lean) * (unmoved - 0.004) + lean * 0.8 + 0.004)


def test_suspicion_of_nothing_changes_nothing():
    plain, suspecting = (allocate(GUESSES, uniform_share=0.2, suspicion=one, lean=0.5) for one in (None, np.zeros(500)))
    assert (suspecting.probability == plain.probability).all()


def test_strata_of_the_caller_replace_those_of_the_guess():
    strata = np.arange(500) % 9
    plan = allocate(GUESSES, uniform_share=0.2, strata=strata)
    assert (plan.stratum == strata).all()
    assert plan.shares == pytest.approx(np.bincount(strata) / 500)
    assert [len(set(plan.probability[strata == one])) for one in range(9)] == [1] * 9


def test_a_part_of_everything_is_the_whole():
    plan = allocate(CELL_GUESSES, uniform_share=0.2, sizes=SIZES, suspicion=SUSPICION, lean=0.4)
    part = plan.part(np.ones(6, dtype=bool))
    assert (part.items, part.drawn, part.mean_control) == pytest.approx((470, 1.0, plan.mean_control))


def test_a_part_without_items_is_empty():
    plan = allocate(CELL_GUESSES, uniform_share=0.2, sizes=SIZES)
    for nothing in (np.zeros(6, dtype=bool), np.arange(6) == 5):
        part = plan.part(nothing)
        assert (part.items, part.drawn, part.mean_control) == (0, 0.0, 0.0)


def test_leading_dimensions_of_suspicion_equal_a_loop():
    suspicion = np.random.default_rng(7).random((2, 3, 6)) ** 6
    suspicion[1, 2] = 0  # nothing is suspected there
    lean = np.array([[0.0, 0.3, 0.9], [0.5, 1.0, 0.7]])
    together = allocate(CELL_GUESSES, uniform_share=0.2, sizes=SIZES, suspicion=suspicion, lean=lean)
    parts = together.part(CELL_GUESSES > 0.1)
    for at in np.ndindex(2, 3):
        alone = allocate(CELL_GUESSES, uniform_share=0.2, sizes=SIZES, suspicion=suspicion[at], lean=float(lean[at]))
        assert together.probability[at] == pytest.approx(alone.probability)
        assert together.control[at] == pytest.approx(alone.control)
        assert np.asarray(together.mean_control)[at] == pytest.approx(alone.mean_control)
        part = alone.part(CELL_GUESSES > 0.1)
        assert (parts.items, np.asarray(parts.drawn)[at]) == pytest.approx((part.items, part.drawn))
        assert np.asarray(parts.mean_control)[at] == pytest.approx(part.mean_control)


def test_a_draw_that_weighs_nothing_has_no_guess_to_cut():
    """Such as one of a class that nothing was answered as tonight."""
    assert limited(np.array([0.4, 0.4, 0.01]), weights=np.array([0.0, 5.0, 5.0])).tolist() == [0.4, 0.05, 0.01]
