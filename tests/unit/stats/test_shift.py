"""Explaining a shift: a class mix that is found again, images that differ, and accuracy that confidences promise."""

import math
from itertools import permutations

import numpy as np
import pytest

from leeway.stats.shift import (
    Attribution,
    attribute,
    calibrated_accuracy,
    isotonic_guesses,
    prior_corrected_accuracy,
    thresholded_accuracy,
)

BINS, CLASSES = 40, 4
MIX = np.array([0.4, 0.3, 0.2, 0.1])
BANDS = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])  # of wrong and of right answers
RIGHT = np.eye(CLASSES, dtype=int)
ANSWERS = (0.85 * RIGHT + 0.05 * (1 - RIGHT))[:, :, None] * BANDS[RIGHT]
CELLS = ANSWERS.reshape(CLASSES, -1)  # P(j|y): (K, 3K), answer by band


def reference(size: int, rng: np.random.Generator) -> np.ndarray:
    """(K, 3K) items of `size` in each true class."""
    return rng.multinomial(size, CELLS)


def test_finds_a_class_mix_that_it_was_not_told():
    rng = np.random.default_rng(0)
    found = attribute(rng.multinomial(200_000, MIX @ CELLS), reference(50_000, rng), rng=rng)
    assert found.shares == pytest.approx(MIX, abs=0.01)
    assert found.df == 8
    assert not found.images_differ


def test_p_is_about_uniform_while_only_the_class_mix_has_changed():
    """Four standard errors of 150 runs; with as few as 300 reference items in a class."""
    rng = np.random.default_rng(1)
    ps = [
        attribute(rng.multinomial(2000, rng.dirichlet(np.full(4, 2.0)) @ CELLS), reference(300, rng), rng=rng).p
        for _ in range(150)
    ]
    assert abs(np.mean(ps) - 0.5) < 4 * math.sqrt(1 / 12 / 150)
    for level in (0.1, 0.25, 0.75):
        assert abs(np.mean(np.array(ps) <= level) - level) < 4 * math.sqrt(level * (1 - level) / 150)


def test_p_is_small_where_images_look_different():
    """Right answers are given with less confidence: no mix of classes explains that."""
    rng = np.random.default_rng(2)
    blurred = (0.85 * RIGHT + 0.05 * (1 - RIGHT))[:, :, None] * np.array([[0.5, 0.3, 0.2], [0.25, 0.35, 0.4]])[RIGHT]
    for _ in range(10):
        night = rng.multinomial(2000, MIX @ blurred.reshape(CLASSES, -1))
        assert attribute(night, reference(300, rng), rng=rng).images_differ


def test_the_order_of_classes_changes_nothing():
    rng = np.random.default_rng(3)
    joint, night = reference(200, rng), rng.multinomial(1500, MIX @ CELLS)
    straight = attribute(night, joint, rng=rng)
    for order in list(map(list, permutations(range(CLASSES))))[1::5]:
        cells = np.arange(3 * CLASSES).reshape(CLASSES, 3)[order].ravel()
        moved = attribute(night[cells], joint[np.ix_(order, cells)], rng=rng)
        assert moved.shares == pytest.approx(straight.shares[order], abs=1e-9)
        assert moved.statistic == pytest.approx(straight.statistic, rel=1e-9)
        assert (moved.df, moved.p) == (straight.df, pytest.approx(straight.p, abs=0.15))


def test_the_statistic_allows_for_the_reference_being_a_sample():
    """By hand, for one class: 80 of 100, smoothed by one item of the overall 140 of 200, against 60 of 100."""
    p = (80 + 0.7) / 101
    found = attribute(np.array([60, 40]), np.array([[80, 20]]), rng=np.random.default_rng(0))
    noise = 100**2 * p * (1 - p) / 100
    expected = (60 - 100 * p) ** 2 * (1 / (100 * p + noise) + 1 / (100 * (1 - p) + noise))
    assert (found.statistic, found.df) == (pytest.approx(expected), 1)


def test_a_class_without_reference_items_is_given_no_share():
    rng = np.random.default_rng(4)
    joint = reference(500, rng)
    joint[2] = 0
    found = attribute(rng.multinomial(3000, np.array([0.5, 0.3, 0.0, 0.2]) @ CELLS), joint, rng=rng)
    assert found.shares[2] == 0
    assert found.shares == pytest.approx([0.5, 0.3, 0.0, 0.2], abs=0.06)


@pytest.mark.parametrize("empty", ["night", "reference"])
def test_nothing_is_explained_where_there_is_nothing(empty):
    rng = np.random.default_rng(5)
    joint, night = reference(50, rng), rng.multinomial(100, MIX @ CELLS)
    joint, night = (joint, night * 0) if empty == "night" else (joint * 0, night)
    found = attribute(night, joint, rng=rng)
    assert isinstance(found, Attribution)
    assert (found.shares.tolist(), found.p, found.images_differ) == ([0.0] * 4, 1.0, False)


def test_many_classes_are_held_against_the_chi_square_tail():
    """40 classes, a reference without an error: X2 by hand from a mix that fits exactly is 0."""
    found = attribute(np.full(40, 50), np.eye(40, dtype=int) * 1000, rng=np.random.default_rng(6))
    assert found.shares == pytest.approx(np.full(40, 1 / 40))
    assert (found.statistic, found.p) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


def test_accuracy_is_corrected_for_the_mix_over_the_classes_that_are_known():
    shares, right, totals = np.array([0.5, 0.3, 0.2]), np.array([90, 30, 0]), np.array([100, 50, 0])
    assert prior_corrected_accuracy(shares, right, totals) == pytest.approx((0.5 * 0.9 + 0.3 * 0.6) / 0.8)


def test_guesses_fall_with_confidence_and_lie_at_the_rates_of_the_bins():
    rng = np.random.default_rng(7)
    total = rng.integers(0, 3000, BINS)
    rates = np.linspace(0.6, 0.001, BINS) ** 2
    found = isotonic_guesses(rng.binomial(total, rates), total)
    assert (np.diff(found) <= 1e-12).all()
    assert found[total > 1000] == pytest.approx(rates[total > 1000], abs=0.03)


def test_bins_in_the_wrong_order_are_pooled_by_their_items():
    """100 of 1,000 and 200 of 500: both get 300 of 1,500, not the mean of 10 and 40 %."""
    found = isotonic_guesses(np.array([100, 200]), np.array([1000, 500]))
    assert found == pytest.approx([0.2, 0.2], abs=1e-3)


def test_a_bin_without_an_error_in_a_few_items_is_not_free_of_them():
    found = isotonic_guesses(np.array([10, 0, 0]), np.array([20, 3, 0]))
    assert (found > 0.05).all()


def confidence_bins(guesses: np.ndarray) -> np.ndarray:
    """(n,) bin of each prediction, lowest confidence first."""
    return np.minimum(((1 - guesses) * BINS).astype(int), BINS - 1)


def counted(guesses: np.ndarray, rates: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(B,) wrong and all predictions in each bin, at these error rates (n,)."""
    bins, wrong = confidence_bins(guesses), rng.random(len(guesses)) < rates
    return np.bincount(bins[wrong], minlength=BINS), np.bincount(bins, minlength=BINS)


@pytest.fixture(scope="module")
def yardstick():
    rng = np.random.default_rng(8)
    guesses = rng.beta(0.25, 3.0, 20_000)
    wrong, total = counted(guesses, guesses, rng)
    return total, isotonic_guesses(wrong, total), 1 - wrong.sum() / total.sum()


def test_both_estimates_give_the_reference_accuracy_on_the_reference_itself(yardstick):
    known, guesses, accuracy = yardstick
    assert calibrated_accuracy(known, guesses) == pytest.approx(accuracy, abs=0.001)
    assert thresholded_accuracy(known, known, accuracy=accuracy) == pytest.approx(accuracy, abs=1e-12)


@pytest.mark.parametrize("accuracy", [0.0, 0.2, 0.5, 0.83, 1.0])
def test_the_threshold_is_exceeded_by_that_share_of_the_reference(accuracy):
    known = np.array([3, 10, 0, 1, 40, 6])
    assert thresholded_accuracy(known, known, accuracy=accuracy) == pytest.approx(accuracy)


SHIFTS = {
    "label shift": (lambda rng: rng.beta(0.35, 2.8, 20_000), lambda rng, g: g, (-0.01, 0.01)),
    "covariate shift": (lambda rng: rng.beta(0.5, 2.5, 20_000), lambda rng, g: np.minimum(1.15 * g, 1), (0.005, 0.04)),
    "confident concept shift": (
        lambda rng: rng.beta(0.25, 3.0, 20_000),
        lambda rng, g: np.where((g < 0.1) & (rng.random(len(g)) < 0.1), 0.8, g),
        (0.04, 0.09),
    ),
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_biases_the_calibrated_estimate_the_way_the_contract_says(shift, yardstick):
    """Hardly at all; upwards a little; upwards by about as much as was lost."""
    _, guesses, _ = yardstick
    draw, rates, (lowest, highest) = SHIFTS[shift]
    rng = np.random.default_rng(9)
    g = draw(rng)
    wrong, total = counted(g, rates(rng, g), rng)
    bias = calibrated_accuracy(total, guesses) - (1 - wrong.sum() / total.sum())
    assert lowest < bias < highest


def test_neither_estimate_sees_a_confident_concept_shift(yardstick):
    known, guesses, accuracy = yardstick
    rng = np.random.default_rng(10)
    night = np.bincount(confidence_bins(rng.beta(0.25, 3.0, 20_000)), minlength=BINS)  # whatever is wrong in it
    assert calibrated_accuracy(night, guesses) == pytest.approx(accuracy, abs=0.01)
    assert thresholded_accuracy(night, known, accuracy=accuracy) == pytest.approx(accuracy, abs=0.01)


def test_both_estimates_fall_where_confidence_falls(yardstick):
    known, guesses, accuracy = yardstick
    night = np.bincount(confidence_bins(np.random.default_rng(11).beta(0.5, 2.5, 20_000)), minlength=BINS)
    assert calibrated_accuracy(night, guesses) < accuracy - 0.03
    assert thresholded_accuracy(night, known, accuracy=accuracy) < accuracy - 0.03


def test_a_night_without_predictions_has_no_accuracy(yardstick):
    known, guesses, accuracy = yardstick
    assert math.isnan(calibrated_accuracy(known * 0, guesses))
    assert math.isnan(thresholded_accuracy(known * 0, known, accuracy=accuracy))
    assert math.isnan(thresholded_accuracy(known, known * 0, accuracy=accuracy))
