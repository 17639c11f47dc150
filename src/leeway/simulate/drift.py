"""Drift: check 2 in every simulated year at once, with the trigger and the reference that the policy gives it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import default_rng
from scipy.special import chdtrc

from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.checks.references import LONG, TELLING, Way, by_class
from leeway.simulate.production import Floats, Ints, Production
from leeway.stats.edetector import NIGHTS_PER_YEAR, threshold
from leeway.stats.multinomial import LONGEST
from leeway.stats.reference import Reference, correlation, reference_of, stacked

if TYPE_CHECKING:
    from leeway.simulate.years import Limits, Night

FILE_SEED = 0  # of the reference file's counts: the file is one, whatever year it is
SOME = 25  # years that are computed at once: as many as stay in the processor's cache
ROUNDING = 1e-6  # by which a limit may lie under what it limits


class SimulatedDrift:
    """Check 2 in every year, over classes, and over class and band.

    Its references are its first 7 and its first 28 nights, or the file that `limits` names. Nights under
    `min_predictions` have no verdict. log M is exact in years in which it might alarm; in the others it is a limit
    that it does not exceed, which lies under the line as well, and costs a fraction. With the chi_square trigger log M
    is inf on a night that fires and -inf on any other; p is the asymptotic tail there, since an exact one takes up to
    400,000 tables a night: a test holds it against the check itself.
    """

    def __init__(self, years: int, production: Production, policy: Policy, limits: "Limits") -> None:
        self.drift = policy.check(PredictionDrift)
        alpha = policy.alpha(self.drift)
        self.nightly, self.line = alpha / NIGHTS_PER_YEAR, math.log(threshold(alpha)) if alpha > 0 else math.inf
        nights = self.drift.reference_nights
        self.lengths = {nights, max(nights, LONG)}  # at which the nights so far are a reference
        self.days = np.zeros((years, 0, 3 * production.classes), dtype=np.int64)  # those that are large enough
        self.watched: list[_Watched] = []
        if limits.file:
            self.lengths = set()
            file = np.broadcast_to(_file(production, limits.file), (years, 1, 3 * production.classes))
            self.watched.append(_Watched(file, self.drift.tolerance))

    def see(self, night: "Night") -> Floats:
        """(Y,) log M after this night."""
        return self.see_cells(night.cells)

    def see_cells(self, cells: Ints) -> Floats:
        """(Y,) log M, or a limit under the line, after a night of these counts (Y, 3K).

        Nights are alike large enough in all years or in none.
        """
        found = np.full(len(cells), -np.inf)
        large = bool((cells.sum(axis=1) >= self.drift.min_predictions).all())
        for one in self.watched:
            one.add(cells)
        if large and self.drift.trigger == "chi_square":
            if self.watched:
                fires = self._fires(by_class(cells), by_class(self.watched[0].days).sum(axis=1))
                found = np.where(fires, np.inf, found)
        elif large and (ready := [one for one in self.watched if one.against]):
            found = _mean([one.log_ceiling() for one in ready])
            near = found >= self.line - ROUNDING
            if near.any():
                found[near] = _mean([one.log_m(near) for one in ready])
        if large and self.days.shape[1] < max(self.lengths | {TELLING}):
            self._take(cells)
        return found

    def _take(self, cells: Ints) -> None:
        """Take the night into the references that are not complete, and into what tells how much nights differ."""
        self.days = np.concatenate([self.days, cells[:, None, :]], axis=1)
        if self.days.shape[1] in self.lengths:
            self.watched.append(_Watched(self.days, self.drift.tolerance))
        if self.days.shape[1] == TELLING:
            for one in self.watched:
                one.tell(self.days)

    def _fires(self, current: Ints, reference: Ints) -> np.ndarray:
        """(Y,) whether p is under its limit and total variation over its floor; current, reference (Y, K)."""
        n, n_ref = (counts.sum(axis=1, keepdims=True) for counts in (current, reference))
        together = current + reference
        expected = np.where(together > 0, together * n / (n + n_ref), 1.0)
        statistic = ((current - together * n / (n + n_ref)) ** 2 / expected).sum(axis=1) * (1 + (n / n_ref)[:, 0])
        p = chdtrc(np.maximum((together > 0).sum(axis=1) - 1, 1), statistic)
        moved = 0.5 * np.abs(current / n - reference / n_ref).sum(axis=1)
        fires: np.ndarray = (p < self.nightly) & (moved >= self.drift.tv_floor)
        return fires


class _Watched:
    """One reference of every year, (Y, D, 3K) days, and the nights that are held against it."""

    def __init__(self, days: Ints, tolerance: float) -> None:
        self.days, self.tolerance = days, tolerance
        self.nights = np.zeros((len(days), 0, days.shape[2]), dtype=np.int64)
        self.against: list[tuple[Way, Reference]] = []  # of classes, and of class x band
        if days.shape[1] > 1:
            self.tell(days)

    def tell(self, days: Ints) -> None:
        """Say how much nights differ, where the reference does not say it itself."""
        if not self.against:
            self.against = [(way, self._made(way, days)) for way in (by_class, _as_it_is)]

    def add(self, cells: Ints) -> None:
        self.nights = np.concatenate([self.nights, cells[:, None, :]], axis=1)[:, -LONGEST:]

    def log_ceiling(self) -> Floats:
        """(Y,) limit that log of the mean M of both does not exceed."""
        found = np.empty((len(self.against), len(self.nights)))
        for row, (way, reference) in zip(found, self.against, strict=True):
            for start in range(0, len(row), SOME):
                some = slice(start, start + SOME)
                row[some] = reference.of(some).log_ceiling(way(self.nights[some]))
        return _mean(found)

    def log_m(self, years: np.ndarray) -> Floats:
        """(...) log of the mean M of both in these years, a mask (Y,)."""
        return _mean([reference.of(years).log_m(way(self.nights[years])) for way, reference in self.against])

    def _made(self, way: Way, telling: Ints) -> Reference:
        return stacked(
            [
                reference_of(days, tolerance=self.tolerance, rho=correlation(nights))
                for days, nights in zip(way(self.days), way(telling), strict=True)
            ]
        )


def _mean(logs: Sequence[Floats] | Floats) -> Floats:
    """Log of the mean of what these are the logs of, by the first axis."""
    mean: Floats = np.logaddexp.reduce(logs, axis=0) - math.log(len(logs))
    return mean


def _file(production: Production, predictions: int) -> Ints:
    """(1, 3K) counts of a reference file with the class mix of this production."""
    shares = np.zeros(3 * production.classes)
    np.add.at(shares, 3 * production.predicted + production.band, production.sizes / production.sizes.sum())
    return default_rng(FILE_SEED).multinomial(predictions, shares)[None, :]


def _as_it_is(cells: Ints) -> Ints:
    return cells
