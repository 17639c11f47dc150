"""Which traffic is no fall in accuracy?  nice python benchmarks/nulls_accuracy.py --years 100

The rows of accuracy in the table of nulls (benchmarks/years.py runs them at full size), through the engine of the
product (`simulate.years`, `simulate.given`). Truth is certain (`labels.error_rate` 0) but where a row says otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from nulls import First, Row, try_out
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from leeway.checks.policy import Policy
from leeway.simulate.given import Given, census, given_years
from leeway.simulate.production import classifier
from leeway.simulate.traffic import AlikeImages, People, RealTraffic, differing, waves, with_bad_nights
from leeway.simulate.years import Limits, simulate_years

Ints = NDArray[np.int64]

CHECK, LIMIT, ALPHA, AT_ONCE = "accuracy", 0.10, 0.02, 100
UNIFORM = 1.0
SKIPS = {
    "at random": np.array([0.6]),
    "easy ones skipped": np.array([0.5, 0.5, 0.6, 0.8, 0.9, 0.95]),
    "hard ones skipped": np.array([0.9, 0.9, 0.8, 0.6, 0.5, 0.4]),
}


def policy(*, error: float = 0.0, second: bool = False, uniform: float = 0.2, **accuracy: object) -> Policy:
    labels = {"error_rate": error, "second_opinion": "errors" if second else "none", "uniform_share": uniform}
    return Policy.model_validate({"labels": labels, "accuracy": accuracy})


CERTAIN = policy()  # labels are never wrong


def drawn(
    mean: float,
    labels: int,
    *,
    make: Callable[[int], RealTraffic] = lambda _: RealTraffic(),
    rules: Policy = CERTAIN,
    predictions: int = 2000,
    nights: int = 365,
) -> First:
    """Years in which labels are drawn; the world is this far from the limit of 10 %."""

    def first(years: int, rng: Generator) -> Ints:
        world = classifier(predictions=predictions, classes=10, accuracy=1 - mean)
        limits = Limits(accuracy=LIMIT * world.error_rate / mean)
        lived = simulate_years(
            *(world, rules), years=years, rng=rng, nights=nights, labels=labels, limits=limits, watch=(CHECK,),
            traffic=make(years),
        )  # fmt: skip
        return lived.first_alarm[CHECK]

    return first


def given(night: Given, spread: float = 0.0, **wave: float) -> First:
    def first(years: int, rng: Generator) -> Ints:
        deviation = waves(spread, correlation=wave["correlation"], years=years) if wave else differing(spread)
        return given_years(night, limit=LIMIT, alpha=ALPHA, years=years, rng=rng, deviation=deviation)

    return first


def traffic(spread: float = 0.0, **more: object) -> Callable[[int], RealTraffic]:
    return lambda _: RealTraffic(deviation=differing(spread) if spread else None, **more)  # type: ignore[arg-type]


def how_nights_differ() -> Iterator[Row]:
    """At the limit and 2 points under it, nights alike or not: planned, uniform and a census."""
    for mean in (0.10, 0.08):
        for points in (0, 1, 2, 3, 4):
            spread, reported = points / 100, points == 4
            if reported and mean < LIMIT:
                continue
            where = f"mean {mean:.0%}, nights of sd {points}"
            for labels in (20, 70, 200):
                told = f"{where}, {labels} planned"
                yield Row(told, told, reported, drawn(mean, labels, make=traffic(spread)))
            for labels in (20, 70):
                told = f"{where}, {labels} uniform"
                yield Row(told, told, reported, drawn(mean, labels, make=traffic(spread), rules=policy(uniform=1.0)))
            for rows in (1000, 20000):
                told = f"{where}, a census of {rows:,}"
                yield Row(told, told, reported, given(census(rows, mean), spread))


def bad_nights_and_waves() -> Iterator[Row]:
    for mean in (0.08, 0.10):
        for every in (50, 12):
            bad = with_bad_nights(0.03, chance=1 / every, points=0.25)
            told = f"mean {mean:.0%}, nights of sd 3, one in {every} worse by 25 points"
            for labels in (20, 70):
                name = f"{told}, {labels} planned"
                yield Row(
                    name, name, mean == LIMIT, drawn(mean, labels, make=lambda _, bad=bad: RealTraffic(deviation=bad))
                )
    for labels in (20, 70):
        name = f"mean 8%, waves of weeks (AR(1) .9, sd 2), {labels} planned"
        wave = lambda years: RealTraffic(deviation=waves(0.02, correlation=0.9, years=years))  # noqa: E731
        yield Row(name, name, True, drawn(0.08, labels, make=wave))
    name = "mean 8%, waves of weeks (AR(1) .9, sd 2), a census of 1,000"
    yield Row(name, name, True, given(census(1000, 0.08), 0.02, correlation=0.9))


def groups() -> Iterator[Row]:
    for size in (10, 50):
        for known in (True, False):
            for labels in (20, 70):
                name = f"groups of {size}, {'known' if known else 'not known'}, {labels} planned"
                alike = traffic(groups=AlikeImages(size, known=known))
                yield Row(name, f"{name}, at the limit", False, drawn(LIMIT, labels, make=alike))
    name = "groups of unequal size, known, 70 planned"
    alike = traffic(groups=AlikeImages(10, unequal=True))
    yield Row(name, f"{name}, the first of 200 with 17 % of the images", False, drawn(LIMIT, 70, make=alike))


def people() -> Iterator[Row]:
    for told, share in SKIPS.items():
        for labels, spread in ((20, 0.0), (70, 0.0), (20, 0.03), (70, 0.03)):
            name = f"60 % answered, {told}, nights of sd {100 * spread:.0f}, {labels} planned"
            some = traffic(spread, people=People(share))
            yield Row(name, f"{name}, at the limit", False, drawn(LIMIT, labels, make=some))
    for error in (0.01, 0.02, 0.05):
        for told, seconds in (("always", 1.0), ("half", 0.5), ("never", 0.0)):
            for labels in (20, 70):
                name = f"{error:.0%} of labels wrong, second person {told}, {labels} planned"
                wrong = traffic(people=People(error=error, seconds=seconds))
                rules = policy(error=error, second=True)
                yield Row(name, f"{name}, at the limit", False, drawn(LIMIT, labels, make=wrong, rules=rules))


def volumes() -> Iterator[Row]:
    for name, weigh, reported in (
        ("weekends small and bad, by predictions", "predictions", False),
        ("weekends small and bad, each night alike", "nights", True),
    ):
        told = f"{name}: 2,000 with 8 % wrong, 200 with 25 % at weekends; 8.7 % of all predictions are wrong"
        yield Row(name, told, reported, partial(small_weekends, weigh=weigh))
    name = "0 to 30 predictions a night"
    yield Row(name, f"{name}, 20 draws of them, at the limit", False, tiny_nights)


def small_weekends(years: int, rng: Generator, *, weigh: str) -> Ints:
    week, weekend = (classifier(predictions=n, classes=10, accuracy=a) for n, a in ((2000, 0.92), (200, 0.75)))
    lived = simulate_years(
        *(week, policy(weigh=weigh)), years=years, rng=rng, labels=20, limits=Limits(accuracy=LIMIT), watch=(CHECK,),
        on_night=lambda number: weekend if number % 7 >= 5 else week,
    )  # fmt: skip
    return lived.first_alarm[CHECK]


def tiny_nights(years: int, rng: Generator) -> Ints:
    sizes = default_rng(7).integers(0, 31, 365).tolist()
    worlds = {n: classifier(predictions=n, classes=2, accuracy=1 - LIMIT) for n in {*sizes} if n}
    same = {n: replace(one, error_rates=np.full(len(one.sizes), LIMIT)) for n, one in worlds.items()}
    lived = simulate_years(
        *(same[max(same)], CERTAIN), years=years, rng=rng, labels=20, limits=Limits(accuracy=LIMIT), watch=(CHECK,),
        on_night=lambda number: same.get(sizes[number]), traffic=RealTraffic(groups=AlikeImages(1)),
    )  # fmt: skip
    return lived.first_alarm[CHECK]


def given_labels() -> Iterator[Row]:
    rows, rates = np.array([600, 250, 150]), np.array([0.04, 0.10, 0.34])
    unequal = Given(rows, rates, np.array([0.05, 0.2, 0.8]))
    for spread in (0.0, 0.03):
        for answered in (1.0, 0.6):
            name = f"given with chances of 5, 20 and 80 %, {answered:.0%} of them come, nights of sd {100 * spread:.0f}"
            yield Row(name, f"{name}, at the limit", False, given(replace(unequal, answered=answered), spread))
    name = "given with chances of 5, 20 and 80 %, of 50 rows a night"
    told = f"{name}, at the limit: no row of the rarest chance on every fifth night"
    few = replace(unequal, rows=np.array([30, 13, 7]))
    few = replace(few, error_rates=few.error_rates * LIMIT / few.error_rate)
    yield Row(name, told, False, given(few))


def given_in_groups() -> Iterator[Row]:
    for size in (10, 50, 200):
        for spread in (0.0, 0.03):
            name = f"a census of 1,000 in groups of {size}, nights of sd {100 * spread:.0f}"
            alike = census(1000, LIMIT, alike=size)
            yield Row(name, f"{name}, at the limit", False, given(alike, spread))
    name = "a census of 1,000 in groups of 200, not known"
    yield Row(name, f"{name}, at the limit", True, given(census(1000, LIMIT, alike=200, known=False)))
    rows, rates = np.array([600, 250, 150]), np.array([0.04, 0.10, 0.34])
    rates = rates * LIMIT / Given(rows, rates, np.ones(3)).error_rate
    for size in (10, 50):
        name = f"given with chances of 5, 20 and 80 %, in groups of {size}"
        alike = Given(rows, rates, np.array([0.05, 0.2, 0.8]), alike=size)
        yield Row(name, f"{name}, at the limit: {1000 // size} groups a night", False, given(alike))
    name = "a census of 1,000 whose hardest 150 are one group"
    told = f"{name}, at the limit: of what comes alike a third is wrong, of the rest 6 %"
    alike = Given(rows, rates, np.ones(3), alike=np.array([1, 1, 150]))
    yield Row(name, told, True, given(alike))


def restarts() -> Iterator[Row]:
    def twice(years: int, rng: Generator) -> Ints:
        halves = [drawn(LIMIT, 20, make=traffic(0.03), nights=nights)(years, rng) for nights in (182, 183)]
        return np.maximum(*halves)

    told = "mean 10%, nights of sd 3, 20 planned; the evidence begins anew in mid-year, as after a promotion or an edit"
    yield Row("evidence anew in mid-year", told, False, twice)


def joint() -> Iterator[Row]:
    for seconds in (0.0, 0.5, 0.8):
        for labels in (20, 70):
            name = f"all joined, second person {seconds:.0%}, {labels} planned"
            told = f"{name}: nights of sd 3 at the limit, hard ones skipped, 2 % of labels wrong, groups of 10"
            world = traffic(
                0.03, people=People(SKIPS["hard ones skipped"], error=0.02, seconds=seconds), groups=AlikeImages(10)
            )
            yield Row(
                name, told, False, drawn(LIMIT, labels, make=world, rules=policy(error=0.02, second=True)), full=2000
            )


PARTS = (
    how_nights_differ,
    bad_nights_and_waves,
    groups,
    people,
    volumes,
    given_labels,
    given_in_groups,
    restarts,
    joint,
)
ROWS: tuple[Row, ...] = tuple(row for part in PARTS for row in part())


if __name__ == "__main__":
    try_out(__doc__, ROWS)
