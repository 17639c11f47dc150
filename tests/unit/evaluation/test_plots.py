"""Plots: every report can be drawn, from two classes to many, whatever they are called."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leeway.evaluation.metrics import Report, evaluate
from leeway.evaluation.plots import classes_figure, confusion_figure, reliability_figure, save_pictures


def report_of(classes: tuple[str, ...], *, images: int = 60, bins: int = 10) -> Report:
    """Answers that are mostly right."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(classes), images)
    logits = rng.normal(size=(images, len(classes)))
    logits[np.arange(images), truth] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return evaluate(truth, probabilities, classes=classes, bins=bins)


@pytest.mark.parametrize("count", [2, 100])
def test_pictures_are_neither_tiny_nor_huge_for_any_number_of_classes(tmp_path: Path, count: int) -> None:
    for path in save_pictures(report_of(tuple(f"class {k}" for k in range(count))), tmp_path / "pictures"):
        with Image.open(path) as picture:
            assert 400 < picture.width < 3000, path.name
            assert 400 < picture.height < 3000, path.name
            assert len(set(picture.convert("L").resize((60, 60)).tobytes())) > 3, f"{path.name} is blank"


def test_class_names_may_hold_anything(tmp_path: Path) -> None:
    names = ("$x^2", r"\frac{", "a\nb", "a name that is far too long to stand on any axis", "100 % _{", "")
    assert len(save_pictures(report_of(names), tmp_path)) == 3


def test_a_report_without_a_single_answer_can_be_drawn(tmp_path: Path) -> None:
    report = evaluate(np.array([0, 1]), np.full((2, 2), np.nan), classes=("cat", "dog"), bins=10)
    assert len(save_pictures(report, tmp_path)) == 3


def test_the_confusion_matrix_shows_each_count_where_it_can_be_read() -> None:
    few, many = report_of(("cat", "dog", "ship")), report_of(tuple(map(str, range(40))))
    shown = sorted(int(text.get_text()) for text in confusion_figure(few).axes[0].texts)
    assert shown == sorted(count for row in few.confusion for count in row if count)
    assert not confusion_figure(many).axes[0].texts


def test_the_weakest_class_stands_on_top() -> None:
    truth = np.repeat([0, 1, 2], 10)
    predicted = np.where(np.arange(30) % 10 < np.array([0, 5, 2])[truth], (truth + 1) % 3, truth)
    report = evaluate(truth, np.eye(3)[predicted], classes=("cat", "dog", "ship"), bins=10)
    axes = classes_figure(report).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog (10)", "ship (10)", "cat (10)"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first row is drawn on top"


def test_the_reliability_diagram_draws_the_bins_that_hold_images() -> None:
    report = report_of(("cat", "dog"))
    filled = [one for one in report.reliability if one.count]
    upper, lower = reliability_figure(report).axes
    drawn = upper.containers[0].lines[0]
    assert list(drawn.get_xdata()) == [one.confidence for one in filled]
    assert list(drawn.get_ydata()) == [one.accuracy.value for one in filled]
    assert sum(bar.get_height() for bar in lower.patches) == report.test_images
