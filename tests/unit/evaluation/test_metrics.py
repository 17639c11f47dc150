"""Metrics: the numbers are right, on hand-counted examples and at the edges."""

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from leeway.errors import DataError
from leeway.evaluation.metrics import NO_ANSWER, Report, evaluate, predictions
from leeway.evaluation.reliability import reliability_bins
from leeway.stats.estimation import wilson_interval

CLASSES = ("cat", "dog", "ship")


def answers(*named: int, classes: int = 3, confidence: float = 0.8) -> np.ndarray:
    """(N, K) probabilities that favour the named classes."""
    rest = (1 - confidence) / (classes - 1)
    probabilities = np.full((len(named), classes), rest)
    probabilities[np.arange(len(named)), list(named)] = confidence
    return probabilities


def judged(
    truth: list[int],
    probabilities: np.ndarray,
    *,
    classes: tuple[str, ...] = CLASSES,
    bins: int = 10,
    draws: int = 50,
    **more: Any,
) -> Report:
    rng = np.random.default_rng(0)
    return evaluate(
        np.array(truth, dtype=np.int64), probabilities, classes=classes, bins=bins, draws=draws, rng=rng, **more
    )


def test_counts_a_hand_made_example() -> None:
    report = judged([0, 0, 0, 1, 1, 2], answers(0, 0, 1, 1, 0, 2))
    assert report.confusion == ((2, 1, 0), (1, 1, 0), (0, 0, 1))
    assert report.accuracy.value == pytest.approx(4 / 6)
    cat, dog, ship = report.per_class
    assert (cat.support, cat.predicted) == (3, 3)
    assert (cat.recall.value, cat.precision.value, cat.f1.value) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (dog.recall.value, dog.precision.value, dog.f1.value) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert ship.f1.value == 1.0
    assert report.macro_f1.value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)


def test_every_interval_holds_its_value() -> None:
    report = judged([0, 0, 0, 1, 1, 2], answers(0, 0, 1, 1, 0, 2))
    shares = [report.accuracy, *(s for c in report.per_class for s in (c.recall, c.precision, c.f1))]
    for share in shares:
        assert 0 <= share.low <= share.value <= share.high <= 1
        assert share.low < share.high, "six images cannot settle a share"


def test_a_class_without_test_images_is_unknown_not_zero() -> None:
    report = judged([0, 0, 1], answers(0, 2, 1))
    ship = report.per_class[2]
    assert (ship.recall, ship.f1) == (None, None)
    assert ship.precision.value == 0.0, "it was said once, wrongly"
    assert report.macro_f1.value == pytest.approx((2 / 3 + 1) / 2), "unknown classes are not averaged"


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    report = judged([0, 1, 2], answers(0, 1, 1))
    ship = report.per_class[2]
    assert ship.precision is None
    assert (ship.recall.value, ship.f1.value) == (0.0, 0.0)


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_never_right(spoilt: float) -> None:
    probabilities = answers(0, 0, 0, 1)
    probabilities[:2, 1] = spoilt  # beside the true class
    probabilities[2] = spoilt
    report = judged([0, 0, 0, 1], probabilities)
    assert report.accuracy.value == 1 / 4
    assert report.unanswered == 3
    assert report.per_class[0].recall.value == 0.0
    assert sum(map(sum, report.confusion)) == 1
    json.dumps(report.to_json(), allow_nan=False)


def test_nothing_but_nan_gives_a_report_without_calibration_error() -> None:
    report = judged([0, 1, 2], np.full((3, 3), np.nan))
    assert (report.accuracy.value, report.calibrated) == (0.0, None)
    assert "calibration_error" not in report.headline()
    assert predictions(np.full((2, 3), np.nan)).tolist() == [NO_ANSWER, NO_ANSWER]


def test_top5_is_given_for_more_than_five_classes_only() -> None:
    names = tuple("abcdefg")
    ordered = np.tile(np.array([0.3, 0.2, 0.15, 0.13, 0.1, 0.07, 0.05]), (7, 1))
    report = judged(list(range(7)), ordered, classes=names)
    assert report.top5.value == pytest.approx(5 / 7)
    five = judged([0, 1], answers(0, 1, classes=5), classes=tuple("abcde"))
    assert five.top5 is None
    assert "top5" not in five.headline()


def test_equal_probabilities_do_not_count_for_every_class() -> None:
    """A model that says 1/7 for all seven classes is right for one of them, and in the first five for five."""
    report = judged(list(range(7)), np.full((7, 7), 1 / 7), classes=tuple("abcdefg"))
    assert report.accuracy.value == pytest.approx(1 / 7)
    assert report.top5.value == pytest.approx(5 / 7)


def test_calibration_error_of_a_model_that_is_too_sure() -> None:
    report = judged([0, 0, 0, 1], answers(0, 0, 0, 0, confidence=0.95))
    assert report.calibrated.error.value == pytest.approx(0.95 - 0.75)


def test_calibration_error_is_zero_for_a_model_as_sure_as_right() -> None:
    report = judged([0, 0, 0, 1, 2], answers(0, 0, 0, 0, 2, confidence=0.8))
    assert report.calibrated.error.value == pytest.approx(0.0)


def test_full_confidence_falls_into_the_last_bin() -> None:
    bins = reliability_bins(np.array([True, True]), np.array([[1.0, 0.0], [0.5, 0.5]]), bins=4)
    assert [one.count for one in bins] == [0, 1, 0, 1]
    assert [one.confidence for one in bins if one.count] == [0.5, 1.0]


def test_the_report_is_flat_where_dvc_shows_it() -> None:
    told = judged([0, 1, 2], answers(0, 1, 1)).to_json()
    assert {name for name, value in told.items() if isinstance(value, int | float)} == {
        "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_auc", "calibration_error",
        "calibration_error_uncalibrated", "log_loss", "log_loss_uncalibrated", "brier", "test_images", "unanswered",
    }  # fmt: skip
    assert told["per_class"][2]["precision"] is None
    assert told["per_class"][0]["recall"]["value"] == 1.0


@pytest.mark.parametrize(
    ("truth", "probabilities", "told"),
    [
        ([], np.empty((0, 3)), "no labelled test image"),
        ([0, 1], answers(0, 1, 2), r"shape \(3, 3\), expected \(2, 3\)"),
        ([0, 3], answers(0, 1), "not in 0 to 2"),
        ([0, -1], answers(0, 1), "not in 0 to 2"),
    ],
)
def test_what_does_not_fit_together_is_refused(truth: list[int], probabilities: np.ndarray, told: str) -> None:
    with pytest.raises(DataError, match=told):
        judged(truth, probabilities)


def test_f1_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Coverage of the transformed Wilson interval over 800 test splits of 150 images; 95 % is meant."""
    rng = np.random.default_rng(11)
    cells = np.array([[0.28, 0.02, 0.03], [0.03, 0.25, 0.05], [0.02, 0.04, 0.28]])  # actual x predicted
    true_f1 = 2 * np.diag(cells) / (cells.sum(axis=0) + cells.sum(axis=1))
    held = []
    for counts in rng.multinomial(150, cells.ravel(), size=800):
        truth, predicted = np.divmod(np.repeat(np.arange(9), counts), 3)
        report = judged(truth.tolist(), np.eye(3)[predicted], draws=1)
        held.append([c.f1.low <= f1 <= c.f1.high for c, f1 in zip(report.per_class, true_f1, strict=True)])
    coverage = np.mean(held, axis=0)
    assert (coverage > 0.93).all(), coverage
    assert (coverage < 0.97).all(), coverage


@settings(max_examples=60, deadline=None)
@given(
    truth=arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 6)),
    data=st.data(),
)
def test_agrees_with_a_loop_on_any_answers(truth: np.ndarray, data: st.DataObject) -> None:
    """Also with ties and with numbers that are not finite."""
    levels = st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, float("nan")])
    probabilities = data.draw(arrays(np.float64, (len(truth), 7), elements=levels))
    right = top5 = 0
    for actual, row in zip(truth, probabilities, strict=True):
        if np.isfinite(row).all():
            order = sorted(range(7), key=lambda k, row=row: (-row[k], k))
            right += order[0] == actual
            top5 += actual in order[:5]
    report = judged(truth.tolist(), probabilities, classes=tuple("abcdefg"), bins=5, draws=5)
    assert report.accuracy.value == pytest.approx(right / len(truth))
    assert report.top5.value == pytest.approx(top5 / len(truth))
    assert (
        sum(one.count for one in (report.calibrated.bins if report.calibrated else ()))
        == len(truth) - report.unanswered
    )
    json.dumps(report.to_json(), allow_nan=False)


def test_roc_auc_is_that_of_scikit_learn_ties_included() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 200)
    probabilities = np.round(rng.dirichlet((1, 1, 1), 200) + np.eye(3)[truth] * 0.3, 1)
    report = judged(truth.tolist(), probabilities)
    for k, scores in enumerate(report.per_class):
        assert scores.auc.value == pytest.approx(roc_auc_score(truth == k, probabilities[:, k]))
    assert report.macro_auc.value == pytest.approx(np.mean([scores.auc.value for scores in report.per_class]))


def test_a_class_without_images_has_no_roc_auc_and_nor_has_one_without_a_rest() -> None:
    assert judged([0, 0, 1], answers(0, 2, 1)).per_class[2].auc is None
    assert [one.auc for one in judged([1, 1], answers(1, 0)).per_class] == [None, None, None]


def test_top_5_of_a_class_that_is_always_second_is_all() -> None:
    names = tuple("abcdefg")
    report = judged([1] * 4, np.tile([0.4, 0.3, 0.1, 0.08, 0.05, 0.04, 0.03], (4, 1)), classes=names)
    assert (report.accuracy.value, report.top5.value) == (0.0, 1.0)


def test_slices_are_judged_each_by_itself() -> None:
    right_left, wrong_right = [0, 1, 2], [0, 1, 2, 0]
    report = judged(
        right_left + wrong_right, answers(0, 1, 2, 1, 2, 0, 0), slices=["left"] * 3 + ["right"] * 3 + [None]
    )
    assert [(one.name, one.images, one.accuracy.value) for one in report.slices] == [
        ("left", 3, 1.0),
        ("right", 3, 0.0),
    ]
    assert report.headline()["worst_slice_accuracy"] == 0.0
    assert judged([0, 1], answers(0, 1), slices=[None, None]).slices == ()


def test_images_that_share_a_group_tell_less_than_their_number() -> None:
    """Twenty patients with ten images each, all right or all wrong: the interval is that of twenty, not of 200."""
    truth, right = np.zeros(200, dtype=np.int64), np.repeat(np.arange(20) % 5 > 0, 10)
    probabilities, patients = answers(*np.where(right, 0, 1)), [f"patient {n // 10}" for n in range(200)]
    alone, grouped = judged(list(truth), probabilities), judged(list(truth), probabilities, groups=patients, draws=2000)
    assert not alone.grouped
    assert grouped.grouped
    assert grouped.accuracy.value == alone.accuracy.value == 0.8
    twenty = wilson_interval(16, 20)
    assert (grouped.accuracy.low, grouped.accuracy.high) == pytest.approx(twenty, abs=0.02)


def test_groups_that_were_all_right_leave_an_interval_as_wide_as_so_few_groups_are() -> None:
    perfect = judged([0] * 100, answers(*[0] * 100), groups=[str(n // 10) for n in range(100)])
    assert perfect.accuracy.low == pytest.approx(wilson_interval(10, 10)[0])


def test_the_interval_of_groups_holds_the_truth_as_often_as_it_says() -> None:
    """Coverage over 300 test splits of 40 groups of five images, whose chance of a right answer is the group's own."""
    rng, held = np.random.default_rng(5), []
    groups = [str(n // 5) for n in range(200)]
    for _ in range(300):
        right = rng.random(200) < np.repeat(rng.beta(4, 1, 40), 5)
        report = judged([0] * 200, answers(*np.where(right, 0, 1)), groups=groups, draws=200)
        held.append(report.accuracy.low <= 0.8 <= report.accuracy.high)
    assert 0.92 < np.mean(held) < 0.98


def test_the_same_seed_gives_the_same_intervals() -> None:
    report = judged([0, 0, 1, 1, 2, 2], answers(0, 1, 1, 1, 2, 0), draws=300)
    assert report == judged([0, 0, 1, 1, 2, 2], answers(0, 1, 1, 1, 2, 0), draws=300)
    assert report.macro_f1.low < report.macro_f1.value < report.macro_f1.high


def test_ten_thousand_images_of_ten_classes_take_seconds() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 10, 10_000)
    begun = time.process_time()
    judged(truth.tolist(), rng.dirichlet([1] * 10, 10_000), classes=tuple("abcdefghij"), draws=2000)
    assert time.process_time() - begun < 8
