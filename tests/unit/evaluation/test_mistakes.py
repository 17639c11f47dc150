"""Mistakes and weaknesses: the worst first, and nothing that is not one."""

import io

import numpy as np
from PIL import Image

from leeway.evaluation.metrics import NO_ANSWER, evaluate
from leeway.evaluation.mistakes import mistakes_figure, most_confident_mistakes, thumbnail
from leeway.evaluation.weaknesses import frequent_confusions, weak_classes, weak_slices, weakest_first
from made_evaluation import made_evaluation


def test_the_surest_wrong_answers_come_first_and_unanswered_images_are_none():
    truth, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, NO_ANSWER, 1])
    confidence = np.array([0.99, 0.6, 0.8, np.nan, 0.7])
    assert most_confident_mistakes(truth, predicted, confidence).tolist() == [2, 4, 1]
    assert most_confident_mistakes(truth, predicted, confidence, most=1).tolist() == [2]


def test_thumbnails_keep_the_shape_and_show_the_pixels_of_small_images():
    for size, expected in (((8, 4), (128, 64)), ((640, 320), (128, 64)), ((100, 100), (100, 100))):
        stored = io.BytesIO()
        Image.new("L", size, 90).save(stored, "PNG")
        with Image.open(io.BytesIO(thumbnail(stored.getvalue()))) as made:
            assert made.size == expected


def test_the_sheet_says_what_each_image_is_and_what_it_was_called():
    (mistake,) = made_evaluation().evaluation.mistakes
    titles = [axes.get_title() for axes in mistakes_figure([mistake] * 7).axes]
    assert titles.count("is cat\ncalled dog, 91%") == 7
    assert len(titles) == 12, "two rows of six"
    assert "No test image was answered wrongly" in mistakes_figure([]).get_suptitle()


def report_of(truth, predicted, **more):
    return evaluate(
        np.array(truth), np.eye(3)[predicted], classes=("cat", "dog", "ship"), bins=5, draws=5,
        rng=np.random.default_rng(0), **more,
    )  # fmt: skip


def test_confusions_are_counted_most_frequent_first():
    found = frequent_confusions(report_of([0, 0, 0, 1, 1, 1], [1, 1, 0, 2, 1, 1]), most=5)
    assert [(one.actual, one.predicted, one.images, one.of) for one in found] == [
        ("cat", "dog", 2, 3), ("dog", "ship", 1, 3)
    ]  # fmt: skip


def test_weak_classes_lie_under_the_accuracy_and_unknown_ones_come_last():
    report = report_of([0, 0, 0, 1, 1, 1], [1, 1, 0, 1, 1, 1])
    assert [one.name for one in weak_classes(report, most=5)] == ["cat"]
    assert [one.name for one in weakest_first(report)] == ["cat", "dog", "ship"]
    assert report.per_class[2].recall is None


def test_a_slice_is_weak_only_if_its_whole_interval_lies_under_the_accuracy():
    truth = [0] * 200
    predicted = [0] * 100 + [1] * 40 + [0] * 58 + [1, 1]
    slices = ["good"] * 100 + ["bad"] * 90 + ["small"] * 10
    report = report_of(truth, predicted, slices=slices)
    assert {one.name: one.accuracy.value < report.accuracy.value for one in report.slices}["bad"]
    assert [one.name for one in weak_slices(report, most=5)] == ["bad"]
