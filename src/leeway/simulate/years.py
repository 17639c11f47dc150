"""Simulated years: many years of a made-up production at once, watched by the policy's detectors.

The proof of what the policy promises. Production is made up where it has to be cheap (counts and label draws, no
images); statistics, sampling design and budgets are those that watch a real model, and a test compares this engine
night by night with the checks themselves. All years live the same night at once: 2,000 of them take minutes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.accuracy import Accuracy
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.policy import Policy
from leeway.simulate.production import Floats, Ints, Production
from leeway.stats import edetector
from leeway.stats.allocation import Allocation, Part, allocate, limited
from leeway.stats.multinomial import FEWEST_DAYS, LONGEST, day_tolerance, log_detector, share_box

DayShares = Callable[[int, Floats, int, Generator], Floats]

NIGHTS = 365
NEVER = -1
WATCHED = (PredictionDrift.name, Accuracy.name, ClassAccuracy.name)  # those that are simulated


@dataclass(frozen=True, slots=True)
class Limits:
    """Error rates that the detectors bet against."""

    accuracy: float = 0.10
    classes: float = 0.20
    slices: float = 0.20


@dataclass(frozen=True, slots=True)
class Night:
    """One simulated night, of every year at once: Y years, n labelled draws, J = 3K cells."""

    production: Production
    cells: Ints  # (Y, J) predictions by class and confidence band
    design: Allocation  # of the label plan, one for each year
    parts: Mapping[str, Part]
    drawn: Ints  # (Y, n) kind of each draw
    wrong: NDArray[np.bool_]  # (Y, n)
    truth: Ints  # (Y, n)
    log_m: Mapping[str, Floats]  # (Y,) of each check after this night


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
    suspicion, strength = np.zeros((years, len(before.sizes))), np.zeros(years)
    for number in range(nights):
        production = after if after is not None and number >= change else before
        night = _live(production, policy, years, wanted, suspicion, strength, number, rng, day_shares)
        for name, watcher in watchers.items():
            log_m, threshold = watcher.see(night), edetector.threshold(policy.alpha(policy.checks[name]))
            night.log_m[name] = log_m  # type: ignore[index]
            first[name] = np.where((first[name] < 0) & (log_m >= np.log(threshold)), number, first[name])
            if isinstance(watcher, _Classes):
                suspicion = watcher.suspicion(before)
                strength = np.clip(log_m / np.log(threshold), 0.0, 1.0)
        if observe is not None:
            observe(number, night)
        progress()
        if stop_when_all_fired and all((one >= 0).all() for one in first.values()):
            for _ in range(number + 1, nights):
                progress()
            break
    return YearsOutcome(first, wanted * NIGHTS)


def _live(
    production: Production,
    policy: Policy,
    years: int,
    labels: int,
    suspicion: Floats,
    strength: Floats,
    number: int,
    rng: Generator,
    day_shares: DayShares | None,
) -> Night:
    items, kinds = int(production.sizes.sum()), len(production.sizes)
    shares = np.zeros(3 * production.classes)
    np.add.at(shares, 3 * production.predicted + production.band, production.sizes / items)
    same = np.broadcast_to(shares, (years, len(shares)))
    moved = same if day_shares is None else day_shares(number, shares, years, rng)
    design = allocate(
        production.guesses,
        uniform_share=policy.labels.uniform_share,
        sizes=production.sizes,
        suspicion=suspicion,
        lean=policy.labels.lean * strength,
    )
    chances = np.cumsum(design.probability * production.sizes, axis=-1)
    drawn = (rng.random((years, labels))[:, :, None] > chances[:, None, :]).sum(axis=-1).clip(max=kinds - 1)
    wrong = rng.random(drawn.shape) < production.error_rates[drawn]
    other = (production.predicted[drawn] + rng.integers(1, production.classes, drawn.shape)) % production.classes
    truth = np.where(wrong, other, production.predicted[drawn])
    cells = rng.multinomial(items, moved)
    return Night(production, cells, design, _parts(production, design), drawn, wrong, truth, {})


def _parts(production: Production, design: Allocation) -> dict[str, Part]:
    classes = {f"class {k}": design.part(production.predicted == k) for k in range(production.classes)}
    return classes | {f"slice {s}": design.part(production.slice == s) for s in np.unique(production.slice) if s >= 0}


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
        probability = np.take_along_axis(night.design.probability, night.drawn, axis=-1)
        product = edetector.night_log_product(
            night.wrong,
            weights=1 / (items * probability),
            guesses=np.take_along_axis(night.design.control, night.drawn, axis=-1),
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
        self.limits = dict.fromkeys(ways, limits.classes) | dict.fromkeys(slices, limits.slices)
        self.wealth = {name: np.tile(edetector.START, (years, 1)) for name in self.limits}

    def see(self, night: Night) -> Floats:
        probability = np.take_along_axis(night.design.probability, night.drawn, axis=-1)
        control = np.take_along_axis(night.design.control, night.drawn, axis=-1)
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
            appeal[:, inside] += share[:, None] / production.sizes[inside].sum()
        return appeal

    def _log_mean(self, group: Sequence[str]) -> Floats:
        logs = [edetector.log_mixture(self.wealth[name]) for name in group]
        mean: Floats = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return mean

    def _product(self, name: str, night: Night, probability: Floats, control: Floats, limit: float) -> Floats:
        way, _, which = name.partition(" ")
        part = night.parts[f"slice {which}" if way == "slice" else f"class {which}"]
        items = night.design.sizes.sum()
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


class _Drift:
    """Check 2 in every year, over classes, and over class and band; its first nights are its reference."""

    def __init__(self, years: int, production: Production, policy: Policy, limits: Limits) -> None:  # noqa: ARG002
        self.drift = policy.check(PredictionDrift)
        self.nights = np.zeros((years, 0, 3 * production.classes), dtype=np.int64)
        self.reference: Ints | None = None

    def see(self, night: Night) -> Floats:
        nights = np.concatenate([self.nights, night.cells[:, None, :]], axis=1)
        if self.reference is None:
            self.nights = nights
            if nights.shape[1] == self.drift.reference_nights:
                self.reference, self.nights = nights, nights[:, :0]
            return np.full(len(nights), -np.inf)
        self.nights = nights[:, -LONGEST:]
        by_class = _by_class(self.nights), _by_class(self.reference)
        logs = [self._log_m(*by_class), self._log_m(self.nights, self.reference)]
        mean: Floats = np.logaddexp.reduce(logs, axis=0) - np.log(len(logs))
        return mean

    def _log_m(self, nights: Ints, reference: Ints) -> Floats:
        low, high = share_box(reference.sum(axis=1), tolerance=self._tolerance(reference))
        return log_detector(nights, reference.sum(axis=1), low=low, high=high)

    def _tolerance(self, reference: Ints) -> float | Floats:
        if reference.shape[1] < FEWEST_DAYS:
            return self.drift.tolerance
        return np.stack([day_tolerance(days, tolerance=self.drift.tolerance) for days in reference])


def _by_class(cells: Ints) -> Ints:
    """(..., 3K) -> (..., K)"""
    summed: Ints = cells.reshape(*cells.shape[:-1], -1, 3).sum(axis=-1)
    return summed


MAKERS: Mapping[str, Callable[[int, Production, Policy, Limits], _Watcher]] = {
    Accuracy.name: _SimulatedAccuracy,
    ClassAccuracy.name: _Classes,
    PredictionDrift.name: _Drift,
}
