"""The report: what a model's answers on labelled images are worth, each figure with its 95 % interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.errors import DataError
from leeway.evaluation.bootstrap import Resample, percentile_interval, resample
from leeway.evaluation.intervals import Interval
from leeway.evaluation.ranking import areas, ranking_columns
from leeway.evaluation.reliability import (
    Calibration,
    answered,
    calibration,
    calibration_columns,
    reliability_bins,
    uncalibrated,
)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
NO_ANSWER = -1  # predicted index of an image whose probabilities are not all finite


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class; a share whose denominator is zero is None: unknown, not bad."""

    name: str
    support: int  # test images that are of this class
    predicted: int  # test images that were called so
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    auc: Interval | None  # area under the ROC curve, this class against the rest


@dataclass(frozen=True, slots=True)
class SliceScore:
    """The images of one camera, site, or whatever the manifest's slices are."""

    name: str
    images: int
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is measured on the answers to one test split."""

    classes: tuple[str, ...]  # (K,)
    test_images: int
    unanswered: int  # images with a probability that is not finite: counted as wrong everywhere
    grouped: bool  # images share groups: intervals are wider, since such images are alike
    accuracy: Interval
    top5: Interval | None  # None unless K > 5
    macro_f1: Interval | None  # mean over the classes that have test images
    macro_auc: Interval | None
    calibrated: Calibration | None  # as served; None if no image was answered
    uncalibrated: Calibration | None  # the same answers without the temperature
    per_class: tuple[ClassScores, ...]  # (K,)
    slices: tuple[SliceScore, ...]  # by name; none where the manifest has none
    confusion: tuple[tuple[int, ...], ...]  # (K, K) actual x predicted, answered images

    def headline(self) -> dict[str, float]:
        """The numbers one compares runs by; those that are unknown are left out."""
        after, before = self.calibrated, self.uncalibrated
        known = {
            "accuracy": self.accuracy,
            "top5": self.top5,
            "macro_f1": self.macro_f1,
            "macro_auc": self.macro_auc,
            "calibration_error": after.error if after else None,
            "calibration_error_uncalibrated": before.error if before else None,
            "log_loss": after.log_loss if after else None,
            "log_loss_uncalibrated": before.log_loss if before else None,
            "brier": after.brier if after else None,
            "worst_slice_accuracy": min((one.accuracy for one in self.slices), key=lambda one: one.value, default=None),
        }
        numbers = {name: found.value for name, found in known.items() if found is not None}
        ends = {"accuracy_low": self.accuracy.low, "accuracy_high": self.accuracy.high}
        return numbers | ends | {"test_images": self.test_images, "unanswered": self.unanswered}

    def to_json(self) -> dict[str, Any]:
        """The headline at the top level; classes are a list, which `dvc metrics show` leaves out of its table."""
        return self.headline() | {
            "per_class": [asdict(scores) for scores in self.per_class],
            "slices": [asdict(one) for one in self.slices],
            "confusion": [list(row) for row in self.confusion],
        }


def evaluate(
    truth: Indices,
    probabilities: Probabilities,
    *,
    classes: Sequence[str],
    bins: int,
    draws: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
    groups: Sequence[str] | None = None,
    slices: Sequence[str | None] = (),
) -> Report:
    """Judge answers by the truth.

    truth (N,) class indices; probabilities (N, K), columns in the order of `classes`, made with `temperature`; groups
    and slices (N,) names. Accuracy, top 5, precision, recall and F1 have Wilson's interval, at an effective size where
    images share groups; the means over classes, the area under the ROC curve, calibration error, log loss and Brier
    score have the percentile interval of `draws` bootstrap draws. Raises DataError if there is nothing to judge or the
    two do not fit together.
    """
    _check(truth, probabilities, classes)
    predicted = predictions(probabilities)
    right, plain = predicted == truth, uncalibrated(probabilities, temperature=temperature)
    named = [one or "" for one in slices]
    sample = resample(
        _columns(truth, predicted, probabilities)
        | calibration_columns(truth, right, probabilities, bins=bins)
        | {f"plain_{name}": v for name, v in calibration_columns(truth, right, plain, bins=bins).items()}
        | _slice_columns(named, right),
        truth=truth,
        groups=groups,
        draws=draws,
        rng=rng,
    )
    (accuracy,), (top5,) = sample.shares("right", "images"), sample.shares("among_five", "images")
    assert accuracy is not None  # there are images
    return Report(
        classes=tuple(classes),
        test_images=len(truth),
        unanswered=int((predicted == NO_ANSWER).sum()),
        grouped=sample.grouped,
        accuracy=accuracy,
        top5=top5 if len(classes) > 5 else None,
        macro_f1=_macro(*_f1(sample)),
        macro_auc=_macro(*areas(sample)),
        calibrated=calibration(sample, reliability_bins(right, probabilities, bins=bins)),
        uncalibrated=calibration(sample, reliability_bins(right, plain, bins=bins), prefix="plain_"),
        per_class=_per_class(sample, classes),
        slices=_slices(sample, sorted({name for name in named if name})),
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(truth, predicted, size=len(classes))),
    )


def predictions(probabilities: Probabilities) -> Indices:
    """(N,) index of the largest probability, the first of equals; NO_ANSWER for a row that is not all finite."""
    return np.where(answered(probabilities), np.argmax(probabilities, axis=1), NO_ANSWER)


def confusion_matrix(truth: Indices, predicted: Indices, *, size: int) -> Indices:
    """(K, K) counts, actual x predicted; images without an answer are in no cell."""
    known = predicted != NO_ANSWER
    cells = truth[known] * size + predicted[known]
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def _columns(truth: Indices, predicted: Indices, probabilities: Probabilities) -> dict[str, NDArray[Any]]:
    """What each image adds to the sums behind accuracy and the scores per class: (N,) or (N, K) each."""
    classes = np.arange(probabilities.shape[1])
    actual, called = truth[:, None] == classes, predicted[:, None] == classes
    return {
        "images": np.ones(len(truth)),
        "right": predicted == truth,
        "among_five": _among_first(truth, probabilities, first=5),
        "actual": actual,
        "called": called,
        "hits": actual & called,
        "involved": actual | called,
    } | ranking_columns(actual, probabilities)


def _slice_columns(named: Sequence[str], right: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    names = sorted({name for name in named if name})
    if not names:
        return {}
    inside = np.array(named)[:, None] == np.array(names)
    return {"inside": inside, "right_inside": inside & right[:, None]}


def _slices(sample: Resample, names: Sequence[str]) -> tuple[SliceScore, ...]:
    if not names:
        return ()
    shares = zip(names, sample.total("inside"), sample.shares("right_inside", "inside"), strict=True)
    return tuple(SliceScore(name, int(size), accuracy) for name, size, accuracy in shares if accuracy is not None)


def _per_class(sample: Resample, classes: Sequence[str]) -> tuple[ClassScores, ...]:
    support, predicted = sample.total("actual"), sample.total("called")
    precision, recall = sample.shares("hits", "called"), sample.shares("hits", "actual")
    overlap, (auc, drawn) = sample.shares("hits", "involved"), areas(sample)
    return tuple(
        ClassScores(
            name=name,
            support=int(support[k]),
            predicted=int(predicted[k]),
            precision=precision[k],
            recall=recall[k],
            f1=_f1_from(overlap[k]) if support[k] else None,
            auc=percentile_interval(float(auc[k]), drawn[:, k]) if np.isfinite(auc[k]) else None,
        )
        for k, name in enumerate(classes)
    )


def _f1_from(overlap: Interval | None) -> Interval | None:
    """F1 with its interval, from the share p of hits among images that are of the class, or were called so, or both.

    F1 = 2p / (1 + p) (the F* of Hand, Christen and Kirielle, 2021, "F*: an interpretable transformation of the
    F-measure"). Given how many are involved, the hits are binomial, and the map is increasing: p's interval becomes
    F1's. Unlike a bootstrap it does not shrink to a point where no image was missed.
    """
    if overlap is None:
        return None
    value, low, high = (2 * end / (1 + end) for end in (overlap.value, overlap.low, overlap.high))
    return Interval(value, low, high)


def _f1(sample: Resample) -> tuple[Floats, Floats]:
    """(K,) F1 = 2 hits / (actual + called), and (D, K) of the draws; NaN for a class without test images."""

    def scores(hits: Floats, actual: Floats, called: Floats) -> Floats:
        return np.where(actual > 0, 2 * hits / np.maximum(actual + called, 1), np.nan)

    names = ("hits", "actual", "called")
    return scores(*(sample.total(name) for name in names)), scores(*(sample.draws[name] for name in names))


def _macro(values: Floats, drawn: Floats) -> Interval | None:
    """Mean over the classes that are known; in each draw over those that are known there."""
    known = np.isfinite(values)
    if not known.any():
        return None
    kept = np.ma.masked_invalid(drawn[:, known])
    return percentile_interval(float(values[known].mean()), np.ma.filled(kept.mean(axis=1), np.nan))


def _among_first(truth: Indices, probabilities: Probabilities, *, first: int) -> NDArray[np.bool_]:
    """(N,) whether the true class is among the `first` most probable; of equals, the lower index is first."""
    own = probabilities[np.arange(len(truth)), truth][:, None]
    earlier = np.arange(probabilities.shape[1])[None, :] < truth[:, None]
    before = ((probabilities > own) | ((probabilities == own) & earlier)).sum(axis=1)
    return np.asarray((before < first) & answered(probabilities))


def _check(truth: Indices, probabilities: Probabilities, classes: Sequence[str]) -> None:
    if not len(truth):
        raise DataError("no labelled test image to evaluate on; see data/dataset/dataset.json, and data.split.test")
    if probabilities.shape != (len(truth), len(classes)):
        raise DataError(
            f"probabilities have shape {probabilities.shape}, expected ({len(truth)}, {len(classes)}): "
            "one row for each test image, one column for each class of the bundle"
        )
    if truth.min() < 0 or truth.max() >= len(classes):
        raise DataError(f"a true class index is not in 0 to {len(classes) - 1}; were dataset and bundle made together?")
