"""The report: what a model's answers on labelled images are worth, each share with its 95 % interval."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.errors import DataError
from leeway.stats.estimation import wilson_interval

Indices = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
NO_ANSWER = -1  # predicted index of an image whose probabilities are not all finite


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion with its 95 % interval, all 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class; a share whose denominator is zero is None: unknown, not bad."""

    name: str
    support: int  # test images that are of this class
    predicted: int  # test images that were called so
    precision: Share | None
    recall: Share | None
    f1: Share | None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers whose confidence lies in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean; None in an empty bin
    accuracy: Share | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is measured on one test split."""

    classes: tuple[str, ...]  # (K,)
    test_images: int
    unanswered: int  # images with a probability that is not finite: counted as wrong everywhere
    accuracy: Share
    top5: Share | None  # None unless K > 5
    macro_f1: float | None  # mean over the classes that have test images
    calibration_error: float | None  # expected calibration error over the answered images
    per_class: tuple[ClassScores, ...]  # (K,)
    confusion: tuple[tuple[int, ...], ...]  # (K, K) actual x predicted, answered images
    reliability: tuple[ReliabilityBin, ...]

    def headline(self) -> dict[str, float]:
        """The numbers one compares runs by; those that are unknown are left out."""
        top5 = self.top5.value if self.top5 else None
        numbers = {
            "accuracy": self.accuracy.value,
            "accuracy_low": self.accuracy.low,
            "accuracy_high": self.accuracy.high,
            "top5": top5,
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            "test_images": self.test_images,
            "unanswered": self.unanswered,
        }
        return {name: number for name, number in numbers.items() if number is not None}

    def to_json(self) -> dict[str, Any]:
        """The headline at the top level; classes are a list, which `dvc metrics show` leaves out of its table."""
        return self.headline() | {
            "per_class": [asdict(scores) for scores in self.per_class],
            "confusion": [list(row) for row in self.confusion],
        }


def evaluate(truth: Indices, probabilities: Probabilities, *, classes: Sequence[str], bins: int) -> Report:
    """Judge answers by the truth.

    truth (N,) class indices; probabilities (N, K), columns in the order of `classes`. Raises DataError if there is
    nothing to judge or the two do not fit together.
    """
    _check(truth, probabilities, classes)
    predicted = predictions(probabilities)
    right = predicted == truth
    confusion = confusion_matrix(truth, predicted, size=len(classes))
    support = np.bincount(truth, minlength=len(classes))
    per_class = tuple(
        _class_scores(name, right=int(confusion[k, k]), support=int(support[k]), predicted=int(confusion[:, k].sum()))
        for k, name in enumerate(classes)
    )
    reliability = reliability_bins(right, probabilities, bins=bins)
    return Report(
        classes=tuple(classes),
        test_images=len(truth),
        unanswered=int((predicted == NO_ANSWER).sum()),
        accuracy=share(int(right.sum()), len(truth)),
        top5=share(_among_first(truth, probabilities, first=5), len(truth)) if len(classes) > 5 else None,
        macro_f1=_mean([scores.f1.value for scores in per_class if scores.f1 is not None]),
        calibration_error=calibration_error(reliability),
        per_class=per_class,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        reliability=reliability,
    )


def share(count: int, total: int) -> Share:
    """count / total with its 95 % Wilson interval; total > 0."""
    low, high = wilson_interval(count, total)
    return Share(count / total, float(low), float(high))


def predictions(probabilities: Probabilities) -> Indices:
    """(N,) index of the largest probability, the first of equals; NO_ANSWER for a row that is not all finite."""
    return np.where(_answered(probabilities), np.argmax(probabilities, axis=1), NO_ANSWER)


def confusion_matrix(truth: Indices, predicted: Indices, *, size: int) -> Indices:
    """(K, K) counts, actual x predicted; images without an answer are in no cell."""
    answered = predicted != NO_ANSWER
    cells = truth[answered] * size + predicted[answered]
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def reliability_bins(
    right: NDArray[np.bool_], probabilities: Probabilities, *, bins: int
) -> tuple[ReliabilityBin, ...]:
    """Accuracy against confidence in `bins` equal-width bins over (0, 1]; right (N,), probabilities (N, K).

    Images without an answer have no confidence and are in no bin.
    """
    confidence = probabilities.max(axis=1)
    answered = _answered(probabilities)
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    members = [answered & (place == index) for index in range(bins)]
    return tuple(
        _bin(float(low), float(high), confidence[inside], right[inside])
        for low, high, inside in zip(edges[:-1], edges[1:], members, strict=True)
    )


def calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """Expected calibration error: sum over bins of count / N * |accuracy - confidence|.

    Naeini, Cooper and Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning".
    """
    total = sum(one.count for one in bins)
    gaps = [
        one.count * abs(one.accuracy.value - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    ]
    return sum(gaps) / total if total else None


def _answered(probabilities: Probabilities) -> NDArray[np.bool_]:
    """(N,) whether every probability of an image is a number."""
    return np.asarray(np.isfinite(probabilities).all(axis=1))


def _class_scores(name: str, *, right: int, support: int, predicted: int) -> ClassScores:
    return ClassScores(
        name=name,
        support=support,
        predicted=predicted,
        precision=share(right, predicted) if predicted else None,
        recall=share(right, support) if support else None,
        f1=_f1(right, support + predicted - right) if support else None,
    )


def _f1(right: int, involved: int) -> Share:
    """F1 with its interval; `involved` images are of the class, or were called so, or both.

    F1 = 2p / (1 + p) with p = right / involved (the F* of Hand, Christen and Kirielle, 2021, "F*: an interpretable
    transformation of the F-measure"). Given `involved`, `right` is binomial, and the map is increasing: p's Wilson
    interval becomes F1's. Unlike a bootstrap it does not shrink to a point where no image was missed.
    """
    p = share(right, involved)
    value, low, high = (2 * end / (1 + end) for end in (p.value, p.low, p.high))
    return Share(value, low, high)


def _among_first(truth: Indices, probabilities: Probabilities, *, first: int) -> int:
    """Images whose true class is among the `first` most probable; of equals, the lower index is first."""
    own = probabilities[np.arange(len(truth)), truth][:, None]
    earlier = np.arange(probabilities.shape[1])[None, :] < truth[:, None]
    before = ((probabilities > own) | ((probabilities == own) & earlier)).sum(axis=1)
    return int(((before < first) & _answered(probabilities)).sum())


def _bin(low: float, high: float, confidence: Probabilities, right: NDArray[np.bool_]) -> ReliabilityBin:
    count = len(right)
    if not count:
        return ReliabilityBin(low, high, 0, None, None)
    return ReliabilityBin(low, high, count, float(confidence.mean()), share(int(right.sum()), count))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


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
