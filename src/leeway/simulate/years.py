"""Simulated years: many years of a made-up production at once, watched by the policy's detectors.

The proof of what the policy promises. Production is made up where it has to be cheap (counts and label draws, no
images); statistics, sampling design and budgets are those that watch a real model, and a test compares this engine
night by night with the checks themselves. All years live the same night at once: 2,000 of them take minutes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.simulate.drift import SimulatedDrift
from leeway.simulate.production import Floats, Ints, Production
from leeway.stats import edetector
from leeway.stats.allocation import Allocation, Part, allocate, limited

DayShares = Callable[[int, Floats, int, Generator], Floats]

NIGHTS = 365
NEVER = -1
WATCHED = (PredictionDrift.name, Accuracy.name, ClassAccuracy.name)  # those that are simulated


@dataclass(frozen=True, slots=True)
class Limits:
    """What production is held against: error rates that the detectors bet against, and drift's reference."""

    accuracy: float = 0.10
    classes: float = 0.20
    slices: float = 0.20
    single: Mapping[str, float] = field(default_factory=dict)  # of single classes, such as `recall 3`
    file: int = 0  # predictions of a reference file that drift is held against; 0: the first nights


@dataclass(frozen=True, slots=True)
class Night:
    """One simulated night, of every year at once: Y years, n labelled draws, J = 3K cells."""

    production: Production
    cells: Ints  # (Y, J) predictions by class and confidence band
    design: Allocation  # of the label plan, one for each year
    drawn: Ints  # (Y, n) kind of each draw
    wrong: NDArray[np.bool_]  # (Y, n)
    truth: Ints  # (Y, n)
    log_m: Mapping[str, Floats]  # (Y,) of each check after this night

    def part(self, name: str) -> Part:
        """Return what `class 3` or `slice 1` is of this night."""
        way, _, which = name.partition(" ")
        return self.design.part((self.production.slice if way == "slice" else self.production.predicted) == int(which))


@dataclass(frozen=True, slots=True)
class YearsOutcome:
    """First alarm of each simulated year, by check; -1 where there was none."""

    first_alarm: Mapping[str, Ints]  # (Y,) night from 0
    labels: float  # asked for in a year

    @property
    def any_alarm(self) -> NDArray[np.bool_]:
        """(Y,) whether any check fired."""
        alarmed: NDArray[np.bool_] = np.array(list(self.first_alarm.values())).max(axis=0) >= 0
        return alarmed

    def delays(self, check: str, *, change: int) -> Floats:
        """(Y,) nights from the change to the check's alarm, the first changed night as 1; inf without an alarm.

        Years in which the check had fired before the change are left out.
        """
        nights = self.first_alarm[check]
        after = nights[(nights < 0) | (nights >= change)]
        return np.where(after < 0, np.inf, after - change + 1.0)


def simulate_years(
    before: Production,
    policy: Policy,
    *,
    years: int,
    rng: Generator,
    after: Production | None = None,
    change: int = NIGHTS,
    nights: int = NIGHTS,
    limits: Limits = Limits(),
    watch: Sequence[str] = WATCHED,
    labels: int | None = None,
    day_shares: DayShares | None = None,
    observe: Callable[[int, Night], None] | None = None,
    progress: Callable[[], None] = lambda: None,
    stop_when_all_fired: bool = False,
) -> YearsOutcome:
    """Lives `years` years of `nights` nights; from night `change` on (from 0) production is `after`.

    day_shares(night, shares (J,), Y, rng) -> (Y, J) moves the shares of a night (weekends, day effects). Labels are
    drawn from the night they are about and come in with it. Every night all detectors of `watch` are updated; `observe`
    sees it. An alarm changes nothing: the first one of each check is what is kept; with `stop_when_all_fired` nothing
    is lived after the last of them.
    """
    wanted = policy.labels.wanted(int(before.sizes.sum())) if labels is None else labels
    watchers: dict[str, _Watcher] = {name: MAKERS[name](years, before, policy, limits) for name in watch}
    first = {name: np.full(years, NEVER, dtype=np.int64) for name in watch}
    leans = any(isinstance(one, _Classes) for one in watchers.values())  # else the plan is one for all years
    suspicion, strength = np.zeros((years, len(before.sizes))) if leans else None, np.zeros(years)
    for number in range(nights):
        production = after if after is not None and number >= change else before
        night = _live(production, policy, years, wanted, suspicion, strength, number, rng, day_shares)
        for name, watcher in watchers.items():
            log_m, line = watcher.see(night), _alarm_line(policy, name)
            night.log_m[name] = log_m  # type: ignore[index]
            first[name] = np.where((first[name] < 0) & (log_m >= line), number, first[name])
            if isinstance(watcher, _Classes):
                suspicion = watcher.suspicion(before)
                strength = np.clip(log_m / line, 0.0, 1.0)
        if observe is not None:
            observe(number, night)
        progress()
        if stop_when_all_fired and all((one >= 0).all() for one in first.values()):
            for _ in range(number + 1, nights):
                progress()
            break
    return YearsOutcome(first, wanted * NIGHTS)


def _alarm_line(policy: Policy, check: str) -> float:
    """log M from which the check alarms; inf for one without a part of the budget."""
    alpha = policy.alpha(policy.checks[check])
    return math.log(edetector.threshold(alpha)) if alpha > 0 else math.inf


def _live(
    production: Production,
    policy: Policy,
    years: int,
    labels: int,
    suspicion: Floats | None,
    strength: Floats,
    number: int,
    rng: Generator,
    day_shares: DayShares | None,
) -> Night:
    items = int(production.sizes.sum())
    shares = np.zeros(3 * production.classes)
    np.add.at(shares, 3 * production.predicted + production.band, production.sizes / items)
    same = np.broadcast_to(shares, (years, len(shares)))
    moved = same if day_shares is None else day_shares(number, shares, years, rng)
    design = allocate(
        production.guesses,
        uniform_share=policy.labels.uniform_share,
        sizes=production.sizes,
        suspicion=suspicion,
        lean=policy.labels.lean * strength if suspicion is not None else 0.0,
    )
    chances = np.cumsum(design.probability * production.sizes, axis=-1)
    drawn = _drawn(chances, years, labels, rng)
    wrong = rng.random(drawn.shape) < production.error_rates[drawn]
    other = (production.predicted[drawn] + rng.integers(1, production.classes, drawn.shape)) % production.classes
    truth = np.where(wrong, other, production.predicted[drawn])
    cells = rng.multinomial(items, moved)
    return Night(production, cells, design, drawn, wrong, truth, {})


def _drawn(chances: Floats, years: int, draws: int, rng: Generator) -> Ints:
    """(Y, n) kinds drawn by cumulated chances, (C,) or (Y, C): looked up, since thousands of kinds fill the memory."""
    year, kinds = np.arange(years)[:, None], chances.shape[-1]
    row = year if chances.ndim == 2 else np.zeros_like(year)
    found = np.searchsorted((chances + row if chances.ndim == 2 else chances).ravel(), rng.random((years, draws)) + row)
    drawn: Ints = (found - row * kinds).clip(0, kinds - 1)
    return drawn


def _of(values: Floats, drawn: Ints) -> Floats:
    """(Y, n) of the kinds drawn; values are (C,) or (Y, C)."""
    return values[drawn] if values.ndim == 1 else np.take_along_axis(values, drawn, axis=-1)


class _Watcher(Protocol):
    """A check in every year at once."""

    def see(self, night: Night) -> Floats:
        """(Y,) log M after this night."""


class _SimulatedAccuracy:
    """Check 3 in every year."""

    def __init__(self, years: int, production: Production, policy: Policy, limits: Limits) -> None:  # noqa: ARG002
        self.production, self.limit = production, limits.accuracy
        self.wealth = np.tile(edetector.START, (years, 1))

    def see(self, night: Night) -> Floats:
        items = night.design.sizes.sum()
        probability = _of(night.design.probability, night.drawn)
        product = edetector.night_log_product(
            night.wrong,
            weights=1 / (items * probability),
            guesses=_of(night.design.control, night.drawn),
            mean_guess=night.design.mean_control,
            error_limit=self.limit,
        )
        self.wealth = edetector.update(self.wealth, product)
        return edetector.log_mixture(self.wealth)


class _Classes:
    """Check 4 in every year: precision and recall of each class, and each slice."""

    def __init__(self, years: int, production: Production, policy: Policy, limits: Limits) -> None:
        self.production, self.eta = production, policy.labels.uniform_share
        ways = [f"{way} {k}" for k in range(production.classes) for way in ("precision", "recall")]
        slices = [f"slice {s}" for s in np.unique(production.slice) if s >= 0]
        classes = {name: limits.single.get(name, limits.classes) for name in ways}
        self.limits = classes | dict.fromkeys(slices, limits.slices)
        self.wealth = {name: np.tile(edetector.START, (years, 1)) for name in self.limits}

    def see(self, night: Night) -> Floats:
        probability = _of(night.design.probability, night.drawn)
        control = _of(night.design.control, night.drawn)
        for name, limit in self.limits.items():
            product = self._product(name, night, probability, control, limit)
            self.wealth[name] = edetector.update(self.wealth[name], product)
        groups = [[name for name in self.limits if name.startswith("slice ") is sliced] for sliced in (False, True)]
        means = [self._log_mean(group) for group in groups if group]
        mean: Floats = np.logaddexp.reduce(means, axis=0) - np.log(len(means))
        return mean

    def suspicion(self, production: Production) -> Floats:
        """(Y, C) appeal of each kind of item: its detectors' share of the evidence, spread over their items."""
        logs = np.stack([edetector.log_mixture(one) for one in self.wealth.values()])  # (detectors, Y)
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=0))
        appeal = np.zeros((shares.shape[1], len(production.sizes)))
        for name, share in zip(self.limits, shares, strict=True):
            way, _, part = name.partition(" ")
            inside = (production.slice if way == "slice" else production.predicted) == int(part)
            appeal[:, inside] += share[:, None] / max(production.sizes[inside].sum(), 1)
        return appeal

    def _log_mean(self, group: Sequence[str]) -> Floats:
        logs = [edetector.log_mixture(self.wealth[name]) for name in group]
        mean: Floats = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return mean

    def _product(self, name: str, night: Night, probability: Floats, control: Floats, limit: float) -> Floats:
        way, _, which = name.partition(" ")
        part = night.part(name if way == "slice" else f"class {which}")
        items = night.design.sizes.sum()
        if not part.items:
            return np.zeros((len(night.drawn), len(edetector.DROPS)))
        if way == "recall":
            return edetector.missed_log_product(
                night.wrong,
                belongs=night.truth == int(which),
                weights=1 / (items * probability),
                error_limit=limit,
                uniform_share=self.eta,
                sampled=np.maximum(items * part.drawn / part.items, 1.0),
            )
        inside = (self.production.slice if way == "slice" else self.production.predicted)[night.drawn] == int(which)
        weights = np.asarray(part.drawn)[:, None] / (part.items * probability)
        return edetector.night_log_product(
            night.wrong,
            weights=weights,
            guesses=limited(control, weights=weights),
            mean_guess=part.mean_control,
            error_limit=limit,
            multiplicity=inside,
        )


MAKERS: Mapping[str, Callable[[int, Production, Policy, Limits], _Watcher]] = {
    Accuracy.name: _SimulatedAccuracy,
    ClassAccuracy.name: _Classes,
    PredictionDrift.name: SimulatedDrift,
}
