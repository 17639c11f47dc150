"""Allocate: which predictions of a night to have labelled, and with which probability.

>>> design = allocate(np.array([0.001, 0.02, 0.3, 0.5]), uniform_share=0.2)  # calibrated guesses of four predictions
>>> design.probability.round(3).tolist()  # the unsure ones are looked at most, and none is left out
[0.096, 0.162, 0.358, 0.384]
>>> design.draw(5, np.random.default_rng(0)).tolist()  # independent draws: an item may come twice
[3, 2, 0, 0, 3]
"""

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
    """The sampling design of one night, over cells of like items (C,); a cell of one item is an item.

    Rows are in the caller's order: sort them, and the design is order-free.
    """

    probability: Floats  # (..., C) q_i of one draw for each item of the cell; sums to 1 over all items
    stratum: Ints  # (C,) 0 to H-1, by guess
    shares: Floats  # (H,) share of the window's items in each stratum
    control: Floats  # (..., C) the guess as the e-detector uses it: limited so that control / (N q_i r_i) <= .25
    mean_control: float | Floats  # over all items
    sizes: Ints  # (C,) items in each cell
    guesses: Floats  # (C,) guess of an error
    answered: Floats  # (..., C) r_i: share of the draws in the cell's stratum that people answered before, over 0, to 1

    def draw(self, draws: int, rng: Generator) -> Ints:
        """(draws,) cells, independent, with replacement: an item drawn twice stands twice. Empty if there is no item.

        The item is to be drawn uniformly inside its cell.
        """
        if not self.sizes.sum():
            return np.empty(0, dtype=np.int64)
        return rng.choice(len(self.sizes), size=draws, p=self.probability * self.sizes)

    def part(self, inside: NDArray[np.bool_], *, likely: Floats | None = None) -> "Part":
        """What a detector needs to watch these cells (C,) alone, from the draws that happen to fall there.

        likely (C',): chance of an error in each cell inside, where the error rate stands at the detector's limit
        (`guesses_at`): for the variance of a draw.
        """
        sizes, probability = self.sizes[inside], self.probability[..., inside]
        items, drawn = int(sizes.sum()), (probability * sizes).sum(axis=-1)
        if not items:
            return Part(0, 0.0, 0.0, 1.0)
        answered = self.answered[..., inside]
        weights = drawn[..., None] / (items * probability * answered)  # of an answered draw
        control = limited(self.control[..., inside], weights=weights)
        mean = (control * sizes).sum(axis=-1) / items
        if likely is None:
            return Part(items, drawn, mean, 1.0)
        limit = float(likely @ sizes) / items
        base = np.asarray(mean)[..., None] - limit
        square = likely * (base + weights * (1 - control)) ** 2 + (1 - likely) * (base - weights * control) ** 2
        chance = probability * sizes / drawn[..., None]
        variance = (chance * (answered * square + (1 - answered) * base**2)).sum(axis=-1)
        return Part(items, drawn, mean, variance / max(limit * (1 - limit), 1e-9))


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a night's items, such as those predicted as one class. Of the draws that fall there each is one of them
    with probability q_i / drawn, so that its weight is drawn / (items q_i)."""

    items: int
    drawn: float | Floats  # chance that one draw falls there, 0 to 1
    mean_control: float | Floats  # of its items, each limited to .25 over its weight
    variance: float | Floats  # of X_i of one draw at the limit e0, as a multiple of e0 (1 - e0): a uniform draw has 1


def guesses_at(guesses: Floats, sizes: Ints, *, limit: float) -> Floats:
    """(C,) the guesses with their odds scaled so that their mean over the items (C,) is `limit`."""
    cut = np.clip(guesses, 1e-6, 1 - 1e-6)
    log_odds, items = np.log(cut / (1 - cut)), max(int(sizes.sum()), 1)
    low, high = -40.0, 40.0
    for _ in range(60):  # the mean rises with the shift: halved until nothing is left to halve
        shift = (low + high) / 2
        over = float(sizes @ (1 / (1 + np.exp(-(log_odds + shift))))) / items > limit
        low, high = (low, shift) if over else (shift, high)
    scaled: Floats = 1 / (1 + np.exp(-(log_odds + (low + high) / 2)))
    return scaled


def limited(guesses: Floats, *, weights: Floats) -> Floats:
    """Guesses cut so that guess times weight is at most .25: what the e-detector may take off; any shape.

    A draw that weighs nothing takes nothing off, whatever its guess.
    """
    cut: Floats = np.minimum(guesses, CONTROL_LIMIT / np.where(weights > 0, weights, CONTROL_LIMIT))
    return cut


def allocate(
    guesses: Floats,
    *,
    uniform_share: float,
    sizes: Ints | None = None,
    strata: Ints | None = None,
    suspicion: Floats | None = None,
    lean: float | Floats = 0.0,
    answer_rates: Floats | None = None,
) -> Allocation:
    """Neyman allocation with a floor over strata of the guess, mixed with a uniform share, and with suspicion.

    guesses (C,): calibrated probability that the items of a cell are wrong; one that is not a number counts as 1/2, the
    least that can be known. sizes (C,): items in each cell, default 1. Strata are cut at .01, .03, .08, .2, .4 unless
    `strata` (C,) says otherwise; stratum h is drawn with probability a_h proportional to N_h (s_h + .15 mean s), s_h =
    sqrt(g_h (1 - g_h)) at its mean guess g_h, an item uniformly inside. A share `lean` of it goes to items in
    proportion to `suspicion` (C,), which may come from any earlier result:
    q_i = (1 - eta) ((1 - lean) a_h / N_h + lean u_i / sum u) + eta / N, eta = uniform_share in (0, 1], so that no
    weight 1 / (N q_i) exceeds 1 / eta. With leading dimensions of suspicion (..., C) and lean (...) there
    is one design for each. answer_rates (..., H): share of the draws in each stratum that people answer, default 1: an
    answered draw weighs that much more. Neyman (1934); the floor as in Zrnic and Candes (2024), arXiv 2403.03208.
    """
    guesses = np.where(np.isfinite(guesses), np.clip(guesses, 0.0, 1.0), 0.5)
    sizes = np.ones(len(guesses), dtype=np.int64) if sizes is None else sizes
    stratum = np.digitize(guesses, GUESS_CUTS) if strata is None else strata
    items, number = int(sizes.sum()), max(len(GUESS_CUTS) + 1, int(stratum.max(initial=0)) + 1)
    answered = np.ones(len(guesses)) if answer_rates is None else answer_rates[..., stratum]
    if not items:
        return Allocation(np.zeros(len(guesses)), stratum, np.zeros(number), guesses, 0.0, sizes, guesses, answered)
    counts = np.bincount(stratum, weights=sizes, minlength=number)
    means = np.bincount(stratum, weights=guesses * sizes, minlength=number) / np.maximum(counts, 1)
    spread = np.sqrt(means * (1 - means))
    appeal = (spread + FLOOR * (counts @ spread) / items)[stratum]  # (C,) per item
    wanted = _spread_over(appeal, sizes)
    if suspicion is not None:
        followed = np.where((suspicion * sizes).sum(axis=-1) > 0, lean, 0.0)[..., None]
        wanted = (1 - followed) * wanted + followed * _spread_over(suspicion, sizes)
    probability = (1 - uniform_share) * wanted + uniform_share / items
    probability = probability / (probability * sizes).sum(axis=-1, keepdims=True)
    control = limited(guesses, weights=1 / (items * probability * answered))
    mean_control = (control * sizes).sum(axis=-1) / items
    return Allocation(probability, stratum, counts / items, control, mean_control, sizes, guesses, answered)


def _spread_over(appeal: Floats, sizes: Ints) -> Floats:
    """(..., C) probability of one draw for each item, in proportion to its appeal; uniform where none has any."""
    total = (appeal * sizes).sum(axis=-1, keepdims=True)
    spread: Floats = np.where(total > 0, appeal / np.where(total > 0, total, 1.0), 1 / sizes.sum())
    return spread
