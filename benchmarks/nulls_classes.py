"""Which traffic is no fall of a class, and how soon is one seen?  nice python benchmarks/nulls_classes.py --years 100

The rows of classes and slices in the table of nulls, and the delays of check 4, through the engine of the product
(benchmarks/years.py runs them at full size). Truth is certain (`labels.error_rate` 0) but where a row says otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from nulls import Delay, Row, try_out
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.policy import Policy
from leeway.simulate.production import Production, classifier, with_second_answers, with_weak_recall
from leeway.simulate.traffic import People, RealTraffic, differing
from leeway.simulate.years import Limits, simulate_years

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHECK, LIMIT, ALPHA, AT_ONCE = "class_accuracy", 0.20, 0.01, 100
CHANGE, LONGEST = 10, 150  # nights


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
                yield Row(name, name, points == 6, first, ALPHA)
        for labels in (24, 70):
            name = f"four precisions and twelve slices at their floors, nights of sd {points}, {labels} planned"
            first = partial(lived, cameras, at_floors(cameras, slack_recall=0.5), labels=labels, traffic=nights)
            yield Row(name, name, False, first, ALPHA)


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
                yield Row(name, name, False, first, ALPHA)


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
        yield Row(name, name, False, partial(lived, world, limits, labels=24, traffic=nights, on_night=on_night), ALPHA)


def a_rare_class() -> Iterator[Row]:
    for predictions in (200, 2000):
        world = one_in_a_hundred(recall=0.80, predictions=predictions)
        name = f"a class of 1 % of two at its floor, {predictions:,} predictions a night, 20 planned"
        yield Row(name, name, False, partial(lived, world, at_floors(world), labels=20), ALPHA)


def delays() -> Iterator[Delay]:
    """One class of ten, one camera of twelve, falls from 92 to 60 %."""

    def fall(name: str, told: str, target: float, before: Production, after: Production, labels: int = 20) -> Delay:
        def first(years: int, rng: Generator) -> Ints:
            found = simulate_years(
                *(before, CERTAIN), years=years, rng=rng, nights=LONGEST, after=after, change=CHANGE, labels=labels,
                limits=Limits(precision=0.92), watch=(CHECK,), stop_when_all_fired=True,
            )  # fmt: skip
            return found.first_alarm[CHECK]

        return Delay(name, f"{told} falls from 92 to 60 %, {labels} labels a night", target, first, CHANGE)

    good, other = classifier(predictions=2000, accuracy=0.92), partial(classifier, predictions=2000, accuracy=0.92)
    half = with_second_answers(good, share=0.5)
    yield fall("precision", "the precision of one class of ten", 34, good, other(weak_class=0.6))
    yield fall("recall", "the recall of one class of ten", 50, good, with_weak_recall(good, to=0.6))
    told = "the recall of one class, half of whose misses have it second,"
    yield fall("recall, second answers", told, 38, half, with_weak_recall(half, to=0.6, share=0.5))
    yield fall("camera", "one camera of twelve", 34, other(slices=12), other(slices=12, weak_slice=0.6), labels=24)


PARTS = (how_nights_differ, wrong_labels, slices_come_and_go, a_rare_class)
ROWS: tuple[Row, ...] = tuple(row for part in PARTS for row in part())
DELAYS: tuple[Delay, ...] = tuple(delays())


if __name__ == "__main__":
    try_out(__doc__, ROWS, DELAYS)
