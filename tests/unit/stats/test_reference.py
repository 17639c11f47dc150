"""The reference: how much its nights differ is measured on the right side, and takes the right part off."""

import numpy as np
import pytest
from scipy.stats import chi2

from leeway.stats.reference import (
    correlation,
    design_effect,
    effect_by_chance,
    effective,
    reference_of,
    stacked,
)

SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def in_groups(rng: np.random.Generator, *, size: int, nights: int = 7, predictions: int = 2000) -> np.ndarray:
    return size * rng.multinomial(predictions // size, SHARES, size=nights)


def test_the_correlation_is_that_of_the_formula():
    days = np.array([[70, 30], [50, 50], [60, 40]])
    statistic = 2 * (10**2 / 60 + 10**2 / 40)
    limit = statistic / chi2.ppf(0.05, 2)
    assert correlation(days) == pytest.approx((limit - 1) / 99)


@pytest.mark.parametrize("size", [1, 10, 50])
def test_the_design_effect_is_over_the_size_of_the_groups_in_nearly_all_years(size):
    rng = np.random.default_rng(1)
    found = [float(design_effect(2000, correlation(in_groups(rng, size=size)))) for _ in range(300)]
    assert np.mean(np.array(found) >= 0.999 * size) >= 0.93  # nominally 95 %
    assert np.median(found) <= 2.2 * size


def test_the_design_effect_of_days_that_differ_is_over_the_true_one_at_every_size():
    """Shares of a day from Dirichlet(c): rho is 1 / (c + 1), whatever the size."""
    rng, below = np.random.default_rng(2), 0
    for _ in range(200):
        sizes = rng.choice([500, 2000, 8000], size=28)
        days = np.stack([rng.multinomial(n, rng.dirichlet(400 * SHARES)) for n in sizes])
        below += correlation(days) < 1 / 401
    assert below <= 30


@pytest.mark.parametrize(
    ("days", "rho"),
    [
        ([[500, 300]], float("nan")),
        ([[500, 300], [0, 0]], float("nan")),
        ([[500, 0], [300, 0]], 0.0),
        ([[1, 0], [0, 1]], 0.0),
    ],
    ids=["one night", "one night that is not empty", "one class", "one prediction a night"],
)
def test_what_cannot_be_told_is_not_a_number_and_what_cannot_differ_is_nothing(days, rho):
    assert correlation(np.array(days)) == pytest.approx(rho, nan_ok=True)


def test_empty_nights_and_classes_change_nothing():
    days = np.array([[70, 30], [50, 50], [60, 40]])
    padded = np.array([[70, 0, 30], [0, 0, 0], [50, 0, 50], [60, 0, 40]])
    assert correlation(padded) == correlation(days)


def test_nights_of_twins_count_half():
    nights = np.array([[200, 0], [20, 80], [0, 0], [1, 0]])
    found = effective(nights, np.array(1.0 / 99))
    assert found[1] == pytest.approx([10, 40])
    assert found[0].sum() == pytest.approx(200 / (1 + 199 / 99))
    assert found[2:].tolist() == [[0, 0], [1, 0]]


def test_a_reference_whose_nights_differ_is_known_less_well():
    days = np.array([[1200, 800], [1000, 1000], [1100, 900]])
    calm, wild = reference_of(days, tolerance=0.015, rho=0.0), reference_of(days, tolerance=0.015, rho=0.01)
    assert calm.counts.tolist() == [3300, 2700]
    assert wild.counts.sum() == pytest.approx(6000 / (1 + 1999 * 0.01))
    assert (wild.low < calm.low).all()
    assert (wild.high > calm.high).all()


def test_a_file_counts_as_one_night():
    file = np.array([[3000, 3000]])
    assert reference_of(file, tolerance=0.01, rho=0.002).counts.sum() == pytest.approx(6000 / (1 + 5999 * 0.002))


def test_nights_that_differ_by_chance_alone_are_given_what_they_show_in_the_mean():
    rng = np.random.default_rng(3)
    found = [float(design_effect(500, correlation(rng.multinomial(500, SHARES, size=7)))) for _ in range(400)]
    assert np.mean(found) == pytest.approx(effect_by_chance(7, 4), rel=0.1)
    assert effect_by_chance(1, 4) == effect_by_chance(7, 1) == 1.0


def test_several_references_at_once_equal_a_loop():
    rng = np.random.default_rng(4)
    days, nights = rng.multinomial(300, SHARES, size=(3, 7)), rng.multinomial(300, SHARES[::-1], size=(3, 9))
    each = [reference_of(one, tolerance=0.015) for one in days]
    together = stacked(each)
    assert together.log_m(nights) == pytest.approx(
        [float(one.log_m(two)) for one, two in zip(each, nights, strict=True)]
    )
    assert together.of(slice(1, 3)).log_m(nights[1:]) == pytest.approx(together.log_m(nights)[1:])
