"""Nulls of what is only shown, or asks: nights on which it says something while nothing has changed.

    python benchmarks/nulls_first.py [--years 20] [--days 365] [--asks-only]

`images`: nights of a year on which attribution says that images look different; `asks`: years in which a night of the
first four weeks asks to be accepted (likeness).
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

from leeway.simulate.shown import Nights, findings


@dataclass(frozen=True, slots=True)
class Row:
    """One production in which nothing changes; `reported`: outside of what the checks take for granted."""

    name: str
    nights: Nights
    reported: bool = False


ROWS = (
    Row("independent draws, 300 a night, test split 270", Nights(300, reference=270, mix=0)),
    Row("independent draws, 2,000, test split 2,100", Nights(2000, mix=0)),
    Row("weekly pattern 2,000, test split 270", Nights(2000, reference=270, weekend=0.4)),
    Row("weekly pattern 2,000, test split 2,100", Nights(2000, weekend=0.4)),
    Row("weekly pattern 20,000, test split 270", Nights(20000, reference=270, weekend=0.4)),
    Row("weekly pattern 20,000, test split 2,100", Nights(20000, weekend=0.4)),
    Row("days that look different, Dirichlet(800), 2,000", Nights(2000, looks=800)),
    Row("days that look different, Dirichlet(800), 20,000", Nights(20000, looks=800)),
    Row("days that look different, Dirichlet(200), 20,000", Nights(20000, looks=200)),
    Row("groups of 10, 2,000", Nights(2000, group=10)),
    Row("groups of 50, 2,000", Nights(2000, group=50)),
    Row("groups of 10, 300, test split 270", Nights(300, reference=270, group=10), reported=True),
    Row("production less sure by 5 points, 2,000", Nights(2000, unsure=0.05), reported=True),
    Row("production less sure by 10 points, 2,000", Nights(2000, unsure=0.10), reported=True),
    Row("production less sure by 25 points, 2,000", Nights(2000, unsure=0.25), reported=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--asks-only", action="store_true", help="40 nights of each year, and likeness alone: quick")
    chosen = parser.parse_args()
    print(f"{'':52}{'images: nights':>22}{'years with one':>16}{'asks: years':>13}{'seconds':>9}")
    for number, row in enumerate(ROWS):
        started = time.monotonic()
        days = 40 if chosen.asks_only else chosen.days
        rng = np.random.default_rng([12, number])
        found = findings(row.nights, chosen.years, days=days, rng=rng, images=not chosen.asks_only)
        images, asks = found["images"], found["asks"]
        shares = f"{(images > 0).mean():>16.0%}{(asks > 0).mean():>13.1%}"
        name = row.name + (" (reported)" if row.reported else "")
        print(f"{name:52}{images.mean():>22.1f}{shares}{time.monotonic() - started:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
