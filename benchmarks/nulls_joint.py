"""Does the policy keep what it promises of a year as a whole?  nice python benchmarks/nulls_joint.py --years 20

Drift, accuracy, and classes and slices, which are all that can start something, watch one year together in which
nothing is wrong and all is awkward at once; a year counts if any of them alarms. The budget is the whole policy's.

2,000 predictions a night of ten classes and four cameras. Accuracy, each precision and each camera are 2 points better
than their floors, each recall is 12 points better than its floor, which is that of the shipped policy. Nights differ by
3 points; every other class is 15 % more frequent at weekends, and days differ (Dirichlet 800); images come in groups of
ten, which are right or wrong and answered together, and which drift is not told of; people skip hard ones, 2 % of their
labels are wrong, and a second person looks at half of the contradictions.
"""

from functools import partial

import numpy as np
from nulls import Row, try_out
from nulls_accuracy import SKIPS
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.policy import Policy
from leeway.simulate.production import Production, classifier, weekly_pattern
from leeway.simulate.traffic import AlikeImages, People, RealTraffic, differing
from leeway.simulate.years import Limits, simulate_years

Floats = NDArray[np.float64]

YEARS = 2000
PREDICTIONS, GROUP = 2000, 10
SLACK, SPREAD, ERROR, SECONDS = 0.02, 0.03, 0.02, 0.5  # points better, sd of nights, wrong labels, second person
POLICY = Policy.model_validate({"labels": {"error_rate": ERROR, "second_opinion": "errors"}})
WORLD = classifier(predictions=PREDICTIONS, accuracy=0.92, classes=10, slices=4)


def first_alarms(labels: int, years: int, rng: Generator) -> NDArray[np.int64]:
    """(Y,) night, from 0, of the first alarm of any check; -1 without one."""
    people = People(SKIPS["hard ones skipped"], error=ERROR, seconds=SECONDS)
    traffic = RealTraffic(deviation=differing(SPREAD), groups=AlikeImages(GROUP), people=people)
    lived = simulate_years(
        *(WORLD, POLICY), years=years, rng=rng, labels=labels, limits=near_the_limits(WORLD), traffic=traffic,
        day_shares=in_groups,
    )  # fmt: skip
    nights = np.array(list(lived.first_alarm.values()))
    first = np.where(nights < 0, np.iinfo(np.int64).max, nights).min(axis=0)
    return np.where(lived.any_alarm, first, -1)


def near_the_limits(world: Production) -> Limits:
    """Return the limits that this world is 2 points under, but for recall's: that is the policy's own."""
    single = {}
    for way, kinds in (("precision", world.predicted), ("slice", world.slice)):
        for which in np.unique(kinds).tolist():
            rate = np.average(world.error_rates[kinds == which], weights=world.sizes[kinds == which])
            single[f"{way} {which}"] = float(rate) + SLACK
    floor = POLICY.check(ClassAccuracy).floor
    single |= {f"recall {which}": 1 - floor for which in range(world.classes)}
    return Limits(accuracy=world.error_rate + SLACK, single=single, precision=1 - world.error_rate)


def in_groups(night: int, shares: Floats, years: int, rng: Generator) -> Floats:
    """(Y, J) shares of the groups of a night of the benign weekly pattern, each of which is answered as a whole."""
    groups = PREDICTIONS // GROUP
    return rng.multinomial(groups, weekly_pattern(night, shares, years, rng)) / groups


ROWS: tuple[Row, ...] = tuple(
    Row(
        f"all checks in one awkward year, {labels} planned",
        f"all checks in one awkward year, {labels} planned: nights of sd 3, 2 points under the limit, a weekly "
        "pattern, groups of 10, hard ones skipped, 2 % of labels wrong, a second person for half of the contradictions",
        reported=False,
        first=partial(first_alarms, labels),
        budget=POLICY.false_alarm_probability_per_year,
        full=YEARS,
    )
    for labels in (20, 70)
)


if __name__ == "__main__":
    try_out(__doc__, ROWS)
