"""Estimates: intervals that hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import binom

from leeway.stats.allocation import allocate
from leeway.stats.estimation import (
    Estimate,
    drop_lower_limit,
    post_stratified_error,
    prediction_powered_error,
    weighted_share,
    wilson_interval,
    wilson_lower,
)


def test_wilson_agrees_with_published_figures():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe (1998), table I
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_one_sided_limit_is_the_lower_end_of_the_ninety_percent_interval():
    assert wilson_lower(95, 100) == wilson_interval(95, 100, level=0.9)[0]


def test_a_weighted_share_below_ten_labels_is_none():
    assert weighted_share(np.ones(9, dtype=bool), weights=np.ones(9)) is None


def test_a_weighted_share_with_equal_weights_is_wilsons():
    hits = np.arange(40) < 30
    found = weighted_share(hits, weights=np.full(40, 2.5))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.75, *wilson_interval(30, 40)))


def test_uneven_weights_widen_the_interval():
    hits = np.arange(40) % 4 > 0
    even = weighted_share(hits, weights=np.ones(40))
    uneven = weighted_share(hits, weights=np.where(np.arange(40) < 20, 5.0, 0.5))
    assert even is not None
    assert uneven is not None
    assert uneven.high - uneven.low > 1.2 * (even.high - even.low)


def test_post_stratification_weighs_each_stratum_by_its_share():
    """By hand: 10 % wrong in a stratum of 80 %, 50 % wrong in one of 20 %: .18, though half the draws are of each."""
    wrong = np.array([True] * 2 + [False] * 18 + [True] * 10 + [False] * 10)
    found = post_stratified_error(
        wrong,
        weights=np.repeat([1.6, 0.4], 20),
        guesses=np.repeat([0.05, 0.5], 20),
        strata=np.repeat([1, 4], 20),
        shares=np.array([0.1, 0.7, 0.0, 0.0, 0.2, 0.0]),  # stratum 0 was never drawn: its neighbour 1 answers for it
    )
    assert found is not None
    assert found.value == pytest.approx(0.18)
    assert found.low < 0.18 < found.high


def test_uneven_weights_inside_a_stratum_widen_the_interval_of_the_error_rate():
    """Half the weight on a tenth of the draws: Kish's size of 100 draws is 36."""

    def width(weights: np.ndarray) -> float:
        found = post_stratified_error(
            np.arange(100) % 5 == 0,
            weights=weights,
            guesses=np.full(100, 0.2),
            strata=np.zeros(100, dtype=np.int64),
            shares=np.array([1.0]),
        )
        assert found is not None
        assert found.value == pytest.approx(0.2)
        return found.high - found.low

    uneven = np.where(np.arange(100) % 50 < 5, 9.0, 1.0)
    assert width(uneven) / width(np.ones(100)) == pytest.approx(np.sqrt(100 / 36), rel=0.05)


def test_no_error_among_the_labels_is_not_taken_for_no_error_at_all():
    found = post_stratified_error(
        np.zeros(30, dtype=bool),
        weights=np.ones(30),
        guesses=np.full(30, 0.02),
        strata=np.zeros(30, dtype=np.int64),
        shares=np.array([1.0]),
    )
    assert found is not None
    assert found.value == found.low == 0
    assert 0.05 < found.high < 0.2


def test_an_estimate_below_ten_labels_is_none():
    nine = np.zeros(9)
    strata = nine.astype(np.int64)
    assert (
        post_stratified_error(nine > 0, weights=nine + 1, guesses=nine, strata=strata, shares=np.array([1.0])) is None
    )


SCENARIOS = {
    "no shift": lambda rng, n: (g := rng.beta(0.25, 3.0, n), g),
    "label shift": lambda rng, n: (g := rng.beta(0.35, 2.8, n), g),
    "covariate shift": lambda rng, n: (g := rng.beta(0.5, 2.5, n), np.minimum(1.3 * g, 1)),
    "confident concept shift": lambda rng, n: (
        g := rng.beta(0.25, 3.0, n),
        np.where((g < 0.1) & (rng.random(n) < 0.1), 0.8, g),
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("nights", "labels"), [(1, 100), (5, 20)], ids=["100 in a night", "20 a night"])
def test_ninety_five_percent_intervals_cover_93_percent_at_least(scenario, nights, labels):
    rng = np.random.default_rng(20)
    covered, repeats = 0, 400
    for _ in range(repeats):
        parts, truth = [], []
        for _ in range(nights):
            guesses, rates = SCENARIOS[scenario](rng, 300)
            wrong = rng.random(300) < rates
            plan = allocate(guesses, uniform_share=0.2)
            drawn = plan.draw(labels, rng)
            weights = 1 / (300 * plan.probability[drawn])
            parts.append((wrong[drawn], weights, plan.control[drawn], plan.stratum[drawn], plan.shares))
            truth.append(wrong.mean())
        columns = [np.concatenate(one) for one in list(zip(*parts, strict=True))[:4]]
        found = post_stratified_error(
            columns[0],
            weights=columns[1],
            guesses=columns[2],
            strata=columns[3],
            shares=np.mean([part[4] for part in parts], axis=0),
        )
        assert found is not None
        covered += found.low <= np.mean(truth) <= found.high
    error = np.sqrt(0.05 * 0.95 / repeats)  # one standard error of the simulation
    assert 0.93 - error <= covered / repeats < 0.99 + error


def test_a_row_that_stands_for_several_draws_counts_as_often_as_they_would():
    rng = np.random.default_rng(7)
    wrong, weights, guesses = rng.random(30) < 0.3, rng.uniform(0.3, 5, 30), rng.random(30)
    strata, times, shares = np.arange(30) % 3, np.arange(30) % 5, np.array([0.5, 0.3, 0.2])
    again = np.repeat(np.arange(30), times)  # every fifth row stands for no draw
    assert as_numbers(weighted_share(wrong, weights=weights, multiplicity=times)) == pytest.approx(
        as_numbers(weighted_share(wrong[again], weights=weights[again]))
    )
    counted = post_stratified_error(
        wrong, weights=weights, guesses=guesses, strata=strata, shares=shares, multiplicity=times
    )
    repeated = post_stratified_error(
        wrong[again], weights=weights[again], guesses=guesses[again], strata=strata[again], shares=shares
    )
    assert as_numbers(counted) == pytest.approx(as_numbers(repeated))


def test_ten_labels_are_counted_as_draws_and_not_as_rows():
    rows = {"weights": np.ones(3), "multiplicity": np.array([4, 4, 2])}
    assert weighted_share(np.array([True, False, True]), **rows) is not None
    assert weighted_share(np.ones(12, dtype=bool), weights=np.ones(12), multiplicity=np.arange(12) // 9) is None


def as_numbers(found: Estimate | None) -> tuple[float, float, float, int]:
    assert found is not None
    return found.value, found.low, found.high, found.labels


GUESS_QUALITY = {"good": lambda rng, g: g, "noise": lambda rng, g: rng.permutation(g)}


@pytest.mark.parametrize("quality", GUESS_QUALITY)
def test_guesses_narrow_an_unbiased_interval_where_they_are_good_and_harm_nothing_where_they_are_noise(quality):
    """200 uniform labels of 5,000 predictions; the plain mean is what a guess of zero everywhere gives."""
    rng = np.random.default_rng(21)
    off, covered, width, plain_width, repeats = [], 0, 0.0, 0.0, 1500
    for _ in range(repeats):
        rates = rng.beta(0.25, 1.2, 5000)
        wrong, guesses = rng.random(5000) < rates, GUESS_QUALITY[quality](rng, rates)
        drawn = rng.integers(0, 5000, 200)
        found = prediction_powered_error(
            wrong[drawn],
            guesses=guesses[drawn],
            mean_guess=float(guesses.mean()),
            guess_variance=float(guesses.var()),
            predictions=5000,
        )
        plain = prediction_powered_error(
            wrong[drawn], guesses=np.zeros(200), mean_guess=0.0, guess_variance=0.0, predictions=5000
        )
        assert found is not None
        assert plain is not None
        assert plain.value == pytest.approx(wrong[drawn].mean())
        off.append(found.value - wrong.mean())
        covered += found.low <= wrong.mean() <= found.high
        width += found.high - found.low
        plain_width += plain.high - plain.low
    assert 0.93 <= covered / repeats <= 0.97
    assert abs(np.mean(off)) <= 3 * np.std(off) / np.sqrt(repeats)
    assert width / plain_width < (0.85 if quality == "good" else 1.005)


def test_a_prediction_powered_estimate_needs_ten_labels_and_stays_between_zero_and_one():
    guesses = np.linspace(0.0, 0.2, 10)
    numbers = {"mean_guess": 0.1, "guess_variance": 0.01, "predictions": 100}
    assert prediction_powered_error(np.zeros(9, dtype=bool), guesses=guesses[:9], **numbers) is None
    found = prediction_powered_error(np.zeros(10, dtype=bool), guesses=guesses, **numbers)
    assert found is not None
    assert found.low == found.value == 0
    assert 0.05 < found.high < 0.4  # none wrong of ten is not none wrong


def interval(successes: int, total: int, *, level: float = 0.95) -> Estimate:
    low, high = wilson_interval(successes, total, level=level)
    return Estimate(successes / total, low, high, total)


def test_the_lower_limit_of_a_drop_agrees_with_a_published_figure():
    """Newcombe (1998), table II, method 10: 56/70 - 48/80 has the 95 % interval .0524 to .3339."""
    assert drop_lower_limit(interval(56, 70), interval(48, 80)) == pytest.approx(0.0524, abs=1e-4)
    assert -drop_lower_limit(interval(48, 80), interval(56, 70)) == pytest.approx(0.3339, abs=1e-4)


def test_a_drop_is_shown_only_where_accuracy_has_clearly_fallen():
    high, low = interval(190, 200), interval(160, 200)
    assert drop_lower_limit(high, low) > 0.05
    assert drop_lower_limit(low, high) < drop_lower_limit(high, high) < 0
    assert drop_lower_limit(high, high) == pytest.approx(-np.hypot(high.value - high.low, high.high - high.value))


@pytest.mark.parametrize(("before", "after"), [(80, 80), (120, 60)])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 13])
def test_an_unchanged_accuracy_shows_a_drop_about_as_seldom_as_the_level_says(before, after, alpha):
    """Exactly, over every outcome of both months at an accuracy of 85 %."""
    first, second = ([interval(x, total, level=1 - 2 * alpha) for x in range(total + 1)] for total in (before, after))
    shown = np.array([[drop_lower_limit(one, other) > 0 for other in second] for one in first])
    chance = binom.pmf(np.arange(before + 1), before, 0.85) @ shown @ binom.pmf(np.arange(after + 1), after, 0.85)
    assert 0.5 * alpha < chance < 1.5 * alpha


def test_a_stratum_whose_rows_stand_for_no_draw_is_one_that_was_never_drawn():
    found = post_stratified_error(
        np.arange(20) < 3,
        weights=np.ones(20),
        guesses=np.full(20, 0.1),
        strata=np.repeat([0, 1], 10),
        shares=np.array([0.5, 0.5]),
        multiplicity=np.repeat([2, 0], 10),
    )
    assert found is not None
    assert found.value == pytest.approx(0.3)
