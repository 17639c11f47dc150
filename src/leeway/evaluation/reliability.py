"""Reliability: do probabilities mean what they say, before the temperature and after it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from leeway.evaluation.bootstrap import Resample, percentile_interval
from leeway.evaluation.intervals import Interval, share

Indices = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
SMALLEST = float(np.finfo(np.float32).tiny)
LEAST_SURE = float(np.finfo(np.float32).eps)  # a probability under it counts as it in the log loss, as in scikit-learn


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers whose confidence lies in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean; None in an empty bin
    accuracy: Interval | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities can be taken at their word, over the answered images; smaller is better."""

    error: Interval  # expected calibration error, 0 to 1
    log_loss: Interval  # nats
    brier: Interval  # 0 to 2
    bins: tuple[ReliabilityBin, ...]


def uncalibrated(probabilities: Probabilities, *, temperature: float) -> Probabilities:
    """(N, K) what the network says without its temperature: p is softmax(logits / T), so softmax(T log p) is it.

    An image without an answer stays one: its row is NaN.
    """
    known = np.where(answered(probabilities)[:, None], probabilities, np.nan).astype(float)
    logits = temperature * np.log(np.maximum(known, SMALLEST))
    plain: Probabilities = softmax(logits, axis=1)
    return plain


def reliability_bins(right: Flags, probabilities: Probabilities, *, bins: int) -> tuple[ReliabilityBin, ...]:
    """Accuracy against confidence in `bins` equal-width bins over (0, 1]; right (N,), probabilities (N, K).

    Images without an answer have no confidence and are in no bin.
    """
    confidence, members = probabilities.max(axis=1), _members(probabilities, bins)
    edges = np.linspace(0.0, 1.0, bins + 1)
    return tuple(
        _bin(float(low), float(high), confidence[inside], right[inside])
        for low, high, inside in zip(edges[:-1], edges[1:], members.T, strict=True)
    )


def calibration_columns(truth: Indices, right: Flags, probabilities: Probabilities, *, bins: int) -> dict[str, Any]:
    """What `calibration` needs of each image, to be resampled: truth, right (N,), probabilities (N, K).

    Log loss: -log of the true class's probability. Brier (1950): squared distance of the probabilities from the truth.
    """
    known = answered(probabilities)
    told = np.where(known[:, None], probabilities, 0.0).astype(float)
    own = told[np.arange(len(truth)), truth]
    members = _members(probabilities, bins)
    return {
        "answered": known,
        "log_loss": np.where(known, -np.log(np.clip(own, LEAST_SURE, 1.0)), 0.0),
        "brier": np.where(known, (told**2).sum(axis=1) - 2 * own + 1, 0.0),
        "gap": members * (right[:, None] - told.max(axis=1)[:, None]),  # (N, bins)
    }


def calibration(sample: Resample, bins: Sequence[ReliabilityBin], *, prefix: str = "") -> Calibration | None:
    """From the resampled `calibration_columns`, whose names begin with `prefix`; None if no image was answered.

    The error is the sum over bins of count / N * |accuracy - confidence|. Naeini, Cooper and Hauskrecht (2015),
    "Obtaining well calibrated probabilities using Bayesian binning".
    """
    drawn: Mapping[str, NDArray[np.float64]] = sample.draws
    known, size = float(sample.total(f"{prefix}answered")[0]), drawn[f"{prefix}answered"][:, 0]
    if not known:
        return None
    size = np.where(size > 0, size, np.nan)

    def mean(name: str) -> Interval:
        return percentile_interval(float(sample.total(prefix + name)[0]) / known, drawn[prefix + name][:, 0] / size)

    error = float(np.abs(sample.total(f"{prefix}gap")).sum()) / known
    errors = np.abs(drawn[f"{prefix}gap"]).sum(axis=1) / size
    return Calibration(
        error=percentile_interval(error, errors, unbiased=False),
        log_loss=mean("log_loss"),
        brier=mean("brier"),
        bins=tuple(bins),
    )


def answered(probabilities: Probabilities) -> Flags:
    """(N,) whether every probability of an image is a number."""
    return np.asarray(np.isfinite(probabilities).all(axis=1))


def _members(probabilities: Probabilities, bins: int) -> Flags:
    """(N, bins) in which bin an answer lies."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, probabilities.max(axis=1), side="left") - 1, 0, bins - 1)
    inside: Flags = (place[:, None] == np.arange(bins)) & answered(probabilities)[:, None]
    return inside


def _bin(low: float, high: float, confidence: Probabilities, right: Flags) -> ReliabilityBin:
    count = len(right)
    if not count:
        return ReliabilityBin(low, high, 0, None, None)
    return ReliabilityBin(low, high, count, float(confidence.mean()), share(int(right.sum()), count))
