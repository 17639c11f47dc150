"""Who serves stands in the ledger; the registry is asked where it may have been edited, and its edits are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from leeway.errors import RegistryError
from leeway.jobs import epochs
from leeway.jobs.nightly import nightly
from leeway.monitor.past import past_epochs
from leeway.release.retrain import request
from leeway.settings import Settings
from leeway.stores.opening import Stores
from leeway.workspace import Workspace
from memory_ports import MemoryNotifier, MemoryRegistry
from production import VERSION, begun, known, label_all, morning, night, open_in, send
from tiny_bundle import write_tiny_bundle


class Unreachable:
    """A registry that nobody should ask."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the registry was asked: {name}")


class Away:
    """A registry that cannot be reached."""

    def aliases(self, model: str) -> dict[str, int]:
        raise RegistryError("MLflow cannot be reached")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_in(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def workspace(tmp_path: Path, stores: Stores) -> Workspace:
    """A workspace with ports of the test's own; its registry has two versions and no champion."""
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring" / "policy.yaml").write_text("{}")
    made = Workspace(Settings(workspace=tmp_path, model="colours").resolved())
    registry = MemoryRegistry(tmp_path / "registry")
    for temperature in (0.05, 0.1):
        bundle = tmp_path / f"bundle-{temperature}"
        write_tiny_bundle(bundle, temperature=temperature)
        registry.register(bundle, model="colours", tags={})
    made.__dict__.update(stores=stores, registry=registry, notifier=MemoryNotifier(), trigger=None)
    return made


def served(workspace: Workspace) -> list[tuple[int, object, object]]:
    return [(one.version, one.began_at, one.ended_at) for one in workspace.ledger.serving_periods("colours")]


def test_an_alias_that_somebody_moved_begins_an_epoch_and_is_told(workspace: Workspace) -> None:
    workspace.registry.set_alias("colours", "champion", 1)
    first = epochs.champion(workspace, morning(1))
    assert (first.version.version, first.began_at) == (1, morning(1))
    asked = request(first, asked_by="a person")
    workspace.registry.set_alias("colours", "champion", 2)
    assert epochs.champion(workspace, morning(2)).version.version == 1, "the ledger says who serves"
    moved = epochs.reconcile(workspace, morning(3))
    [withdrawn] = workspace.ledger.decisions("colours")
    assert (withdrawn.key, withdrawn.outcome) == (asked.key, "withdrawn: version 2 serves now")
    assert moved is not None
    assert (moved.version.version, moved.began_at) == (2, morning(3))
    assert served(workspace) == [(1, morning(1), morning(3)), (2, morning(3), None)]
    assert workspace.ledger.serving_periods("colours")[-1].why == epochs.MOVED
    assert ["version 2 serves" in one.title for one in workspace.ledger.pending_alerts()] == [False, True]


def test_a_registry_that_agrees_changes_nothing(workspace: Workspace) -> None:
    workspace.registry.set_alias("colours", "champion", 1)
    epochs.reconcile(workspace, morning(1))
    before, alerts = served(workspace), workspace.ledger.pending_alerts()
    epochs.reconcile(workspace, morning(2))
    assert (served(workspace), workspace.ledger.pending_alerts()) == (before, alerts)


def test_an_alias_that_is_lost_leaves_the_version_serving(workspace: Workspace) -> None:
    workspace.registry.set_alias("colours", "champion", 1)
    epochs.reconcile(workspace, morning(1))
    workspace.registry.drop_alias("colours", "champion")
    kept = epochs.reconcile(workspace, morning(2))
    assert kept is not None
    assert served(workspace) == [(1, morning(1), None)]


def test_a_ledger_of_the_release_before_is_compared_once(workspace: Workspace, stores: Stores) -> None:
    begun(stores)
    with stores.ledger.database.transaction(writes=True) as connection:
        connection.exec_driver_sql("UPDATE ledger SET reconciled_at = NULL")
    workspace.registry.set_alias("colours", "champion", 2)
    assert epochs.champion(workspace, morning(2)).version.version == 2
    workspace.__dict__["registry"] = Unreachable()
    assert epochs.champion(workspace, morning(3)).version.version == 2


def test_a_command_that_needs_no_champion_compares_once_too_and_goes_on_without_a_registry(
    workspace: Workspace, stores: Stores
) -> None:
    begun(stores)
    with stores.ledger.database.transaction(writes=True) as connection:
        connection.exec_driver_sql("UPDATE ledger SET reconciled_at = NULL")
    registry = workspace.registry
    workspace.__dict__["registry"] = Away()
    epochs.reconcile_once(workspace, morning(2))
    assert not stores.ledger.is_reconciled()
    registry.set_alias("colours", "champion", 2)
    workspace.__dict__["registry"] = registry
    epochs.reconcile_once(workspace, morning(2))
    assert stores.ledger.is_reconciled()
    assert [one[0] for one in served(workspace)] == [1, 2]


def test_without_a_champion_the_message_says_how_to_get_one(workspace: Workspace) -> None:
    with pytest.raises(RegistryError, match=r"no champion yet.*leeway release"):
        epochs.champion(workspace, morning(1))


def test_a_monitor_with_nothing_due_and_a_prediction_ask_no_registry(workspace: Workspace, stores: Stores) -> None:
    begun(stores)
    workspace.__dict__["registry"] = Unreachable()
    done = nightly(workspace, morning(0))
    assert done.failures.errors == []
    assert epochs.find_champion(workspace, morning(1)) is not None
    assert epochs.champion(workspace, morning(1)).version == VERSION


def test_the_night_that_was_due_is_decided_for_the_version_that_served_and_the_moved_alias_then_begins(
    workspace: Workspace, stores: Stores
) -> None:
    begun(stores)
    send(stores, 1)
    workspace.registry.set_alias("colours", "champion", 2)
    done = nightly(workspace, morning(1))
    assert done.failures.errors == []
    assert [(one.version.version, one.nights[-1].night) for one in done.mornings] == [(1, night(1))]
    assert [one[0] for one in served(workspace)] == [1, 2]


def test_a_registry_that_cannot_be_reached_stops_no_night(workspace: Workspace, stores: Stores) -> None:
    begun(stores)
    send(stores, 1)

    workspace.__dict__["registry"] = Away()
    done = nightly(workspace, morning(1))
    assert [str(one) for one in done.failures.errors] == ["MLflow cannot be reached"]
    assert done.mornings[0].decided_now


def test_a_rollback_is_a_third_epoch_to_which_evidence_of_the_first_does_not_belong(
    workspace: Workspace, stores: Stores
) -> None:
    workspace.registry.set_alias("colours", "champion", 1)
    begun(stores)
    for number in (1, 2):
        send(stores, number)
        nightly(workspace, morning(number))
        label_all(stores, number)
    begun(stores, known(VERSION, 2), at=morning(3))
    begun(stores, at=morning(4))
    back = epochs.champion(workspace, morning(5))
    assert (back.version.version, back.began_at) == (1, morning(4))
    assert (back.history.windows, back.history.plans, back.history.decided) == ([], [], [])
    assert [one[0] for one in served(workspace)] == [1, 2, 1]


def test_a_service_that_kept_the_old_version_is_looked_at_beside_the_champion(
    workspace: Workspace, stores: Stores
) -> None:
    workspace.registry.set_alias("colours", "champion", 2)
    begun(stores)
    begun(stores, known(VERSION, 2), at=morning(2))
    seen = []
    for number in range(1, 5):
        send(stores, number)
        done = nightly(workspace, morning(number))
        assert done.failures.errors == []
        seen.append([(one.version.version, [it.night for it in one.nights]) for one in done.mornings])
    assert seen[3] == [(1, [night(4)]), (2, [night(4)])]
    assert [one.night for one in stores.ledger.windows("colours", 1)] == [night(number) for number in range(1, 5)]
    assert [one.night for one in stores.ledger.windows("colours", 2)] == [night(3), night(4)]
    told = dict(stores.ledger.results("colours", 2, check="traffic"))[night(4)]
    assert "200 of version 1" in told.reason
    later = nightly(workspace, morning(5))
    assert [one.version.version for one in later.mornings] == [2], "nobody asked version 1 any more"


def test_a_canary_that_was_never_released_is_replayed_with_the_others(workspace: Workspace, stores: Stores) -> None:
    workspace.registry.set_alias("colours", "champion", 1)
    begun(stores)
    stores.ledger.record_model(known(VERSION, 3))
    for number in (1, 2):
        send(stores, number)
        send(stores, number, count=60, version=3)
        nightly(workspace, morning(number))
    at = workspace.fleet.last_epoch("colours", morning(3))
    found = [(one.version.version, [it.night for it in one.history.windows]) for one in past_epochs(at)]
    assert found == [(1, [night(1), night(2)]), (3, [night(1), night(2)])]
