"""Robustness: corruptions do what their names say, to colour and grey images of any size, and the figures follow."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.datasets import load_digits

from leeway.evaluation.robustness import ATTACK, CLEAN, CORRUPTIONS, Pixels, corrupted, robustness, some_rows, worst
from leeway.evaluation.robustness_plot import robustness_figure


def digits(count: int, *, height: int = 24, width: int = 32, channels: int = 3) -> Pixels:
    """(count, height, width, channels) uint8: the 8 x 8 digits enlarged, on a canvas that is not square."""
    small = np.repeat(np.repeat(load_digits().images[:count] * 15.9, 3, axis=1), 4, axis=2).astype(np.uint8)
    return np.repeat(small[:, :height, :width, None], channels, axis=3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_every_corruption_grows_with_its_strength_and_keeps_the_shape(corruption: str, channels: int) -> None:
    pixels = digits(20, channels=channels)
    before = pixels.copy()
    made = [corrupted(pixels, corruption, severity) for severity in (1, 2, 3)]
    apart = [np.abs(one.astype(float) - pixels).mean() for one in made]
    assert all(one.shape == pixels.shape and one.dtype == np.uint8 for one in made)
    assert 0 < apart[0] < apart[1] < apart[2]
    assert (pixels == before).all()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_what_is_drawn_follows_the_seed_and_not_the_other_images(corruption: str) -> None:
    pixels = digits(6)
    assert (corrupted(pixels, corruption, 2)[:3] == corrupted(pixels[:3], corruption, 2)).all()
    drawn = {"noise", "brightness", "rotation"}
    seeds = [corrupted(pixels, corruption, 2, seed=seed) for seed in (1, 2)]
    assert (seeds[0] != seeds[1]).any() == (corruption in drawn)


def test_blur_means_the_same_at_every_size() -> None:
    small = digits(10, height=24, width=24)
    large = np.repeat(np.repeat(small, 4, axis=1), 4, axis=2)
    kept = [corrupted(one, "blur", 3).astype(float).std() / one.std() for one in (small, large)]
    assert kept[0] == pytest.approx(kept[1], abs=0.03)


def test_brightness_goes_both_ways_and_contrast_keeps_the_mean() -> None:
    grey = np.full((40, 8, 8, 3), 128, dtype=np.uint8)
    assert {*np.unique(corrupted(grey, "brightness", 2))} == {128 - 51, 128 + 51}
    pixels = digits(10)
    flat = corrupted(pixels, "contrast", 3)
    assert flat.mean() == pytest.approx(pixels.mean(), abs=0.6)
    assert flat.astype(float).std() < 0.5 * pixels.astype(float).std()


def ink(pixels: Pixels) -> np.ndarray:
    """Whether an image is mostly bright: a model that brightness fools and blur does not."""
    return (pixels.mean(axis=(1, 2, 3)) > 100).astype(np.int64)


def squares() -> tuple[Pixels, np.ndarray]:
    truth = np.arange(40) % 2
    pixels = np.where(truth[:, None, None, None] == 1, 120, 80) * np.ones((40, 16, 16, 3))
    return pixels.astype(np.uint8), truth


def test_the_figures_show_what_a_model_cannot_bear() -> None:
    pixels, truth = squares()
    trials = robustness(ink, pixels, truth, attacked=np.flip(pixels, axis=0), attack_step=2)
    assert [(one.corruption, one.severity) for one in trials[:2]] == [(CLEAN, 0), ("blur", 1)]
    assert len(trials) == 1 + 3 * len(CORRUPTIONS) + 1
    found = {(one.corruption, one.severity): one.accuracy.value for one in trials}
    assert found[CLEAN, 0] == found["blur", 3] == 1.0
    assert found["brightness", 1] < 0.9
    assert found[ATTACK, 1] == 0.0
    named = worst(trials)
    assert named is not None
    assert (named.corruption, named.amount, named.measure) == ("brightness", "10%", "lighter or darker, of the range")
    json.dumps([asdict(one) for one in trials], allow_nan=False)


def test_a_model_that_bears_everything_has_no_worst_corruption() -> None:
    pixels, truth = squares()
    assert worst(robustness(lambda images: truth[: len(images)], pixels, truth)) is None


def test_an_image_without_an_answer_is_wrong() -> None:
    pixels, truth = squares()
    trials = robustness(lambda images: np.full(len(images), -1), pixels, truth)
    assert {one.accuracy.value for one in trials} == {0.0}


def test_without_images_there_is_nothing_to_try() -> None:
    pixels, truth = squares()
    with pytest.raises(ValueError, match="no image"):
        robustness(ink, pixels[:0], truth[:0])


def test_a_sample_is_even_repeatable_and_in_order() -> None:
    rows = np.arange(100, 1100)
    drawn = some_rows(rows, most=200)
    assert len(drawn) == len(set(drawn)) == 200
    assert (np.diff(drawn) > 0).all()
    assert set(drawn) <= set(rows)
    assert (some_rows(rows, most=200) == drawn).all()
    assert (some_rows(rows[:50], most=200) == rows[:50]).all()


def test_the_picture_has_a_panel_for_each_corruption() -> None:
    pixels, truth = squares()
    figure = robustness_figure(robustness(ink, pixels, truth, attacked=pixels, attack_step=2))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == list(CORRUPTIONS)
    ticks = [tick.get_text() for tick in figure.axes[list(CORRUPTIONS).index("rotation")].get_xticklabels()]
    assert ticks == ["clean", "5°", "10°", "20°"]
    assert "after an attack of 2/255" in figure.get_suptitle()
