"""Drift statistics: exact where they claim it, and equal to scipy where scipy is defined."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from leeway.stats.drift import chi_square, design_effect, total_variation

EQUAL, SKEWED, RARE = [0.25] * 4, [0.7, 0.2, 0.08, 0.02], [0.9, 0.07, 0.02, 0.005, 0.005]


def counts(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_agrees_with_scipy_where_scipy_is_defined():
    reference, current = counts(500, 300, 200), counts(90, 80, 30)
    ours = chi_square(reference, current, rng=np.random.default_rng(0))
    theirs = chi2_contingency(np.array([reference, current]), correction=False)
    assert ours.method == "asymptotic"
    assert (ours.statistic, ours.p, ours.df) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.dof))


def test_drops_columns_that_are_empty_in_both_windows():
    rng = np.random.default_rng(0)
    assert (
        chi_square(counts(500, 0, 300), counts(90, 0, 80), rng=rng).p
        == chi_square(counts(500, 300), counts(90, 80), rng=rng).p
    )


def test_simulates_when_a_class_is_too_rare_for_the_asymptotic_tail():
    found = chi_square(counts(500, 2), counts(90, 3), rng=np.random.default_rng(0))
    assert found.method == "monte carlo"
    # Fisher's exact probability of a table this far out, by hand: 5 rare ones, at least 3 of them in the current window
    assert found.p == pytest.approx(0.046, abs=0.02)


@pytest.mark.parametrize("shares", [EQUAL, SKEWED, RARE], ids=["equal", "skewed", "rare"])
@pytest.mark.parametrize("sizes", [(2000, 300), (120, 120), (80, 3000)], ids=str)
def test_p_is_uniform_when_nothing_changed(shares, sizes):
    rng = np.random.default_rng(3)
    p = np.array(
        [
            chi_square(rng.multinomial(sizes[0], shares), rng.multinomial(sizes[1], shares), alpha=1e-4, rng=rng).p
            for _ in range(250)
        ]
    )
    for level in (0.05, 0.2, 0.5, 0.8):
        # one-sided: ties make a discrete p conservative, never the other way round; 4 standard errors
        assert (p <= level).mean() <= level + 4 * np.sqrt(level * (1 - level) / len(p))
    if shares is EQUAL:
        assert (p <= 0.5).mean() >= 0.5 - 4 * 0.5 / np.sqrt(len(p))


def test_measures_a_false_alarm_rate_of_alpha_deep_in_the_tail():
    """Where p must come from simulation that may stop early: 2,000 windows, 1.8 false alarms expected."""
    rng = np.random.default_rng(11)
    alpha, windows = 0.0009, 2000
    fired = sum(
        chi_square(rng.multinomial(300, SKEWED), rng.multinomial(150, SKEWED), alpha=alpha, rng=rng).p < alpha
        for _ in range(windows)
    )
    assert fired <= 8  # more has probability under 1e-3


def test_p_gets_under_a_nightly_alpha_when_the_shift_is_plain():
    nightly = 0.025 / 365
    found = chi_square(counts(700, 700, 700), counts(200, 50, 50), alpha=nightly, rng=np.random.default_rng(0))
    assert found.p < nightly


def test_p_does_not_depend_on_the_order_of_classes():
    reference, current, order = counts(300, 90, 40, 5), counts(40, 20, 2, 3), [2, 0, 3, 1]
    one = chi_square(reference, current, rng=np.random.default_rng(4))
    other = chi_square(reference[order], current[order], rng=np.random.default_rng(4))
    assert one.p == other.p
    assert one.statistic == pytest.approx(other.statistic)


@pytest.mark.parametrize(
    ("reference", "current"),
    [(counts(0, 0), counts(3, 4)), (counts(3, 4), counts(0, 0)), (counts(9), counts(9)), (counts(5, 0), counts(7, 0))],
    ids=["no reference", "no current", "one class", "one class used"],
)
def test_says_nothing_is_different_when_nothing_can_be_compared(reference, current):
    found = chi_square(reference, current, rng=np.random.default_rng(0))
    assert (found.statistic, found.p) == (0.0, 1.0)


def test_total_variation_is_the_share_that_moved():
    assert total_variation(counts(50, 50), counts(6, 4)) == pytest.approx(0.1)
    assert total_variation(counts(10, 0), counts(0, 7)) == 1.0


def test_psi_is_zero_for_equal_shares_and_finite_for_empty_classes():
    rng = np.random.default_rng(0)
    assert chi_square(counts(40, 60), counts(40, 60), rng=rng).psi == 0.0
    assert np.isfinite(chi_square(counts(100, 0), counts(0, 100), rng=rng).psi)


def test_design_effect_is_one_for_independent_nights_and_more_for_nights_that_differ():
    rng = np.random.default_rng(0)
    calm = np.mean([design_effect(rng.multinomial(500, EQUAL, size=7)) for _ in range(200)])
    assert calm == pytest.approx(1.0, abs=0.1)
    assert design_effect(np.array([[400, 100], [100, 400], [400, 100]])) > 50
    assert np.isnan(design_effect(np.array([[400, 100]])))
