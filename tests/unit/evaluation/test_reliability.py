"""Reliability: calibration before and after the temperature, log loss and Brier score."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from leeway.evaluation.metrics import evaluate
from leeway.evaluation.reliability import uncalibrated

LOGITS = np.random.default_rng(3).normal(0, 4, (400, 5))
TRUTH = (softmax(LOGITS / 2.5, axis=1).cumsum(axis=1) > np.random.default_rng(4).random((400, 1))).argmax(axis=1)


def report_of(probabilities, *, temperature=1.0, draws=200):
    return evaluate(
        TRUTH, probabilities, classes=tuple("abcde"), bins=10, draws=draws,
        rng=np.random.default_rng(0), temperature=temperature,
    )  # fmt: skip


def test_what_the_network_said_without_its_temperature_is_recovered():
    served = softmax(LOGITS / 2.5, axis=1).astype(np.float32)
    np.testing.assert_allclose(uncalibrated(served, temperature=2.5), softmax(LOGITS, axis=1), atol=1e-6)


def test_probabilities_of_zero_and_answers_that_are_none_survive_it():
    served = np.array([[1.0, 0.0], [np.nan, 0.5]], dtype=np.float32)
    plain = uncalibrated(served, temperature=3.0)
    assert plain[0].tolist() == pytest.approx([1.0, 0.0])
    assert np.isnan(plain[1]).all()


def test_a_temperature_that_is_right_lowers_all_three():
    report = report_of(softmax(LOGITS / 2.5, axis=1), temperature=2.5)
    after, before = report.calibrated, report.uncalibrated
    assert after.error.value < before.error.value
    assert after.log_loss.high < before.log_loss.low
    assert after.brier.value < before.brier.value
    told = report.headline()
    assert told["log_loss"] < told["log_loss_uncalibrated"]


def test_log_loss_and_brier_score_are_those_of_scikit_learn():
    served = softmax(LOGITS / 2.5, axis=1)
    found = report_of(served).calibrated
    assert found.log_loss.value == pytest.approx(log_loss(TRUTH, served))
    assert found.brier.value == pytest.approx(
        sum(brier_score_loss(k == TRUTH, served[:, k], pos_label=True) for k in range(5))
    )


def test_every_interval_holds_its_value_and_the_error_is_never_negative():
    found = report_of(softmax(LOGITS / 2.5, axis=1)).calibrated
    for one in (found.error, found.log_loss, found.brier):
        assert 0 <= one.low <= one.value <= one.high
        assert one.low < one.high


def test_the_interval_of_the_log_loss_is_as_wide_as_theory_says():
    """The mean of N numbers varies by their deviation over the root of N; the bootstrap has to find that."""
    served = softmax(LOGITS / 2.5, axis=1)
    losses = -np.log(served[np.arange(400), TRUTH])
    found = report_of(served, draws=2000).calibrated.log_loss
    assert (found.high - found.low) / 3.92 == pytest.approx(losses.std() / 20, rel=0.1)
