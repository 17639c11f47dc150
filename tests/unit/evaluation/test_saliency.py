"""The saliency sheet: right and wrong answers of each class, the surest first, readable with many classes."""

import io

import numpy as np
import pytest
from PIL import Image

from leeway.evaluation.saliency import EACH, answers_to_look_into, saliency_figure


def test_the_surest_right_and_wrong_answers_of_each_class_are_shown() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 1])
    predicted = np.array([0, 0, 0, 1, 1, 0, -1])
    confidence = np.array([0.7, 0.9, 0.8, 0.6, 0.9, 0.5, np.nan])
    found = answers_to_look_into(truth, predicted, confidence)
    assert found.tolist() == [1, 2, 3, 4, 5]  # two right of class 0, its mistake; one right of class 1, its mistake


def test_of_many_classes_the_worst_are_shown() -> None:
    truth = np.repeat(np.arange(50), 4)
    predicted = np.where(truth < 45, truth, 0)  # the last five are always wrong
    found = answers_to_look_into(truth, predicted, np.full(200, 0.9), most_classes=5)
    assert set(truth[found]) == {45, 46, 47, 48, 49}
    assert len(found) == 5 * EACH


@pytest.mark.parametrize(("height", "width", "channels"), [(16, 16, 3), (16, 48, 1)])
def test_the_sheet_draws_every_image_beside_its_map(height: int, width: int, channels: int) -> None:
    truth, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width, channels), dtype=np.uint8)
    maps = np.zeros((3, height, width), dtype=np.float32)
    maps[:, 2, 2] = 1
    figure = saliency_figure(pixels, maps, truth=truth, predicted=predicted, classes=["ca$h", "dog"])
    stored = io.BytesIO()
    figure.savefig(stored, dpi=40)
    assert Image.open(stored).width > 100
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 2 * len(truth)
    assert "called dog" in [axes.get_title() for axes in figure.axes]
    shown = drawn[1].images[0].get_array()
    assert shown is not None
    assert shown[2, 2].sum() > shown[10, 10].sum()  # the place that matters is the bright one


def test_without_answers_there_is_an_empty_sheet() -> None:
    none = answers_to_look_into(np.array([], dtype=int), np.array([], dtype=int), np.array([]))
    figure = saliency_figure(
        np.empty((0, 8, 8, 3), np.uint8),
        np.empty((0, 8, 8), np.float32),
        truth=none,
        predicted=none,
        classes=["a", "b"],
    )
    assert not [axes for axes in figure.axes if axes.images]
