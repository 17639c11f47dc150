"""Which traffic is no fall of a class, and how soon is one seen?  nice python benchmarks/nulls_classes.py --years 100

The rows of classes and slices in the table of nulls, and the delays of check 4, through the engine of the product
(benchmarks/years.py runs them at full size). Truth is certain (`labels.error_rate` 0) but where a row says otherwise.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from leeway.checks.policy import Policy
from leeway.simulate.production import Production, classifier, with_second_answers, with_weak_recall
from leeway.simulate.traffic import People, RealTraffic, differing
from leeway.simulate.years import Limits, simulate_years

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
First = Callable[[int, Generator], Ints]  # (years, rng) -> (Y,) night of the first alarm, -1 without one

CHECK, LIMIT, ALPHA, AT_ONCE = "class_accuracy", 0.20, 0.01, 100
CHANGE, LONGEST = 10, 150  # nights


@dataclass(frozen=True, slots=True)
class Row:
    """A world in which nothing is wrong: an alarm in it is false."""

    name: str
    told: str
    reported: bool  # whether it is only reported: its null is not the check's
    first: First
    budget: float = ALPHA
    full: int = 500  # years

    def run(self, years: int, rng: Generator) -> tuple[int, int]:
        """Return (years with an alarm, years lived)."""
        batches = [min(AT_ONCE, years - start) for start in range(0, years, AT_ONCE)]
        return sum(int((self.first(one, rng) >= 0).sum()) for one in batches), years


@dataclass(frozen=True, slots=True)
class Delay:
    """A class or slice that falls, and within how many nights half of the years are to see it."""

    name: str
    told: str
    target: float
    before: Production
    after: Production
    labels: int = 20
    full: int = 300  # years

    def run(self, years: int, rng: Generator) -> Floats:
        """(Y,) nights from the fall to the alarm, the first as 1; inf where there was none in 140."""
        batches = [min(AT_ONCE, years - start) for start in range(0, years, AT_ONCE)]
        return np.concatenate([self._run(one, rng) for one in batches])

    def _run(self, years: int, rng: Generator) -> Floats:
        lived = simulate_years(
            *(self.before, CERTAIN), years=years, rng=rng, nights=LONGEST, after=self.after, change=CHANGE,
            labels=self.labels, limits=Limits(precision=0.92), watch=(CHECK,), stop_when_all_fired=True,
        )  # fmt: skip
        return lived.delays(CHECK, change=CHANGE)


def policy(*, error: float = 0.0, second: bool = False) -> Policy:
    return Policy.model_validate({"labels": {"error_rate": error, "second_opinion": "errors" if second else "none"}})


CERTAIN, PLAIN = policy(), RealTraffic()  # labels are never wrong; nights are alike


def lived(
    world: Production,
    limits: Limits,
    years: int,
    rng: Generator,
    *,
    labels: int = 20,
    rules: Policy = CERTAIN,
    traffic: RealTraffic = PLAIN,
    on_night: Callable[[int], Production] | None = None,
) -> Ints:
    found = simulate_years(
        *(world, rules), years=years, rng=rng, labels=labels, limits=limits, watch=(CHECK,), traffic=traffic,
        on_night=on_night,
    )  # fmt: skip
    return found.first_alarm[CHECK]


def at_floors(world: Production, *, slack_recall: float = 0.0) -> Limits:
    """Return limits at which every precision, recall and slice of this world stands."""
    items, errors = world.sizes, world.sizes * world.error_rates
    single = {}
    for k in range(world.classes):
        own = world.predicted == k
        single[f"precision {k}"] = float(errors[own].sum() / items[own].sum())
        single[f"recall {k}"] = min(world.missed(k) + slack_recall, 0.89)
    for place in np.unique(world.slice[world.slice >= 0]).tolist():
        own = world.slice == place
        single[f"slice {place}"] = float(errors[own].sum() / items[own].sum())
    return Limits(single=single, precision=1 - world.error_rate)


def how_nights_differ() -> Iterator[Row]:
    """All at their floors, nights alike or not; with and without second answers; precision and slices by themselves."""
    plain = classifier(predictions=2000, accuracy=0.80)
    worlds = {"": plain, ", second answers true in 70 %": with_second_answers(plain, share=0.7)}
    cameras = classifier(predictions=2400, accuracy=0.80, classes=4, slices=12)
    for points in (0, 3, 6):
        nights = RealTraffic(deviation=differing(points / 100) if points else None)
        for told, world in worlds.items():
            for labels in (20, 70):
                name = f"ten classes at their floors{told}, nights of sd {points}, {labels} planned"
                first = partial(lived, world, at_floors(world), labels=labels, traffic=nights)
                yield Row(name, name, points == 6, first)
        for labels in (24, 70):
            name = f"four precisions and twelve slices at their floors, nights of sd {points}, {labels} planned"
            first = partial(lived, cameras, at_floors(cameras, slack_recall=0.5), labels=labels, traffic=nights)
            yield Row(name, name, False, first)


def one_in_a_hundred(*, recall: float = 0.95, predictions: int = 2000) -> Production:
    """A night with two classes, of which the second is 1 %."""
    world = classifier(predictions=predictions, accuracy=0.92, classes=2, gain=0.49)
    rare = world.predicted == 1
    right = float((world.sizes * (1 - world.error_rates))[rare].sum())
    missed = right * (1 - recall) / recall
    guessed = np.where(rare, 0.0, world.guesses) * world.sizes
    rates = np.where(rare, world.error_rates, world.guesses * missed / guessed.sum())
    return replace(world, error_rates=rates)


def wrong_labels() -> Iterator[Row]:
    world = one_in_a_hundred()
    limits = Limits(classes=LIMIT, precision=0.92)
    for error in (0.01, 0.02, 0.05):
        for told, second in (("nobody gives second opinions", False), ("second opinions", True)):
            for labels in (20, 70):
                name = (
                    f"a class of 1 % of two, recall 95, floor 80, {error:.0%} of labels wrong, {told}, {labels} planned"
                )
                people = RealTraffic(people=People(error=error, seconds=float(second)))
                first = partial(
                    lived, world, limits, labels=labels, rules=policy(error=error, second=second), traffic=people
                )
                yield Row(name, name, False, first)


def slices_come_and_go() -> Iterator[Row]:
    world = classifier(predictions=2400, accuracy=0.80, classes=4, slices=12)

    def on_night(number: int) -> Production:
        """Each camera is away for a week of every five, and two appear after 100 nights."""
        here = np.array([(number // 7 + camera) % 5 > 0 and (camera < 10 or number >= 100) for camera in range(12)])
        return replace(world, sizes=world.sizes * here[world.slice])

    for points in (0, 6):
        nights = RealTraffic(deviation=differing(points / 100) if points else None)
        name = f"twelve slices that come and go, at their floors, nights of sd {points}, 24 planned"
        limits = at_floors(world, slack_recall=0.5)
        yield Row(name, name, False, partial(lived, world, limits, labels=24, traffic=nights, on_night=on_night))


def a_rare_class() -> Iterator[Row]:
    for predictions in (200, 2000):
        world = one_in_a_hundred(recall=0.80, predictions=predictions)
        name = f"a class of 1 % of two at its floor, {predictions:,} predictions a night, 20 planned"
        yield Row(name, name, False, partial(lived, world, at_floors(world), labels=20))


def delays() -> Iterator[Delay]:
    good, cameras = classifier(predictions=2000, accuracy=0.92), partial(classifier, predictions=2000, accuracy=0.92)
    half = with_second_answers(good, share=0.5)
    told = "of ten falls from 92 to 60 %, 20 labels a night"
    yield Delay("precision", f"the precision of one class {told}", 34, good, cameras(weak_class=0.6))
    yield Delay(
        "recall", f"the recall of one class {told}, without second answers", 50, good, with_weak_recall(good, to=0.6)
    )
    yield Delay(
        "recall, second answers", f"the recall of one class {told}, half of its misses have it second", 38, half,
        with_weak_recall(half, to=0.6, share=0.5),
    )  # fmt: skip
    yield Delay(
        "camera", "one camera of twelve falls from 92 to 60 %, 24 labels a night", 34, cameras(slices=12),
        cameras(slices=12, weak_slice=0.6), labels=24,
    )  # fmt: skip


PARTS = (how_nights_differ, wrong_labels, slices_come_and_go, a_rare_class)
ROWS: tuple[Row, ...] = tuple(row for part in PARTS for row in part())
DELAYS: tuple[Delay, ...] = tuple(delays())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=100)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    asked = parser.parse_args()
    for row in (*ROWS, *DELAYS):
        if asked.only not in row.name:
            continue
        started = time.process_time()
        if isinstance(row, Row):
            alarmed, years = row.run(asked.years, default_rng(1))
            told = f"{alarmed} of {years}{' (reported)' * row.reported}"
        else:
            nights = row.run(asked.years, default_rng(1))
            told = f"median {np.median(nights):g} nights, nine in ten {np.quantile(nights, 0.9, method='higher'):g}"
            told += f"; at most {row.target:g} wanted"
        print(f"{row.name:90} {told}, {time.process_time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
