"""Test-time augmentation: is the mean answer to several views of an image better, and what does it cost?"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from leeway.evaluation.metrics import predictions
from leeway.stats.paired import Pairs, mcnemar

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.floating[Any]]
Views = Literal["none", "mirror", "shifts"]
CALLS = 50
SHIFT_SHARE = 1 / 16  # of a side: an object is found as well a sixteenth further, and its edges fall on other pixels


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean answer beside the plain one, on the same test images."""

    views: str
    pairs: Pairs  # gained: wrong plainly, right in the mean
    p: float  # McNemar's, one-sided: that the mean is no better
    times_slower: float  # than one view, for one image: measured, the graph alone


def views_of(pixels: Pixels, views: Views) -> Iterator[Pixels]:
    """The images (B, H, W, C) as they are, then mirrored, or moved by SHIFT_SHARE up, down, left, right."""
    yield pixels
    if views == "mirror":
        yield np.ascontiguousarray(pixels[:, :, ::-1])
    if views == "shifts":
        for axis, side in ((1, 1), (1, -1), (2, 1), (2, -1)):
            yield _moved(pixels, axis, side * max(round(pixels.shape[axis] * SHIFT_SHARE), 1))


def mean_answer(pixels: Pixels, views: Views, *, answer: Callable[[Pixels], Probabilities]) -> Probabilities:
    """(B, K) mean probabilities over the views."""
    told: Probabilities = np.mean([answer(view) for view in views_of(pixels, views)], axis=0)
    return told


def times_slower(pixels: Pixels, views: Views, *, answer: Callable[[Pixels], Probabilities]) -> float:
    """How much longer one image takes; medians over CALLS calls each in turn, so that other work hits both alike."""
    seconds: dict[Views, list[float]] = {"none": [], views: []}
    for turn in range(CALLS):
        image = pixels[turn % len(pixels) :][:1]
        for kind, taken in seconds.items():
            begun = time.perf_counter()
            mean_answer(image, kind, answer=answer)
            taken.append(time.perf_counter() - begun)
    return statistics.median(seconds[views]) / statistics.median(seconds["none"])


def compare(
    truth: NDArray[np.int64], plain: Probabilities, averaged: Probabilities, *, views: str, slower: float
) -> Gain:
    """truth (N,), probabilities (N, K)."""
    before, after = predictions(plain) == truth, predictions(averaged) == truth
    pairs = Pairs(gained=int((~before & after).sum()), lost=int((before & ~after).sum()), total=len(truth))
    return Gain(views, pairs, mcnemar(pairs), slower)


def _moved(pixels: Pixels, axis: int, by: int) -> Pixels:
    """Moved by so many pixels; the edge is repeated into the gap."""
    size = pixels.shape[axis]
    return np.take(pixels, np.clip(np.arange(size) - by, 0, size - 1), axis=axis)
