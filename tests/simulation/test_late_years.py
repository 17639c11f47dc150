"""Late plans raise no false alarms: whole years with a part of the labels weeks late, at the very limit.

Nothing else is made up here than when an answer comes: the design, the bets and the threshold are those of the product.
"""

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import binom

from leeway.simulate.production import Production, classifier
from leeway.stats import edetector
from leeway.stats.allocation import allocate, guesses_at
from leeway.stats.spread import SHARE_OF_LIMIT

YEARS, NIGHTS, LONGEST = 500, 365, 28  # nights that the last answers take
LIMIT, ALPHA = 0.10, 0.02  # error rate, and the chance of a false alarm in a year that accuracy has


def alarmed(
    production: Production, *, labels: int, late: float, rng: Generator, rate: float, late_rate: float
) -> NDArray[np.bool_]:
    """(Y,) years with an alarm. Each draw is answered late with chance `late`.

    rate: answered share that the plan reckons with when it closes, and late_rate the one its late plan does. What has
    not come yet is unanswered in the first, and the late plan holds what came: as `History.labels` reads them.
    """
    design = allocate(production.guesses, uniform_share=0.2, sizes=production.sizes, answer_rates=np.full(6, rate))
    likely = guesses_at(design.guesses, design.sizes, limit=LIMIT)
    part = design.part(np.ones(len(design.sizes), dtype=bool), likely=likely)
    items, spread = production.sizes.sum(), SHARE_OF_LIMIT * LIMIT
    chances = np.cumsum(design.probability * production.sizes)
    coming = np.zeros((NIGHTS + LONGEST + 2, YEARS, len(edetector.DROPS)))
    wealth, fired = np.tile(edetector.START, (YEARS, 1)), np.zeros(YEARS, dtype=bool)
    for night in range(NIGHTS):
        drawn = np.searchsorted(chances, rng.random((YEARS, labels))).clip(max=len(chances) - 1)
        wrong = rng.random(drawn.shape) < production.error_rates[drawn]
        is_late = rng.random(drawn.shape) < late
        delay = night + 1 + rng.integers(1, LONGEST + 1)
        before = np.zeros(YEARS)
        for when, answered, reckoned, inside in (
            (night, ~is_late, rate, np.ones_like(is_late)),
            (delay, is_late, late_rate, is_late),
        ):
            deflation = edetector.design_effect(
                draws=inside.sum(axis=1), clustering=1.0, spread=spread,
                variance=part.variance * LIMIT * (1 - LIMIT), counted_before=before,
            )  # fmt: skip
            coming[when] += edetector.night_factor(
                wrong & answered,
                weights=answered / (items * design.probability[drawn] * reckoned),
                guesses=design.control[drawn],
                mean_guess=part.mean_control,
                error_limit=LIMIT,
                deflation=deflation,
                counts=inside.astype(np.int64),
            )
            before = answered.sum(axis=1)
        wealth = edetector.update(wealth, coming[night])
        fired |= edetector.log_mixture(wealth) >= np.log(edetector.threshold(ALPHA))
    return fired


@pytest.mark.parametrize("labels", [20, 70])
def test_late_plans_keep_the_promise_at_the_limit_whatever_part_comes_late(labels: int) -> None:
    production = classifier(predictions=2000, accuracy=1 - LIMIT)
    for late in (0.5, 0.9):
        rng = np.random.default_rng([labels, round(10 * late)])
        count = int(alarmed(production, labels=labels, late=late, rng=rng, rate=1 - late, late_rate=1.0).sum())
        assert binom.sf(count - 1, YEARS, ALPHA) > 0.001, f"{count} of {YEARS} years alarm, {ALPHA:.0%} are promised"
