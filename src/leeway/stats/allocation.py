"""Allocate: which predictions of a night to have labelled, and with which probability."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GUESS_CUTS = (0.01, 0.03, 0.08, 0.2, 0.4)
FLOOR = 0.15  # a stratum thought free of errors is still looked at: confident mistakes show nowhere else
CONTROL_LIMIT = 0.25  # most that a drawn item's guess, times its weight, may take off the estimate


@dataclass(frozen=True, slots=True)
class Allocation:
    """The sampling design of one night. Rows are in the caller's order: sort by id, and the design is order-free."""

    probability: Floats  # (N,) q_i of one draw; sums to 1
    stratum: Ints  # (N,) 0 to H-1, by guess
    shares: Floats  # (H,) share of the window's items in each stratum
    control: Floats  # (N,) the guess as the e-detector uses it: q_i, then limited so that control / (N q_i) <= .25
    mean_control: float  # over the whole window

    def draw(self, draws: int, rng: Generator) -> Ints:
        """(draws,) row indices, independent, with replacement: an item drawn twice stands twice. Empty if N is 0."""
        if not len(self.probability):
            return np.empty(0, dtype=np.int64)
        return rng.choice(len(self.probability), size=draws, p=self.probability)


def allocate(guesses: Floats, *, uniform_share: float) -> Allocation:
    """Neyman allocation with a floor over strata of the guess, mixed with a uniform share.

    guesses (N,): calibrated probability that each prediction is wrong; one that is not a number counts as 1/2, the
    least that can be known. Strata are cut at .01, .03, .08, .2, .4; stratum h is drawn with probability a_h
    proportional to N_h (s_h + .15 mean s), s_h = sqrt(g_h (1 - g_h)) at its mean guess g_h, an item uniformly inside:
    q_i = (1 - eta) a_h / N_h + eta / N, eta = uniform_share in (0, 1], so that no weight 1 / (N q_i) exceeds 1 / eta.
    Neyman (1934); the floor as in Zrnic and Candes (2024), arXiv 2403.03208.
    """
    guesses = np.where(np.isfinite(guesses), np.clip(guesses, 0.0, 1.0), 0.5)
    items, strata = len(guesses), len(GUESS_CUTS) + 1
    if not items:
        return Allocation(guesses, np.empty(0, dtype=np.int64), np.zeros(strata), guesses, 0.0)
    stratum = np.digitize(guesses, GUESS_CUTS)
    sizes = np.bincount(stratum, minlength=strata)
    means = np.bincount(stratum, weights=guesses, minlength=strata) / np.maximum(sizes, 1)
    spread = np.sqrt(means * (1 - means))
    appeal = spread + FLOOR * (sizes @ spread) / items  # (H,) per item
    if not (sizes @ appeal):
        appeal = np.ones(strata)  # every guess is exactly 0 or 1: nothing to choose by
    probability = (1 - uniform_share) * appeal[stratum] / (sizes @ appeal) + uniform_share / items
    probability /= probability.sum()
    control = np.minimum(guesses, CONTROL_LIMIT * items * probability)
    return Allocation(probability, stratum, sizes / items, control, float(control.mean()))
