"""A monitor that is silent is noticed: nights that nobody looked at are named once their grace is over (F19)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from leeway.monitor.fleet import Fleet
from leeway.monitor.heartbeat import GRACE_HOURS, listen
from leeway.settings import Settings
from leeway.stores.images import FolderImageStore
from memory_stores import MemoryStores
from production import VERSION, begun, known, live_morning, morning, night, send

END = timedelta(hours=22)  # of the night, from the morning before on
GRACE = timedelta(hours=GRACE_HOURS)
SECOND = timedelta(seconds=1)


@pytest.fixture
def fleet(stores: MemoryStores, tmp_path: Path) -> Fleet:
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "monitoring" / "watched").mkdir(parents=True)
    (tmp_path / "monitoring" / "policy.yaml").write_text("{}")
    return fresh(stores, tmp_path)


def fresh(stores: MemoryStores, folder: Path) -> Fleet:
    settings = Settings(workspace=folder, model="colours").resolved()
    return Fleet(settings, stores.log, stores.ledger, FolderImageStore(folder))


def live(stores: MemoryStores, *numbers: int) -> None:
    for number in numbers:
        send(stores, number)
        live_morning(stores, number)


def test_nights_that_are_decided_are_on_time(stores: MemoryStores, fleet: Fleet) -> None:
    live(stores, 1, 2, 3)
    [line] = listen(fleet, morning(3)).on_time
    assert "colours version 1" in line
    assert f"{night(3)}" in line
    assert listen(fleet, morning(3)).late == []


def test_a_scheduler_that_stopped_is_noticed_within_the_night_and_its_grace(stores: MemoryStores, fleet: Fleet) -> None:
    live(stores, 1, 2)
    send(stores, 3)
    alarm = morning(2) + END + GRACE
    assert listen(fleet, alarm - SECOND).late == []
    assert listen(fleet, alarm - SECOND, grace_hours=3.0).late != []
    [line] = listen(fleet, alarm).late
    assert "colours version 1" in line
    assert f"night of {night(2)}, at {morning(2):%Y-%m-%d %H:%M} UTC" in line
    assert f"since then the night of {night(3)}" in line


def test_nights_without_a_prediction_count_too_and_the_first_and_the_last_are_named(
    stores: MemoryStores, fleet: Fleet
) -> None:
    live(stores, 1)
    [line] = listen(fleet, morning(4) + END).late
    assert f"3 nights, of {night(2)} to {night(4)}" in line


def test_what_was_late_is_on_time_again_when_the_monitor_has_run(stores: MemoryStores, fleet: Fleet) -> None:
    live(stores, 1)
    for number in (2, 3, 4):
        send(stores, number)
    assert listen(fleet, morning(5)).late != []
    live_morning(stores, 4)
    heard = listen(fleet, morning(4) + END + GRACE - SECOND)
    assert (len(heard.on_time), heard.late) == (1, [])


def test_a_version_that_was_promoted_and_never_looked_at_is_named(stores: MemoryStores, fleet: Fleet) -> None:
    live(stores, 1)
    begun(stores, known(VERSION, 2), at=morning(1))
    send(stores, 3, version=2)
    [line] = listen(fleet, morning(5)).late
    assert "colours version 2 never looked at" in line
    assert f"to {night(4)}, are over" in line


def test_a_version_that_still_answers_beside_the_champion_is_asked_about_too(
    stores: MemoryStores, fleet: Fleet
) -> None:
    live(stores, 1)
    begun(stores, known(VERSION, 2), at=morning(1))
    send(stores, 2)  # by a service that kept version 1
    send(stores, 2, version=2, name="two")
    live_morning(stores, 2, version=known(VERSION, 2))
    heard = listen(fleet, morning(3))
    assert [line.partition(" looked")[0] for line in heard.on_time] == ["colours version 2"]
    [line] = heard.late
    assert line.startswith("colours version 1 looked at last")
    assert f"the night of {night(2)} is over" in line


def test_a_model_known_from_files_is_asked_about_beside_the_others(
    stores: MemoryStores, fleet: Fleet, tmp_path: Path
) -> None:
    live(stores, 1)
    (tmp_path / "monitoring" / "watched" / "pets.yaml").write_text("{}")
    stores.ledger.record_model(replace(VERSION, model="pets"))
    heard = listen(fresh(stores, tmp_path), morning(1))
    assert [line.partition(":")[0] for line in heard.on_time[1:]] == ["pets version 1"]
    assert "no night of it is over yet" in heard.on_time[1]


def test_a_model_whose_policy_cannot_be_read_is_late_and_the_others_are_still_asked_about(
    stores: MemoryStores, fleet: Fleet, tmp_path: Path
) -> None:
    live(stores, 1)
    (tmp_path / "monitoring" / "watched" / "birds.yaml").write_text("acuracy: {}\n")
    heard = listen(fresh(stores, tmp_path), morning(1))
    assert len(heard.on_time) == 1
    [line] = heard.late
    assert line.startswith("birds: cannot be looked at: ")
    assert "acuracy" in line


def test_where_nothing_is_watched_nobody_is_told_that_all_is_well(tmp_path: Path, fleet: Fleet) -> None:
    heard = listen(fresh(MemoryStores(), tmp_path), morning(1))
    assert heard.on_time == []
    assert "nothing is watched here yet" in heard.late[0]
