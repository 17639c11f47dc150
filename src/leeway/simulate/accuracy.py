"""Accuracy: check 3 in every simulated year at once, with the spread, the answer rates and the limits of the check."""

from typing import TYPE_CHECKING, Any

import numpy as np

from leeway.checks.accuracy import Accuracy
from leeway.checks.policy import Policy
from leeway.labels.answering import LOWEST
from leeway.simulate.production import Floats, Ints, Production
from leeway.stats import edetector
from leeway.stats import spread as spreads
from leeway.stats.allocation import guesses_at

if TYPE_CHECKING:
    from leeway.simulate.years import Limits, Night

MEMORY = 28  # nights whose answers say how people answer


class Answering:
    """Which draws people answered lately, in every year: what the plan of the next night is made with."""

    def __init__(self, years: int, strata: int) -> None:
        self.counts = np.zeros((MEMORY, years, 2, strata))  # answered, drawn
        self.opinions = np.zeros((MEMORY, years, 2))  # seconded, contradictions

    def rates(self) -> Floats:
        """(Y, H) r_h = (answered + 2) / (drawn + 2), at least .2."""
        answered, drawn = np.moveaxis(self.counts.sum(axis=0), 1, 0)
        rates: Floats = np.maximum((answered + 2) / (drawn + 2), LOWEST)
        return rates

    def seconded(self) -> Floats:
        """(Y,) r2 = seconded / (contradictions + 2)."""
        seconded, contradictions = self.opinions.sum(axis=0).T
        share: Floats = seconded / (contradictions + 2)
        return share

    def see(self, number: int, night: "Night") -> None:
        """Take in what was answered of this night."""
        strata, place = self.counts.shape[-1], number % MEMORY
        stratum = night.design.stratum[night.drawn]
        looked_at = night.labelled.answered.any(axis=1, keepdims=True)
        for row, taken in enumerate((night.labelled.answered, np.broadcast_to(looked_at, stratum.shape))):
            self.counts[place, :, row] = (taken[..., None] & (stratum[..., None] == np.arange(strata))).sum(axis=1)
        wrong, seconded = night.labelled.wrong, night.labelled.seconded
        self.opinions[place] = np.stack([seconded.sum(axis=1), (wrong | seconded).sum(axis=1)], axis=1)


class SimulatedAccuracy:
    """Check 3 in every year. The spread, where it is measured, is that known before the night."""

    def __init__(self, years: int, production: Production, policy: Policy, limits: "Limits") -> None:
        self.check, self.error = policy.check(Accuracy), policy.labels.error_rate
        self.production, self.limit = production, limits.accuracy
        self.wealth, self.sums = np.tile(edetector.START, (years, 1)), np.tile(spreads.NONE, (years, 1))
        stated = isinstance(self.check.night_spread, float | int)
        assumed = float(self.check.night_spread) if stated else spreads.SHARE_OF_LIMIT * self.limit
        self.spread = np.full(years, assumed)
        self.likely: tuple[Production, Floats] | None = None
        self.sizes: list[int] = []

    def see(self, night: "Night") -> Floats:
        """(Y,) log M after this night: one without a draw changes nothing."""
        if not night.drawn.shape[1]:
            return edetector.log_mixture(self.wealth)
        limit, seen = self.charged(night.seconded), night.labelled
        design, items = night.design, int(night.design.sizes.sum())
        part = design.part(np.ones(len(design.sizes), dtype=bool), likely=self._likely(night))
        answered = _of(design.answered, night.drawn)
        weights = seen.answered / (items * _of(design.probability, night.drawn) * answered)
        guesses = _of(design.control, night.drawn)
        bet: dict[str, Any] = {"weights": weights, "guesses": guesses, "mean_guess": part.mean_control}
        excess = edetector.excesses(seen.wrong, **bet, error_limit=limit)
        n, clustering = night.drawn.shape[1], clustering_of_rows(seen.group, night.drawn.shape)
        mean = excess.mean(axis=1) + limit
        if self.check.night_spread == "any":
            factor = edetector.any_spread_factor(mean - limit, mean_guess=part.mean_control, error_limit=limit)
        else:
            deflation = edetector.design_effect(
                draws=n, clustering=clustering, spread=self.spread, variance=part.variance * limit * (1 - limit)
            )
            stake = self._stake(items)
            factor = edetector.night_factor(seen.wrong, **bet, error_limit=limit, deflation=deflation, stake=stake)
        self._update(
            factor,
            draws=n / clustering,
            mean=mean,
            ratio=part.variance,
            any_label=np.asarray(seen.answered.any(axis=1)),
        )
        return edetector.log_mixture(self.wealth)

    def charged(self, seconded: Floats) -> Floats:
        """(Y,) or (): the error limit that labels are held against: wrong ones count as errors."""
        return np.asarray(self.limit + self.error * (1 - seconded) + seconded * self.error**2)

    def _update(
        self, factor: Floats, *, draws: Floats, mean: Floats, ratio: float | Floats, any_label: np.ndarray
    ) -> None:
        looked_at = any_label[:, None]
        self.wealth = np.where(looked_at, edetector.update(self.wealth, factor), self.wealth)
        self.sums = np.where(looked_at, spreads.with_night(self.sums, draws=draws, mean=mean, ratio=ratio), self.sums)
        if self.check.night_spread == "measured":
            self.spread = np.where(any_label, spreads.measured(self.sums, assumed=self.spread), self.spread)

    def _likely(self, night: "Night") -> Floats:
        """(C,) chances of an error where the error rate stands at the limit; kept while the production is the same."""
        if self.likely is None or self.likely[0] is not night.production:
            self.likely = night.production, guesses_at(night.design.guesses, night.design.sizes, limit=self.limit)
        return self.likely[1]

    def _stake(self, items: int) -> float:
        self.sizes = [*self.sizes[-MEMORY:], items]
        largest = max(self.sizes[:-1], default=0)
        return min(1.0, items / largest) if self.check.weigh == "predictions" and largest else 1.0


def clustering_of_rows(group: Ints | None, shape: tuple[int, int]) -> Floats:
    """(Y,) sum_g k_g^2 / n of the groups (Y, n) of each row; 1 where none is known."""
    if group is None:
        return np.ones(shape[0])
    alike = np.sort(group, axis=1)
    same = np.concatenate([np.zeros((shape[0], 1), dtype=bool), alike[:, 1:] == alike[:, :-1]], axis=1)
    rank = np.zeros(shape, dtype=np.int64)  # of each draw among those before it in its group: k^2 = sum (2 rank + 1)
    for place in range(1, shape[1]):
        rank[:, place] = np.where(same[:, place], rank[:, place - 1] + 1, 0)
    effect: Floats = (2 * rank + 1).sum(axis=1) / shape[1]
    return effect


def _of(values: Floats, drawn: Ints) -> Floats:
    """(Y, n) of the kinds drawn; values are (C,) or (Y, C)."""
    return values[drawn] if values.ndim == 1 else np.take_along_axis(values, drawn, axis=-1)
