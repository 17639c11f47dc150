"""Spread: how much the error rates of nights differ, beyond what so few labels differ by chance.

>>> sums = NONE
>>> for errors in [2, 1, 3, 2, 2, 1, 3]:  # of 20 labels, seven nights
...     sums = with_night(sums, draws=20.0, mean=errors / 20, ratio=1.0)
>>> low, high = limits(sums)
>>> f"{float(low):.3f} to {float(high):.3f}"
'0.000 to 0.089'
>>> float(measured(sums, assumed=np.array(0.03)))  # nothing shows that nights differ by more than was assumed
0.03
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NONE = np.zeros(9)  # of the nights so far: how many, draws, ratios, n/r, n X/r, Q, its largest part; the last X, r/n
FIRST_LOOKS, LAST_LOOK = (7, 14), 28  # labelled nights after which the spread is measured
SHARE_OF_LIMIT = 0.3  # sd assumed before anything is measured, as a share of the error limit
LEVEL = 0.05  # of either limit


def with_night(sums: Floats, *, draws: float | Floats, mean: float | Floats, ratio: float | Floats) -> Floats:
    """(..., 9) the sums with one more labelled night: its n independent draws, their mean X, and r = V / (e (1 - e)).

    Every night has a draw.
    """
    n, x, r = (np.asarray(one, dtype=float) for one in (draws, mean, ratio))
    before, largest, last, variance = sums[..., 0], sums[..., 6], sums[..., 7], sums[..., 8]
    step = np.where(before > 0, (x - last) ** 2 / (r / n + variance), 0.0)
    night = (np.ones_like(x * n), n, r, n / r, n * x / r, step)
    added = sums[..., :6] + np.stack(np.broadcast_arrays(*night), axis=-1)
    now = np.stack(np.broadcast_arrays(np.maximum(largest, step), x, r / n), axis=-1)
    found: Floats = np.concatenate([added, np.broadcast_to(now, (*added.shape[:-1], 3))], axis=-1)
    return found


def limits(sums: Floats) -> tuple[Floats, Floats]:
    """(...) lower and upper 95 % limit of the nights' sd, one-sided each; 0 and inf where nothing can be told.

    From what each night differs from the one before (von Neumann 1941, Annals of Mathematical Statistics 12:367), so
    that a fall adds one difference and does not hide in the spread; the lower limit leaves the largest one out.
    Q = sum (X_t - X_t-1)^2 / (V r_t / n_t + V r_t-1 / n_t-1), V = e (1 - e) at the nights' own mean, has mean D - 1 and
    variance 3 D - 4 if nights do not differ: about (D - 1) / f times a chi-square with f = 2 (D - 1)^2 / (3 D - 4)
    degrees of freedom. They differ by s if it is larger by 1 + (n - 1) s^2 / V:
    s^2 = (Q f / ((D - 1) chi2_q(f)) - 1) r V / (n - 1), q = .95 and .05.
    """
    from scipy.special import chdtri  # loads slowly: a command that computes nothing needs none of it

    nights, n, ratio, weight, first, apart, largest = np.moveaxis(np.asarray(sums, dtype=float)[..., :7], -1, 0)
    count = np.maximum(nights, 1)
    n, ratio = n / count, ratio / count
    mean = first / np.where(weight > 0, weight, 1.0)
    binomial = np.maximum(mean * (1 - mean), 1e-6)
    known = (nights >= 2) & (n > 1)
    scale = ratio * binomial / np.where(known, n - 1, 1.0)
    limit = []
    for left, steps, tail in ((apart - largest, nights - 2, LEVEL), (apart, nights - 1, 1 - LEVEL)):
        freedom = 2 * np.maximum(steps, 1) ** 2 / (3 * np.maximum(steps, 1) - 1)
        found = left / binomial * freedom / np.maximum(steps, 1)
        limit.append(np.sqrt(np.maximum(found / chdtri(freedom, tail) - 1, 0.0) * scale))
    low, high = limit
    return np.where(known, low, 0.0), np.where(known, high, np.inf)


def measured(sums: Floats, *, assumed: Floats) -> Floats:
    """(...) the spread to bet with from the next night on; `assumed` is the one before. Changes after few nights only.

    After 7 and 14 labelled nights it is raised to the upper limit where the lower one shows that it was too small.
    After 28, for good, it becomes the upper limit where that is smaller, or the lower one shows that it was too small.
    Later nights never change it: a slow fall would widen it, and hide in it.
    """
    nights = np.asarray(sums, dtype=float)[..., 0]
    low, high = limits(sums)
    too_small = low > assumed
    first = np.isin(nights, FIRST_LOOKS) & too_small
    last = (nights == LAST_LOOK) & (too_small | (high < assumed))
    found: Floats = np.where(first | last, high, assumed)
    return found
