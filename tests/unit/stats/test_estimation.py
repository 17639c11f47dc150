"""Estimates: intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from leeway.stats.allocation import allocate
from leeway.stats.estimation import (
    post_stratified_error,
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
def test_ninety_five_percent_intervals_cover_93_to_97_percent(scenario, nights, labels):
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
    assert 0.93 - error <= covered / repeats <= 0.97 + error
