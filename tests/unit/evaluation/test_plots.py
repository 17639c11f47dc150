"""Plots: every evaluation can be drawn, from two classes to many, whatever they are called."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leeway.evaluation.curves import confidence_figure, reliability_figure, risk_coverage_figure, training_figure
from leeway.evaluation.metrics import Report, evaluate
from leeway.evaluation.pictures import draw_figures, save_pictures
from leeway.evaluation.plots import classes_figure, confusion_figure
from leeway.evaluation.selective import risk_coverage
from made_evaluation import HISTORY, made_evaluation


def report_of(classes: tuple[str, ...], *, images: int = 60) -> Report:
    """Answers that are mostly right."""
    return made_evaluation(classes, images=images).evaluation.report


def judged(truth: np.ndarray, probabilities: np.ndarray, *, classes: tuple[str, ...]) -> Report:
    return evaluate(truth, probabilities, classes=classes, bins=10, draws=10, rng=np.random.default_rng(0))


def test_every_picture_is_drawn_neither_tiny_nor_huge_nor_blank(tmp_path: Path) -> None:
    made = made_evaluation()
    paths = save_pictures(draw_figures(made.evaluation, made.answered), tmp_path / "pictures")
    assert set(paths) == {
        "confusion", "classes", "reliability", "confidence", "risk_coverage", "mistakes", "robustness", "training"
    }  # fmt: skip
    assert_fit_to_look_at(paths)


@pytest.mark.parametrize("count", [2, 100])
def test_pictures_of_classes_are_neither_tiny_nor_huge_for_any_number_of_them(tmp_path: Path, count: int) -> None:
    report = report_of(tuple(f"class {k}" for k in range(count)), images=200)
    figures = {"confusion": confusion_figure(report), "classes": classes_figure(report)}
    assert_fit_to_look_at(save_pictures(figures, tmp_path / "pictures"))


def assert_fit_to_look_at(paths: Mapping[str, Path]) -> None:
    for path in paths.values():
        with Image.open(path) as picture:
            assert 400 < picture.width < 3000, path.name
            assert 300 < picture.height < 3000, path.name
            assert len(set(picture.convert("L").resize((60, 60)).tobytes())) > 3, f"{path.name} is blank"


def test_pictures_of_an_earlier_evaluation_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "training.png").write_bytes(b"old")
    save_pictures({"confusion": confusion_figure(report_of(("cat", "dog")))}, tmp_path / "pictures")
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["confusion.png"]


def test_class_names_may_hold_anything(tmp_path: Path) -> None:
    names = ("$x^2", r"\frac{", "a\nb", "a name that is far too long to stand on any axis", "100 % _{", "")
    report = report_of(names)
    assert len(save_pictures({"a": confusion_figure(report), "b": classes_figure(report)}, tmp_path / "p")) == 2


def test_a_report_without_a_single_answer_can_be_drawn(tmp_path: Path) -> None:
    report = judged(np.array([0, 1]), np.full((2, 2), np.nan), classes=("cat", "dog"))
    nothing = np.full(2, np.nan), np.zeros(2, dtype=bool)
    figures = {
        "a": confusion_figure(report),
        "b": classes_figure(report),
        "c": reliability_figure(report),
        "d": confidence_figure(*nothing, threshold=None),
        "e": risk_coverage_figure(risk_coverage(*nothing), threshold=0.5),
    }
    assert len(save_pictures(figures, tmp_path / "p")) == 5


def test_the_confusion_matrix_shows_each_count_where_it_can_be_read() -> None:
    few, many = report_of(("cat", "dog", "ship")), report_of(tuple(map(str, range(40))))
    shown = sorted(int(text.get_text()) for text in confusion_figure(few).axes[0].texts)
    assert shown == sorted(count for row in few.confusion for count in row if count)
    assert not confusion_figure(many).axes[0].texts


def test_the_weakest_class_stands_on_top() -> None:
    truth = np.repeat([0, 1, 2], 10)
    predicted = np.where(np.arange(30) % 10 < np.array([0, 5, 2])[truth], (truth + 1) % 3, truth)
    report = judged(truth, np.eye(3)[predicted], classes=("cat", "dog", "ship"))
    axes = classes_figure(report).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog (10)", "ship (10)", "cat (10)"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first row is drawn on top"


def test_the_reliability_diagram_draws_the_bins_that_hold_images_before_and_after() -> None:
    report = report_of(("cat", "dog"))
    served, plain = ([one for one in found.bins if one.count] for found in (report.calibrated, report.uncalibrated))
    upper, lower = reliability_figure(report).axes
    drawn = upper.containers[0].lines[0]
    assert list(drawn.get_xdata()) == [one.confidence for one in served]
    assert list(drawn.get_ydata()) == [one.accuracy.value for one in served]
    assert list(upper.lines[1].get_xdata()) == [one.confidence for one in plain]
    assert sum(bar.get_height() for bar in lower.patches) == report.test_images


def test_the_histograms_count_right_and_wrong_answers() -> None:
    confidence, right = np.array([0.2, 0.9, 0.95, 1.0]), np.array([False, True, True, False])
    upper, lower = confidence_figure(confidence, right, threshold=0.5).axes
    assert [sum(bar.get_height() for bar in axes.patches) for axes in (upper, lower)] == [2, 2]
    assert upper.lines[0].get_xdata()[0] == 0.5


def test_the_curve_of_risk_marks_the_threshold_where_it_cuts() -> None:
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    (axes,) = risk_coverage_figure(curve, threshold=0.7).axes
    line, mark = axes.lines
    assert list(line.get_ydata()) == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == pytest.approx((0.75, 1 / 3))


def test_training_curves_show_every_epoch_that_was_told() -> None:
    history = [*HISTORY, {"epoch": 4, "train_loss": 0.1, "val_loss": None}]
    losses, accuracy, _ = training_figure(history).axes
    assert [len(line.get_xdata()) for line in losses.lines] == [5, 4]
    assert list(accuracy.lines[0].get_ydata()) == [one["val_accuracy"] for one in HISTORY]
