"""Bet: has the error rate gone over its limit? A betting e-detector, one update a night.

Each night's labelled draws are bets against "the error rate is at most e0". A factor's expectation is at most 1 under
that hypothesis, so the running wealth M exceeds 365/alpha within a year with probability at most alpha, whatever
happens in between (Shin, Ramdas, Rinaldo, arXiv 2203.03532; Waudby-Smith, Ramdas, arXiv 2010.09686).

>>> wealth, labels = START, np.arange(20)  # twenty labels a night, drawn uniformly, of a model that guesses 5 % errors
>>> for errors in [1, 1, 4, 6, 5, 7, 6]:  # the limit is 10 %
...     product = night_log_product(
...         labels < errors, weights=np.ones(20), guesses=np.full(20, 0.05), mean_guess=0.05, error_limit=0.10
...     )
...     wealth = update(wealth, product)
...     print(f"{e_value(wealth):.3g}", e_value(wealth) >= threshold(0.05))
0.396 False
0.603 False
3.13 False
32.7 False
154 False
6.08e+03 False
1.09e+05 True
"""

import math

import numpy as np
from numpy.typing import NDArray

from leeway.stats.allocation import CONTROL_LIMIT

Floats = NDArray[np.float64]

NIGHTS_PER_YEAR = 365
DROPS = (0.03, 0.05, 0.10, 0.20)  # each bet grows fastest for an error rate this far over the limit
PRIOR = (0.20, 0.40, 0.25, 0.15)  # weights of the bets
START = np.full(len(DROPS), -np.inf)  # log M before the first night: M = 0
MOST_LOST = 0.95  # a single draw never takes more than this share of the wealth


def growth_optimal_bets(error_limit: float) -> Floats:
    """(4,) lam that maximises q ln(1 + lam (1 - e0)) + (1 - q) ln(1 - lam e0) for q = e0 + .03, .05, .10, .20.

    The maximum (Kelly 1956) stands at lam = (q - e0) / (e0 (1 - e0)). e0 = error_limit, in (0, 1).
    """
    rates = np.minimum(error_limit + np.array(DROPS), 1.0)
    return (rates - error_limit) / (error_limit * (1 - error_limit))


def night_log_product(
    wrong: NDArray[np.bool_],
    *,
    weights: Floats,
    guesses: Floats,
    mean_guess: float | Floats,
    error_limit: float,
    multiplicity: NDArray[np.integer] | None = None,
) -> Floats:
    """(..., 4) log of the product of 1 + lam (X_i - e0) over one night's draws, for each bet; zeros without draws.

    wrong, weights, guesses: (..., n); weights w_i = 1 / (N q_i); guesses g_i and their mean (...) over the window as
    fixed before any label; multiplicity (..., n): a row that stands for several draws, or for none.
    X_i = mean_guess + w_i (wrong_i - g_i) is unbiased for the night's error rate.

    lam is cut to .95 / (e0 - mean_guess + c_i), c_i = max(w_i g_i, .25), so that every factor is positive. The design
    keeps w_i g_i under .25 (Allocation.control), hence one lam serves the whole night: a cut that differed from item
    to item would bet less exactly where the guess runs too high, and the mean factor could exceed 1.
    """
    mean = np.asarray(mean_guess, dtype=float)[..., None]
    taken_off = np.maximum(weights * guesses, CONTROL_LIMIT)
    room = error_limit - mean + taken_off
    limit = np.where(room > 0, MOST_LOST / np.where(room > 0, room, 1.0), np.inf)
    excess = mean + weights * (wrong - guesses) - error_limit
    bets = np.minimum(growth_optimal_bets(error_limit), limit[..., None])  # (..., n, 4)
    return _log_product(bets * excess[..., None], multiplicity)


def missed_log_product(
    wrong: NDArray[np.bool_],
    *,
    belongs: NDArray[np.bool_],
    weights: Floats,
    error_limit: float,
    uniform_share: float,
    sampled: float | Floats = 1.0,
    multiplicity: NDArray[np.integer] | None = None,
) -> Floats:
    """(..., 4) the same for the items whose truth is one class: is its recall under 1 - error_limit?

    belongs (..., n): whether the truth is that class, which is only known once an item is labelled. X_i = w_i belongs_i
    (wrong_i - e0) has mean <= 0 if at most e0 of the class are missed, and is at least -e0 / eta, eta = uniform_share,
    since no weight exceeds 1 / eta. `sampled` (...): how much more often than by chance the design draws what looks
    like this class, known before the labels; the bets grow with it, up to .95 eta / e0.
    """
    wanted = growth_optimal_bets(error_limit) * np.asarray(sampled, dtype=float)[..., None]
    bets = np.minimum(wanted, MOST_LOST * uniform_share / error_limit)  # (..., 4)
    excess = weights * belongs * (wrong - error_limit)
    return _log_product(bets[..., None, :] * excess[..., None], multiplicity)


def _log_product(gains: Floats, multiplicity: NDArray[np.integer] | None) -> Floats:
    """(..., 4) sum of log(1 + gain) over the draws; gains (..., n, 4)."""
    logs = np.log1p(gains)
    product: Floats = logs.sum(axis=-2) if multiplicity is None else (logs * multiplicity[..., None]).sum(axis=-2)
    return product


def update(log_wealth: Floats, log_product: Floats) -> Floats:
    """M <- (1 + M) x product of the night, in logs; both (..., 4). A new start every night (Shiryaev-Roberts)."""
    return np.logaddexp(0.0, log_wealth) + log_product


def log_mixture(log_wealth: Floats) -> Floats:
    """(...) log M: the weighted mean of the bets' wealth; (..., 4) logs."""
    mean: Floats = np.logaddexp.reduce(log_wealth + np.log(PRIOR), axis=-1)
    return mean


def e_value(log_wealth: Floats) -> float:
    """M of one detector; (4,) logs. Cut at e^700 so that it stays a number in JSON."""
    return math.exp(min(float(log_mixture(log_wealth)), 700.0))


def threshold(alpha: float) -> float:
    """M from which an alarm is false with probability at most `alpha` in a year of nights."""
    return NIGHTS_PER_YEAR / alpha
