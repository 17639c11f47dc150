"""A small shop with the settings that `leeway init` writes: 100 photos a night, and one person who comes on Fridays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shop import Shop, make_shop, open_shop

from leeway import open_workspace
from leeway.domain.records import Action
from leeway.release.release import PROMOTED, REFUSED

DRIFT_NIGHT, NIGHTS = 15, 34  # nights before and after it: two weeks of peace, and three Fridays


@contextmanager
def shop(folder: Path, *, drift_night: int | None) -> Iterator[Shop]:
    make_shop(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEEWAY_WORKSPACE", str(folder))
        patch.setenv("LEEWAY_LEDGER_SECRET", "of the shop")
        patch.setenv("PREFECT_HOME", str(folder / ".leeway" / "prefect"))
        patch.chdir(folder)
        with open_workspace() as workspace:
            yield open_shop(workspace, drift_night=drift_night)


@pytest.mark.timeout(1500)
def test_the_loop_closes_with_the_settings_that_init_writes(tmp_path: Path) -> None:
    with shop(tmp_path / "shop", drift_night=DRIFT_NIGHT) as lived:
        lived.live(NIGHTS)
        workspace = lived.workspace
        alarms = [one for one in lived.decisions if one.action is Action.MORE_LABELS]
        nights = [(one.night - lived.world.first_night).days + 1 for one in alarms]
        assert nights, "the tilted camera raised no alarm"
        assert DRIFT_NIGHT <= nights[0] <= DRIFT_NIGHT + 7
        released = [(night, one) for night, one in lived.releases if one.outcome == PROMOTED and one.version > 1]
        assert released, [(night, one.outcome, one.reason) for night, one in lived.releases]
        night = released[0][0]
        assert lived.accuracy(DRIFT_NIGHT, nights[0]) < 0.7
        assert lived.accuracy(night + 1, NIGHTS) > 0.93
        for _, one in lived.releases:
            assert one.outcome != REFUSED or one.wanted, f"refused, and waits for nothing: {one.reason}"
        plans = [one for version in (1, 2) for one in workspace.ledger.plans(workspace.model, version)]
        open_plans = [one for one in plans if one.closed_at is None]
        assert all((lived.decisions[-1].night - one.night).days < 8 for one in open_plans), "a Friday lost nothing"


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_year_without_drift_raises_no_alarm(tmp_path: Path) -> None:
    with shop(tmp_path / "shop", drift_night=None) as lived:
        lived.live(365)
        assert {one.action for one in lived.decisions} == {Action.NOTHING}
        assert len(lived.decisions) == 365
        assert lived.answered > 300 * 20
