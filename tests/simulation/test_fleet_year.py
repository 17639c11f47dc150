"""A fleet to which everything happens at random, also in a process that dies: after each morning its ledger holds."""

from pathlib import Path

import pytest

from random_fleet import CHANCES, RandomFleet


def live(fleet: RandomFleet, *, days: int) -> None:
    for day in range(days):
        if fleet.live(day):
            assert fleet.broken(day) == [], f"day {day}, seed {fleet.seed}"


@pytest.mark.parametrize("seed", [1, 2])
def test_after_each_morning_of_a_random_month_the_ledger_holds(tmp_path: Path, seed: int) -> None:
    fleet = RandomFleet(tmp_path, models=4, seed=seed, often=4)
    live(fleet, days=25)
    assert fleet.happened["died"] > 3
    assert sum(fleet.happened[what] > 0 for what in CHANCES) > 7, fleet.happened


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_after_each_morning_of_a_random_year_of_twenty_models_the_ledger_holds(tmp_path: Path) -> None:
    fleet = RandomFleet(tmp_path, models=20, seed=0)
    live(fleet, days=365)
    assert {what for what in CHANCES if not fleet.happened[what]} == set()
