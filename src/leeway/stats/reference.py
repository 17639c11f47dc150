"""Reference: nights, fixed once, that later ones are held against, and how much such nights differ by themselves.

The unit that repeats is the night, not the image: a night of n predictions that come in groups, or on weekdays with a
mix of their own, says as much about shares as n / deff(n) independent ones do (design effect: Kish 1965; Rao and Scott
1981). It is measured once, on the nights of the reference, as an upper limit, and never again: a slow drift widens
nothing.

>>> import numpy as np
>>> alike = np.array([[51, 29, 20], [49, 31, 20], [50, 29, 21], [48, 31, 21]])
>>> apart = np.array([[70, 10, 20], [30, 50, 20], [60, 25, 15], [38, 35, 27]])
>>> [round(float(design_effect(100, correlation(nights))), 1) for nights in (alike, apart)]
[1.0, 32.4]
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leeway.stats.multinomial import day_tolerance, log_detector, log_detector_ceiling, share_box

Counts = NDArray[np.integer]
Floats = NDArray[np.float64]

SURE = 0.05  # chance that nights differ more than the design effect says


@dataclass(frozen=True, slots=True)
class Reference:
    """What nights are held against."""

    counts: Floats  # (..., K), over their design effect
    low: Floats  # (..., K) the box of shares that are no news
    high: Floats
    rho: Floats  # (...) correlation of two predictions of one night

    def of(self, streams: slice | NDArray[np.bool_]) -> "Reference":
        """Return the reference of some of the streams, where it has a leading dimension."""
        return Reference(self.counts[streams], self.low[streams], self.high[streams], self.rho[streams])

    def log_m(self, nights: Counts) -> Floats:
        """(...) log M of nights (..., T, K) that do not belong to the reference, the last one last."""
        return log_detector(effective(nights, self.rho), self.counts, low=self.low, high=self.high)

    def log_ceiling(self, nights: Counts) -> Floats:
        """(...) limit that log M of nights (..., T, K) does not exceed, at a fraction of its cost."""
        return log_detector_ceiling(effective(nights, self.rho), self.counts, low=self.low, high=self.high)


def reference_of(days: Counts, *, tolerance: float, rho: float | None = None) -> Reference:
    """Return the reference that these days (D, K) are; `rho` where it has been measured on other nights.

    Its counts, too, stand over the design effect: shares are known to about 2 sqrt(deff p (1 - p) / n_ref).
    """
    found = correlation(days) if rho is None else rho
    sizes = days.sum(axis=1)
    same = float((sizes * design_effect(sizes, found)).sum() / max(sizes.sum(), 1))  # of the days' mean
    counts = days.sum(axis=0) / same
    low, high = share_box(counts, tolerance=day_tolerance(days, tolerance=tolerance))
    return Reference(counts, low, high, np.asarray(found))


def stacked(references: list[Reference]) -> Reference:
    """Return several as one with a leading dimension."""
    names = ("counts", "low", "high", "rho")
    return Reference(*(np.stack([getattr(one, name) for one in references]) for name in names))


def correlation(days: Counts) -> float:
    """rho >= 0 of days (D, K): an upper limit of how alike predictions of one night are, beyond the shares of all.

    X2 of the days against their own mean, over the lower 5 % limit of a chi-square with (D - 1)(K - 1) degrees of
    freedom, is deff of a day of the mean size; rho = (deff - 1) / (size - 1). Empty classes and days drop out. NaN for
    fewer than two days, which cannot tell; 0 where all is of one class, or days have one prediction each.
    """
    from scipy.special import chdtri  # loads slowly: a command that computes nothing needs none of it

    sizes = days.sum(axis=1)
    kept = days[sizes > 0][:, days.sum(axis=0) > 0]
    sizes = sizes[sizes > 0]
    if len(kept) < 2:
        return math.nan
    if kept.shape[1] < 2 or sizes.mean() <= 1:
        return 0.0
    expected = sizes[:, None] * (kept.sum(axis=0) / sizes.sum())
    statistic = float(((kept - expected) ** 2 / expected).sum())
    freedom = (len(kept) - 1) * (kept.shape[1] - 1)
    return max(statistic / float(chdtri(freedom, 1 - SURE)) - 1, 0.0) / float(sizes.mean() - 1)


def effect_by_chance(nights: int, classes: int) -> float:
    """Design effect that so many nights are given which differ by chance alone: as a limit it is over 1.

    1 where there is nothing to measure it on: one night, or one class.
    """
    from scipy.special import chdtri

    freedom = (nights - 1) * (classes - 1)
    return freedom / float(chdtri(freedom, 1 - SURE)) if freedom > 0 else 1.0


def design_effect(n: Counts | int, rho: Floats | float) -> Floats:
    """(...) deff(n) = 1 + (n - 1) rho of a night of n predictions; 1 of an empty one."""
    effect: Floats = 1 + np.maximum(np.asarray(n) - 1, 0) * rho
    return effect


def effective(nights: Counts, rho: Floats) -> Floats:
    """(..., T, K) counts of nights over their design effect: as many as independent predictions would say as much."""
    sizes = nights.sum(axis=-1)
    effects = design_effect(sizes, rho[..., None])
    counts: Floats = nights / effects[..., None]
    return counts
