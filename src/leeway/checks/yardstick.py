"""Yardstick: a version's reference counts as the arrays that checks compute with."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from leeway.domain.records import ReferenceCounts, WindowCounts

Ints = NDArray[np.int64]


def class_truth(reference: ReferenceCounts) -> tuple[Ints, Ints, Ints]:
    """(K,) right answers, items of each true class, items of known truth answered as each class."""
    right, true, said = (np.zeros(len(reference.classes), dtype=np.int64) for _ in range(3))
    for truth, answer, _, count in reference.cells:
        if truth >= 0:
            true[truth] += count
            said[answer] += count
            right[truth] += count * (truth == answer)
    return right, true, said


def joint_bands(reference: ReferenceCounts) -> Ints:
    """(K, 3K) items by true class, and predicted class x band."""
    classes = len(reference.classes)
    bands = np.array(bands_of_bins(reference))
    joint = np.zeros((classes, 3 * classes), dtype=np.int64)
    for truth, answer, place, count in reference.cells:
        if truth >= 0:
            joint[truth, 3 * answer + bands[place]] += count
    return joint


def bands_of_bins(reference: ReferenceCounts) -> list[int]:
    """(B,) the band, 0 to 2, that each confidence bin lies in."""
    if not reference.with_confidence:
        return [1] * (len(reference.bin_edges) + 1)
    low, high = reference.band_edges
    starts = (-np.inf, *reference.bin_edges)
    return [int(start >= low) + int(start >= high) for start in starts]


def histogram(reference: ReferenceCounts) -> Ints:
    """(B,) items in each confidence bin."""
    found = np.zeros(len(reference.bin_edges) + 1, dtype=np.int64)
    for _, _, place, count in reference.cells:
        found[place] += count
    return found


def bin_truth(reference: ReferenceCounts) -> tuple[Ints, Ints]:
    """(B,) wrong answers, and items of known truth, in each confidence bin."""
    wrong, total = np.zeros((2, len(reference.bin_edges) + 1), dtype=np.int64)
    for truth, answer, place, count in reference.cells:
        if truth >= 0:
            total[place] += count
            wrong[place] += count * (truth != answer)
    return wrong, total


def band_counts(window: WindowCounts, classes: tuple[str, ...]) -> Ints:
    """(3K,) the window's counts by class, in the order of `classes`, and confidence band."""
    counts = dict(zip(window.classes, window.counts, strict=True))
    return np.array([counts[name] for name in classes], dtype=np.int64).reshape(-1)


def distinct_counts(window: WindowCounts, classes: tuple[str, ...]) -> Ints:
    """(3K,) the same, where images that came often count once."""
    counts = band_counts(window, classes)
    return counts - band_counts(replace(window, counts=window.repeats), classes) if window.repeats else counts
