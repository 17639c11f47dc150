"""Which nights are no image drift, and how soon is one seen?  nice python benchmarks/nulls_image.py --years 100

The rows of image drift in the table of nulls, and its delays, through the statistics of the product.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator, default_rng

from leeway.simulate.image_drift import Change, Means, alike, directed, first_alarm, shifted, wavy
from leeway.stats.image_drift import ALPHA, REFERENCES

BEGINS, WAITED = 42, 160  # the night of the change, and the nights that are lived through after it


@dataclass(frozen=True, slots=True)
class Row:
    """A world in which no image has moved: an alarm in it is false."""

    name: str
    told: str
    means: Means
    reported: bool = False  # its null is not the check's
    references: tuple[int, ...] = REFERENCES
    budget: float = ALPHA
    full: int = 500  # years

    def run(self, years: int, rng: Generator) -> tuple[int, int]:
        """Return (years with an alarm, years lived)."""
        return sum(first_alarm(self.means, rng, references=self.references) >= 0 for _ in range(years)), years


@dataclass(frozen=True, slots=True)
class Delay:
    """A world in which images move on one night; `target`: nights in which half of the years see it, None: reported."""

    name: str
    means: Means
    change: Change
    target: int | None = None

    def run(self, years: int, rng: Generator) -> float:
        """Return the median delay in nights; infinite if fewer than half of the years see it."""
        lived = partial(first_alarm, self.means, rng, nights=BEGINS + WAITED, change=self.change)
        found = [lived() for _ in range(years)]
        return float(np.median([night - BEGINS + 1 if night >= BEGINS else np.inf for night in found]))


TENTH = partial(shifted, sd=0.1)
ROWS = (
    Row("iid", "images are independent draws, all nights alike", alike),
    Row("nights .1", "every night lies off by .1 sd in every coordinate", TENTH),
    Row("three directions", "nights lie off by .3 sd along three directions", partial(directed, sd=0.3)),
    Row("AR(1) .02", "nights remember: AR(1) .9 of .02 sd in every coordinate", partial(wavy, sd=0.02)),
    Row("AR(1) .05", "the same of .05 sd: a wave of weeks is drift", partial(wavy, sd=0.05), reported=True),
)
DELAYS = (
    Delay(".2 sd", alike, Change(BEGINS, 0.2), 43),
    Delay(".3 sd", alike, Change(BEGINS, 0.3), 15),
    Delay(".5 sd", alike, Change(BEGINS, 0.5), 9),
    Delay("1 sd", alike, Change(BEGINS, 1.0), 6),
    Delay(".5 sd, nights of .1", TENTH, Change(BEGINS, 0.5), 23),
    Delay("1 sd, nights of .1", TENTH, Change(BEGINS, 1.0), 8),
    Delay("20 % of images by 3 sd", alike, Change(BEGINS, 3.0, 0.2), 9),
    Delay("8 % of images by 3 sd", alike, Change(BEGINS, 3.0, 0.08)),
)


def measured(years: int, seed: int) -> Iterator[str]:
    for row in ROWS:
        start = time.perf_counter()
        alarms, lived = row.run(years, default_rng(seed))
        state = "reported" if row.reported else "kept" if alarms <= row.budget * lived else "OVER"
        yield f"{row.name:24} {alarms:4} of {lived} years, {state} ({time.perf_counter() - start:.0f} s)"
    for delay in DELAYS:
        found = delay.run(max(years // 4, 9), default_rng(seed))
        told = "reported" if delay.target is None else f"target {delay.target}"
        yield f"{delay.name:24} {found:4.0f} nights, {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261130)
    options = parser.parse_args()
    for line in measured(options.years, options.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
