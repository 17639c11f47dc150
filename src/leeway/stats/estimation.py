"""Estimate: a share with its interval, from uniform or from deliberately uneven samples."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]

FEWEST = 10  # labels; below this an estimate says nothing worth reading


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share between 0 and 1 with its 95 % interval."""

    value: float
    low: float
    high: float
    labels: int


def wilson_interval(successes: float, total: float, *, level: float = 0.95) -> tuple[float, float]:
    """Two-sided score interval of a share; (0, 1) if total is 0. Counts may be effective ones. Wilson (1927)."""
    if not total > 0:
        return 0.0, 1.0
    return _score_interval(successes / total, total, quantile=float(ndtri(0.5 + level / 2)))


def _score_interval(share: float, total: float, *, quantile: float) -> tuple[float, float]:
    z, shrink = quantile, 1 + quantile * quantile / total
    middle = (share + z * z / (2 * total)) / shrink
    half = z * math.sqrt(max(share * (1 - share), 0.0) / total + z * z / (4 * total * total)) / shrink
    return max(middle - half, 0.0), min(middle + half, 1.0)


def wilson_lower(successes: float, total: float, *, level: float = 0.95) -> float:
    """One-sided lower limit of a share at `level`; 0 if total is 0."""
    return wilson_interval(successes, total, level=2 * level - 1)[0]


def weighted_share(hits: NDArray[np.bool_], *, weights: Floats) -> Estimate | None:
    """Share of hits among unevenly drawn items; hits, weights (n,). None below 10 labels.

    Hajek's ratio sum w hit / sum w, with Wilson's interval at Kish's effective size (sum w)^2 / sum w^2.
    """
    if len(hits) < FEWEST:
        return None
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    value = float((weights * hits).sum() / weights.sum())
    low, high = wilson_interval(value * effective, effective)
    return Estimate(value, low, high, len(hits))


def post_stratified_error(
    wrong: NDArray[np.bool_], *, weights: Floats, guesses: Floats, strata: NDArray[np.int64], shares: Floats
) -> Estimate | None:
    """Error rate of all predictions from draws that favoured some strata. None below 10 labels.

    wrong, weights, guesses, strata: (n,), weights 1 / (N q_i); shares (H,) of the predictions in each stratum. One
    that was never drawn lends its share to its nearest neighbour. With n_h draws and x_h errors in stratum h:
    err = sum W_h x_h / n_h; Var = sum W_h^2 p_h (1 - p_h) / n_h, p_h = (x_h + max(g_h, err)) / (n_h + 1): one more draw
    stands for what is not seen yet. It is the mean guess g_h, or the overall error rate where the guess is below it,
    since a model that has begun to err confidently guesses too low (with g_h alone 95 % intervals cover 91 % there).
    Draws of several nights have unequal weights inside a stratum: x_h / n_h is then Hajek's ratio, n_h Kish's size.
    The interval is Wilson's around sum W_h p_h at the size that has this variance, with Student's quantile at
    Satterthwaite's degrees of freedom: it stays inside 0 to 1. Cochran (1977), sections 5.4 and 5A.9.
    """
    if len(wrong) < FEWEST:
        return None
    drawn = np.unique(strata)
    inside = strata[None, :] == drawn[:, None]  # (D, n)
    share, sums = _shares_of_drawn(shares, drawn), inside @ weights
    sizes = sums**2 / (inside @ weights**2)
    means = (inside @ (weights * wrong)) / sums
    value = float(share @ means)
    guess = np.maximum((inside @ guesses) / inside.sum(axis=1), value)
    rates = (means * sizes + guess) / (sizes + 1)
    parts = share**2 * rates * (1 - rates) / sizes
    centre, variance = float(share @ rates), float(parts.sum())
    if not variance > 0:  # every guess is 0 and nothing was wrong, or the reverse
        low, high = wilson_interval(value * len(wrong), len(wrong))
        return Estimate(value, low, high, len(wrong))
    freedom = variance**2 / float((parts**2 / np.maximum(sizes - 1, 1)).sum())
    quantile = float(stdtrit(freedom, 0.975))
    low, high = _score_interval(centre, centre * (1 - centre) / variance, quantile=quantile)
    return Estimate(value, min(low, value), max(high, value), len(wrong))


def _shares_of_drawn(shares: Floats, drawn: NDArray[np.int64]) -> Floats:
    """(D,) shares of the drawn strata, each with those of undrawn strata that lie nearest; sums to 1."""
    nearest = np.abs(np.arange(len(shares))[:, None] - drawn[None, :]).argmin(axis=1)
    gathered = np.zeros(len(drawn))
    np.add.at(gathered, nearest, shares)
    rescaled: Floats = gathered / gathered.sum()
    return rescaled
