"""Simulated years: nights of a made-up production, seen by the real checks under the real policy.

The proof of what the policy promises. Production is made up where it has to be cheap (counts and label draws, no
images); checks, sampling design and budgets are the ones that watch a real model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.policy import Policy
from leeway.checks.registry import Check, Evidence
from leeway.domain.records import (
    CheckResult,
    Draw,
    LabelledDraw,
    NightLabels,
    ReferenceCounts,
    Status,
    WindowCounts,
)
from leeway.stats.allocation import Allocation, allocate

Floats = NDArray[np.float64]

FIRST_NIGHT = date(2025, 1, 1)
NIGHTS = 365


@dataclass(frozen=True, slots=True)
class Production:
    """What a night is drawn from: the same mix of items every night; whether one is answered rightly is chance."""

    shares: Floats  # (K,) of the predicted classes
    guesses: Floats  # (N,) calibrated guess that an item is wrong: N predictions a night
    error_rates: Floats  # (N,) chance that it really is


@dataclass(frozen=True, slots=True)
class Scenario:
    """A year: production before, and from night `change` on production after."""

    before: Production
    reference: ReferenceCounts
    after: Production | None = None
    change: int = NIGHTS  # night of the year, from 0


@dataclass(frozen=True, slots=True)
class YearsOutcome:
    """First alarm of each simulated year, by check; -1 where there was none."""

    first_alarm: Mapping[str, NDArray[np.int64]]  # (years,) night from 0

    @property
    def any_alarm(self) -> NDArray[np.bool_]:
        """(years,) whether any check fired."""
        alarmed: NDArray[np.bool_] = np.array(list(self.first_alarm.values())).max(axis=0) >= 0
        return alarmed

    def delays(self, check: str, scenario: Scenario) -> Floats:
        """(years,) nights from the change to the check's alarm, counting the first changed night as 1; inf without."""
        nights = self.first_alarm[check]
        return np.where(nights < 0, np.inf, nights - scenario.change + 1.0)


def simulate_years(
    scenario: Scenario,
    policy: Policy,
    *,
    years: int,
    rng: Generator,
    nights: int = NIGHTS,
    checks: Mapping[str, Check] | None = None,
) -> YearsOutcome:
    """Lives `years` independent years of `nights` nights through `checks` (those of the policy that can fire).

    A check is not run again in a year in which it has fired. Labels come in the night after they were drawn.
    """
    if checks is None:
        checks = {name: check for name, check in policy.checks.items() if check.budget_share > 0}
    plans = {id(one): _plan(one, policy) for one in (scenario.before, scenario.after) if one is not None}
    alarms = [_live_a_year(scenario, policy, checks, plans=plans, nights=nights, rng=rng) for _ in range(years)]
    return YearsOutcome({name: np.array([year.get(name, -1) for year in alarms]) for name in checks})


def constant_production(
    *, classes: int, predictions: int, error_rate: float, rng: Generator, confident: bool = False
) -> Production:
    """A night's mix with this mean error rate: equal class shares, guesses as a good classifier gives them.

    Guesses follow a beta distribution with mean 5 %; errors come in proportion to them, or, `confident`, equally often
    to every item whatever its guess.
    """
    guesses = rng.beta(0.25, 4.75, predictions)
    rates = np.full(predictions, error_rate) if confident else _with_mean(guesses, error_rate)
    return Production(np.full(classes, 1 / classes), guesses, rates)


def _with_mean(guesses: Floats, mean: float) -> Floats:
    """(N,) rates in [0, 1] in proportion to the odds of the guesses, with this mean."""
    odds = guesses / (1 - guesses)
    low, high = 0.0, 1e6
    for _ in range(100):
        scale = (low + high) / 2
        low, high = (scale, high) if (scale * odds / (1 + scale * odds)).mean() < mean else (low, scale)
    rates: Floats = low * odds / (1 + low * odds)
    return rates


def _plan(production: Production, policy: Policy) -> tuple[Allocation, dict[str, float]]:
    plan = allocate(production.guesses, uniform_share=policy.labels.uniform_share)
    return plan, {str(stratum): float(share) for stratum, share in enumerate(plan.shares)}


def _live_a_year(
    scenario: Scenario,
    policy: Policy,
    checks: Mapping[str, Check],
    *,
    plans: Mapping[int, tuple[Allocation, dict[str, float]]],
    nights: int,
    rng: Generator,
) -> dict[str, int]:
    """First alarm of each check that fired."""
    first: dict[str, int] = {}
    previous: dict[str, CheckResult] = {}
    earlier: list[WindowCounts] = []
    fired: set[date] = set()
    closed: tuple[NightLabels, ...] = ()
    for number in range(nights):
        changed = scenario.after is not None and number >= scenario.change
        production = scenario.after if changed and scenario.after is not None else scenario.before
        window = _window(production, scenario.reference.classes, number=number, rng=rng)
        evidence = Evidence(window, scenario.reference, earlier=earlier, fired=fired, closed=closed)
        for name, check in checks.items():
            if name in first:
                continue
            previous[name] = check.run(evidence, previous.get(name), alpha=policy.alpha(check), rng=rng)
            if previous[name].status is Status.FIRED:
                first[name] = number
                fired.add(window.night)
        if len(first) == len(checks):
            break
        earlier.append(window)
        plan, shares = plans[id(production)]
        labels = policy.labels.per_night
        closed = (_labels(production, plan, shares, window=window, labels=labels, rng=rng),) if labels else ()
    return first


def _window(production: Production, classes: tuple[str, ...], *, number: int, rng: Generator) -> WindowCounts:
    counts = rng.multinomial(len(production.guesses), production.shares)
    return WindowCounts(
        model="simulated",
        version=1,
        night=FIRST_NIGHT + timedelta(days=number),
        classes=classes,
        counts=tuple((int(count), 0, 0) for count in counts),
    )


def _labels(
    production: Production,
    plan: Allocation,
    shares: Mapping[str, float],
    *,
    window: WindowCounts,
    labels: int,
    rng: Generator,
) -> NightLabels:
    drawn = plan.draw(labels, rng)
    wrong = rng.random(labels) < production.error_rates[drawn]
    said, other = window.classes[0], window.classes[1]
    answered = tuple(
        LabelledDraw(
            draw=Draw("", "", "", "measure", str(plan.stratum[i]), float(plan.probability[i]), float(plan.control[i])),
            night=window.night,
            predicted_class=said,
            label=other if is_wrong else said,
            group="",
            image="",
        )
        for i, is_wrong in zip(drawn.tolist(), wrong.tolist(), strict=True)
    )
    return NightLabels(window.night, len(production.guesses), plan.mean_control, answered, shares)
