"""Nulls: a row of the table of nulls, a delay with its target, and the command that lives a module's own.

A world is lived by a function of (years, rng) that says on which night each year first alarms.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

Floats = NDArray[np.float64]
First = Callable[[int, Generator], NDArray[np.integer]]  # (years, rng) -> (Y,) night, from 0, of the first alarm; or -1

AT_ONCE = 100  # years that are lived together: what they need stays in the processor's cache
TRIAL = 100  # years, where nobody says


@dataclass(frozen=True, slots=True)
class Row:
    """A world in which nothing is wrong: an alarm in it is false."""

    name: str
    told: str
    reported: bool  # whether it is only reported: its null is not the check's
    first: First
    budget: float = 0.02
    full: int = 500  # years

    def run(self, years: int, rng: Generator) -> tuple[int, int]:
        """Return (years with an alarm, years lived)."""
        return int((_lived(self.first, years, rng) >= 0).sum()), years


@dataclass(frozen=True, slots=True)
class Delay:
    """A change, and how soon half of the years are to see it; without a target it is reported."""

    name: str
    told: str
    target: float | None
    first: First
    change: int  # night from 0

    def run(self, years: int, rng: Generator) -> Floats:
        """(Y,) nights from the change to the alarm, the first changed one as 1; inf: never.

        Years in which it had alarmed before the change are left out.
        """
        first = _lived(self.first, years, rng)
        after = first[(first < 0) | (first >= self.change)]
        delays: Floats = np.where(after < 0, np.inf, after - self.change + 1.0)
        return delays


def _lived(first: First, years: int, rng: Generator) -> NDArray[np.integer]:
    batches = [min(AT_ONCE, years - start) for start in range(0, years, AT_ONCE)]
    return np.concatenate([first(some, rng) for some in batches])


def try_out(told: str | None, rows: Iterable[Row], delays: Iterable[Delay] = ()) -> None:
    """Live these rows and delays in few years, and print what came of each."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=TRIAL)
    parser.add_argument("--only", default="", help="rows and delays whose name contains this")
    asked = parser.parse_args()
    for one in (*delays, *rows):
        if asked.only not in one.name:
            continue
        started = time.process_time()
        found = one.run(asked.years, default_rng(1))
        if isinstance(one, Row):
            text = f"{found[0]} of {found[1]}{' (reported)' * one.reported}"
        else:
            median, most = np.quantile(found, [0.5, 0.9], method="inverted_cdf")
            target = "reported" if one.target is None else f"at most {one.target:g} wanted"
            text = f"median {median:g} nights, nine in ten {most:g}; {target}"
        print(f"{one.name:75} {text}, {time.process_time() - started:.0f} s", flush=True)
