"""The e-detector: fair under the null draw by draw, growing otherwise."""

import math
from itertools import product

import numpy as np
import pytest

from leeway.stats import edetector
from leeway.stats.allocation import CONTROL_LIMIT, allocate, limited

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


ITEMS, ETA = 60, 0.2


def plan_of_a_small_window(seed):
    """60 items, 20 of them of the class (its places first), drawn with a lean towards what an earlier night doubted."""
    rng = np.random.default_rng(seed)
    plan = allocate(rng.beta(0.3, 2, ITEMS), uniform_share=ETA, suspicion=rng.random(ITEMS) ** 8, lean=0.9)
    return plan, np.arange(ITEMS) < 20


def missed_factors(plan, belongs, wrong, **options):
    """(60, 4) the factors of every item that one draw could bring."""
    weights = 1 / (ITEMS * plan.probability)
    one_by_one = {"belongs": belongs[:, None], "weights": weights[:, None], "uniform_share": ETA, **options}
    return np.exp(edetector.missed_log_product(wrong[:, None], **one_by_one))


@pytest.mark.parametrize("sampled", [1.0, 3.0, 1000.0])
@pytest.mark.parametrize(("missed", "error_limit"), [(4, 0.2), (1, 0.05), (3, 0.2), (0, 0.2), (0, 0.02), (18, 0.9)])
def test_one_draw_is_fair_to_a_class_that_is_missed_no_more_often_than_allowed(missed, error_limit, sampled):
    """Exactly, over every item that could be drawn: the factor's mean is 1 at the limit and at most 1 under it."""
    for seed in range(5):
        plan, belongs = plan_of_a_small_window(seed)
        wrong = np.random.default_rng(seed).permutation(20) < missed
        wrong = np.concatenate([wrong, np.ones(ITEMS - 20, dtype=bool)])  # errors on other classes are not its own
        factors = missed_factors(plan, belongs, wrong, error_limit=error_limit, sampled=sampled)
        mean = plan.probability @ factors
        assert factors.min() >= 0.05 - 1e-9
        if missed == error_limit * 20:
            assert mean == pytest.approx(np.ones(4), abs=1e-9)
        else:
            assert (mean < 1).all()


def test_wealth_grows_while_a_class_is_missed_too_often():
    """Exactly: the mean factor of each bet is over 1, and the mean log factor of the most careful one over 0."""
    plan, belongs = plan_of_a_small_window(0)
    wrong = np.arange(ITEMS) % 2 == 0
    factors = missed_factors(plan, belongs, wrong, error_limit=0.1)
    assert (plan.probability @ factors > 1.01).all()
    assert plan.probability @ np.log(factors[:, 0]) > 0


def test_looking_more_often_for_a_class_raises_the_bets_on_it_up_to_their_limit():
    plan, belongs = plan_of_a_small_window(0)
    wrong = np.arange(ITEMS) % 2 == 0
    seldom, often = (missed_factors(plan, belongs, wrong, error_limit=0.1, sampled=x) for x in (1.0, 3.0))
    more = plan.probability @ (often - seldom)
    assert (more[:3] > 0.001).all()
    assert more[3] == 0  # 2.22 is cut to .95 x .2 / .1 already


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
    wrong, belongs = rng.random((*shape, draws)) < 0.3, rng.random((*shape, draws)) < 0.5
    numbers = {
        "weights": rng.uniform(0.2, 5, (*shape, draws)),
        "multiplicity": np.zeros((*shape, 1), dtype=int) + np.arange(draws) % 4,
    }
    return wrong, belongs, numbers, rng.uniform(0, 0.2, (*shape, draws)), rng.uniform(0.5, 3, shape)


def test_leading_dimensions_equal_a_loop():
    wrong, belongs, numbers, guesses, leading = many_nights()
    mean = leading / 20
    usual = edetector.night_log_product(wrong, **numbers, guesses=guesses, mean_guess=mean, error_limit=LIMIT)
    design = {"error_limit": LIMIT, "uniform_share": 0.2}
    missed = edetector.missed_log_product(wrong, belongs=belongs, **numbers, **design, sampled=leading)
    wealth = edetector.update(np.broadcast_to(edetector.START, (2, 3, 4)), usual)
    assert usual.shape == missed.shape == (2, 3, 4)
    for at in np.ndindex(2, 3):
        own = {name: values[at] for name, values in numbers.items()}
        alone = edetector.night_log_product(
            wrong[at], **own, guesses=guesses[at], mean_guess=mean[at], error_limit=LIMIT
        )
        assert usual[at] == pytest.approx(alone)
        alone = edetector.missed_log_product(wrong[at], belongs=belongs[at], **own, **design, sampled=leading[at])
        assert missed[at] == pytest.approx(alone)
        assert edetector.log_mixture(wealth)[at] == pytest.approx(edetector.log_mixture(wealth[at]))


def test_a_row_that_stands_for_several_draws_counts_as_often_as_they_would():
    wrong, belongs, numbers, guesses, _ = many_nights(shape=())
    weights, times = numbers["weights"], numbers["multiplicity"]
    again = np.repeat(np.arange(8), times)
    night = {"mean_guess": 0.05, "error_limit": LIMIT}
    assert edetector.night_log_product(
        wrong, weights=weights, guesses=guesses, multiplicity=times, **night
    ) == pytest.approx(
        edetector.night_log_product(wrong[again], weights=weights[again], guesses=guesses[again], **night)
    )
    design = {"error_limit": LIMIT, "uniform_share": 0.2}
    assert edetector.missed_log_product(
        wrong, belongs=belongs, weights=weights, multiplicity=times, **design
    ) == pytest.approx(
        edetector.missed_log_product(wrong[again], belongs=belongs[again], weights=weights[again], **design)
    )
