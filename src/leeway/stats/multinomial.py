"""Bet: have the shares of classes left the box they may move in? A mixture e-detector over counts, one update a night.

A count vector's e-value is its likelihood under a Dirichlet mixture about the reference, over the largest likelihood
that any shares inside the box give it: its expectation is at most 1 for every such share (universal inference,
Wasserman, Ramdas, Balakrishnan, arXiv 1912.11436). Summed over all nights at which a change may have begun, it exceeds
365/alpha within a year with probability at most alpha (e-detectors: Shin, Ramdas, Rinaldo, arXiv 2203.03532).

>>> import numpy as np
>>> reference = np.array([500, 300, 200])
>>> low, high = share_box(reference, tolerance=0.02)
>>> quiet, moved = np.array([[51, 29, 20]] * 5), np.array([[30, 30, 40]] * 5)
>>> [bool(log_detector(nights, reference, low=low, high=high) > np.log(365 / 0.05)) for nights in (quiet, moved)]
[False, True]
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer]
Floats = NDArray[np.float64]
Numbers = NDArray[np.integer] | NDArray[np.float64]  # counts, or counts over their design effect

KAPPAS = (10.0, 100.0, 1000.0)  # concentrations of the mixture: from a wide to a narrow look about the reference
LONGEST = 60  # nights that a window reaches back
SIGMAS = 2.0  # the reference itself is only known to this many standard errors
NEWS = 0.25  # of a class's share: by more than this it cannot move unseen, however rare it is
NIGHT_LIMIT = math.log(200.0)  # by which a single night can raise the e-value of a window, at most
FEWEST_DAYS = 28  # below it the days of the reference say nothing about how much days differ
SPREAD_QUANTILE = 0.99
STEPS, SETTLED = 60, 1e-12  # of Newton's method


def smoothed_shares(counts: Numbers) -> Floats:
    """(..., K) shares (count + 1/2) / (total + K/2): no class has share zero (Jeffreys' prior)."""
    shares: Floats = (counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + 0.5 * counts.shape[-1])
    return shares


def share_box(reference: Numbers, *, tolerance: float | Floats) -> tuple[Floats, Floats]:
    """(..., K) lowest and highest share of each class that is no news.

    reference (..., K) counts, or counts over their design effect: shares p from which they lie at most 2 standard
    errors sqrt(p (1 - p) / n_ref) (Wilson 1927, J. Am. Stat. Assoc. 22:209; about the counted share it would be too
    narrow where a class was hardly seen), and `tolerance` beyond, a share (or (K,)).
    """
    items = np.maximum(reference.sum(axis=-1, keepdims=True), 1e-9)
    shares, extra = reference / items, SIGMAS**2 / items
    middle = (shares + extra / 2) / (1 + extra)
    half = np.sqrt(extra * (shares * (1 - shares) + extra / 4)) / (1 + extra) + tolerance
    return np.maximum(middle - half, 1e-12), np.minimum(middle + half, 1.0)


def day_tolerance(days: Counts, *, tolerance: float) -> Floats:
    """(K,) how far each class's share may move: `tolerance`, or a quarter of its share where that is less.

    Or what days of the reference differ by anyway where that is more: days (D, K) counts, the 99 % quantile of
    |day's share - share|, with the noise of counting taken out; below 28 days it cannot be told.
    """
    sizes = days.sum(axis=1)
    days, sizes = days[sizes > 0], sizes[sizes > 0]
    flat = np.minimum(tolerance, NEWS * smoothed_shares(days.sum(axis=0)))
    if len(days) < FEWEST_DAYS:
        return flat
    shares = days.sum(axis=0) / sizes.sum()
    apart = np.abs(days / sizes[:, None] - shares)
    noise = shares * (1 - shares) / sizes[:, None]  # (D, K) of counting
    more = np.maximum((sizes[:, None] / sizes.sum() * (apart**2 - noise)).sum(axis=0), 0.0)  # (K,) what else there is
    shrunk = apart * np.sqrt(more / np.maximum(more + noise, 1e-300))
    wider: Floats = np.maximum(flat, np.quantile(shrunk, SPREAD_QUANTILE, axis=0))
    return wider


def log_e_value(
    counts: Numbers,
    reference: Numbers,
    *,
    low: Floats | None = None,
    high: Floats | None = None,
    kappas: Sequence[float] = KAPPAS,
) -> Floats:
    """(...) log e-value of counts (..., K) against shares inside the box; without a box against the reference's own.

    Mean over kappa of exp(ln G(kappa) - ln G(kappa + n) + sum_k ln G(a_k + N_k) - ln G(a_k) - D), a = kappa p0, G the
    gamma function; D = max over p in the box of sum N_k ln p_k (`most_likely`). 0 for counts without an item.
    """
    from scipy.special import gammaln, xlogy  # loads slowly: a command that computes nothing needs none of it

    p0 = smoothed_shares(reference)
    best = xlogy(counts, p0).sum(axis=-1) if low is None or high is None else most_likely(counts, low=low, high=high)
    total = counts.sum(axis=-1)
    logs = [
        math.lgamma(kappa)
        - gammaln(kappa + total)
        + (gammaln(kappa * p0 + counts) - gammaln(kappa * p0)).sum(axis=-1)
        - best
        for kappa in kappas
    ]
    mean: Floats = np.logaddexp.reduce(logs, axis=0) - math.log(len(kappas))
    return mean


def most_likely(counts: Numbers, *, low: Floats, high: Floats) -> Floats:
    """(...) largest log-likelihood sum N_k ln p_k of counts (..., K) over shares with low <= p <= high, sum p = 1.

    The maximum stands at p_k = clip(s N_k, low_k, high_k); s by Newton's method inside a bracket, since the sum grows
    with s, piecewise linearly. Where even the highest shares of the classes that occur leave room, the rest goes to
    those that do not, which costs nothing.
    """
    numbers = np.asarray(counts, dtype=float)
    scale = _scale(np.atleast_2d(numbers), low=low, high=high).reshape(numbers.shape[:-1])
    shares = np.clip(numbers * scale[..., None], low, high)
    likelihood: Floats = (numbers * np.log(shares)).sum(axis=-1)
    return likelihood


def _scale(numbers: Floats, *, low: Floats, high: Floats) -> Floats:
    """(M,) s at which the shares clip(s N_k, low_k, high_k) sum to 1, of M count vectors (..., K).

    Only those that have not settled take another step.
    """
    # at the ceiling every class that occurs is at its top
    ceiling = (high / np.where(numbers > 0, numbers, np.inf)).max(axis=-1)
    scale, floor = np.minimum(1 / np.maximum(numbers.sum(axis=-1), 1.0), ceiling), np.zeros(numbers.shape[:-1])
    low, high = np.broadcast_to(low, numbers.shape), np.broadcast_to(high, numbers.shape)
    scales, left = np.empty(ceiling.size), np.arange(ceiling.size).reshape(ceiling.shape)
    for _ in range(STEPS):
        wanted = numbers * scale[..., None]
        total = np.clip(wanted, low, high).sum(axis=-1)
        settled = (np.abs(total - 1) < SETTLED) | (ceiling - floor <= SETTLED * ceiling)
        below = (total < 1) & ~settled
        floor, ceiling = np.where(below, scale, floor), np.where(below, ceiling, scale)
        scales[left] = ceiling
        if settled.all():
            break
        more = ~settled
        left, numbers, wanted, low, high = (one[more] for one in (left, numbers, wanted, low, high))
        scale, total, floor, ceiling = (one[more] for one in (scale, total, floor, ceiling))
        slope = (numbers * ((wanted > low) & (wanted < high))).sum(axis=-1)
        newton = scale + (1 - total) / np.where(slope > 0, slope, np.inf)
        inside = (slope > 0) & (newton > floor) & (newton < ceiling)
        scale = np.where(inside, newton, (floor + ceiling) / 2)
    return scales


def log_e_ceiling(counts: Numbers, reference: Numbers, *, low: Floats, high: Floats) -> Floats:
    """(...) limit that `log_e_value` does not exceed, at a fifth of its cost: for simulated years, most of them quiet.

    Some shares inside the box, near the best ones, take the place of the best. Of lnG(x) = (x - 1/2) ln x - x + const +
    r(x) the rest r is left out: it falls with x (Binet), so that r(a_k + N_k) - r(a_k) <= 0.
    """
    from scipy.special import gammaln

    p0, total = smoothed_shares(reference), counts.sum(axis=-1)
    near = _into_box(counts / np.maximum(total, 1e-9)[..., None], low=low, high=high)
    least = np.einsum("...k,...k", counts, np.log(near)) + total
    logs = []
    for kappa in KAPPAS:
        prior = kappa * p0
        posterior = prior + counts
        grown = np.einsum("...k,...k", posterior - 0.5, np.log(posterior))
        before = np.einsum("...k,...k", prior - 0.5, np.log(prior))
        logs.append(math.lgamma(kappa) - gammaln(kappa + total) + grown - before - least)
    ceiling: Floats = np.logaddexp.reduce(logs, axis=0) - math.log(len(KAPPAS))
    return ceiling


def _into_box(shares: Floats, *, low: Floats, high: Floats) -> Floats:
    """(..., K) shares with low <= p <= high and sum 1, near those given.

    Cut to the box, they are all moved the same part of the way to its lowest or its highest ones.
    """
    cut = np.minimum(np.maximum(shares, low), high)
    over = cut.sum(axis=-1, keepdims=True) - 1
    way = np.where(over > 0, low, high) - cut
    room = way.sum(axis=-1, keepdims=True)
    moved: Floats = cut - way * (over / np.where(room == 0, 1.0, room))
    return moved


def log_detector_ceiling(nights: Numbers, reference: Numbers, *, low: Floats, high: Floats) -> Floats:
    """(...) limit that `log_detector` does not exceed, where no alarm is to be excluded; all as there, with a box."""
    backwards = np.asarray(nights[..., -LONGEST:, :][..., ::-1, :], dtype=float)
    if reference.ndim > 1:
        reference, low, high = reference[..., None, :], low[..., None, :], high[..., None, :]
    logs = log_e_ceiling(np.cumsum(backwards, axis=-2), reference, low=low, high=high)
    ceiling: Floats = np.logaddexp.reduce(logs, axis=-1)
    return ceiling


def log_detector(
    nights: Numbers, reference: Numbers, *, low: Floats | None = None, high: Floats | None = None
) -> Floats:
    """(...) log M of nights (..., T, K): the sum of the e-values of all windows that end with the last night.

    nights: counts, or counts over their design effect; reference, low, high (K,), or (..., K) with those of each
    stream.

    A window begins at any of the last 60 nights. M >= 365 / alpha is an alarm that is false with probability at most
    alpha in a year, for shares that stay inside the box. The order of nights inside a window changes nothing.

    No single night decides: an e-value over 1 counts with at most 200 times what the window has without its most
    extreme night (the one with the largest e-value of its own), or with 1 where that is less.
    """
    backwards = np.asarray(nights[..., -LONGEST:, :][..., ::-1, :], dtype=float)
    if reference.ndim > 1:
        reference = reference[..., None, :]
        low, high = (None if one is None else one[..., None, :] for one in (low, high))
    logs = log_e_value(np.cumsum(backwards, axis=-2), reference, low=low, high=high)
    streams = np.asarray((logs > 0).any(axis=-1))  # the others have no window that a night could decide
    if streams.any():
        shape = backwards.shape
        own = [None if one is None else np.broadcast_to(one, shape)[streams] for one in (reference, low, high)]
        logs[streams] = _limited(logs[streams], backwards[streams], *own)  # type: ignore[arg-type]
    log_sum: Floats = np.logaddexp.reduce(logs, axis=-1)
    return log_sum


def _limited(logs: Floats, backwards: Floats, reference: Floats, low: Floats | None, high: Floats | None) -> Floats:
    """(S, T) log e-values of windows, less what their most extreme night alone would decide; the rest (S, T, K)."""
    doubtful = logs > 0
    alone = log_e_value(backwards, reference, low=low, high=high)
    rest = (np.cumsum(backwards, axis=-2) - _most_extreme(backwards, alone))[doubtful]
    own = [None if one is None else one[doubtful] for one in (reference, low, high)]
    others = log_e_value(np.maximum(rest, 0.0), own[0], low=own[1], high=own[2])  # type: ignore[arg-type]
    limited = logs.copy()
    limited[doubtful] = np.minimum(logs[doubtful], np.maximum(others + NIGHT_LIMIT, 0.0))
    return limited


def _most_extreme(nights: Floats, log_e_values: Floats) -> Floats:
    """(..., T, K) for each window that begins with the first of these nights the one with the largest e-value."""
    largest = np.maximum.accumulate(log_e_values, axis=-1)
    numbers = np.where(log_e_values == largest, np.arange(nights.shape[-2]), 0)
    found = np.maximum.accumulate(numbers, axis=-1)
    taken: Floats = np.take_along_axis(nights, found[..., None], axis=-2)
    return taken
