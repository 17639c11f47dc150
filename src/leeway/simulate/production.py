"""Production: a made-up night of a classifier, as kinds of items with their guesses and error rates."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = (0.0005, 0.005, 0.02, 0.06, 0.15, 0.35, 0.6)  # guesses of a good classifier
LEVEL_SHARES = (0.55, 0.20, 0.10, 0.06, 0.05, 0.03, 0.01)


@dataclass(frozen=True, slots=True)
class Production:
    """What a night is drawn from: kinds of items, how many of each, and how often each is answered wrongly."""

    sizes: Ints  # (C,) items of each kind in a night of the usual size
    guesses: Floats  # (C,) guess of an error
    error_rates: Floats  # (C,) chance of one
    predicted: Ints  # (C,) class answered
    band: Ints  # (C,) confidence band, 0 to 2
    slice: Ints  # (C,) camera; -1 without one
    classes: int
    second: Ints | None = None  # (C,) second class, -1 for one that nobody watches; None: not known of any kind
    truths: Floats | None = None  # (C, K) chance of each class where an answer is wrong; None: all others alike

    @property
    def error_rate(self) -> float:
        return float(self.sizes @ self.error_rates) / int(self.sizes.sum())

    def truth_of(self, drawn: Ints, wrong: NDArray[np.bool_], rng: Generator) -> Ints:
        """(...) the class that a label names where it contradicts the answer; drawn (...): kinds.

        Where the answer is right, or kinds do not say what else they are, it is any other class.
        """
        other: Ints = (self.predicted[drawn] + rng.integers(1, self.classes, drawn.shape)) % self.classes
        if self.truths is None:
            return other
        chances = np.cumsum(self.truths[drawn[wrong]], axis=-1)
        other[wrong] = (rng.random((len(chances), 1)) * chances[:, -1:] > chances).sum(axis=-1)
        return other

    def missed(self, which: int) -> float:
        """Share of a class that is answered otherwise."""
        errors, own = self.sizes * self.error_rates, self.predicted == which
        truths = self._truths()[:, which]
        right = float((self.sizes - errors)[own].sum())
        return float(errors[~own] @ truths[~own]) / max(right + float(errors[~own] @ truths[~own]), 1e-12)

    def _truths(self) -> Floats:
        if self.truths is not None:
            return self.truths
        others = (self.predicted[:, None] != np.arange(self.classes)).astype(float)
        alike: Floats = others / max(self.classes - 1, 1)
        return alike


def classifier(
    *,
    predictions: int,
    accuracy: float,
    classes: int = 10,
    slices: int = 0,
    before: float | None = None,
    gain: float = 0.0,
    weak_class: float | None = None,
    weak_slice: float | None = None,
) -> Production:
    """A night of a classifier of this accuracy: equal classes (and cameras), guesses as a good model gives them.

    Guesses take seven levels, mean about 5 %. Errors come in proportion to their odds; with `before` the loss since
    that accuracy hits every answer alike, confident ones too. `gain`: what the first class gains from the others alike.
    `weak_class`, `weak_slice`: accuracy of the first one, whose added errors hit every answer alike.
    """
    levels, places = len(LEVELS), max(slices, 1)
    predicted, level, place = (one.ravel() for one in np.indices((classes, levels, places)))
    share = np.where(predicted == 0, 1 / classes + gain, 1 / classes - gain / (classes - 1))
    wanted = predictions * share * np.array(LEVEL_SHARES)[level] / places
    sizes = _whole(wanted.reshape(classes, levels, places)).ravel()
    guesses = np.array(LEVELS)[level]
    rates = _with_mean(guesses, 1 - (accuracy if before is None else before), sizes)
    if before is not None:
        rates = np.clip(rates + before - accuracy, 0, 1)
    for weak, inside in ((weak_class, predicted == 0), (weak_slice, place == 0)):
        if weak is not None:
            usual = float(sizes[inside] @ rates[inside] / max(sizes[inside].sum(), 1))
            rates = np.where(inside, np.clip(rates + 1 - weak - usual, 0, 1), rates)
    band = np.select([level < 1, level < 3], [2, 1], 0)
    where = place if slices else np.full(len(place), -1)
    return Production(sizes, guesses, rates, predicted, band, where, classes)


def _whole(wanted: Floats) -> Ints:
    """(K, L, S) whole numbers whose sum, of all and of each level, is off by less than one: in small nights, too."""
    by_level = wanted.transpose(1, 0, 2)
    total = np.rint(np.cumsum(by_level.ravel()) + 1e-9)
    whole: Ints = np.diff(total, prepend=0.0).astype(np.int64).reshape(by_level.shape).transpose(1, 0, 2)
    return whole


def weekly_pattern(night: int, shares: Floats, years: int, rng: Generator) -> Floats:
    """(Y, J) shares of a benign year: every other class is 15 % up on weekends, and days differ (Dirichlet 800)."""
    weekend = night % 7 >= 5
    tilt = np.where(np.arange(len(shares)) // 3 % 2 == 0, 0.15, -0.15) * weekend
    base = shares * (1 + tilt)
    return rng.dirichlet(800 * base / base.sum(), size=years)


def _with_mean(guesses: Floats, mean: float, sizes: Ints) -> Floats:
    """(C,) rates in [0, 1] whose odds are in proportion to those of the guesses, with this mean over the items."""
    odds = guesses / (1 - guesses)

    def excess(log_scale: float) -> float:
        scaled = np.exp(log_scale) * odds
        return float(sizes @ (scaled / (1 + scaled))) / float(sizes.sum()) - mean

    scaled: Floats = np.exp(brentq(excess, -20, 20)) * odds
    return scaled / (1 + scaled)


def with_second_answers(production: Production, *, share: float) -> Production:
    """Return the same with a second class of every kind, each of the others alike; of errors it is true in `share`."""
    classes, turns = production.classes, np.arange(1, production.classes)
    kinds = np.repeat(np.arange(len(production.sizes)), len(turns))
    second = (production.predicted[kinds] + np.tile(turns, len(production.sizes))) % classes
    total = np.rint(np.cumsum(production.sizes[kinds] / len(turns)) + 1e-9)
    truths = np.full((len(kinds), classes), (1 - share) / max(classes - 2, 1))
    truths[np.arange(len(kinds)), production.predicted[kinds]] = 0.0
    truths[np.arange(len(kinds)), second] = share if classes > 2 else 1.0
    return replace(
        production,
        sizes=np.diff(total, prepend=0.0).astype(np.int64),
        guesses=production.guesses[kinds],
        error_rates=production.error_rates[kinds],
        predicted=production.predicted[kinds],
        band=production.band[kinds],
        slice=production.slice[kinds],
        second=second,
        truths=truths,
    )


def with_weak_recall(production: Production, *, to: float, which: int = 0, share: float = 0.0) -> Production:
    """Return the same with the recall of one class fallen to `to`, by errors as confident as any answer.

    What is lost is answered as the other classes alike; where the kinds have second answers, of this part `share` has
    the class second.
    """
    own, items = production.predicted == which, production.sizes.astype(float)
    right = items * (1 - production.error_rates)
    usual = 1 - production.missed(which)
    lost = float(right[own].sum()) * (1 - to / usual)
    sizes, errors = items.copy(), items * production.error_rates
    sizes[own] -= lost * right[own] / right[own].sum()
    has_second = np.zeros_like(own) if production.second is None else production.second == which
    groups = [(~own & ~has_second, 1 - share if has_second.any() else 1.0), (has_second, share)]
    moved = np.zeros_like(sizes)
    for inside, part in groups:
        moved[inside] = lost * part * items[inside] / max(items[inside].sum(), 1.0)
    sizes, truths = sizes + moved, production._truths() * errors[:, None]
    truths[:, which] += moved
    errors = errors + moved
    whole = np.diff(np.rint(np.cumsum(sizes) + 1e-9), prepend=0.0).astype(np.int64)
    return replace(
        production,
        sizes=whole,
        error_rates=np.clip(errors / np.maximum(sizes, 1e-9), 0, 1),
        truths=truths / np.maximum(truths.sum(axis=1, keepdims=True), 1e-12),
    )
