"""Estimate: a share with its interval, from uniform or from deliberately uneven samples.

>>> wrong = np.array([True] * 2 + [False] * 18 + [True] * 10 + [False] * 10)  # half the labels from a doubtful fifth
>>> found = post_stratified_error(
...     wrong,
...     weights=np.repeat([1.6, 0.4], 20),
...     guesses=np.repeat([0.05, 0.5], 20),
...     strata=np.repeat([0, 1], 20),
...     shares=np.array([0.8, 0.2]),
... )
>>> f"{wrong.mean():.0%} of the labels, {found.value:.0%} ({found.low:.0%} to {found.high:.0%}) of all predictions"
'30% of the labels, 18% (10% to 34%) of all predictions'
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 10  # labels; below this an estimate says nothing worth reading
MORE_DRAWS = 3  # of a stratum, that stand for what its labels have not shown yet


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
    return _score_interval(successes / total, total, quantile=normal_quantile(0.5 + level / 2))


def normal_quantile(level: float) -> float:
    """Return the point under which a standard normal variable stays with this probability."""
    from scipy.special import ndtri  # loads slowly: a command that computes nothing needs none of it

    return float(ndtri(level))


def _student_quantile(freedom: float, level: float) -> float:
    from scipy.special import stdtrit  # loads slowly: a command that computes nothing needs none of it

    return float(stdtrit(freedom, level))


def _score_interval(share: float, total: float, *, quantile: float) -> tuple[float, float]:
    z, shrink = quantile, 1 + quantile * quantile / total
    middle = (share + z * z / (2 * total)) / shrink
    half = z * math.sqrt(max(share * (1 - share), 0.0) / total + z * z / (4 * total * total)) / shrink
    return max(middle - half, 0.0), min(middle + half, 1.0)


def wilson_lower(successes: float, total: float, *, level: float = 0.95) -> float:
    """One-sided lower limit of a share at `level`; 0 if total is 0."""
    return wilson_interval(successes, total, level=2 * level - 1)[0]


def weighted_share(
    hits: NDArray[np.bool_], *, weights: Floats, multiplicity: NDArray[np.integer] | None = None
) -> Estimate | None:
    """Share of hits among unevenly drawn items; hits, weights, multiplicity (n,). None below 10 labels.

    Hajek's ratio sum w hit / sum w, with Wilson's interval at Kish's effective size (sum w)^2 / sum w^2.
    """
    times = np.ones(len(hits), dtype=np.int64) if multiplicity is None else multiplicity
    if times.sum() < FEWEST:
        return None
    total = float(times @ weights)
    effective, value = total**2 / float(times @ weights**2), float(times @ (weights * hits)) / total
    low, high = wilson_interval(value * effective, effective)
    return Estimate(value, low, high, int(times.sum()))


def post_stratified_error(
    wrong: NDArray[np.bool_],
    *,
    weights: Floats,
    guesses: Floats,
    strata: NDArray[np.int64],
    shares: Floats,
    multiplicity: NDArray[np.integer] | None = None,
    level: float = 0.95,
) -> Estimate | None:
    """Error rate of all predictions from draws that favoured some strata. None below 10 labels.

    wrong, weights, guesses, strata: (n,), weights 1 / (N q_i); shares (H,) of the predictions in each stratum. One
    that was never drawn lends its share to its nearest neighbour. multiplicity (n,): draws that a row stands for.
    With n_h draws and x_h errors in stratum h:
    err = sum W_h x_h / n_h; Var = sum W_h^2 p_h (1 - p_h) / n_h, p_h = (x_h + 3 max(g_h, err)) / (n_h + 3): three more
    draws stand for what is not seen yet (after Agresti and Caffo 2000, who add two). Each is the mean guess g_h, or the
    overall error rate where the guess is below it, since a model that has begun to err confidently guesses too low.
    Intervals of 100 labels then cover 93 % at least in the sixteen worlds of benchmarks/nulls_estimates.py; with two
    more draws 92 %, with one 91.5 %, with g_h alone 88 %. Where guesses are sharp and nothing has changed they cover
    98 % and are up to a quarter wider than need be: a stratum that has shown no error may still have begun to err.
    Draws of several nights have unequal weights inside a stratum: x_h / n_h is then Hajek's ratio, n_h Kish's size.
    The interval is Wilson's around sum W_h p_h at the size that has this variance, with Student's quantile at
    Satterthwaite's degrees of freedom: it stays inside 0 to 1. Cochran (1977), sections 5.4 and 5A.9.
    """
    times = np.ones(len(wrong), dtype=np.int64) if multiplicity is None else multiplicity
    labels = int(times.sum())
    if labels < FEWEST:
        return None
    drawn = np.unique(strata[times > 0])
    inside = (strata[None, :] == drawn[:, None]) * times  # (D, n)
    share, sums = _shares_of_drawn(shares, drawn), inside @ weights
    sizes = sums**2 / (inside @ weights**2)
    means = (inside @ (weights * wrong)) / sums
    value = float(share @ means)
    guess = np.maximum((inside @ guesses) / inside.sum(axis=1), value)
    rates = (means * sizes + MORE_DRAWS * guess) / (sizes + MORE_DRAWS)
    parts = share**2 * rates * (1 - rates) / sizes
    centre, variance = float(share @ rates), float(parts.sum())
    if not variance > 0:  # every guess is 0 and nothing was wrong, or the reverse
        low, high = wilson_interval(value * labels, labels, level=level)
        return Estimate(value, low, high, labels)
    freedom = variance**2 / float((parts**2 / np.maximum(sizes - 1, 1)).sum())
    quantile = _student_quantile(freedom, 0.5 + level / 2)
    low, high = _score_interval(centre, centre * (1 - centre) / variance, quantile=quantile)
    return Estimate(value, min(low, value), max(high, value), labels)


def prediction_powered_error(
    wrong: NDArray[np.bool_],
    *,
    guesses: Floats,
    mean_guess: float,
    guess_variance: float,
    predictions: int,
    level: float = 0.95,
) -> Estimate | None:
    """Error rate from a uniform sample and a guess for every prediction. None below 10 labels.

    wrong, guesses (n,) of the sample; mean and variance of the guess over all `predictions`. PPI++ (Angelopoulos et al.
    2023, arXiv 2311.01453): err = lam mean_N(g) + mean_n(l - lam g), lam = Cov_n(l, g) / ((1 + n/N) Var g) within 0 to
    1; its variance is Var_n(l - lam g) / n + lam^2 Var(g) / N. The interval is Student's.
    """
    labels = len(wrong)
    if labels < FEWEST:
        return None
    spread = float(guesses.var(ddof=1))
    covariance = float(((wrong - wrong.mean()) * (guesses - guesses.mean())).sum()) / (labels - 1)
    trust = min(max(covariance / ((1 + labels / predictions) * spread), 0.0), 1.0) if spread > 0 else 0.0
    rest = wrong - trust * guesses
    value = min(max(trust * mean_guess + float(rest.mean()), 0.0), 1.0)
    smoothed = (float(((rest - rest.mean()) ** 2).sum()) + 0.25) / labels  # a sample without an error has some, too
    half = _student_quantile(labels - 1, 0.5 + level / 2) * math.sqrt(
        smoothed / labels + trust**2 * guess_variance / predictions
    )
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0), labels)


def drop_lower_limit(before: Estimate, after: Estimate) -> float:
    """Lower limit of before - after for two independent shares, one-sided where their intervals are two-sided.

    difference - sqrt((before - its lower limit)^2 + (after's upper limit - after)^2): Newcombe (1998), Statistics in
    Medicine 17:873, method 10. Its level is that of one side of the intervals given; far out (.05/13), with many
    labels before and few after, up to three times as much.
    """
    return before.value - after.value - math.hypot(before.value - before.low, after.high - after.value)


def _shares_of_drawn(shares: Floats, drawn: NDArray[np.int64]) -> Floats:
    """(D,) shares of the drawn strata, each with those of undrawn strata that lie nearest; sums to 1."""
    nearest = np.abs(np.arange(len(shares))[:, None] - drawn[None, :]).argmin(axis=1)
    gathered = np.zeros(len(drawn))
    np.add.at(gathered, nearest, shares)
    rescaled: Floats = gathered / gathered.sum()
    return rescaled
