"""Given labels in simulated years: truth that comes with the log, of all rows of a night or of a part of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.simulate.production import Floats, Ints
from leeway.simulate.traffic import Nights, scaled
from leeway.stats import edetector
from leeway.stats import spread as spreads


@dataclass(frozen=True, slots=True)
class Given:
    """A night's rows by kind (C,): how many, how often each is wrong, and with which chance its truth comes."""

    rows: Ints
    error_rates: Floats
    chance: Floats
    answered: float = 1.0  # share of what is chosen whose truth really comes
    alike: int | Ints = (
        1  # rows of one kind (C,) are in groups of so many, right or wrong together; divides their number
    )
    known: bool = True  # whether the log names the groups

    @property
    def error_rate(self) -> float:
        return float(self.rows @ self.error_rates) / int(self.rows.sum())


def census(rows: int, error_rate: float, *, alike: int = 1, known: bool = True) -> Given:
    """Return a night all of whose rows come with their truth."""
    return Given(np.array([rows]), np.array([error_rate]), np.ones(1), alike=alike, known=known)


def given_years(
    before: Given,
    *,
    limit: float,
    alpha: float,
    years: int,
    rng: Generator,
    nights: int = edetector.NIGHTS_PER_YEAR,
    after: Given | None = None,
    change: int = edetector.NIGHTS_PER_YEAR,
    deviation: Nights | None = None,
    observe: Callable[[Ints, Ints, Floats, Floats], None] | None = None,
) -> Ints:
    """(Y,) night, from 0, of the first alarm of check 3 on such labels; -1 without one. limit: highest error rate.

    `observe` sees (labelled (Y, C), wrong ones among them (Y, C), log M (Y,), clustering (Y,)) of every night.
    """
    wealth, sums = np.tile(edetector.START, (years, 1)), np.tile(spreads.NONE, (years, 1))
    spread, first = np.full(years, spreads.SHARE_OF_LIMIT * limit), np.full(years, -1, dtype=np.int64)
    least = np.ones(years)  # smallest chance on any night so far
    for number in range(nights):
        given = after if after is not None and number >= change else before
        labelled, errors, squares = _labels(given, years, number, deviation, rng)
        counts = np.concatenate([labelled - errors, errors], axis=1)
        wrong = np.broadcast_to(np.arange(counts.shape[1]) >= len(given.rows), counts.shape)
        least = np.minimum(least, np.where(labelled > 0, given.chance, 1.0).min(axis=1))
        fractions = np.minimum(1.0, least[:, None] / np.tile(given.chance, 2))
        n = counts.sum(axis=1)
        clustering = _clustering(given, labelled, squares)
        deflation = edetector.design_effect(draws=n, clustering=clustering, spread=spread, variance=limit * (1 - limit))
        factor = edetector.given_factor(
            wrong, fractions=fractions, error_limit=limit, deflation=deflation, counts=counts
        )
        came = n > 0  # a night without a label is no night
        wealth = np.where(came[:, None], edetector.update(wealth, factor), wealth)
        draws, mean, ratio = _numbers(wrong, fractions, counts)
        draws = np.maximum(draws / clustering, 1.0)
        sums = np.where(came[:, None], spreads.with_night(sums, draws=draws, mean=mean, ratio=ratio), sums)
        spread = np.where(came, spreads.measured(sums, assumed=spread), spread)
        log_m = edetector.log_mixture(wealth)
        if observe is not None:
            observe(labelled, errors, log_m, clustering)
        alarms = log_m >= np.log(edetector.threshold(alpha))
        first = np.where((first < 0) & alarms, number, first)
    return first


def _numbers(wrong: NDArray[np.bool_], fractions: Floats, counts: Ints) -> tuple[Floats, Floats, Floats]:
    """(Y,) independent draws that count as much, mean, and variance as a multiple of e (1 - e); 1, 0, 1 without any."""
    weight, squares = (counts * fractions).sum(axis=1), (counts * fractions**2).sum(axis=1)
    came = squares > 0
    weight, squares = np.where(came, weight, 1.0), np.where(came, squares, 1.0)
    mean = (counts * fractions * wrong).sum(axis=1) / weight
    apart = (counts * (fractions * (wrong - mean[:, None])) ** 2).sum(axis=1) / squares
    return weight**2 / squares, mean, np.where(apart > 0, apart / np.maximum(mean * (1 - mean), 1e-9), 1.0)


def _clustering(given: Given, labelled: Ints, squares: Ints) -> Floats:
    """(Y,) sum_g (sum w)^2 / sum w^2 over groups, w = 1 / chance; squares (Y, C): sum_g k_g^2 of their labels."""
    weighed = (labelled / given.chance**2).sum(axis=1)
    alike = (squares / given.chance**2).sum(axis=1) if given.known else weighed
    clustering: Floats = np.where(weighed > 0, alike / np.where(weighed > 0, weighed, 1.0), 1.0)
    return clustering


def _labels(
    given: Given, years: int, number: int, deviation: Nights | None, rng: Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(Y, C) rows of each kind whose truth comes, how many of these are wrong, and sum_g k_g^2 of their groups."""
    moved = np.zeros(years) if deviation is None else deviation(number, years, rng)
    rates = scaled(given.error_rates, moved, given.error_rate)
    chance = np.broadcast_to(given.chance * given.answered, rates.shape)
    alike = np.broadcast_to(given.alike, given.rows.shape)
    if (alike == 1).all():
        labelled = rng.binomial(given.rows, chance)
        return labelled, rng.binomial(labelled, rates), labelled
    groups = given.rows // alike
    of_kind = np.repeat(np.arange(len(groups)), groups)  # (G,)
    wrong = rng.random((years, len(of_kind))) < rates[:, of_kind]
    came = rng.binomial(alike[of_kind], chance[:, of_kind])
    starts = np.concatenate([[0], np.cumsum(groups)[:-1]])
    labelled, errors, squares = (np.add.reduceat(one, starts, axis=1) for one in (came, came * wrong, came**2))
    return labelled, errors, squares
