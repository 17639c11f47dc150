"""Ranking: how well the probability of a class orders the images, told by the area under the ROC curve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from leeway.evaluation.bootstrap import Resample
from leeway.evaluation.reliability import answered

Floats = NDArray[np.float64]
Probabilities = NDArray[np.floating[Any]]


def ranking_columns(actual: NDArray[np.bool_], probabilities: Probabilities) -> dict[str, Floats]:
    """What `areas` needs of each image, to be resampled: actual, probabilities (N, K)."""
    placed = _placements(actual, probabilities)
    return {"outranks": np.where(actual, placed, 0.0), "outranked": np.where(actual, 0.0, placed)}


def areas(sample: Resample) -> tuple[Floats, Floats]:
    """(K,) area under the ROC curve, each class against the rest, and (D, K) of the draws; NaN where one is empty.

    The area is the mean placement of the class's images. A draw's is what it is to first order: the mean placements of
    both kinds of image drawn, less the area. DeLong, DeLong and Clarke-Pearson (1988); for groups Obuchowski (1997).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        actual, rest = sample.total("actual"), sample.total("images") - sample.total("actual")
        area = np.where(rest > 0, sample.total("outranks") / actual, np.nan)
        own = sample.draws["outranks"] / sample.draws["actual"]
        other = sample.draws["outranked"] / (sample.draws["images"] - sample.draws["actual"])
    return area, np.clip(own + other - area, 0, 1)


def _placements(actual: NDArray[np.bool_], probabilities: Probabilities) -> Floats:
    """(N, K) share of the images of the other kind, class k or not, that an image stands on the right side of.

    Ties count half. An image without an answer stands on the wrong side of all.
    """
    worst = np.where(actual, -1.0, 2.0)
    scores = np.where(answered(probabilities)[:, None], probabilities, worst).astype(float)
    among_all = rankdata(scores, axis=0)
    among_own, among_rest = (
        rankdata(np.where(kind, scores, np.nan), axis=0, nan_policy="omit") for kind in (actual, ~actual)
    )
    size = actual.sum(axis=0)
    below = (among_all - among_own) / np.maximum(len(actual) - size, 1)
    above = 1 - (among_all - among_rest) / np.maximum(size, 1)
    placed: Floats = np.where(actual, below, above)
    return placed
