"""Selective: the answers that stand are as right as was asked for, and no more are sent to people than that takes."""

import numpy as np
import pytest

from leeway.evaluation.selective import apply_review, review_threshold, risk_coverage
from leeway.stats.estimation import wilson_lower


def sample(n, *, seed=0):
    """Answers as often right as they are confident."""
    rng = np.random.default_rng(seed)
    confidence = 0.1 + 0.9 * rng.beta(4, 1, n)
    return confidence, rng.random(n) < confidence


def test_risk_and_coverage_of_a_hand_made_example():
    curve = risk_coverage(np.array([0.9, 0.5, 0.9, 0.7]), np.array([True, False, True, False]))
    assert curve.confidence.tolist() == [0.9, 0.7, 0.5]
    assert curve.coverage.tolist() == [0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx(0.5 * 0 + 0.25 / 3 + 0.25 / 2)


def test_confidence_that_sorts_the_wrong_answers_out_has_less_area_than_one_that_does_not():
    confidence, right = sample(2000)
    shuffled = np.random.default_rng(1).permutation(confidence)
    assert risk_coverage(confidence, right).area < 0.6 * risk_coverage(shuffled, right).area
    assert risk_coverage(shuffled, right).area == pytest.approx(1 - right.mean(), abs=0.03)


def test_nothing_gives_an_empty_curve():
    curve = risk_coverage(np.empty(0), np.empty(0, dtype=bool))
    assert (len(curve.risk), curve.area) == (0, 0.0)


def test_the_threshold_is_the_smallest_whose_lower_limit_reaches_the_target():
    confidence, right = sample(1000)
    threshold = review_threshold(confidence, right, target=0.9)

    def limit(t):
        return wilson_lower(int(right[confidence >= t].sum()), int((confidence >= t).sum()))

    assert limit(threshold) >= 0.9
    assert all(limit(t) < 0.9 for t in np.unique(confidence) if t < threshold)


def test_a_model_that_is_good_enough_sends_no_known_image_to_review():
    confidence = np.linspace(0.5, 1, 200)
    threshold = review_threshold(confidence, np.ones(200, dtype=bool), target=0.95)
    assert threshold == 0.5
    assert apply_review(confidence, np.ones(200, dtype=bool), threshold=threshold).sent == 0


def test_without_enough_images_or_accuracy_there_is_no_threshold():
    sure = np.linspace(0.5, 1, 51)
    assert review_threshold(sure, np.ones(51, dtype=bool), target=0.95) is None, "51 right answers show less than 95 %"
    assert review_threshold(np.append(sure, 0.4), np.ones(52, dtype=bool), target=0.95) == 0.4
    assert review_threshold(np.full(400, 0.9), np.arange(400) % 2 == 0, target=0.6) is None
    assert review_threshold(np.empty(0), np.empty(0, dtype=bool), target=0.5) is None


def test_the_true_accuracy_seldom_falls_short_of_the_target():
    """Over 300 validation sets; an answer is right as often as it is confident, so the truth is known."""
    population = np.sort(0.1 + 0.9 * np.random.default_rng(9).beta(4, 1, 100_000))
    accuracy = np.cumsum(population[::-1])[::-1] / np.arange(100_000, 0, -1)  # of what stands, by threshold
    short = 0
    for seed in range(300):
        threshold = review_threshold(*sample(500, seed=seed), target=0.9)
        short += threshold is not None and accuracy[np.searchsorted(population, threshold)] < 0.9
    assert 0 < short / 300 < 0.08


def test_an_answer_without_a_number_goes_to_review():
    confidence, right = np.array([np.nan, 0.9, 0.2]), np.array([False, True, False])
    review = apply_review(confidence, right, threshold=0.5)
    assert (review.kept, review.right, review.sent) == (1, 1, pytest.approx(2 / 3))
    assert risk_coverage(confidence, right).confidence.tolist() == [0.9, 0.2, -np.inf]
