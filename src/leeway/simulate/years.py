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
from leeway.simulate.accuracy import Answering, SimulatedAccuracy
from leeway.simulate.classes import SimulatedClasses
from leeway.simulate.drift import SimulatedDrift
from leeway.simulate.production import Floats, Ints, Production
from leeway.simulate.traffic import PLAIN, Labelled, RealTraffic, common_luck, draw_groups, label, scaled
from leeway.stats import edetector
from leeway.stats.allocation import GUESS_CUTS, Allocation, Part, allocate

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
    single: Mapping[str, float] = field(default_factory=dict)  # of single ones, such as `recall 3`, `slice 1`
    precision: float = 0.9  # of each class on the reference
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
    labelled: Labelled  # what people made of the draws
    seconded: Floats  # (Y,) or (): share of the contradictions before the night that a second person answered
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
    traffic: RealTraffic = PLAIN,
    on_night: Callable[[int], Production | None] | None = None,
    observe: Callable[[int, Night], None] | None = None,
    progress: Callable[[], None] = lambda: None,
    stop_when_all_fired: bool = False,
) -> YearsOutcome:
    """Lives `years` years of `nights` nights; from night `change` on (from 0) production is `after`.

    day_shares(night, shares (J,), Y, rng) -> (Y, J) moves the shares of a night (weekends, day effects); on_night says
    what production is on a night, instead of `before` and `after`, None for one without predictions, on which nothing
    is decided; `traffic` how nights and people are. Labels are drawn from the night they are about and come in with it.
    Every night all detectors of `watch` are updated; `observe` sees it. An alarm changes nothing: the first one of each
    check is what is kept; with `stop_when_all_fired` nothing is lived after the last of them.
    """
    wanted = policy.labels.wanted(int(before.sizes.sum())) if labels is None else labels
    watchers: dict[str, _Watcher] = {name: MAKERS[name](years, before, policy, limits) for name in watch}
    first = {name: np.full(years, NEVER, dtype=np.int64) for name in watch}
    classes = watchers.get(ClassAccuracy.name)
    answering = Answering(years, len(GUESS_CUTS) + 1) if traffic.people_matter(policy) else None
    for number in range(nights):
        usual = after if after is not None and number >= change else before
        production = usual if on_night is None else on_night(number)
        if production is None:
            progress()
            continue
        suspicion, strength = None, np.zeros(years)  # without check 4 the plan is one for all years
        if isinstance(classes, SimulatedClasses):
            suspicion, strength = classes.leaning(production, line=_alarm_line(policy, ClassAccuracy.name))
        design = _designed(production, policy, suspicion, policy.labels.lean * strength, answering)
        seconded = answering.seconded() if answering and policy.labels.second_opinion == "errors" else np.zeros(())
        night = _live(production, policy, design, years, wanted, number, rng, day_shares, traffic, seconded)
        if answering is not None:
            answering.see(number, night)
        for name, watcher in watchers.items():
            log_m, line = watcher.see(night), _alarm_line(policy, name)
            night.log_m[name] = log_m  # type: ignore[index]
            first[name] = np.where((first[name] < 0) & (log_m >= line), number, first[name])
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


def _designed(
    production: Production, policy: Policy, suspicion: Floats | None, lean: float | Floats, answering: Answering | None
) -> Allocation:
    return allocate(
        production.guesses,
        uniform_share=policy.labels.uniform_share,
        sizes=production.sizes,
        suspicion=suspicion,
        lean=lean,
        answer_rates=None if answering is None else answering.rates(),
    )


def _live(
    production: Production,
    policy: Policy,
    design: Allocation,
    years: int,
    labels: int,
    number: int,
    rng: Generator,
    day_shares: DayShares | None,
    traffic: RealTraffic,
    seconded: Floats,
) -> Night:
    items = int(production.sizes.sum())
    shares = np.zeros(3 * production.classes)
    np.add.at(shares, 3 * production.predicted + production.band, production.sizes / items)
    same = np.broadcast_to(shares, (years, len(shares)))
    moved = same if day_shares is None else day_shares(number, shares, years, rng)
    drawn = _drawn(np.cumsum(design.probability * production.sizes, axis=-1), years, labels, rng)
    rates = production.error_rates[drawn]
    if traffic.deviation is not None:
        deviation = traffic.deviation(number, years, rng)
        rates = np.take_along_axis(scaled(production.error_rates, deviation, production.error_rate), drawn, axis=1)
    group = draw_groups(traffic.groups, drawn.shape, items, rng) if traffic.groups else None
    wrong = common_luck(group, drawn.shape, rng) < rates
    second = policy.labels.second_opinion == "errors"
    found = label(wrong, design.stratum[drawn], group, traffic, classes=production.classes, second=second, rng=rng)
    truth = np.where(found.wrong, production.truth_of(drawn, wrong, rng), production.predicted[drawn])
    cells = rng.multinomial(items, moved)
    return Night(production, cells, design, drawn, found.wrong, truth, found, seconded, {})


def _drawn(chances: Floats, years: int, draws: int, rng: Generator) -> Ints:
    """(Y, n) kinds drawn by cumulated chances, (C,) or (Y, C): looked up, since thousands of kinds fill the memory."""
    year, kinds = np.arange(years)[:, None], chances.shape[-1]
    row = year if chances.ndim == 2 else np.zeros_like(year)
    found = np.searchsorted((chances + row if chances.ndim == 2 else chances).ravel(), rng.random((years, draws)) + row)
    drawn: Ints = (found - row * kinds).clip(0, kinds - 1)
    return drawn


class _Watcher(Protocol):
    """A check in every year at once."""

    def see(self, night: Night) -> Floats:
        """(Y,) log M after this night."""


MAKERS: Mapping[str, Callable[[int, Production, Policy, Limits], _Watcher]] = {
    Accuracy.name: SimulatedAccuracy,
    ClassAccuracy.name: SimulatedClasses,
    PredictionDrift.name: SimulatedDrift,
}
