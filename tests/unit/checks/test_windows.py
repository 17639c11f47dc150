"""Nights: bounds where clocks change, what becomes the reference."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from leeway.checks.windows import drift_reference, night_bounds, night_of
from made_nights import night, window

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 29), 24), (date(2025, 3, 30), 23), (date(2025, 10, 26), 25)], ids=str
)
def test_a_night_is_as_long_as_the_local_day(day, hours):
    start, end = night_bounds(day, ZURICH)
    assert end - start == timedelta(hours=hours)
    assert night_bounds(day + timedelta(days=1), ZURICH)[0] == end


def test_a_moment_belongs_to_the_night_whose_bounds_hold_it():
    moment = datetime(2025, 3, 29, 23, 30, tzinfo=UTC)  # half past midnight in Zurich
    assert night_of(moment, ZURICH) == date(2025, 3, 30)
    start, end = night_bounds(date(2025, 3, 30), ZURICH)
    assert start <= moment < end


def test_the_reference_is_the_first_quiet_nights_that_are_large_enough():
    nights = [window(0), window(1, (3, 2, 1)), window(2), window(3), window(4)]
    found = drift_reference(nights, {night(2)}, nights=2, min_predictions=100)
    assert [one.night for one in found] == [night(0), night(3)]


def test_an_incomplete_reference_is_shorter():
    assert len(drift_reference([window(0)], frozenset(), nights=7, min_predictions=100)) == 1
