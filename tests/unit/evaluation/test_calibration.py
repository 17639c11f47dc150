import numpy as np
import pytest
from scipy.special import softmax

from leeway.evaluation.calibration import TEMPERATURE_BOUNDS, fit_temperature


def answers(n: int, *, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 4) whose softmax at `temperature` is the truth's own distribution."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (n, 4))
    chances = softmax(logits / temperature, axis=1)
    truth = (chances.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits, truth


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.2])
def test_many_images_find_the_temperature(temperature):
    assert fit_temperature(*answers(5000, temperature=temperature)) == pytest.approx(temperature, rel=0.05)


def test_few_images_stay_near_one():
    found = [fit_temperature(*answers(8, temperature=2.5, seed=seed)) for seed in range(20)]
    many = [fit_temperature(*answers(800, temperature=2.5, seed=seed)) for seed in range(20)]
    assert np.mean(np.abs(np.log(found))) < np.mean(np.abs(np.log(many)))
    assert np.mean(found) < 2


def test_ninety_right_answers_do_not_ask_for_certainty():
    logits = np.full((90, 10), 0.0)
    logits[:, 3] = 8
    found = fit_temperature(logits, np.full(90, 3))
    assert 0.7 < found <= 1


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_bounds_hold_whatever_the_logits(scale):
    logits, truth = answers(3000, temperature=1.0)
    low, high = TEMPERATURE_BOUNDS
    found = fit_temperature(logits * scale, truth)
    assert low <= found <= high
    assert min(abs(found - low), abs(found - high)) < 0.01


def test_nothing_to_learn_from_leaves_one():
    assert fit_temperature(np.empty((0, 3)), np.empty(0, int)) == 1
    assert fit_temperature(np.array([[np.nan, 0.0]]), np.array([0])) == 1
