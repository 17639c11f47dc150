"""A census of images in groups raises no false alarms, at the very limit, where the log names the groups."""

import numpy as np
import pytest
from scipy.stats import binom

from leeway.simulate.given import census, given_years

YEARS, LIMIT, ALPHA = 400, 0.10, 0.02


def alarms(size: int, *, known: bool) -> int:
    night = census(1_000, LIMIT, alike=size, known=known)
    first = given_years(night, limit=LIMIT, alpha=ALPHA, years=YEARS, rng=np.random.default_rng(size))
    return int((first >= 0).sum())


def is_too_often(count: int) -> bool:
    return bool(binom.sf(count - 1, YEARS, ALPHA) < 0.001)


@pytest.mark.parametrize("size", [10, 50, 200])
def test_a_census_in_groups_keeps_the_promise_at_the_limit(size: int) -> None:
    count = alarms(size, known=True)
    assert not is_too_often(count), f"{count} of {YEARS} years alarm, {ALPHA:.0%} are promised"


def test_groups_that_the_log_does_not_name_break_it() -> None:
    assert is_too_often(alarms(200, known=False))
