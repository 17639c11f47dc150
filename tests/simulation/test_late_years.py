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
from leeway.stats.allocation import allocate

YEARS, NIGHTS, LONGEST = 500, 365, 28  # nights that the last answers take
LIMIT, ALPHA = 0.10, 0.02  # error rate, and the chance of a false alarm in a year that accuracy has


def alarmed(
    production: Production, *, labels: int, late: float, rng: Generator, put_off: float = 0.0
) -> NDArray[np.bool_]:
    """(Y,) years with an alarm. Each draw is answered late with chance `late`, a wrong one with `put_off` more.

    What the product does not promise: with .1 and .5 (wrong ones put off) 4 % of years alarm at 20 labels, 70 % at 70.
    """
    design = allocate(production.guesses, uniform_share=0.2, sizes=production.sizes)
    items = production.sizes.sum()
    chances = np.cumsum(design.probability * production.sizes)
    coming = np.zeros((NIGHTS + LONGEST + 2, YEARS, len(edetector.DROPS)))
    wealth, fired = np.tile(edetector.START, (YEARS, 1)), np.zeros(YEARS, dtype=bool)
    for night in range(NIGHTS):
        drawn = np.searchsorted(chances, rng.random((YEARS, labels))).clip(max=len(chances) - 1)
        wrong = rng.random(drawn.shape) < production.error_rates[drawn]
        is_late = rng.random(drawn.shape) < late + put_off * wrong
        delay = night + 1 + rng.integers(1, LONGEST + 1)
        for when, answered in ((night + 1, ~is_late), (delay, is_late)):
            coming[when] += edetector.night_log_product(
                wrong,
                weights=1 / (items * design.probability[drawn]),
                guesses=design.control[drawn],
                mean_guess=design.mean_control,
                error_limit=LIMIT,
                multiplicity=answered.astype(np.int64),
            )
        wealth = edetector.update(wealth, coming[night])
        fired |= edetector.log_mixture(wealth) >= np.log(edetector.threshold(ALPHA))
    return fired


@pytest.mark.parametrize("labels", [20, 70])
def test_late_plans_keep_the_promise_at_the_limit_whatever_part_comes_late(labels: int) -> None:
    production = classifier(predictions=2000, accuracy=1 - LIMIT)
    for late in (0.5, 0.9):
        rng = np.random.default_rng([labels, round(10 * late)])
        count = int(alarmed(production, labels=labels, late=late, rng=rng).sum())
        assert binom.sf(count - 1, YEARS, ALPHA) > 0.001, f"{count} of {YEARS} years alarm, {ALPHA:.0%} are promised"
