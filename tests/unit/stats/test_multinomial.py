"""The drift e-detector: fair for every share inside the box, whatever the night sizes, and quick outside it."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize
from scipy.special import gammaln, xlogy

from leeway.stats.multinomial import (
    LONGEST,
    day_tolerance,
    log_detector,
    log_detector_ceiling,
    log_e_ceiling,
    log_e_value,
    most_likely,
    share_box,
    smoothed_shares,
)

REFERENCE = np.array([50, 30, 15, 0])


def all_counts(n: int, classes: int) -> np.ndarray:
    """(V, K) every count vector of n items."""
    return np.array([one for one in product(range(n + 1), repeat=classes) if sum(one) == n])


def chances(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(V,) multinomial probability of each count vector."""
    coefficient = gammaln(counts.sum(axis=1) + 1) - gammaln(counts + 1).sum(axis=1)
    return np.exp(coefficient + xlogy(counts, shares).sum(axis=1))


def inside(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random shares with low <= p <= high and sum 1; many of them at the edges."""
    shares, left = low.copy(), 1 - low.sum()
    order = rng.permutation(len(low))
    for place, k in enumerate(order):
        later = (high - low)[order[place + 1 :]].sum()
        most, least = min(high[k] - low[k], left), max(left - later, 0.0)
        added = rng.choice([least, most, rng.uniform(least, max(most, least))])
        shares[k] += added
        left -= added
    return shares


def test_agrees_with_the_example_of_the_contract():
    found = log_e_value(np.array([3, 1]), np.array([7, 7]), kappas=[2.0])  # a = (1, 1), p0 = (1/2, 1/2)
    assert np.exp(found) == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 9])
@pytest.mark.parametrize("reference", [[5, 5], [90, 9, 1], [50, 30, 15, 0]], ids=str)
def test_the_e_value_has_expectation_one_under_the_shares_of_the_reference(n, reference):
    reference = np.array(reference)
    counts = all_counts(n, len(reference))
    expectation = chances(counts, smoothed_shares(reference)) @ np.exp(log_e_value(counts, reference))
    assert expectation == pytest.approx(1, abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([0.0, 0.03, 0.2]), n=st.sampled_from([1, 4, 10]))
@settings(max_examples=60, deadline=None)
def test_the_e_value_has_expectation_at_most_one_for_shares_anywhere_in_the_box(seed, tolerance, n):
    low, high = share_box(REFERENCE, tolerance=tolerance)
    shares, counts = inside(low, high, np.random.default_rng(seed)), all_counts(n, 4)
    assert shares.sum() == pytest.approx(1)
    assert chances(counts, shares) @ np.exp(log_e_value(counts, REFERENCE, low=low, high=high)) <= 1 + 1e-9


def test_without_a_box_shares_beside_the_reference_are_news():
    counts, shares = all_counts(10, 4), np.array([0.3, 0.3, 0.3, 0.1])
    assert chances(counts, shares) @ np.exp(log_e_value(counts, REFERENCE)) > 1.5


@pytest.mark.parametrize(("box", "expected"), [(False, 2.0), (True, None)], ids=["point", "box"])
def test_the_detector_grows_by_one_a_night_at_most_when_nights_differ_in_size(box, expected):
    """Exactly: over every pair of a night of 2 and a night of 7 items, E M_2 is 2 under the reference's own shares.

    A little less, where the limit of a single night takes something off.
    """
    reference = np.array([60, 30, 10])
    low, high = share_box(reference, tolerance=0.02) if box else (None, None)
    one, two, shares = all_counts(2, 3), all_counts(7, 3), smoothed_shares(reference)
    nights = np.stack([np.repeat(one, len(two), axis=0), np.tile(two, (len(one), 1))], axis=1)
    chance = np.outer(chances(one, shares), chances(two, shares)).ravel()
    expectation = chance @ np.exp(log_detector(nights, reference, low=low, high=high))
    assert expectation == pytest.approx(expected, abs=0.01) if expected else expectation <= 2
    assert expectation <= 2 + 1e-12


@pytest.mark.parametrize("classes", [2, 4, 1000])
def test_counts_without_an_item_say_nothing(classes):
    reference = np.arange(classes)
    low, high = share_box(reference, tolerance=0.02)
    nothing = np.zeros((3, classes), dtype=int)
    assert log_e_value(nothing, reference) == pytest.approx(np.zeros(3), abs=1e-12)
    assert log_e_value(nothing, reference, low=low, high=high) == pytest.approx(np.zeros(3), abs=1e-12)


def limited(window: np.ndarray, reference: np.ndarray, **box: np.ndarray) -> float:
    """The e-value that counts of a window (T, K), by its definition."""
    whole = float(np.exp(log_e_value(window.sum(axis=0), reference, **box)))
    most = int(np.argmax(log_e_value(window, reference, **box)))
    without = float(np.exp(log_e_value(np.delete(window, most, axis=0).sum(axis=0), reference, **box)))
    return min(whole, max(200 * without, 1.0))


@pytest.mark.parametrize("divided", [1.0, 1.7])
@pytest.mark.parametrize("shares", [(0.4, 0.3, 0.2, 0.1), (0.53, 0.3, 0.15, 0.02)], ids=["moved", "same"])
def test_the_detector_is_the_sum_over_its_starts_and_forgets_what_is_older_than_sixty_nights(shares, divided):
    """Also where nights count less than they have items, since they differ by themselves."""
    nights = np.random.default_rng(0).multinomial(40, shares, size=LONGEST + 5) / divided
    low, high = share_box(REFERENCE, tolerance=0.02)
    expected = sum(limited(nights[start:], REFERENCE, low=low, high=high) for start in range(5, LONGEST + 5))
    assert np.exp(log_detector(nights, REFERENCE, low=low, high=high)) == pytest.approx(expected)


def test_streams_that_are_computed_together_are_what_each_is_by_itself():
    """Whether or not another stream has a window that a single night could decide."""
    rng = np.random.default_rng(3)
    shares = [(0.53, 0.3, 0.15, 0.02), (0.1, 0.2, 0.3, 0.4), (0.53, 0.3, 0.15, 0.02)]
    nights = np.stack([rng.multinomial(60, one, size=20) for one in shares])
    low, high = share_box(REFERENCE, tolerance=0.02)
    together = log_detector(nights, REFERENCE, low=low, high=high)
    alone = [log_detector(one, REFERENCE, low=low, high=high) for one in nights]
    assert together.tolist() == [float(one) for one in alone]
    assert together[1] > together[0] + 5


def test_no_single_night_decides_and_a_second_one_does():
    """However extreme the night, and whatever quiet nights stand beside it."""
    reference, usual, wild = np.array([500, 300, 200]), np.array([50, 30, 20]), np.array([0, 0, 100_000])
    low, high = share_box(reference, tolerance=0.02)

    def log_m(*nights: np.ndarray) -> float:
        return float(log_detector(np.array(nights), reference, low=low, high=high))

    assert log_m(wild) == pytest.approx(np.log(200))
    assert log_m(*[usual] * 20, wild, *[usual] * 20) < np.log(200 * 21)
    assert log_m(wild, usual, wild) > np.log(365 / 0.02)


THOUSANDTHS = st.integers(0, 10**8).map(lambda number: number / 1000)


@given(
    counts=st.lists(THOUSANDTHS, min_size=2, max_size=12),
    reference=st.lists(THOUSANDTHS, min_size=12, max_size=12),
    tolerance=st.sampled_from([0.0, 0.001, 0.015, 0.2, 1.0]),
)
def test_no_e_value_is_over_its_ceiling(counts, reference, tolerance):
    counts, reference = np.array(counts), np.array(reference[: len(counts)])
    low, high = share_box(reference, tolerance=tolerance)
    exact, ceiling = (one(counts, reference, low=low, high=high) for one in (log_e_value, log_e_ceiling))
    assert ceiling >= exact - 1e-9 * max(counts.sum(), 1)


@pytest.mark.parametrize("size", [40, 2000])
def test_the_ceiling_of_usual_nights_is_near_and_that_of_none_is_one(size):
    rng = np.random.default_rng(2)
    references, nights = (
        rng.multinomial(7 * size, np.full(30, 1 / 30), size=20),
        rng.multinomial(size, np.full(30, 1 / 30), size=(20, 70)),
    )
    low, high = share_box(references, tolerance=0.01)
    exact, ceiling = (one(nights, references, low=low, high=high) for one in (log_detector, log_detector_ceiling))
    assert ((exact - 1e-9 <= ceiling) & (ceiling <= exact + 1)).all()
    assert log_e_ceiling(np.zeros(30), references[0], low=low[0], high=high[0]) == pytest.approx(0, abs=1e-9)


def test_the_order_of_nights_inside_a_window_does_not_matter():
    """What the window from the first night on adds to those that begin later."""
    nights = np.array([[9, 3, 1, 0], [1, 8, 0, 3], [0, 0, 0, 0], [20, 2, 4, 1]])
    low, high = share_box(REFERENCE, tolerance=0.02)

    def m(some: np.ndarray) -> float:
        return float(np.exp(log_detector(some, REFERENCE, low=low, high=high)))

    added = [m(nights[list(order)]) - m(nights[list(order)][1:]) for order in permutations(range(4))]
    assert added == pytest.approx([added[0]] * 24)


def test_the_order_of_classes_does_not_matter():
    nights = np.random.default_rng(1).multinomial(60, [0.2, 0.4, 0.3, 0.1], size=6)
    low, high = share_box(REFERENCE, tolerance=0.02)
    straight = log_detector(nights, REFERENCE, low=low, high=high)
    for order in map(list, permutations(range(4))):
        moved = log_detector(nights[:, order], REFERENCE[order], low=low[order], high=high[order])
        assert moved == pytest.approx(straight)


def test_leading_dimensions_equal_a_loop():
    nights = np.random.default_rng(2).multinomial(30, [0.5, 0.3, 0.1, 0.1], size=(2, 3, 7))
    low, high = share_box(REFERENCE, tolerance=0.02)
    together = log_detector(nights, REFERENCE, low=low, high=high)
    assert together.shape == (2, 3)
    for place in np.ndindex(2, 3):
        assert together[place] == pytest.approx(log_detector(nights[place], REFERENCE, low=low, high=high))


def test_a_reference_for_each_leading_dimension_equals_a_loop():
    rng = np.random.default_rng(5)
    nights = rng.multinomial(30, [0.5, 0.3, 0.1, 0.1], size=(3, 7))
    references = rng.multinomial(500, [0.4, 0.4, 0.15, 0.05], size=3)
    low, high = share_box(references, tolerance=0.02)
    together = log_detector(nights, references, low=low, high=high)
    for place, reference in enumerate(references):
        own_low, own_high = share_box(reference, tolerance=0.02)
        assert low[place] == pytest.approx(own_low)
        assert together[place] == pytest.approx(log_detector(nights[place], reference, low=own_low, high=own_high))


@pytest.mark.parametrize("classes", [2, 1000])
def test_a_class_that_the_reference_never_saw_is_news_and_its_own_shares_are_not(classes):
    """Also with cells that stay empty for ever."""
    reference = np.zeros(classes, dtype=int)
    reference[: classes // 2] = 10_000 // (classes // 2)
    low, high = share_box(reference, tolerance=0.02)
    new, same = np.zeros((2, classes), dtype=int)
    same[: classes // 2] = 1000 // (classes // 2)
    new[0], new[-1] = 700, 300
    values = log_e_value(np.stack([same, new]), reference, low=low, high=high)
    assert np.isfinite(values).all()
    assert values[0] < 0
    assert values[1] > np.log(7300)


def test_the_largest_likelihood_is_that_of_a_general_optimiser():
    rng = np.random.default_rng(3)
    for _ in range(15):
        reference, counts = rng.integers(0, 60, 5) + 1, rng.multinomial(80, rng.dirichlet(np.ones(5)))
        low, high = share_box(reference, tolerance=rng.uniform(0, 0.2))
        found = minimize(
            lambda p, counts=counts: -(counts @ np.log(p)) / 80,
            low + (high - low) * (1 - low.sum()) / (high - low).sum(),
            jac=lambda p, counts=counts: -counts / p / 80,
            bounds=list(zip(low, high, strict=True)),
            constraints=LinearConstraint(np.ones(5), 1, 1),
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        )
        assert found.success
        assert most_likely(counts, low=low, high=high) == pytest.approx(-80 * found.fun, abs=1e-4)


@given(seed=st.integers(0, 2**32 - 1), tolerance=st.sampled_from([0.0, 0.03, 0.2]))
@settings(max_examples=80, deadline=None)
def test_no_shares_inside_the_box_are_more_likely_than_the_most_likely(seed, tolerance):
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 60, rng.integers(2, 8))
    low, high = share_box(reference, tolerance=tolerance)
    counts = rng.multinomial(rng.integers(1, 200), rng.dirichlet(np.full(len(reference), 0.5)))
    largest = most_likely(counts, low=low, high=high)
    assert max(xlogy(counts, inside(low, high, rng)).sum() for _ in range(30)) <= largest + 1e-9


def days(sizes: list[int], *, weekend: float = 0.0, seed: int = 4) -> np.ndarray:
    """(D, 3) counts of days; at weekends class 0 gains `weekend` from class 1."""
    rng = np.random.default_rng(seed)
    moved = [weekend if day % 7 > 4 else 0.0 for day in range(len(sizes))]
    return np.stack([rng.multinomial(n, [0.5 + x, 0.3 - x, 0.2]) for n, x in zip(sizes, moved, strict=True)])


@pytest.mark.parametrize(("seen", "most"), [(0, 0.004), (1, 0.0058)])
def test_a_class_that_the_reference_hardly_saw_may_be_as_frequent_as_such_a_reference_allows(seen, most):
    """4 of 1,000 are seen not once with a chance of 2 %, the two standard errors of the box."""
    low, high = share_box(np.array([1000 - seen, seen]), tolerance=0.0)
    assert high[1] == pytest.approx(most, abs=2e-4)
    assert low[1] < 0.0003


def test_the_box_reaches_two_standard_errors_and_the_tolerance_beyond():
    low, high = share_box(np.array([40_000, 60_000]), tolerance=0.01)
    error = 2 * np.sqrt(0.4 * 0.6 / 100_000)
    assert (low[0], high[0]) == pytest.approx((0.39 - error, 0.41 + error), abs=1e-5)


def test_a_rare_class_has_a_tolerance_of_a_quarter_of_its_share():
    found = day_tolerance(np.array([[9_900, 100]] * 7), tolerance=0.015)
    assert found == pytest.approx([0.015, 0.0025], abs=1e-4)


def test_fewer_than_twenty_eight_days_do_not_tell_how_much_days_differ():
    assert day_tolerance(days([2000] * 27, weekend=0.1), tolerance=0.02).tolist() == [0.02] * 3
    with_empty_days = np.concatenate([days([2000] * 27, weekend=0.1), np.zeros((9, 3), dtype=int)])
    assert day_tolerance(with_empty_days, tolerance=0.02).tolist() == [0.02] * 3


def test_weekends_that_differ_widen_the_tolerance_of_the_classes_that_move():
    """By hand: two days of seven .10 higher leave the weekends .0714 from the mean; counting adds little."""
    found = day_tolerance(days([20_000] * 56, weekend=0.1), tolerance=0.02)
    assert found[:2] == pytest.approx([0.0714] * 2, abs=0.01)
    assert found[2] == 0.02


@pytest.mark.parametrize("seed", range(5))
def test_days_that_differ_by_counting_alone_widen_nothing(seed):
    assert day_tolerance(days([1500] * 56, seed=seed), tolerance=0.02).tolist() == [0.02] * 3


def test_days_of_unequal_size_that_differ_by_counting_alone_widen_nothing():
    assert day_tolerance(days([2000, 2000, 2000, 2000, 2000, 50, 50] * 8), tolerance=0.02).max() < 0.04
