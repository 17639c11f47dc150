"""Bet: has the error rate gone over its limit? A betting e-detector, one factor a night.

Each night's draws are a bet against "the nights' error rates have a mean of at most e0, and differ by at most s (sd)".
The running wealth M exceeds 365/alpha within a year with probability at most alpha for draws that are independent given
their night (Shin, Ramdas, Rinaldo, arXiv 2203.03532; Waudby-Smith, Ramdas, arXiv 2010.09686). Nights that differ are
charged for: the factor of a night is the d-th root of the product of its draws' factors, d the night's design effect
(Kish 1965), which makes it fair to second order; and no night multiplies M by more than 12, so that no single one
decides.

>>> wealth, labels = START, np.arange(20)  # twenty labels a night, drawn uniformly, of a model that guesses 5 % errors
>>> deflation = design_effect(draws=20, clustering=1.0, spread=0.03, variance=0.09)
>>> for errors in [1, 1, 4, 6, 5, 7, 6, 5]:  # the limit is 10 %
...     factor = night_factor(
...         labels < errors,
...         weights=np.ones(20),
...         guesses=np.full(20, 0.05),
...         mean_guess=0.05,
...         error_limit=0.10,
...         deflation=deflation,
...     )
...     wealth = update(wealth, factor)
...     print(f"{e_value(wealth):.3g}", e_value(wealth) >= threshold(0.05))
0.446 False
0.698 False
2.98 False
21.5 False
77.8 False
778 False
6.7e+03 False
2.74e+04 True
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
CAP = math.log(12)  # most that a night may add to log M: at .02 an alarm takes four nights or more
ANY_SPREAD_BETS = (0.15, 0.35, 0.65, 1.0)  # shares of the largest bet, where nothing is known of how nights differ


def growth_optimal_bets(error_limit: float | Floats) -> Floats:
    """(..., 4) lam that maximises q ln(1 + lam (1 - e0)) + (1 - q) ln(1 - lam e0) for q = e0 + .03, .05, .10, .20.

    The maximum (Kelly 1956) stands at lam = (q - e0) / (e0 (1 - e0)). e0 = error_limit (...), in (0, 1).
    """
    limit = np.asarray(error_limit, dtype=float)[..., None]
    bets: Floats = (np.minimum(limit + np.array(DROPS), 1.0) - limit) / (limit * (1 - limit))
    return bets


def excesses(
    wrong: NDArray[np.bool_],
    *,
    weights: Floats,
    guesses: Floats,
    mean_guess: float | Floats,
    error_limit: float | Floats,
) -> Floats:
    """(..., n) X_i - e0 of each draw: X_i = c_bar + w_i (wrong_i - c_i) is unbiased for the night's error rate.

    wrong, weights, guesses (..., n): weights w_i = 1 / (N q_i r_h), r_h the share of answered draws in stratum h before
    the night, and 0 for a draw that nobody answered; guesses c_i, limited so that w_i c_i <= .25 (Allocation.control),
    and their mean c_bar (...) over the window, fixed before any label.
    """
    mean, limit = np.asarray(mean_guess, dtype=float)[..., None], np.asarray(error_limit, dtype=float)[..., None]
    found: Floats = mean + weights * (wrong - guesses) - limit
    return found


def design_effect(
    *,
    draws: float | Floats,
    clustering: float | Floats,
    spread: float | Floats,
    variance: float | Floats,
    counted_before: float | Floats = 0.0,
    shared: float | Floats = 0.0,
    clustering_before: float | Floats = 1.0,
) -> Floats:
    """(...) d = sum_g k_g^2 / n + (n - 1) s^2 / V: how much less n draws of one night say than independent ones do.

    clustering: sum_g k_g^2 / n of the groups that the draws fall into (`clustering_of`), 1 where all differ; spread s:
    sd of the nights' error rates; variance V of one draw at the limit (`Allocation.part`), both known before the
    labels. Kish (1965), Survey Sampling, 5.4. With `counted_before` draws of the same night in an earlier factor their
    covariance is charged to this one, which may take all of it: d is inf. Of their groups, with their own
    `clustering_before`, that is `shared`: sum_g k_g (k_g before) / n.
    """
    n, before = np.asarray(draws, dtype=float), np.asarray(counted_before, dtype=float)
    between = np.asarray(spread, dtype=float) ** 2 / variance
    own = clustering + np.maximum(n - 1, 0) * between
    earlier = clustering_before + np.maximum(before - 1, 0) * between
    left = 1 - 2 * (shared + between * before) / earlier
    effect: Floats = np.where(left > 0, own / np.where(left > 0, left, 1.0), np.inf)
    return effect


def clustering_of(groups: NDArray[np.int64]) -> float:
    """sum_g k_g^2 / n over the groups (n,) of one night's draws: 1 where all differ or there are none, n if all agree.

    An item that is drawn twice is a group of two.
    """
    if not len(groups):
        return 1.0
    sizes = np.unique(groups, return_counts=True)[1]
    return float((sizes**2).sum()) / len(groups)


def night_factor(
    wrong: NDArray[np.bool_],
    *,
    weights: Floats,
    guesses: Floats,
    mean_guess: float | Floats,
    error_limit: float | Floats,
    deflation: float | Floats,
    stake: float | Floats = 1.0,
    counts: NDArray[np.integer] | None = None,
) -> Floats:
    """(..., 4) ln f of one night for each bet: min(ln 12, sum_i ln(1 + lam (X_i - e0)) / d); zeros without draws.

    wrong, weights, guesses, mean_guess as in `excesses`; deflation d (...); counts (..., n): draws that a row stands
    for, 0 for one of another part. stake (...): the bets are multiplied by it, 0 to 1, known before the labels.

    lam is cut to .95 / (.25 + e0 - c_bar), or .95 / e0 without guesses, so that every factor is positive: one lam for
    the whole night, since a cut that differed from item to item would bet less exactly where the guess runs too high,
    and the mean factor could exceed 1.
    """
    excess = excesses(wrong, weights=weights, guesses=guesses, mean_guess=mean_guess, error_limit=error_limit)
    limit = np.asarray(MOST_LOST / _room(np.asarray(mean_guess, dtype=float), error_limit))
    bets = np.minimum(growth_optimal_bets(error_limit) * np.asarray(stake, dtype=float)[..., None], limit[..., None])
    logs = np.log1p(bets[..., None, :] * excess[..., None])
    total = logs.sum(axis=-2) if counts is None else (logs * counts[..., None]).sum(axis=-2)
    return _capped(total, deflation)


def any_spread_factor(mean_excess: Floats, *, mean_guess: float | Floats, error_limit: float | Floats) -> Floats:
    """(..., 4) ln f of one night where nothing is assumed of how nights differ: one bet, ln(1 + lam (mean X - e0)).

    mean_excess (...) over the night's draws; lam = .15, .35, .65, 1 times the largest. Exact for E[error rate | past]
    of at most e0, and slower: to be used alone, since a mixture is no more valid than its weakest part.
    """
    largest = MOST_LOST / _room(np.asarray(mean_guess, dtype=float), error_limit)
    bets = np.array(ANY_SPREAD_BETS) * np.asarray(largest)[..., None]
    return _capped(np.log1p(bets * np.asarray(mean_excess)[..., None]), 1.0)


def given_factor(
    wrong: NDArray[np.bool_],
    *,
    fractions: Floats,
    error_limit: float | Floats,
    deflation: float | Floats,
    stake: float | Floats = 1.0,
    counts: NDArray[np.integer] | None = None,
) -> Floats:
    """(..., 4) ln f of labels that came with the chance p_i of each: sum_i ln(1 + lam f_i (wrong_i - e0)) / d, capped.

    fractions (..., n): f_i = min p / p_i, min p of all nights; 1 for a census. The mean of f_i (wrong_i - e0) over all
    items of a night is at most 0 whichever are labelled, as long as each is with its p_i.
    """
    limit = np.asarray(error_limit, dtype=float)[..., None]
    bets = np.minimum(growth_optimal_bets(error_limit) * np.asarray(stake, dtype=float)[..., None], MOST_LOST / limit)
    logs = np.log1p(bets[..., None, :] * (fractions * (wrong - limit))[..., None])
    total = logs.sum(axis=-2) if counts is None else (logs * counts[..., None]).sum(axis=-2)
    return _capped(total, deflation)


def _room(mean_guess: Floats, error_limit: float | Floats) -> Floats:
    """(...) how far X may lie under e0: .25 is the most that a guess takes off, and nothing where none is made."""
    room: Floats = np.where(mean_guess > 0, error_limit - mean_guess + CONTROL_LIMIT, error_limit)
    return np.maximum(room, 1e-9)


def _capped(total: Floats, deflation: float | Floats) -> Floats:
    capped: Floats = np.minimum(CAP, total / np.asarray(deflation, dtype=float)[..., None])
    return capped


def update(log_wealth: Floats, log_factor: Floats) -> Floats:
    """M <- (1 + M) x factor of the night, in logs; both (..., 4). A new start every night (Shiryaev-Roberts)."""
    return np.logaddexp(0.0, log_wealth) + log_factor


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
