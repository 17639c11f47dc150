"""Which nights are no image drift, and how soon is one seen?  nice python benchmarks/nulls_image.py --years 100

The rows of image drift in the table of nulls, and its delays, through the statistics of the product.
"""

from functools import partial

import numpy as np
from nulls import Delay, First, Row, try_out

from leeway.simulate.image_drift import Change, Means, alike, directed, first_alarm, shifted, wavy

BEGINS, WAITED = 42, 160  # the night of the change, and the nights that are lived through after it


def years_of(means: Means, change: Change | None = None) -> First:
    """Live years of such nights, one after another, with a change or without."""
    nights = {"nights": BEGINS + WAITED, "change": change} if change else {}
    return lambda years, rng: np.array([first_alarm(means, rng, **nights) for _ in range(years)])  # type: ignore[arg-type]


def moved(name: str, means: Means, change: Change, target: int | None = None) -> Delay:
    return Delay(name, "", target, years_of(means, change), BEGINS)


TENTH = partial(shifted, sd=0.1)
ROWS = (
    Row("iid", "images are independent draws, all nights alike", False, years_of(alike)),
    Row("nights .1", "every night lies off by .1 sd in every coordinate", False, years_of(TENTH)),
    Row(
        "three directions", "nights lie off by .3 sd along three directions", False, years_of(partial(directed, sd=0.3))
    ),
    Row(
        "AR(1) .02", "nights remember: AR(1) .9 of .02 sd in every coordinate", False, years_of(partial(wavy, sd=0.02))
    ),
    Row("AR(1) .05", "the same of .05 sd: a wave of weeks is drift", True, years_of(partial(wavy, sd=0.05))),
)
DELAYS = (
    moved(".2 sd", alike, Change(BEGINS, 0.2), 43),
    moved(".3 sd", alike, Change(BEGINS, 0.3), 15),
    moved(".5 sd", alike, Change(BEGINS, 0.5), 9),
    moved("1 sd", alike, Change(BEGINS, 1.0), 6),
    moved(".5 sd, nights of .1", TENTH, Change(BEGINS, 0.5), 23),
    moved("1 sd, nights of .1", TENTH, Change(BEGINS, 1.0), 8),
    moved("20 % of images by 3 sd", alike, Change(BEGINS, 3.0, 0.2), 9),
    moved("8 % of images by 3 sd", alike, Change(BEGINS, 3.0, 0.08)),
)


if __name__ == "__main__":
    try_out(__doc__, ROWS, DELAYS)
