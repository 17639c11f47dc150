"""Compare: are the counts of two windows drawn from the same class shares?

>>> found = chi_square(np.array([500, 300, 200]), np.array([30, 30, 40]), rng=np.random.default_rng(0))
>>> f"{found.tv:.0%} of the predictions moved class, p {found.p:.1g}"
'20% of the predictions moved class, p 6e-06'
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.stats.multinomial import smoothed_shares

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

DISPLAY_ALPHA = 0.05  # good enough for a p-value that people read and nothing is decided on
SETTLED = 20  # tables at least as far apart as the observed one: with so many the p-value is known well enough
DRAWS = 999
MOST_CELLS = 400_000  # of simulated tables held in memory at once
MOST_ITEMS = 1_000_000_000  # numpy draws no hypergeometric table above this


@dataclass(frozen=True, slots=True)
class Homogeneity:
    """How far two windows are apart, and how surprising that is."""

    statistic: float  # Pearson's X2 of the 2 x K table
    p: float
    df: int
    tv: float  # total variation, 0 to 1
    cramers_v: float  # shown, never decided on: it shrinks when the windows differ in size
    psi: float  # population stability index on smoothed shares
    n: int
    n_ref: int
    method: str  # "asymptotic" or "monte carlo"


def _tail(df: int, statistic: float) -> float:
    from scipy.special import chdtrc  # loads slowly: a command that computes nothing needs none of it

    return float(chdtrc(df, statistic))


def chi_square(reference: Counts, current: Counts, *, rng: Generator, alpha: float = DISPLAY_ALPHA) -> Homogeneity:
    """Two-sample chi-square test of homogeneity. Both (K,) counts, one class order; columns that are empty drop out.

    `alpha` is the level that p will be held against, and decides how p is found. The asymptotic tail is used when every
    expected count is at least 5 and alpha at least .001 (Cochran's rule; further out the tail is not to be trusted).
    Otherwise p is exact by simulation: tables with these margins (multivariate hypergeometric), at most
    max(999, 20/alpha - 1) of them, since with 999 p could never get under alpha/365. Sampling stops early once 20
    tables were at least as far apart (Besag and Clifford 1991, Biometrika 78:301): stopped after l draws p = 20/l,
    else p = (1 + #)/(draws + 1). Both are exact: P(p <= u) <= u under the null for every u. A quiet night costs about
    200 tables, a night that fires all of them. Classes are sorted before drawing: their order changes nothing.
    Windows that cannot be compared (one is empty, or one class only) give statistic 0 and p 1.
    """
    kept = (reference + current) > 0
    ref, cur = reference[kept], current[kept]
    n, n_ref, df = int(cur.sum()), int(ref.sum()), max(len(cur) - 1, 0)
    tv, psi = total_variation(reference, current), stability_index(reference, current)
    if df == 0 or n == 0 or n_ref == 0:
        return Homogeneity(0.0, 1.0, df, tv, 0.0, psi, n, n_ref, "asymptotic")
    columns, expected = ref + cur, (ref + cur) * (n / (n + n_ref))
    statistic = float(_pearson(cur[None, :], expected, n=n, n_ref=n_ref)[0])
    smallest = min(n, n_ref) * columns.min() / (n + n_ref)
    simulate = (smallest < 5 or alpha < 0.001) and n + n_ref < MOST_ITEMS
    p = _simulated_p(columns, n, statistic=statistic, alpha=alpha, rng=rng) if simulate else _tail(df, statistic)
    method = "monte carlo" if simulate else "asymptotic"
    cramers_v = math.sqrt(statistic / (n + n_ref))  # of a table with two rows
    return Homogeneity(statistic, p, df, tv, cramers_v, psi, n, n_ref, method)


def total_variation(reference: Counts, current: Counts) -> float:
    """Share of predictions that moved class, 0 to 1. Both (K,), same class order; 0 if one of them is empty."""
    if not reference.sum() or not current.sum():
        return 0.0
    return float(0.5 * np.abs(current / current.sum() - reference / reference.sum()).sum())


def stability_index(reference: Counts, current: Counts) -> float:
    """PSI = sum (q - p) ln(q/p) over shares smoothed by half a count. Both (K,), same class order."""
    p, q = smoothed_shares(reference), smoothed_shares(current)
    return float(((q - p) * np.log(q / p)).sum())


def design_effect(nights: NDArray[np.int64]) -> float:
    """How much more nights differ than independent predictions would: 1 is not at all. (D, K) counts of D nights.

    Mean over nights of X2 of the night against the others, divided by its degrees of freedom. X2 of a window divided
    by it allows for what nights do anyway (Rao and Scott 1981). NaN with fewer than two nights or classes.
    """
    kept = nights[:, nights.sum(axis=0) > 0]
    sizes = kept.sum(axis=1)
    kept, sizes = kept[sizes > 0], sizes[sizes > 0]
    if len(kept) < 2 or kept.shape[1] < 2:
        return math.nan
    total, everything = kept.sum(axis=0), int(sizes.sum())
    expected = total * (sizes / everything)[:, None]
    statistics = ((kept - expected) ** 2 / expected).sum(axis=1) * everything / (everything - sizes)
    return float(statistics.mean()) / (len(total) - 1)


def _pearson(rows: Counts, expected: NDArray[np.floating[Any]], *, n: int, n_ref: int) -> Shares:
    """(D,) X2 of the 2 x K tables whose current row is given: rows (D, K), expected (K,) of the current window."""
    # Both rows miss their expectation by the same amount, so one pass over the current row is enough.
    statistics: Shares = ((rows - expected) ** 2) @ ((1 + n / n_ref) / expected)
    return statistics


def _simulated_p(columns: Counts, n: int, *, statistic: float, alpha: float, rng: Generator) -> float:
    columns = np.sort(columns)
    total = int(columns.sum())
    expected, most = columns * (n / total), max(DRAWS, math.ceil(SETTLED / alpha) - 1)
    drawn, beyond, size, most_at_once = 0, 0, 64, max(64, MOST_CELLS // len(columns))
    while drawn < most:
        size = min(size, most - drawn)
        rows = rng.multivariate_hypergeometric(columns, n, size=size)
        hits = _pearson(rows, expected, n=n, n_ref=total - n) >= statistic * (1 - 1e-9)  # ties in spite of rounding
        reached = beyond + np.cumsum(hits)
        if reached[-1] >= SETTLED:
            return SETTLED / (drawn + int(np.argmax(reached >= SETTLED)) + 1)
        drawn, beyond, size = drawn + size, int(reached[-1]), min(2 * size, most_at_once)
    return (1 + beyond) / (most + 1)
