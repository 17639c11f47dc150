"""What is shown only: how often it is said of nights in which nothing changes."""

import numpy as np
import pytest

from leeway.simulate.shown import Nights, findings


@pytest.mark.parametrize(
    "nights",
    [
        Nights(2000, reference=270, weekend=0.4),
        Nights(20_000, weekend=0.4),
        Nights(20_000, looks=200),
        Nights(2000, group=50),
    ],
    ids=["weekly 2,000", "weekly 20,000", "days that look different", "groups of 50"],
)
def test_while_nothing_changes_no_night_asks_and_images_are_hardly_ever_said_to_differ(nights: Nights) -> None:
    found = findings(nights, 4, days=40, rng=np.random.default_rng(5))
    assert found["asks"].sum() == 0
    assert found["images"].sum() <= 2  # of 160 nights; .01 of them where nights are independent draws
