"""The e-detector: fair under the null draw by draw, growing otherwise."""

import math
from itertools import product

import numpy as np
import pytest

from leeway.stats import edetector
from leeway.stats.allocation import CONTROL_LIMIT, allocate, limited

LIMIT = 0.1


def log_product(wrong, weights, guesses, mean_guess=0.0, error_limit=LIMIT, deflation=1.0, **more):
    return edetector.night_factor(
        np.array(wrong, dtype=bool),
        weights=np.array(weights, dtype=float),
        guesses=np.array(guesses, dtype=float),
        mean_guess=mean_guess,
        error_limit=error_limit,
        deflation=deflation,
        **more,
    )


def test_bets_are_the_growth_optimal_ones():
    assert edetector.growth_optimal_bets(0.1) == pytest.approx([0.333, 0.556, 1.111, 2.222], abs=1e-3)
    q, grid = 0.2, np.linspace(0, 5, 5001)
    growth = q * np.log1p(grid * 0.9) + (1 - q) * np.log1p(-grid * 0.1)
    assert edetector.growth_optimal_bets(0.1)[2] == pytest.approx(grid[growth.argmax()], abs=1e-3)


@pytest.mark.parametrize("error_limit", [0.03, 0.074, 0.1, 0.3])
@pytest.mark.parametrize("errors", ["where the guess is high", "where the guess is low"])
def test_one_draw_is_fair_whatever_items_are_wrong(error_limit, errors):
    """Exactly: the factor's mean over every item that could be drawn is 1 when the night's error rate is the limit.

    It is less where the cap of a night cuts one off.
    """
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
    mean, uncut = plan.probability @ factors, factors.max(axis=0) < 12 - 1e-9
    assert mean[uncut] == pytest.approx(np.ones(uncut.sum()), abs=1e-9)
    assert uncut[:2].all()
    assert (mean <= 1 + 1e-9).all()


def test_no_single_draw_takes_all_the_wealth():
    for wrong, weight, taken_off in product([False, True], [0.1, 1, 5, 50], [0.0, 0.1, 0.25]):
        guess = taken_off / weight
        assert np.isfinite(log_product([wrong], [weight], [guess], mean_guess=0.02)).all()
        assert np.isfinite(log_product([wrong], [weight], [guess], mean_guess=1e-6, error_limit=0.001)).all()


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


ITEMS, ETA = 60, 0.2


def plan_of_a_small_window(seed):
    """60 items, 20 of them of the class (its places first), drawn with a lean towards what an earlier night doubted."""
    rng = np.random.default_rng(seed)
    plan = allocate(rng.beta(0.3, 2, ITEMS), uniform_share=ETA, suspicion=rng.random(ITEMS) ** 8, lean=0.9)
    return plan, np.arange(ITEMS) < 20


@pytest.mark.parametrize("errors", ["where the guess is high", "where the guess is low"])
@pytest.mark.parametrize("at_limit", [True, False], ids=["at the limit", "under it"])
def test_a_draw_that_falls_into_a_part_of_the_window_is_fair_to_that_part(errors, at_limit):
    """Exactly, over the items of the part, each drawn with probability q_i / drawn."""
    for seed in range(5):
        plan, inside = plan_of_a_small_window(seed)
        part = plan.part(inside)
        chance = plan.probability[inside] / part.drawn
        weights = 1 / (part.items * chance)
        guesses = limited(plan.control[inside], weights=weights)
        assert (guesses * weights).max() <= CONTROL_LIMIT + 1e-12
        wrong = np.zeros(20, dtype=bool)
        wrong[np.argsort(guesses)[-3:] if errors.endswith("high") else np.argsort(guesses)[:3]] = True
        factors = [
            log_product([wrong[i]], [weights[i]], [guesses[i]], part.mean_control, 3 / 20 if at_limit else 5 / 20)
            for i in range(20)
        ]
        mean = chance @ np.exp(factors)
        assert chance.sum() == pytest.approx(1)
        assert mean == pytest.approx(np.ones(4), abs=1e-9) if at_limit else (mean < 1).all()


def many_nights(shape=(2, 3), draws=8):
    rng = np.random.default_rng(4)
    wrong, guesses = rng.random((*shape, draws)) < 0.3, rng.uniform(0, 0.05, (*shape, draws))
    night = {
        "weights": rng.uniform(0.2, 5, (*shape, draws)),
        "counts": np.zeros((*shape, 1), dtype=int) + np.arange(draws) % 4,
        "mean_guess": rng.uniform(0, 0.1, shape),
        "deflation": rng.uniform(1, 3, shape),
        "stake": rng.uniform(0, 1, shape),
    }
    return wrong, guesses, night


def test_leading_dimensions_equal_a_loop():
    wrong, guesses, night = many_nights()
    factor = edetector.night_factor(wrong, guesses=guesses, **night, error_limit=LIMIT)
    wealth = edetector.update(np.broadcast_to(edetector.START, (2, 3, 4)), factor)
    assert factor.shape == (2, 3, 4)
    for at in np.ndindex(2, 3):
        own = {name: values[at] for name, values in night.items()}
        alone = edetector.night_factor(wrong[at], guesses=guesses[at], **own, error_limit=LIMIT)
        assert factor[at] == pytest.approx(alone)
        assert edetector.log_mixture(wealth)[at] == pytest.approx(edetector.log_mixture(wealth[at]))


def test_a_row_that_stands_for_several_draws_counts_as_often_as_they_would():
    wrong, guesses, night = many_nights(shape=())
    counts = night.pop("counts")
    again = np.repeat(np.arange(8), counts)
    together = edetector.night_factor(wrong, guesses=guesses, **night, counts=counts, error_limit=LIMIT)
    night["weights"] = night["weights"][again]
    assert together == pytest.approx(
        edetector.night_factor(wrong[again], guesses=guesses[again], **night, error_limit=LIMIT)
    )


def test_no_night_multiplies_the_wealth_by_more_than_twelve():
    terrible = log_product([True] * 500, [1.0] * 500, [0.0] * 500)
    assert np.exp(terrible) == pytest.approx([12] * 4)


def test_a_draw_that_nobody_answered_is_fair_where_answers_do_not_depend_on_what_it_shows():
    """Exactly, over who answers and what is wrong: three in five answer, each answer weighs 5/3."""
    plan = allocate(np.full(50, 0.08), uniform_share=1.0, answer_rates=np.full(6, 0.6))
    wrong = np.arange(50) < 5
    answered = [log_product([one], [1 / 0.6], [plan.control[0]], plan.mean_control) for one in wrong]
    skipped = log_product([False], [0.0], [plan.control[0]], plan.mean_control)
    mean = 0.6 * np.mean(np.exp(answered), axis=0) + 0.4 * np.exp(skipped)
    assert mean == pytest.approx(np.ones(4), abs=1e-9)


def test_the_wealth_of_nights_that_differ_is_fair_to_second_order():
    """A night's rate is the limit give or take s: the mean factor is over 1 without its root, and at most 1 with it."""
    spread, draws, rng = 0.03, 70, np.random.default_rng(0)
    rates = np.clip(LIMIT + spread * rng.choice([-1, 1], 20_000), 0, 1)
    errors = rng.binomial(draws, rates)

    def mean_factor(deflation):
        counts = np.stack([draws - errors, errors], axis=1)
        wrong = np.broadcast_to(np.array([False, True]), counts.shape)
        flat = {
            "weights": np.ones(counts.shape),
            "guesses": np.zeros(counts.shape),
            "mean_guess": np.zeros(len(errors)),
        }
        factor = edetector.night_factor(wrong, **flat, error_limit=LIMIT, deflation=deflation, counts=counts)
        return np.exp(factor[:, :2]).mean(axis=0)

    deflation = edetector.design_effect(draws=draws, clustering=1.0, spread=spread, variance=LIMIT * (1 - LIMIT))
    assert (mean_factor(1.0) > 1.05).all()
    assert (mean_factor(deflation) < 1.01).all()


def test_images_of_one_group_count_as_one_and_an_item_drawn_twice_is_a_group():
    assert edetector.clustering_of(np.arange(20)) == 1
    assert edetector.clustering_of(np.zeros(20, dtype=int)) == 20
    assert edetector.clustering_of(np.array([0, 0, 1, 1])) == 2
    assert edetector.clustering_of(np.array([], dtype=int)) == 1


def test_the_more_of_a_night_was_counted_before_the_less_its_late_labels_say():
    def effect(before):
        return edetector.design_effect(draws=20, clustering=1.0, spread=0.03, variance=0.09, counted_before=before)

    assert effect(0) == pytest.approx(1 + 19 * 0.01)
    assert effect(20) > 1.4 * effect(0)
    assert effect(10_000) == np.inf
    assert log_product([True], [1.0], [0.0], deflation=np.inf).tolist() == [0, 0, 0, 0]


def test_a_bet_that_assumes_nothing_of_nights_is_fair_for_any_night_whose_mean_is_the_limit():
    errors = np.array([0] * 80 + [20] * 10 + [40] * 10) / 60  # of a night's labels; their mean is the limit
    factors = np.exp(edetector.any_spread_factor(errors - errors.mean(), mean_guess=0.0, error_limit=errors.mean()))
    assert factors.mean(axis=0) == pytest.approx(np.ones(4), abs=1e-9)
    assert factors.min() >= 0.05 - 1e-9


def test_labels_given_with_unequal_chances_are_fair_whichever_are_given():
    """Exactly: over which of 40 items are labelled, each with its own chance, the mean of one item's term is 0."""
    chances, wrong = np.linspace(0.2, 1.0, 40), np.arange(40) % 10 == 0
    fractions = chances.min() / chances
    single = [
        np.exp(edetector.given_factor(wrong[[i]], fractions=fractions[[i]], error_limit=LIMIT, deflation=1.0))
        for i in range(40)
    ]
    mean = np.mean([1 + chance * (factor - 1) for chance, factor in zip(chances, single, strict=True)], axis=0)
    assert mean == pytest.approx(np.ones(4), abs=1e-9)
