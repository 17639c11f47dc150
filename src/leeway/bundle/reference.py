"""Counts a reference: what a model answered where the truth is known, by class and confidence bin."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.domain.records import ReferenceCounts
from leeway.stats.shift import isotonic_guesses

QUANTILES = np.arange(1, 20) / 20  # each bin holds a twentieth of what the model answers while nothing changes
FALLEN = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
UNKNOWN = -1


def count_reference(classes: Sequence[str], probabilities: NDArray[Any], truth: NDArray[Any]) -> ReferenceCounts:
    """Of a model that gives probabilities (N, K); truth (N,) class indices, -1 where it is not known."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1).astype(float)
    return count_answers(classes, predicted, confidence=confidence, truth=truth)


def count_answers(
    classes: Sequence[str],
    predicted: NDArray[Any],
    *,
    truth: NDArray[Any],
    confidence: NDArray[Any] | None = None,
    production: bool = False,
) -> ReferenceCounts:
    """predicted, truth, confidence (N,): class indices, truth -1 where it is not known.

    Bands are cut at the terciles of the confidence, so that each holds a third of what the model answers while nothing
    changes; bins at its twentieths, and at fixed places that a model in trouble may fall to. The guess of a bin is
    isotonic in the labels and in what the confidence promises. Without confidence there is one bin.
    """
    known = truth >= 0
    wrong = (predicted != truth) & known
    sure = np.full(len(predicted), 0.5) if confidence is None else confidence.astype(float)
    low, high = (float(edge) for edge in np.quantile(sure, (1 / 3, 2 / 3)))
    edges = np.empty(0) if confidence is None else np.unique([*np.quantile(sure, QUANTILES), low, high, *FALLEN])
    bins = np.searchsorted(edges, sure, side="right")
    band = np.ones(len(predicted), dtype=int) if confidence is None else np.searchsorted((low, high), sure, "right")
    counts = np.zeros((len(classes), 3), dtype=int)
    np.add.at(counts, (predicted, band), 1)
    size = len(edges) + 1
    promised = None if confidence is None else _promised(edges, bins, sure)
    guesses = isotonic_guesses(
        np.bincount(bins[wrong], minlength=size), np.bincount(bins[known], minlength=size), promised=promised
    )
    cells, numbers = np.unique(np.stack([np.where(known, truth, UNKNOWN), predicted, bins]), axis=1, return_counts=True)
    return ReferenceCounts(
        classes=tuple(classes),
        band_edges=(low, high),
        counts=tuple((int(a), int(b), int(c)) for a, b, c in counts),
        correct=int((predicted == truth)[known].sum()),
        total=int(known.sum()),
        edges=tuple(edges.tolist()),
        guesses=tuple(guesses.tolist()),
        cells=tuple((*map(int, cell), int(number)) for cell, number in zip(cells.T, numbers, strict=True)),  # type: ignore[misc]
        production=production,
        with_confidence=confidence is not None,
    )


def _promised(edges: NDArray[Any], bins: NDArray[Any], confidence: NDArray[Any]) -> NDArray[np.float64]:
    """(B,) 1 - mean confidence of each bin; of its middle where it is empty."""
    ends = np.array([0.0, *edges, 1.0])
    size, count = len(edges) + 1, np.bincount(bins, minlength=len(edges) + 1)
    mean = np.bincount(bins, weights=confidence, minlength=size) / np.maximum(count, 1)
    promised: NDArray[np.float64] = 1 - np.where(count > 0, mean, (ends[:-1] + ends[1:]) / 2)
    return promised
