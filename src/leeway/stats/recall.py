"""Bet: is a class missed more often than its limit allows? A betting e-detector for recall, one update a night.

What is missed of a class is answered as something else, so that any draw of the night may show it. Of the draws that
are answered as the class little is learned, since the guess says beforehand how they will come out: a control variate
takes that out, and the draws may go to where the misses are, which is above all to what has the class as its second
answer.

>>> night = RecallDesign(  # a tenth of the night is answered as the class, a ninth has it second and is drawn thrice
...     predictions=1000, answered=0.10, answered_drawn=0.10, second=0.11, second_drawn=0.33, mean_control=0.05
... )
>>> bets = recall_bets(night, error_limit=0.20, precision=0.9)
>>> bets.lam.round(2).tolist()  # for a recall of 74, 70, 60 and 40 %
[0.91, 1.69, 4.25, 13.15]
>>> least = night.mean_excess(0.20)  # of a draw that says nothing of the class
>>> excess = np.append(np.full(18, least), [least + 1 / 3 * (1 - 0.20)] * 2)  # and two of twenty draws are misses
>>> recall_log_product(excess, bets).round(2).tolist()
[0.09, 0.11, -0.08, -2.28]
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leeway.stats.allocation import CONTROL_LIMIT
from leeway.stats.edetector import CAP, MOST_LOST

Floats = NDArray[np.float64]

DROPS = (0.06, 0.10, 0.20, 0.40)  # each bet grows fastest for a recall this far under its floor
LOWEST_RECALL = 0.02  # that is bet on
SECOND_SHARE = 0.7  # of the misses, thought to have the class as their second answer where that is known
HALVINGS = 20
SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class RecallDesign:
    """What is known of a night before its labels, for one class or, as arrays (...), for many or in many years.

    Without `second` the second answers are not told apart; then they belong to the rest.
    """

    predictions: int | Floats  # N, size of the window
    answered: float | Floats  # share of the window that is answered as the class
    answered_drawn: float | Floats  # chance that one draw falls there
    mean_control: float | Floats  # mean control of what is answered as the class, see `recall_excess`
    second: float | Floats = 0.0  # share of the window that has the class second
    second_drawn: float | Floats = 0.0
    answer_rate: float | Floats = 1.0  # share of the draws that people answer

    def mean_excess(self, error_limit: float | Floats) -> Floats:
        """(...) the mean of the control variate over the window, which a draw that says nothing of the class has."""
        mean: Floats = -np.asarray(error_limit) * (1 - np.asarray(self.mean_control)) * np.asarray(self.answered)
        return mean

    def lowest(self, error_limit: float | Floats) -> Floats:
        """(...) how far below 0 a draw may come at most."""
        answered, drawn = np.asarray(self.answered, dtype=float), np.asarray(self.answered_drawn, dtype=float)
        thinned = np.where(drawn > 0, answered / np.where(drawn > 0, drawn, 1.0), 1.0)
        taken_off = CONTROL_LIMIT * np.asarray(error_limit) * np.minimum(thinned, 1.0) * (answered > 0)
        lowest: Floats = taken_off - self.usual_excess(error_limit)
        return lowest

    @property
    def usual(self) -> Floats:
        """(...) share that is answered as the class, or one item: where there is none, bets are made as for one."""
        least: Floats = np.maximum(np.asarray(self.answered, dtype=float), 1 / np.maximum(self.predictions, 1))
        return least

    def usual_excess(self, error_limit: float | Floats) -> Floats:
        """(...) `mean_excess`, of at least one item."""
        mean: Floats = -np.asarray(error_limit) * (1 - np.asarray(self.mean_control)) * self.usual
        return mean

    def share(self, *, error_limit: float | Floats, precision: float | Floats) -> Floats:
        """(...) share of the window that is the class where its recall stands at the floor."""
        share: Floats = self.usual * precision / (1 - np.asarray(error_limit))
        return share


@dataclass(frozen=True, slots=True)
class RecallBets:
    """The bets of a night, chosen before its labels."""

    lam: Floats  # (..., 4)
    loss: Floats  # (..., 4) G, expected log that a draw loses where the recall stands at its floor


def recall_bets(design: RecallDesign, *, error_limit: float | Floats, precision: float | Floats) -> RecallBets:
    """Return the lam in (0, .95 / |least X|] that maximises E ln(1 + lam X) for a recall of floor - .06, .10, .20, .40.

    X takes five values: what is answered as the class is right or wrong, something else turns out to be of it, with it
    as second answer or without, or a draw says nothing. The chances are those of tonight's cells and draws, with the
    class's `precision` on the reference, and with .7 of the misses among the second answers. None of this has to be
    right: it decides how fast the evidence grows, not whether it is valid. The expectation is concave in lam, so its
    slope is halved down to zero.
    """
    limit, values, weights = np.asarray(error_limit, dtype=float), _values(design, error_limit), _weights(design)
    lowest = np.maximum(design.lowest(limit), -values.min(axis=-1))
    recalls = np.maximum(1 - limit[..., None] - np.array(DROPS), LOWEST_RECALL)
    chances = _chances(design, weights, recalls=recalls, precision=precision)
    most = MOST_LOST / np.maximum(lowest, SMALLEST)
    low, high = np.zeros(chances.shape[:-1]), np.broadcast_to(most[..., None], chances.shape[:-1])
    values = values[..., None, :]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rises = (chances * values / (1 + middle[..., None] * values)).sum(axis=-1) > 0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    at_floor = _chances(design, weights, recalls=1 - limit[..., None], precision=precision)
    return RecallBets(low, -(at_floor * np.log1p(low[..., None] * values)).sum(axis=-1))


def given_bets(*, error_limit: float | Floats, share: float | Floats) -> RecallBets:
    """Return the bets on labels that came with their draw probability, where X_i = f_i belongs_i (wrong_i - e0).

    There is no control variate, so only labels of the class say anything: they are Kelly's for a recall of floor - .06,
    .10, .20, .40, up to .95 / e0. share (...): of the labels that are of the class.
    """
    limit = np.asarray(error_limit, dtype=float)[..., None]
    missed = np.minimum(limit + np.array(DROPS), 1 - LOWEST_RECALL)
    lam = np.minimum((missed - limit) / (limit * (1 - limit)), MOST_LOST / limit)
    of_class = limit * np.log1p(lam * (1 - limit)) + (1 - limit) * np.log1p(-lam * limit)
    return RecallBets(lam, -np.asarray(share, dtype=float)[..., None] * of_class)


def recall_noise(label_error: float, *, share: float | Floats, classes: int, seconded: float | Floats = 0.0) -> Floats:
    """(...) what labels that are wrong add to the share of a class that seems missed: nu' (1 - P) / (P (K - 1)).

    nu' = nu for labels of one person; of the part `seconded`, whose contradictions a second person checked blind, both
    have to name the same wrong class: nu^2 / (K - 1), independent of each other. share (...): P, of the class.
    """
    others = max(classes - 1, 1)
    wrong = np.asarray(label_error * (1 - seconded) + seconded * label_error**2 / others)
    noise: Floats = wrong * (1 - np.asarray(share, dtype=float)) / (np.asarray(share, dtype=float) * others)
    return noise


def recall_excess(
    wrong: NDArray[np.bool_],
    *,
    belongs: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    weights: Floats,
    control: Floats,
    mean_excess: Floats,
    error_limit: float | Floats,
) -> Floats:
    """(..., n) X_i = mean(c) + w_i (belongs_i (wrong_i - e0) - c_i), c_i = -e0 (1 - control_i) answered_i.

    belongs: the truth is the class, which is only known once an item is labelled; answered: the model says so. Its mean
    over the draws is share of the class x (share missed - e0), whatever the controls are: at most 0 while the recall
    is at its floor or over it. weights (..., n): 1 / (N q_i), over the stratum's answer rate where people skip some;
    X_i of a draw that nobody answers is mean(c).
    """
    limit = np.asarray(error_limit, dtype=float)[..., None]
    taken = -limit * (1 - control) * answered
    excess: Floats = np.asarray(mean_excess)[..., None] + weights * (belongs * (wrong - limit) - taken)
    return excess


def recall_log_product(
    excess: Floats, bets: RecallBets, *, multiplicity: NDArray[np.integer] | None = None, spread: float | Floats = 1.0
) -> Floats:
    """(..., 4) log of the factor of one night: min(ln 12, sum of ln(1 + lam X_i) / d); zeros without draws.

    excess (..., n); multiplicity (..., n): a row that stands for several draws, or for none; spread (..., 4): d, at
    least 1, from `recall_spread`.
    """
    gains = bets.lam[..., None, :] * excess[..., None]
    logs = np.log1p(gains) if multiplicity is None else np.log1p(gains) * multiplicity[..., None]
    product: Floats = np.minimum(logs.sum(axis=-2) / spread, CAP)
    return product


def recall_spread(
    bets: RecallBets,
    *,
    draws: float | Floats,
    share: Floats,
    spread: float | Floats,
    alike: float | Floats = 1.0,
    counted_before: float | Floats = 0.0,
    shared: float | Floats = 0.0,
    alike_before: float | Floats = 1.0,
) -> Floats:
    """(..., 4) d = alike + (n - 1) lam^2 (P s)^2 / (2 G): by how much a night's logs are divided.

    With it the product stands up to nights whose recall differs by `spread` (standard deviation s) around the floor:
    n draws of one night then err together. share (...): P, of the class in the window; draws: n, unanswered ones too;
    alike: sum of k_g^2 / n, k_g draws of one group of images. `counted_before` draws of the night stand in an earlier
    factor: as in `edetector.design_effect`, what they share with these is charged here, groups (`shared`) included.
    """
    excess = (np.asarray(share) * spread)[..., None] * bets.lam
    between = excess**2 / (2 * np.maximum(bets.loss, SMALLEST))
    others, before = (np.maximum(np.asarray(one, dtype=float) - 1, 0)[..., None] for one in (draws, counted_before))
    own = np.asarray(alike, dtype=float)[..., None] + others * between
    earlier = np.asarray(alike_before, dtype=float)[..., None] + before * between
    common = np.asarray(shared, dtype=float)[..., None] + between * np.asarray(counted_before, dtype=float)[..., None]
    left = 1 - 2 * common / earlier
    divisor: Floats = np.where(left > 0, own / np.where(left > 0, left, 1.0), np.inf)
    return divisor


def _weights(design: RecallDesign) -> Floats:
    """(..., 3) mean weight of a draw among what is answered as the class, its second answers, and the rest."""
    parts = [(design.answered, design.answered_drawn), (design.second, design.second_drawn)]
    shares, drawn = (np.broadcast_arrays(*(np.asarray(part[at], dtype=float) for part in parts)) for at in (0, 1))
    items = np.stack([*shares, np.maximum(1 - shares[0] - shares[1], 0)], axis=-1)
    chance = np.stack([*drawn, np.maximum(1 - drawn[0] - drawn[1], 0)], axis=-1)
    chance = chance * np.asarray(design.answer_rate, dtype=float)[..., None]
    weights: Floats = np.where((items > 0) & (chance > 0), items / np.where(chance > 0, chance, 1.0), 1.0)
    return weights


def _values(design: RecallDesign, error_limit: float | Floats) -> Floats:
    """(..., 5) X of a right answer, a wrong one, a miss with the class second, another miss, and of anything else."""
    limit, control = np.asarray(error_limit, dtype=float), np.asarray(design.mean_control, dtype=float)
    weights, middle = _weights(design), design.usual_excess(error_limit)
    steps = [-weights[..., 0] * limit * control, weights[..., 0] * limit * (1 - control)]
    steps += [weights[..., 1] * (1 - limit), weights[..., 2] * (1 - limit), 0.0 * limit]
    return np.stack(np.broadcast_arrays(*(middle + step for step in steps)), axis=-1)


def _chances(design: RecallDesign, weights: Floats, *, recalls: Floats, precision: float | Floats) -> Floats:
    """(..., R, 5) chance of each of these values for one draw, at each recall (..., R)."""
    answered = design.usual
    right = (answered * precision)[..., None]
    missed = right * (1 - recalls) / recalls
    second = np.minimum(SECOND_SHARE * missed, np.asarray(design.second, dtype=float)[..., None])
    chance = (answered / weights[..., 0])[..., None]
    precise = np.asarray(precision, dtype=float)[..., None]
    some = [chance * precise, chance * (1 - precise), second / weights[..., 1:2], (missed - second) / weights[..., 2:3]]
    stacked = np.stack(np.broadcast_arrays(*some), axis=-1)
    return np.concatenate([stacked, np.maximum(1 - stacked.sum(axis=-1, keepdims=True), 0.0)], axis=-1)
