"""Weaknesses: where a model fails most, for people who decide whether that matters."""

from dataclasses import dataclass

from leeway.evaluation.metrics import ClassScores, Report, SliceScore


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one class that were called another."""

    actual: str
    predicted: str
    images: int
    of: int  # test images of the class


def weakest_first(report: Report) -> tuple[ClassScores, ...]:
    """Every class, the lowest recall first; those without a test image last."""
    return tuple(sorted(report.per_class, key=lambda one: one.recall.value if one.recall else 2.0))


def weak_classes(report: Report, *, most: int) -> tuple[ClassScores, ...]:
    """Classes whose recall lies under the accuracy, the lowest first."""
    told = [one for one in weakest_first(report) if one.recall and one.recall.value < report.accuracy.value]
    return tuple(told[:most])


def weak_slices(report: Report, *, most: int) -> tuple[SliceScore, ...]:
    """Slices whose whole interval lies under the accuracy of all, the lowest first."""
    under = [one for one in report.slices if one.accuracy.high < report.accuracy.value]
    return tuple(sorted(under, key=lambda one: one.accuracy.value)[:most])


def frequent_confusions(report: Report, *, most: int) -> tuple[ConfusedPair, ...]:
    """Pairs of classes, the most images first."""
    pairs = [
        ConfusedPair(name, report.classes[k], count, scores.support)
        for name, row, scores in zip(report.classes, report.confusion, report.per_class, strict=True)
        for k, count in enumerate(row)
        if count and report.classes[k] != name
    ]
    return tuple(sorted(pairs, key=lambda one: -one.images)[:most])
