"""Real traffic: what nights do beyond independent draws, in a simulated year: they differ, and people skip and err."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.policy import Policy
from leeway.simulate.production import Floats, Ints

Flags = NDArray[np.bool_]
Nights = Callable[[int, int, Generator], Floats]  # (night from 0, years, rng) -> (Y,) points added to the error rate


@dataclass(frozen=True, slots=True)
class AlikeImages:
    """Images that are alike: one group is wrong or right as a whole."""

    size: int = 1  # images in a group, on average; 1: two draws are alike where they are of one image
    known: bool = True  # whether the prediction log says which images are of one group
    unequal: bool = False  # the i-th group is 1 / i as large as the first


@dataclass(frozen=True, slots=True)
class People:
    """Who answers, and how often an answer is wrong."""

    answer: Floats = field(default_factory=lambda: np.ones(1))  # (H,) share answered of each stratum of the guess
    skip_wrong: float = 0.0  # share of the wrong answers that is skipped because it is wrong
    error: float = 0.0  # chance that a label is wrong
    seconds: float = 0.0  # share of the contradictions that a second person answers, where the policy asks for it


@dataclass(frozen=True, slots=True)
class RealTraffic:
    """A year's nights. By default draws are independent and people answer all, rightly."""

    deviation: Nights | None = None
    groups: AlikeImages | None = None
    people: People = field(default_factory=People)

    def people_matter(self, policy: Policy) -> bool:
        """Whether it has to be kept how people answer: not where they answer all of it, once."""
        skips = bool((self.people.answer < 1).any()) or self.people.skip_wrong > 0
        return skips or policy.labels.second_opinion == "errors"


PLAIN = RealTraffic()


@dataclass(frozen=True, slots=True)
class Labelled:
    """What people made of a night's draws, of every year at once, each (Y, n)."""

    wrong: Flags  # as it counts: a contradiction that no second person resolved
    answered: Flags
    seconded: Flags
    group: Ints | None  # as the log says; None: every draw its own


def differing(spread: float) -> Nights:
    """Return nights whose error rates have this sd, independent and normal."""
    return lambda _, years, rng: spread * rng.standard_normal(years)


def with_bad_nights(spread: float, *, chance: float, points: float) -> Nights:
    """Return such nights, some of which (`chance`) are worse by `points`; the mean stays where it is."""
    return lambda _, years, rng: spread * rng.standard_normal(years) + points * ((rng.random(years) < chance) - chance)


def waves(spread: float, *, correlation: float, years: int) -> Nights:
    """Return nights whose deviations are an autoregression of order one with this sd."""
    state = np.zeros(years)

    def next_night(number: int, count: int, rng: Generator) -> Floats:
        fresh = rng.standard_normal(count)
        before = state[:count]
        state[:count] = fresh if number == 0 else correlation * before + np.sqrt(1 - correlation**2) * fresh
        return spread * state[:count]

    return next_night


def scaled(rates: Floats, deviation: Floats, mean: float) -> Floats:
    """(Y, C) chances of an error with the mean moved by `deviation` (Y,), each in proportion."""
    moved: Floats = np.clip(rates * np.maximum(1 + deviation[:, None] / mean, 0.0), 0.0, 1.0)
    return moved


def draw_groups(groups: AlikeImages, shape: tuple[int, int], items: int, rng: Generator) -> Ints:
    """(Y, n) the group of each draw, of a night of so many items."""
    number = max(items // groups.size, 1)
    if not groups.unequal:
        return rng.integers(number, size=shape)
    chances = np.cumsum(1 / np.arange(1, number + 1))
    found: Ints = np.searchsorted(chances / chances[-1], rng.random(shape))
    return found


def common_luck(group: Ints | None, shape: tuple[int, int], rng: Generator) -> Floats:
    """(Y, n) uniform numbers that decide whether a draw is wrong: one for each group of a night."""
    if group is None:
        return rng.random(shape)
    lots = rng.random((shape[0], int(group.max()) + 1))
    return np.take_along_axis(lots, group, axis=1)


def label(
    wrong: Flags, stratum: Ints, group: Ints | None, traffic: RealTraffic, *, classes: int, second: bool, rng: Generator
) -> Labelled:
    """Have people answer; wrong, stratum (Y, n). `second`: whether the policy asks for second opinions on errors."""
    people, shape = traffic.people, wrong.shape
    answer = people.answer[np.minimum(stratum, len(people.answer) - 1)]
    answered = rng.random(shape) < answer if (people.answer < 1).any() else np.ones(shape, dtype=bool)
    if people.skip_wrong:
        answered &= ~(wrong & (rng.random(shape) < people.skip_wrong))
    said, seconded = wrong, np.zeros(shape, dtype=bool)
    if people.error:
        said = _contradicts(wrong, people.error, classes, rng)
    if second and people.seconds:
        seconded = said & answered & (rng.random(shape) < people.seconds)
        said = said & ~(seconded & ~_contradicts(wrong, people.error, classes, rng))
    known = group if traffic.groups is None or traffic.groups.known else None
    return Labelled(said & answered, answered, seconded, known)


def _contradicts(wrong: Flags, error: float, classes: int, rng: Generator) -> Flags:
    """(Y, n) whether a person's label differs from the answer: a wrong label is any other class."""
    errs, names_answer = rng.random(wrong.shape) < error, rng.random(wrong.shape) < 1 / max(classes - 1, 1)
    said: Flags = np.where(errs, ~wrong | ~names_answer, wrong)
    return said
