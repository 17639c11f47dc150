"""Does the policy keep what it promises about false alarms and delays?  python benchmarks/years.py

    OMP_NUM_THREADS=1 python benchmarks/years.py               # all parts: an hour, or more
    OMP_NUM_THREADS=1 python benchmarks/years.py --part D      # one part; the others stay as they are in --json
    python benchmarks/years.py --part none                     # only writes the page anew

Simulated years, watched by the detectors that watch a real model (leeway.simulate.years). Writes docs/years.md, and the
numbers behind it to docs/years.json beside it.
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import beta, binom

from leeway.checks.policy import Policy
from leeway.domain.records import ReferenceCounts
from leeway.simulate import years as engine
from leeway.simulate.production import LEVEL_SHARES, LEVELS, Production, classifier, weekly_pattern
from leeway.simulate.years import Limits, Night, YearsOutcome, simulate_years
from leeway.stats.allocation import Allocation, allocate
from leeway.stats.estimation import Estimate, post_stratified_error

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Row = dict[str, Any]

SEED = 1
YEARS = 2_000
BATCH = 50  # years that live at once: what they need stays in the processor's cache
POLICY = Policy()
CHECKS = ("prediction_drift", "accuracy", "class_accuracy")
JOINT = "any check"


# --- running ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """What every part is given."""

    bar: Progress
    seed: int
    size: float  # 1 is full size

    def count(self, full: int) -> int:
        return max(int(full * self.size), 20)

    def rng(self, *row: int) -> Generator:
        return np.random.default_rng([self.seed, *row])

    def live(self, told: str, before: Production, policy: Policy, *, row: Sequence[int], **more: Any) -> YearsOutcome:
        """`years` years in batches, whose seeds are children of SeedSequence([seed, *row])."""
        wanted, nights = self.count(more.pop("years", YEARS)), more.setdefault("nights", engine.NIGHTS)
        batches = [min(BATCH, wanted - start) for start in range(0, wanted, BATCH)]
        task = self.bar.add_task(told, total=nights * len(batches))
        seeds = np.random.SeedSequence([self.seed, *row]).spawn(len(batches))
        lived = [
            simulate_years(
                before,
                policy,
                years=batch,
                rng=np.random.default_rng(seed),
                progress=lambda: self.bar.advance(task),
                **more,
            )
            for batch, seed in zip(batches, seeds, strict=True)
        ]
        names = lived[0].first_alarm
        joined = {name: np.concatenate([one.first_alarm[name] for one in lived]) for name in names}
        return YearsOutcome(joined, lived[0].labels)


def policy_with(**sections: Mapping[str, Any]) -> Policy:
    return Policy.model_validate(sections)


UNIFORM = policy_with(labels={"uniform_share": 1.0})


def exact_interval(hits: int, total: int) -> tuple[float, float]:
    """Two-sided 95 % (Clopper and Pearson 1934)."""
    low = float(beta.ppf(0.025, hits, total - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, total - hits)) if hits < total else 1.0
    return low, high


def quantiles(delays: Floats) -> tuple[float | None, float | None]:
    """Nights that half, and nine tenths, do not exceed; None where there was no alarm by the end."""
    found = np.quantile(delays, [0.5, 0.9], method="inverted_cdf")
    return tuple(float(one) if math.isfinite(one) else None for one in found)  # type: ignore[return-value]


def delay_row(outcome: YearsOutcome, check: str, *, change: int) -> Row:
    delays = outcome.delays(check, change=change)
    median, ninety = quantiles(delays)
    missed = int((~np.isfinite(delays)).sum())
    return {"runs": len(delays), "early": outcome_years(outcome) - len(delays), "median": median, "ninety": ninety} | {
        "missed": missed
    }


def outcome_years(outcome: YearsOutcome) -> int:
    return len(outcome.any_alarm)


# --- A: false alarms ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Null:
    """A production in which nothing is wrong: every alarm is false."""

    name: str
    told: str
    before: Production
    limits: Limits = field(default_factory=Limits)
    watch: tuple[str, ...] = CHECKS
    policy: Policy = POLICY
    labels: int = 20
    day_shares: engine.DayShares | None = None


def nulls() -> dict[int, Null]:
    """By the number that seeds them."""
    small, usual = (classifier(predictions=n, accuracy=0.90) for n in (200, 2_000))
    at_floor, cameras = Limits(accuracy=usual.error_rate), classifier(predictions=2_000, accuracy=0.80, slices=12)
    all_floors = Limits(cameras.error_rate, cameras.error_rate, cameras.error_rate)
    return {
        0: Null(
            "i.i.d., 200 a night", "accuracy exactly at its floor of 90 %, classes at 90 % with floors of 80 %",
            small, replace(at_floor, accuracy=small.error_rate),
        ),
        1: Null("i.i.d., 2,000 a night", "the same, with ten times the predictions", usual, at_floor),
        3: Null("accuracy at its floor, planned labels", "90 %", usual, at_floor, watch=("accuracy",)),
        4: Null("accuracy at its floor, uniform labels", "90 %", usual, at_floor, watch=("accuracy",), policy=UNIFORM),
        5: Null(
            "all classes and slices at their floors", "ten classes both ways, and twelve cameras, 80 % each; 24 labels",
            cameras, all_floors, watch=("class_accuracy",), labels=24,
        ),
        6: Null(
            "jointly, everything at its limit",
            "benign weekly pattern; accuracy, ten classes both ways and twelve cameras exactly at their limits (80 %)",
            cameras, all_floors, day_shares=weekly_pattern,
        ),
    }  # fmt: skip


def part_a(bench: Bench) -> Iterator[Row]:
    for number, null in nulls().items():
        started = time.monotonic()
        outcome = bench.live(
            f"A {null.name}",
            null.before,
            null.policy,
            row=(0, number),
            limits=null.limits,
            watch=null.watch,
            labels=null.labels,
            day_shares=null.day_shares,
        )
        alarmed = {name: first >= 0 for name, first in outcome.first_alarm.items()}
        if len(alarmed) > 1:
            alarmed[JOINT] = outcome.any_alarm
        minutes = (time.monotonic() - started) / 60
        for check, years in alarmed.items():
            budget = null.policy.false_alarm_probability_per_year
            budget *= 1 if check == JOINT else null.policy.checks[check].budget_share
            low, high = exact_interval(int(years.sum()), len(years))
            yield {
                "row": number, "scenario": null.name, "predictions": int(null.before.sizes.sum()),
                "check": check, "alarms": int(years.sum()), "years": len(years), "low": low, "high": high,
                "budget": round(budget, 4), "minutes": minutes,
            }  # fmt: skip


# --- B: delays of the drift check ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shift:
    """Classes that gain, at the cost of all others alike."""

    predictions: int
    moved: float  # total variation
    gaining: int = 1  # classes that share the gain
    reference_nights: int = 7
    target: int | None = None  # median
    left: int = 40  # nights from the change on


SHIFTS = (
    Shift(2_000, 0.10, target=2, left=20),
    Shift(2_000, 0.06, target=8),
    Shift(200, 0.10, target=8),
    Shift(200, 0.10, reference_nights=28, target=8),
    Shift(200, 0.20, target=2, left=20),
    Shift(200, 0.20, reference_nights=28, target=2, left=20),
    Shift(2_000, 0.06, gaining=2, left=80),
    Shift(2_000, 0.06, gaining=2, reference_nights=28, left=80),
)
DRIFT_RUNS = 1_000
QUIET = 30  # nights between the reference and the change


def part_b(bench: Bench) -> Iterator[Row]:
    for number, shift in enumerate(SHIFTS):
        started, change = time.monotonic(), shift.reference_nights + QUIET
        before = exactly(shift.predictions)
        outcome = bench.live(
            f"B {shift.predictions:,} a night, TV {shift.moved:.2f}, {shift.reference_nights} nights",
            before,
            policy_with(prediction_drift={"reference_nights": shift.reference_nights}),
            row=(1, number),
            years=DRIFT_RUNS,
            nights=change + shift.left,
            watch=("prediction_drift",),
            labels=0,
            day_shares=partial(moved_shares, shift=shift, change=change),
        )
        yield {
            "row": number, "predictions": int(before.sizes.sum()), "moved": shift.moved, "gaining": shift.gaining,
            "reference_nights": shift.reference_nights, "target": shift.target, "left": shift.left,
            "minutes": (time.monotonic() - started) / 60, **delay_row(outcome, "prediction_drift", change=change),
        }  # fmt: skip


def moved_shares(night: int, shares: Floats, years: int, rng: Generator, *, shift: Shift, change: int) -> Floats:  # noqa: ARG001
    """(Y, J) exact shares: inside a class the confidence bands keep their proportions."""
    moved, gaining = shares.copy(), slice(0, 3 * shift.gaining)
    if night >= change:
        had = shares[gaining].sum()
        moved[gaining] *= (had + shift.moved) / had
        moved[3 * shift.gaining :] *= (1 - had - shift.moved) / (1 - had)
    return np.broadcast_to(moved, (years, len(moved)))


def exactly(predictions: int) -> Production:
    """A night of exactly so many: `classifier` has at least one item of each kind, 210 where 200 are asked for."""
    found = classifier(predictions=predictions, accuracy=0.95)
    if int(found.sizes.sum()) == predictions:
        return found
    return replace(found, sizes=np.where(found.guesses == LEVELS[-1], 0, found.sizes))


# --- C: delays of the accuracy check ------------------------------------------------------------------------------

FLOOR = 0.90
NULL_YEARS = 10_000  # of the run that the oracle is calibrated to
CHANGE = 100
DROPS = {0.03: 1.35, 0.05: 1.25, 0.10: 1.25, 0.20: 1.35}  # points under the floor: target ratio of medians
LABELS = 20


def part_c(bench: Bench) -> Iterator[Row]:
    yield from against_the_oracle(bench)
    yield from from_92_to_85(bench)
    yield from from_97_to_91(bench)


def two_classes(accuracy: float, *, confident: float | None = None) -> Production:
    """The check of the accuracy does not look at classes: two are enough. `confident`: accuracy before the loss."""
    return classifier(predictions=2_000, classes=2, accuracy=accuracy, before=confident)


def shifted_levels(accuracy: float) -> Production:
    """More items of the unsure kinds, each as often wrong as at 92 %, until the accuracy is this."""
    usual = two_classes(0.92)
    sizes = tilted(usual.sizes, usual.error_rates, np.log(usual.guesses), mean=1 - accuracy)
    return replace(usual, sizes=sizes)


ORACLE_WORLDS = ("confidences say nothing", "unsure errors", "confident errors")


def at_the_floor(world: str) -> Production:
    usual = two_classes(FLOOR)
    return replace(usual, guesses=np.full(len(usual.guesses), 1 - FLOOR)) if world == ORACLE_WORLDS[0] else usual


def against_the_oracle(bench: Bench) -> Iterator[Row]:
    for first, world in enumerate(ORACLE_WORLDS):
        before = at_the_floor(world)
        common = {"watch": ("accuracy",), "labels": LABELS, "limits": Limits(accuracy=before.error_rate)}
        null = bench.live(f"C at the floor, {world}", before, UNIFORM, row=(2, 0, first), years=NULL_YEARS, **common)
        false = int((null.first_alarm["accuracy"] >= 0).sum())
        for second, (drop, target) in enumerate(DROPS.items()):
            started, after = time.monotonic(), under_the_floor(drop, world)
            told = f"C {100 * drop:.0f} points under, {world}"
            place = (2, 1, first, second)
            ours = bench.live(told, before, UNIFORM, row=place, after=after, change=CHANGE, **common)
            row = {"table": "oracle", "drop": drop, "world": world, "target": target, "false": false}
            row |= {"null_years": len(null.any_alarm), **delay_row(ours, "accuracy", change=CHANGE)}
            share = false / len(null.any_alarm)
            for name, kinds in (("oracle", False), ("seer", True))[: 1 if world == ORACLE_WORLDS[0] else 2]:
                delays = oracle_delays(before, after, false=share, kinds=kinds, rng=bench.rng(*place, 1), bench=bench)
                found = quantiles(delays)
                row |= {name: found[0], f"{name}_ninety": found[1], f"{name}_mean": finite_mean(delays)}
            row["mean"] = finite_mean(ours.delays("accuracy", change=CHANGE))
            yield row | {"minutes": (time.monotonic() - started) / 60}


def under_the_floor(drop: float, world: str) -> Production:
    after = two_classes(FLOOR - drop, confident=FLOOR if world == ORACLE_WORLDS[2] else None)
    return replace(after, guesses=at_the_floor(world).guesses)


def finite_mean(delays: Floats) -> float | None:
    return float(delays.mean()) if np.isfinite(delays).all() else None


def oracle_delays(
    before: Production, after: Production, *, false: float, kinds: bool, rng: Generator, bench: Bench
) -> Floats:
    """Delays of CUSUM with the true rates before and after, by its threshold as often wrong in a year at the floor.

    kinds: it also knows how often each kind of item is wrong, not only how often all are.
    """
    if kinds:
        shares, old, new = before.sizes / before.sizes.sum(), before.error_rates, after.error_rates
    else:
        shares, old, new = np.ones(1), np.array([before.error_rate]), np.array([after.error_rate])
    null = cusum(shares, old, old, old, new, years=bench.count(NULL_YEARS), rng=rng)
    threshold = float(np.quantile(null.max(axis=1), 1 - false, method="inverted_cdf"))
    path = cusum(shares, old, new, old, new, years=bench.count(YEARS), rng=rng)
    alarms = path > threshold
    first = np.where(alarms.any(axis=1), alarms.argmax(axis=1), engine.NEVER)
    return YearsOutcome({"oracle": first}, 0).delays("oracle", change=CHANGE)


def cusum(
    shares: Floats, rate: Floats, changed: Floats, old: Floats, new: Floats, *, years: int, rng: Generator
) -> Floats:
    """(Y, nights) CUSUM of the log-likelihood ratio of 20 labels a night; true rates `rate`, then `changed`."""
    old, new = np.clip(old, 1e-9, 1 - 1e-9), np.clip(new, 1e-9, 1 - 1e-9)
    if_wrong, if_right = np.log(new / old), np.log((1 - new) / (1 - old))
    level, path = np.zeros(years), np.empty((years, engine.NIGHTS))
    for night in range(engine.NIGHTS):
        drawn = rng.multinomial(LABELS, shares, size=years)
        errors = rng.binomial(drawn, changed if night >= CHANGE else rate)
        level = np.maximum(level + errors @ if_wrong + (drawn - errors) @ if_right, 0.0)
        path[:, night] = level
    return path


def from_92_to_85(bench: Bench) -> Iterator[Row]:
    before = two_classes(0.92)
    worlds = {
        "unsure errors": two_classes(0.85),
        "confident errors": two_classes(0.85, confident=0.92),
        "more unsure items": shifted_levels(0.85),
    }
    whole = {"accuracy": {"budget_share": 1.0}, "prediction_drift": {"budget_share": 0.0}}
    whole |= {"class_accuracy": {"budget_share": 0.0}}
    number = 20
    for budget, sections in ((0.02, {}), (0.05, whole)):
        for labels, plan in ((20, True), (70, True), (20, False), (70, False)):
            policy = policy_with(**sections, labels={"uniform_share": 0.2 if plan else 1.0})
            for told, after in worlds.items():
                started, number = time.monotonic(), number + 1
                name = f"C 92 to 85, {labels} {'planned' if plan else 'uniform'}, {told}, {budget:.2f}"
                more = {"after": after, "change": CHANGE, "watch": ("accuracy",), "labels": labels}
                outcome = bench.live(name, before, policy, row=(2, number), nights=CHANGE + 150, **more)
                row = {"table": "92 to 85", "labels": labels, "plan": plan, "world": told, "budget": budget}
                row |= delay_row(outcome, "accuracy", change=CHANGE)
                yield row | {"minutes": (time.monotonic() - started) / 60}


def from_97_to_91(bench: Bench) -> Iterator[Row]:
    reference = ReferenceCounts(("a", "b"), (0.5, 0.9), ((1, 1, 1),) * 2, correct=1_940, total=2_000)
    effective = POLICY.accuracy.effective_floor(reference)
    number = 60
    for floor in (effective, FLOOR):
        for labels in (20, 70):
            for confident in (False, True):
                started, number = time.monotonic(), number + 1
                outcome = bench.live(
                    f"C 97 to 91, {labels} labels, floor {floor:.3f}",
                    two_classes(0.97),
                    POLICY,
                    row=(2, number),
                    after=two_classes(0.91, confident=0.97 if confident else None),
                    change=CHANGE,
                    limits=Limits(accuracy=1 - floor),
                    watch=("accuracy",),
                    labels=labels,
                )
                row = {"table": "97 to 91", "labels": labels, "confident": confident, "floor": floor}
                row |= delay_row(outcome, "accuracy", change=CHANGE)
                yield row | {"minutes": (time.monotonic() - started) / 60}


# --- D: one class, one camera -------------------------------------------------------------------------------------

WEAK_CHANGE, WEAK_LEFT, WEAK_RUNS = 30, 170, 1_000


class Missed(engine._Classes):  # what is missed of a class is not something `classifier` can make
    """Watches the classes of nights on which class 0 is often answered as another one."""

    def __init__(self, *given: Any, share: float, since: Production, rng: Generator) -> None:
        super().__init__(*given)
        self.share, self.since, self.rng = share, since, rng

    def see(self, night: Night) -> Floats:
        if night.production is self.since:
            missed = night.wrong & (self.production.predicted[night.drawn] != 0)
            missed &= self.rng.random(night.drawn.shape) < self.share
            night = replace(night, truth=np.where(missed, 0, night.truth))
        return super().see(night)


def missing_class(before: Production, *, recall: float) -> tuple[Production, float]:
    """Production in which so much of class 0 is still seen, and the share of other answers' errors given to it.

    Of ten classes alike, each of size 1 with error rate e, class 0 keeps `recall` right answers of its own and e of
    others; the rest of its items are answered as the nine others alike, whatever their confidence.
    """
    rate, others = before.error_rate, before.classes - 1
    lost = (1 - recall - rate) / others  # that each other class gets on top
    first = before.predicted == 0
    sizes = np.rint(before.sizes * np.where(first, recall + rate, 1 + lost)).astype(np.int64)
    wanted = np.where(first, rate / (recall + rate), (rate + lost) / (1 + lost))
    rates = np.clip(before.error_rates + wanted - rate, 0, 1)
    belongs = (rate / others + lost) / (rate + lost)  # of the others' errors
    return replace(before, sizes=sizes, error_rates=rates), (belongs - 1 / others) / (1 - 1 / others)


def part_d(bench: Bench) -> Iterator[Row]:
    number = 0
    for lean in (POLICY.labels.lean, 0.0):
        policy = policy_with(labels={"lean": lean})
        before = classifier(predictions=2_000, accuracy=0.92)
        cameras = classifier(predictions=24_000, accuracy=0.92, slices=12)
        missing, share = missing_class(before, recall=0.60)
        weak_camera = classifier(predictions=24_000, accuracy=0.92, slices=12, weak_slice=0.60)
        worlds = (
            ("a class as answered", before, classifier(predictions=2_000, accuracy=0.92, weak_class=0.60), 20, None),
            ("a class as it is", before, missing, 20, share),
            ("a camera of twelve", cameras, weak_camera, 24, None),
        )
        for told, usual, after, labels, misses in worlds:
            started, number = time.monotonic(), number + 1
            maker = (
                partial(Missed, share=misses, since=after, rng=bench.rng(3, number, 1)) if misses else engine._Classes
            )
            with patch.dict(engine.MAKERS, {"class_accuracy": maker}):
                outcome = bench.live(
                    f"D {told}, lean {lean}", usual, policy, row=(3, number), years=WEAK_RUNS, after=after,
                    change=WEAK_CHANGE, nights=WEAK_CHANGE + WEAK_LEFT, watch=("class_accuracy",), labels=labels,
                )  # fmt: skip
            row = {"world": told, "lean": lean, "labels": labels, "accuracy": 1 - after.error_rate}
            row |= delay_row(outcome, "class_accuracy", change=WEAK_CHANGE)
            yield row | {"minutes": (time.monotonic() - started) / 60}


# --- E and F: one window, where the labels measure ----------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Cells of like predictions."""

    sizes: Ints  # (C,)
    guesses: Floats  # (C,)
    rates: Floats  # (C,) chance of an error

    @property
    def error_rate(self) -> float:
        return float(self.sizes @ self.rates) / int(self.sizes.sum())

    @property
    def design(self) -> Allocation:
        return allocate(self.guesses, uniform_share=POLICY.labels.uniform_share, sizes=self.sizes)


RUNS = 4_000
BEFORE, AFTER = 0.08, 0.15  # error rates
HARDER, EASIER = 3.0, 1 / 3  # odds of an error in the two halves of the classes
GUESSES = {"seven levels": None, "Beta 1": 1, "Beta 2": 2, "Beta 5": 5}  # concentration: the smaller the sharper


def raw_guesses(kind: str) -> tuple[Floats, Ints]:
    """Guesses before they are calibrated, and how many of 1,000 items each stands for."""
    concentration = GUESSES[kind]
    if concentration is None:
        return np.array(LEVELS), np.rint(1_000 * np.array(LEVEL_SHARES)).astype(np.int64)
    ranks = (np.arange(100) + 0.5) / 100
    return np.clip(beta.ppf(ranks, concentration * BEFORE, concentration * (1 - BEFORE)), 1e-6, 0.85), np.full(100, 10)


def usual_window(kind: str, *, halves: bool) -> Window:
    """2,000 items at 92 %, guesses calibrated. halves: half of the classes is hard, half easy, the guess knows not."""
    raw, sizes = raw_guesses(kind)
    odds = np.concatenate([raw / (1 - raw)] * 2) * np.repeat([HARDER, EASIER] if halves else [1.0, 1.0], len(raw))
    sizes = np.concatenate([sizes, sizes])

    def rates(log_scale: float) -> Floats:
        scaled: Floats = np.exp(log_scale) * odds
        return scaled / (1 + scaled)

    found = rates(brentq(lambda one: float(sizes @ rates(one)) / sizes.sum() - BEFORE, -20, 20))
    guesses = found.reshape(2, -1).mean(axis=0)
    return Window(sizes, np.concatenate([guesses, guesses]), found)


def windows(kind: str, *, halves: bool) -> dict[str, Window]:
    usual = usual_window(kind, halves=halves)
    half = len(usual.sizes) // 2
    hard = np.repeat([1.8, 0.2], half)
    return {
        "no shift": usual,
        "label shift": replace(usual, sizes=np.rint(usual.sizes * hard).astype(np.int64)),
        "covariate shift": replace(
            usual, sizes=tilted(usual.sizes, usual.rates, np.log(usual.guesses), mean=AFTER)
        ),
        "confident concept shift": replace(usual, rates=np.clip(usual.rates + AFTER - BEFORE, 0, 1)),
    }  # fmt: skip


def tilted(sizes: Ints, rates: Floats, slope: Floats, *, mean: float) -> Ints:
    """Sizes in proportion to sizes x exp(t slope), with t such that the rates have this mean; total as before."""

    def weights(tilt: float) -> Floats:
        unscaled = sizes * np.exp(tilt * (slope - slope.max()))
        found: Floats = unscaled / unscaled.sum()
        return found

    tilt = brentq(lambda one: float(weights(one) @ rates) - mean, -3, 3)
    rounded: Ints = np.rint(sizes.sum() * weights(tilt)).astype(np.int64)
    return rounded


def estimated(
    window: Window, design: Allocation, labels: int, *, nights: int = 1, rng: Generator, finite: bool = True
) -> tuple[Estimate | None, float]:
    """Estimate from so many labels over these nights, all drawn as the plan draws them, and the true error rate.

    finite: the truth is how often each night's own items are wrong; else each draw is of an item of its own.
    """
    items = int(window.sizes.sum())
    drawn = rng.choice(len(window.sizes), size=(nights, labels // nights), p=design.probability * window.sizes)
    if finite:
        errors = rng.binomial(window.sizes, window.rates, size=(nights, len(window.sizes)))
    else:
        errors = np.broadcast_to(window.sizes * window.rates, (nights, len(window.sizes)))
    realised = np.take_along_axis(errors, drawn, axis=1) / window.sizes[drawn]
    wrong, drawn = (rng.random(drawn.shape) < realised).ravel(), drawn.ravel()
    found = post_stratified_error(
        wrong,
        weights=1 / (items * design.probability[drawn]),
        guesses=design.control[drawn],
        strata=design.stratum[drawn],
        shares=design.shares,
    )
    return found, float(errors.sum()) / (items * nights)


def part_e(bench: Bench) -> Iterator[Row]:
    runs = bench.count(RUNS)
    for first, kind in enumerate(GUESSES):
        for second, (told, window) in enumerate(windows(kind, halves=True).items()):
            for third, (labels, nights) in enumerate(((100, 1), (100, 5), (200, 1), (500, 1))):
                started, rng, design = time.monotonic(), bench.rng(4, first, second, third), window.design
                task = bench.bar.add_task(f"E {kind}, {told}, {labels} labels", total=runs)
                inside, widths, missed = 0, np.zeros(runs), 0.0
                for run in range(runs):
                    found, truth = estimated(window, design, labels, nights=nights, rng=rng)
                    assert found is not None
                    inside += found.low <= truth <= found.high
                    widths[run], missed = found.high - found.low, missed + (found.value - truth) / runs
                    bench.bar.advance(task)
                low, high = exact_interval(inside, runs)
                yield {
                    "guesses": kind, "world": told, "labels": labels, "nights": nights, "inside": inside, "runs": runs,
                    "low": low, "high": high, "width": float(widths.mean()), "bias": missed,
                    "error_rate": window.error_rate,
                    "mean_guess": float(np.average(window.guesses, weights=window.sizes)),
                    "minutes": (time.monotonic() - started) / 60,
                }  # fmt: skip


# --- F: labels for a given power ----------------------------------------------------------------------------------

POWER, FALSE = 0.80, 0.01
NULL_RUNS = 20_000
POWER_TARGETS = {"covariate shift": 3.5, "confident concept shift": 2.0}


def part_f(bench: Bench) -> Iterator[Row]:
    for first, kind in enumerate(GUESSES):
        worlds = windows(kind, halves=False)

        @cache
        def null(labels: int, kind_of: int = first, usual: Window = worlds["no shift"]) -> Floats:
            rng = bench.rng(5, kind_of, labels)
            return values(usual, labels, runs=bench.count(NULL_RUNS), rng=rng, bench=bench)

        for second, (told, target) in enumerate(POWER_TARGETS.items()):
            started, window = time.monotonic(), worlds[told]

            def power(labels: int, window: Window = window, where: tuple[int, int] = (first, second)) -> float:
                rng = bench.rng(5, *where, labels)
                shown = values(window, labels, runs=bench.count(RUNS), rng=rng, bench=bench)
                return randomised_power(null(labels), shown)

            planned, uniform = fewest(power), fewest(partial(binomial_power, rate=window.error_rate))
            yield {
                "guesses": kind, "world": told, "uniform": uniform, "planned": planned, "ratio": uniform / planned,
                "target": target, "power": power(planned), "power_one_less": power(planned - 1),
                "error_rate": window.error_rate, "auroc": auroc(worlds["no shift"]),
                **gains(worlds["no shift"], window), "minutes": (time.monotonic() - started) / 60,
            }  # fmt: skip


def gains(before: Window, after: Window) -> Row:
    """Ratio of labels if estimates were normal: (z_.99 sd_before + z_.80 sd_after)^2, uniform over planned or best."""

    def wanted(sds: Sequence[float]) -> float:
        return float(ndtri(1 - FALSE) * sds[0] + ndtri(POWER) * sds[1]) ** 2

    found = [spreads(window) for window in (before, after)]
    uniform, planned, best = (wanted(one) for one in zip(*found, strict=True))
    return {"by_variances": uniform / planned, "at_best": uniform / best}


def spreads(window: Window) -> tuple[float, float, float]:
    """Standard deviation that one label is worth: uniform, by the plan, and with Neyman's allocation over all kinds."""
    design, share = window.design, window.sizes / window.sizes.sum()
    weight, drawn, wrong = (
        np.bincount(design.stratum, weights=one)
        for one in (share, design.probability * window.sizes, share * window.rates)
    )
    weight, drawn, wrong = weight[drawn > 0], drawn[drawn > 0], wrong[drawn > 0]
    planned = float((wrong * (weight - wrong) / drawn).sum())
    best = float(share @ np.sqrt(window.rates * (1 - window.rates)))
    return math.sqrt(window.error_rate * (1 - window.error_rate)), math.sqrt(planned), best


def auroc(window: Window) -> float:
    """Chance that a wrong answer has a larger guess than a right one; ties half."""
    order = np.argsort(window.guesses)
    guesses, wrong = window.guesses[order], (window.sizes * window.rates)[order]
    right = window.sizes[order] - wrong
    below = np.array([right[guesses < one].sum() + right[guesses == one].sum() / 2 for one in guesses])
    return float(wrong @ below / (wrong.sum() * right.sum()))


def values(window: Window, labels: int, *, runs: int, rng: Generator, bench: Bench) -> Floats:
    """(runs,) post-stratified estimates of the error rate."""
    design, task = (
        window.design,
        bench.bar.add_task(f"F {labels} labels, error rate {window.error_rate:.2f}", total=runs),
    )
    found = np.zeros(runs)
    for run in range(runs):
        estimate, _ = estimated(window, design, labels, rng=rng, finite=False)
        assert estimate is not None
        found[run] = estimate.value
        bench.bar.advance(task)
    bench.bar.remove_task(task)
    return found


def randomised_power(null: Floats, shown: Floats) -> float:
    """Power of the test that rejects large values with probability exactly 1 % under the null; ties by lot."""
    null, shown = np.round(null, 9), np.round(shown, 9)
    threshold = np.quantile(null, 1 - FALSE, method="inverted_cdf")
    over, at = float((null > threshold).mean()), float((null == threshold).mean())
    lot = (FALSE - over) / at
    return float((shown > threshold).mean() + lot * (shown == threshold).mean())


def binomial_power(labels: int, *, rate: float) -> float:
    """The same for the plain mean of uniform labels, without simulation."""
    threshold = binom.ppf(1 - FALSE, labels, BEFORE)
    lot = (FALSE - binom.sf(threshold, labels, BEFORE)) / binom.pmf(threshold, labels, BEFORE)
    return float(binom.sf(threshold, labels, rate) + lot * binom.pmf(threshold, labels, rate))


def fewest(power: Callable[[int], float], *, low: int = 10, high: int = 640) -> int:
    """Labels from which the test has 80 % power, by bisection: power grows with labels but for noise."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


# --- telling ------------------------------------------------------------------------------------------------------

Targets = list[tuple[str, str, str, bool | None]]  # what, target, found, met (None: cannot be told)

INTRODUCTION = """\
# Simulated years

Does the policy keep what it promises? Many years of made-up production, watched every night by the detectors that watch
a real model (`leeway.simulate.years`; a test holds it to the checks themselves, night by night). Everything is made up,
so that what is false, and how late an alarm is, is known.

    {command}

Settings are those of monitoring/policy.yaml unless said otherwise: 20 labels a night, drawn as planned, and 5 % false
alarms a year in all, of which `prediction_drift` has 2 %, `accuracy` 2 %, `class_accuracy` 1 %. All numbers stand in
[years.json](years.json).

{runs}

Row i of a part has the seed sequence [seed, part from 0, row, ...], and a child of it for every 50 years. Minutes are
those of one core shared with others.

## How to read the tables

- Intervals are exact two-sided 95 % intervals (Clopper and Pearson).
- **Delay**: nights from the change to the alarm; the first changed night is 1. *Median*, and *90 %*: what nine of ten
  runs do not exceed; *never*: not within the nights that were simulated. Runs with an alarm before the change are left
  out, and counted under *early*.
- A target that is missed says so, in the table below and in its own.
- **Guesses** of an error take seven levels in parts A to D: {levels},
  at {shares} of the items (mean {mean}; with few items of a kind, shares are rounded up).
  Errors come in proportion to the odds of these, scaled to the accuracy asked for: the *order* of the guesses is right,
  their level is too low. *Unsure errors* stay like that as the accuracy falls; *confident errors*: what is lost hits
  every answer alike.
"""


def page(kept: Mapping[str, Any]) -> str:
    told, targets = [], []
    for part, tell in TELLERS.items():
        if part in kept:
            text, found = tell(kept[part]["rows"])
            told.append(text)
            targets += found
    runs = [
        (
            part,
            one["date"],
            f"`--part {part}`",
            one["seed"],
            f"{one['minutes']:.0f}",
            full(one),
            one["python"],
            one["numpy"],
        )
        for part, one in sorted(kept.items())
    ]
    head = ("part", "date", "run with", "seed", "minutes", "size", "Python", "numpy")
    introduction = INTRODUCTION.format(
        command="python benchmarks/years.py",
        runs=table(head, runs),
        levels=", ".join(f"{one:g}" for one in LEVELS),
        shares=", ".join(f"{100 * one:.0f}" for one in LEVEL_SHARES) + " %",
        mean=percent(float(np.dot(LEVELS, LEVEL_SHARES))),
    )
    words = {True: "met", False: "**missed**", None: "not settled"}
    lines = [(what, target, found, words[met]) for what, target, found, met in targets]
    missed = sum(met is False for *_, met in targets)
    summary = f"## Targets\n\n{len(targets)} targets, {missed} missed.\n\n"
    return "\n".join([introduction, summary + table(("what", "target", "found", ""), lines) + "\n", *told])


def full(one: Mapping[str, Any]) -> str:
    return "full" if one["size"] == 1 else f"{one['size']:g} of full: a trial"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(str(one) for one in row)} |" for row in rows)])


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def between(row: Row, digits: int = 2) -> str:
    return f"{100 * row['low']:.{digits}f} to {100 * row['high']:.{digits}f} %"


def nights(found: float | None) -> str:
    return "never" if found is None else f"{found:.0f}"


def verdict(met: bool | None) -> str:
    return {True: "met", False: "**missed**", None: ""}[met]


def at_most(found: float | None, target: float | None) -> bool | None:
    return None if target is None else found is not None and found <= target


# Each teller gives a part's section and its targets, from the rows in years.json.

A_TOLD = """
Nothing is wrong in these years: every alarm is false. The budget is the probability of a false alarm within a year. A
retraining needs an alarm: the probability of any false retraining is at most that of any alarm.

{table}

*Benign weekly pattern*: on weekends half of the classes have 15 % more than usual and half 15 % less, and each day's
shares are drawn anew (Dirichlet, 800). Drift sees no labels: its line there is that of the pattern alone.

*kept*: even the upper end of the interval is within the budget; *not shown*: the interval reaches over it; **broken**:
even its lower end is over it. Where accuracy, classes and cameras are "at their floors" no detector has any slack: real
models stand above their floors, and alarm less.
"""


def tell_a(rows: Sequence[Row]) -> tuple[str, Targets]:
    def kept(row: Row) -> bool | None:
        return True if row["high"] <= row["budget"] else False if row["low"] > row["budget"] else None

    words = {True: "kept", False: "**broken**", None: "not shown"}
    lines, targets, last = [], [], ""
    for row in rows:
        name = (
            ""
            if row["scenario"] == last
            else f"{row['scenario']}: {nulls()[row['row']].told} ({row['predictions']:,} a night)"
        )
        last = row["scenario"]
        found = f"{row['alarms']} of {row['years']:,}"
        lines.append((name, f"`{row['check']}`" if row["check"] != JOINT else f"**{JOINT}**", found, between(row)))
        lines[-1] += (percent(row["budget"], 0), words[kept(row)])  # type: ignore[assignment]
        if row["check"] == JOINT or len([one for one in rows if one["row"] == row["row"]]) == 1:
            what = f"A: false alarms, {row['scenario']}, `{row['check']}`".replace(f"`{JOINT}`", JOINT)
            targets.append((what, f"<= {percent(row['budget'], 0)}", f"{found} ({between(row)})", kept(row)))
    head = ("a year in which", "check", "years with an alarm", "95 %", "budget", "")
    return "## A. False alarms\n" + A_TOLD.format(table=table(head, lines)), targets


B_TOLD = """
One class of ten gains the total variation (TV) given, at the cost of all others alike: the shares of the confidence
bands inside a class stay. The reference is the first nights of the epoch; {quiet} quiet nights follow, then the change.

{table}

Targets are meant for references of at least 5,000 predictions; seven nights of 200 are held against them all the same.

Two classes that share a gain of 6 points move by 3 each. The box that shares may move in unnoticed is 1.5 points plus
three standard errors of the reference: 2.3 points for 14,000 reference predictions, 1.9 for 56,000. Only what sticks
out of it is seen.
"""


def tell_b(rows: Sequence[Row]) -> tuple[str, Targets]:
    lines, targets = [], []
    for row in rows:
        met = at_most(row["median"], row["target"])
        reference = f"{row['predictions'] * row['reference_nights']:,} ({row['reference_nights']} nights)"
        gain = f"{row['moved']:.2f}, by {'one class' if row['gaining'] == 1 else 'two classes'}"
        target = "" if row["target"] is None else f"<= {row['target']}"
        line = (f"{row['predictions']:,}", gain, reference, f"{row['runs']:,}", row["early"], nights(row["median"]))
        lines.append((*line, nights(row["ninety"]), target, verdict(met)))
        if row["target"] is not None:
            what = f"B: median nights, {row['predictions']:,} a night, TV {row['moved']:.2f}, n_ref {reference}"
            targets.append((what, target, nights(row["median"]), met))
    head = ("predictions a night", "TV", "reference", "runs", "early", "median", "90 %", "target", "")
    return "## B. Delays of `prediction_drift`\n" + B_TOLD.format(table=table(head, lines), quiet=QUIET), targets


C_TOLD = """
All with 2,000 predictions a night; the change is on night {change}.

### Against an oracle

Uniform labels (`uniform_share` 1), 20 a night, budget 2 %. Accuracy stands exactly at its floor of 90 % and falls by as
many points. The oracle is CUSUM: it knows the true error rates before and after, so it is another one for each row; its
threshold is set, by simulation, to alarm falsely in as many years at the floor as ours does (last column, of
{null_years:,} years). The target is the ratio of the medians.

{oracle}

With guesses of the same height for all items ("confidences say nothing") both see the same, the number of errors: that
is the comparison like with like, and the target is held against it. With guesses that differ ours uses them to take
noise out of its estimate, which this oracle does not: the ratio flatters. The last oracle knows how often each of the
seven kinds of items is wrong, before and after: more than any monitor can know.

### From 92 to 85 %

*Planned*: drawn as the plan draws them (`uniform_share` .2). *More unsure items*: the mix of the seven kinds changes
and each stays as often wrong as it was, so that confidences show the fall. Median (90 %) over {runs:,} runs.

{fall}

### From 97 to 91 %

The fixed floor of 90 % is not crossed. The effective floor is 3 points under the lower 95 % limit of the reference
accuracy (97 % of 2,000): {floor}.

{effective}
"""


def tell_c(rows: Sequence[Row]) -> tuple[str, Targets]:
    oracle, fall, effective = (
        [row for row in rows if row["table"] == name] for name in ("oracle", "92 to 85", "97 to 91")
    )
    against, targets = tell_oracle(oracle)
    text = "## C. Delays of `accuracy`\n" + C_TOLD.format(
        change=CHANGE,
        null_years=max((row["null_years"] for row in oracle), default=0),
        runs=max((row["runs"] + row["early"] for row in fall), default=0),
        floor=percent(effective[0]["floor"], 2) if effective else "",
        oracle=against,
        fall=tell_fall(fall),
        effective=tell_effective(effective),
    )
    first = effective[0] if effective else None
    if first:
        seen = first["missed"] < first["runs"] / 2
        targets.append(
            ("C: 97 to 91 % is seen, 20 planned labels, unsure errors", "seen", nights(first["median"]), seen)
        )
    return text, targets


def tell_oracle(rows: Sequence[Row]) -> tuple[str, Targets]:
    lines, targets = [], []
    for row in rows:
        ratio = row["median"] / row["oracle"]
        like = row["world"] == ORACLE_WORLDS[0]
        means = f"{row['mean'] / row['oracle_mean']:.2f}" if row["mean"] and row["oracle_mean"] else ""
        seer = f"{nights(row['seer'])} ({nights(row['seer_ninety'])})" if "seer" in row else ""
        ours, theirs = (
            f"{nights(row[a])} ({nights(row[b])})" for a, b in (("median", "ninety"), ("oracle", "oracle_ninety"))
        )
        met = verdict(ratio <= row["target"]) if like else ""
        line = (row["world"], f"{100 * row['drop']:.0f}", ours, theirs, f"{ratio:.2f}", means)
        lines.append(
            (*line, f"{row['target']:.2f}" if like else "", met, seer, percent(row["false"] / row["null_years"], 2))
        )
        if like:
            what = f"C: ratio to the oracle's median, {100 * row['drop']:.0f} points under the floor"
            targets.append((what, f"<= {row['target']:.2f}", f"{ratio:.2f}", ratio <= row["target"]))
    head = ("guesses", "points under", "ours: median (90 %)", "oracle", "ratio", "ratio of means", "target", "")
    head += ("oracle that knows kinds", "false alarms")  # type: ignore[assignment]
    return table(head, lines), targets


def tell_fall(rows: Sequence[Row]) -> str:
    found = {(row["budget"], row["labels"], row["plan"], row["world"]): row for row in rows}
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    lines = []
    for budget, labels, plan in dict.fromkeys(key[:3] for key in found):
        cells = [found[budget, labels, plan, world] for world in worlds if (budget, labels, plan, world) in found]
        texts = [f"{nights(one['median'])} ({nights(one['ninety'])})" for one in cells]
        lines.append((percent(budget, 0), f"{labels} {'planned' if plan else 'uniform'}", *texts))
    return table(("budget", "labels a night", *worlds), lines)


def tell_effective(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        errors = "confident" if row["confident"] else "unsure"
        seen = percent(1 - row["missed"] / row["runs"], 0)
        line = (percent(row["floor"], 2), f"{row['labels']} planned", errors, nights(row["median"]))
        lines.append((*line, nights(row["ninety"]), seen))
    return table(
        ("floor", "labels a night", "errors", "median", "90 %", f"seen in {engine.NIGHTS - CHANGE} nights"), lines
    )


D_TOLD = """
One part falls from 92 to 60 %, all else stays at 92 %. Floors are 80 %, the budget is 1 %. *As answered*: of the items
answered as the class 60 % are right (precision). *As it is*: of the items that are of the class 60 % are found, the
others are answered as the nine other classes alike (recall; its precision stays near 88 %). New errors hit every answer
alike. *Leaning*: up to {lean} of the labels that are not uniform go where the evidence gathers.

{table}

Leaning helps little where items of a class are answered as others: it looks at what is answered as that class. And the
detector of what is missed may bet no more than .95 `uniform_share` / (1 - floor).
"""


def tell_d(rows: Sequence[Row]) -> tuple[str, Targets]:
    lines, targets = [], []
    for row in rows:
        leans = row["lean"] > 0
        met = at_most(row["median"], 30) if leans else None
        plan, target = ("leaning", "<= 30") if leans else ("not leaning", "")
        line = (row["world"], plan, row["labels"], percent(row["accuracy"]), f"{row['runs']:,}", row["early"])
        lines.append((*line, nights(row["median"]), nights(row["ninety"]), target, verdict(met)))
        if leans:
            targets.append((f"D: median nights, {row['world']}, leaning plan", "<= 30", nights(row["median"]), met))
    head = ("which part", "plan", "labels a night", "accuracy of all", "runs", "early", "median", "90 %", "target", "")
    text = D_TOLD.format(table=table(head, lines), lean=percent(POLICY.labels.lean, 0))
    return "## D. One class of ten, one camera of twelve\n" + text, targets


GUESSES_TOLD = """\
Windows are of 2,000 items, at first 92 % right, and guesses are calibrated there: seven levels as above, or Beta(c m,
c (1 - m)) with m = .08 and c = 1, 2, 5 (100 quantiles, cut at .85), their odds scaled so that the mean is 8 %. The
smaller c, the better guesses tell wrong answers from right ones.
"""
E_TOLD = """
{guesses}
Half of the classes are hard, half easy: odds of an error three times, and a third of, what they would be, and the guess
does not know. *Label shift*: hard classes go from 50 to 90 % of the items. *Covariate shift*: more items with high
guesses (weights guess^t), until 15 % are wrong; guesses stay calibrated. *Confident concept shift*: 7 points more
errors on all items alike. Labels are drawn by `allocate` with `uniform_share` .2; "5 x 20": over five nights. The truth
is the error rate of the window's own items. Share of {runs:,} intervals that cover it:

{table}

Target: 93 to 97 %. (!): outside of it, but not by more than chance; **bold**: by more. The plan spares items with very
low guesses; where nearly all guesses are very low (c = 1) and errors come all the same, 100 labels are too few.
"""


def tell_e(rows: Sequence[Row]) -> tuple[str, Targets]:
    labels = list(dict.fromkeys((row["labels"], row["nights"]) for row in rows))
    cells: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        share, out = row["inside"] / row["runs"], row["high"] < 0.93 or row["low"] > 0.97
        cells.setdefault((row["guesses"], row["world"]), []).append(
            f"**{percent(share)}**" if out else percent(share) + ("" if 0.93 <= share <= 0.97 else " (!)")
        )
    lines = [(kind, world, *found) for (kind, world), found in cells.items()]
    names = [f"{count} labels" if span == 1 else f"{span} x {count // span}" for count, span in labels]
    runs = max(row["runs"] for row in rows)
    targets: Targets = []
    for kind in dict.fromkeys(row["guesses"] for row in rows):
        shares = [row["inside"] / row["runs"] for row in rows if row["guesses"] == kind]
        found = f"{percent(min(shares))} to {percent(max(shares))}"
        inside = all(0.93 <= share <= 0.97 for share in shares)
        outside = any(row["high"] < 0.93 or row["low"] > 0.97 for row in rows if row["guesses"] == kind)
        met = True if inside else False if outside else None
        targets.append((f"E: coverage in {len(shares)} cells, guesses {kind}", "93 to 97 %", found, met))
    text = E_TOLD.format(guesses=GUESSES_TOLD, runs=runs, table=table(("guesses", "world", *names), lines))
    return "## E. Coverage of the 95 % interval of the error rate\n" + text, targets


F_TOLD = """
How many labels show that 85 % is under 92 %, with power 80 % and 1 % false alarms? One-sided test of an error rate over
8 %; the threshold is the estimate's 99 % quantile when nothing is wrong ({null:,} runs; ties by lot). *Uniform*: the
plain mean, exact. *Planned*: `allocate` (stratified Neyman with floor, `uniform_share` .2) and the post-stratified
estimate, {runs:,} runs each. Guesses and shifts as in E, without its halves. *AUROC*: how well guesses tell wrong
answers from right ones at 92 %. *By variances*: the ratio if estimates were normal, from their variances before and
after; *at best*: that of an allocation that knows how often each kind of item is wrong, before and after. A plan that
only chooses which items to label cannot do better.

{table}
"""


def tell_f(rows: Sequence[Row]) -> tuple[str, Targets]:
    lines, targets = [], []
    for row in rows:
        met = row["ratio"] >= row["target"]
        target = f">= {row['target']:g}"
        line = (
            row["guesses"],
            f"{row['auroc']:.2f}",
            row["world"],
            row["uniform"],
            row["planned"],
            f"{row['ratio']:.1f}",
        )
        lines.append((*line, target, verdict(met), f"{row['by_variances']:.1f}", f"{row['at_best']:.1f}"))
        what = f"F: times fewer labels, {row['world']}, guesses {row['guesses']}"
        targets.append((what, target, f"{row['ratio']:.1f}", met))
    head = ("guesses", "AUROC", "world", "uniform", "planned", "ratio", "target", "", "by variances", "at best")
    text = F_TOLD.format(null=NULL_RUNS, runs=RUNS, table=table(head, lines))
    return "## F. Labels for 80 % power\n" + text, targets


TELLERS: Mapping[str, Callable[[Sequence[Row]], tuple[str, Targets]]] = {
    "A": tell_a, "B": tell_b, "C": tell_c, "D": tell_d, "E": tell_e, "F": tell_f,
}  # fmt: skip


# --- command ------------------------------------------------------------------------------------------------------

PARTS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "A": part_a, "B": part_b, "C": part_c, "D": part_d, "E": part_e, "F": part_f,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["all", "none", *PARTS], default="all", help="the others keep their results")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--size", type=float, default=1.0, help="share of the years and runs; under 1 is a trial")
    parser.add_argument("--out", type=Path, default=Path("docs/years.md"), help="Markdown file")
    parser.add_argument("--json", type=Path, help="numbers of all parts, by default beside --out")
    chosen = parser.parse_args()
    numbers = chosen.json or chosen.out.with_suffix(".json")
    wanted = PARTS if chosen.part == "all" else [chosen.part] if chosen.part in PARTS else []
    for part in wanted:
        run_part(part, chosen, numbers)
    chosen.out.write_text(page(read(numbers)))
    return 0


def run_part(part: str, chosen: argparse.Namespace, numbers: Path) -> None:
    """Each row is written when it is there."""
    started, rows = time.monotonic(), []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        for row in PARTS[part](Bench(bar, chosen.seed, chosen.size)):
            rows.append(row)
            kept = read(numbers)
            kept[part] = {
                "date": datetime.now(UTC).date().isoformat(),
                "seed": chosen.seed,
                "size": chosen.size,
                "minutes": round((time.monotonic() - started) / 60, 1),
                "python": platform.python_version(),
                "numpy": np.__version__,
                "rows": rows,
            }
            numbers.write_text(json.dumps(kept, indent=1) + "\n")


def read(numbers: Path) -> dict[str, Any]:
    return json.loads(numbers.read_text()) if numbers.exists() else {}


if __name__ == "__main__":
    sys.exit(main())
