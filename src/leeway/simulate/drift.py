"""Drift: check 2 in every simulated year at once, with the trigger and the reference that the policy gives it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.random import default_rng
from scipy.special import chdtrc

from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.simulate.production import Floats, Ints, Production
from leeway.stats.edetector import NIGHTS_PER_YEAR
from leeway.stats.multinomial import FEWEST_DAYS, LONGEST, day_tolerance, log_detector, share_box

if TYPE_CHECKING:
    from leeway.simulate.years import Limits, Night

FILE_SEED = 0  # of the reference file's counts: the file is one, whatever year it is


class SimulatedDrift:
    """Check 2 in every year, over classes, and over class and band.

    Its reference are its first nights, or the file that `limits` names. Nights under `min_predictions` have no verdict.
    With the chi_square trigger log M is inf on a night that fires and -inf on any other; p is the asymptotic tail
    there, since an exact one takes up to 400,000 tables a night: a test holds it against the check itself.
    """

    def __init__(self, years: int, production: Production, policy: Policy, limits: "Limits") -> None:
        self.drift = policy.check(PredictionDrift)
        self.nightly = policy.alpha(self.drift) / NIGHTS_PER_YEAR
        self.nights = np.zeros((years, 0, 3 * production.classes), dtype=np.int64)
        self.reference: Ints | None = None
        if limits.file:
            self.reference = np.broadcast_to(_file(production, limits.file), (years, 1, 3 * production.classes))

    def see(self, night: "Night") -> Floats:
        """(Y,) log M after this night."""
        silent = np.full(len(night.cells), -np.inf)
        if night.design.sizes.sum() < self.drift.min_predictions:
            return silent
        nights = np.concatenate([self.nights, night.cells[:, None, :]], axis=1)
        if self.reference is None:
            self.nights = nights
            if nights.shape[1] == self.drift.reference_nights:
                self.reference, self.nights = nights, nights[:, :0]
            return silent
        if self.drift.trigger == "chi_square":
            fires = self._fires(_by_class(night.cells), _by_class(self.reference).sum(axis=1))
            return np.where(fires, np.inf, silent)
        self.nights = nights[:, -LONGEST:]
        by_class = _by_class(self.nights), _by_class(self.reference)
        logs = [self._log_m(*by_class), self._log_m(self.nights, self.reference)]
        mean: Floats = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return mean

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

    def _log_m(self, nights: Ints, reference: Ints) -> Floats:
        low, high = share_box(reference.sum(axis=1), tolerance=self._tolerance(reference))
        return log_detector(nights, reference.sum(axis=1), low=low, high=high)

    def _tolerance(self, reference: Ints) -> float | Floats:
        if reference.shape[1] < FEWEST_DAYS:
            return self.drift.tolerance
        return np.stack([day_tolerance(days, tolerance=self.drift.tolerance) for days in reference])


def _file(production: Production, predictions: int) -> Ints:
    """(1, 3K) counts of a reference file with the class mix of this production."""
    shares = np.zeros(3 * production.classes)
    np.add.at(shares, 3 * production.predicted + production.band, production.sizes / production.sizes.sum())
    return default_rng(FILE_SEED).multinomial(predictions, shares)[None, :]


def _by_class(cells: Ints) -> Ints:
    """(..., 3K) -> (..., K)"""
    summed: Ints = cells.reshape(*cells.shape[:-1], -1, 3).sum(axis=-1)
    return summed
