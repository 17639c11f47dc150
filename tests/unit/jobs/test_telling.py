"""A monitor that could not run tells people: once a day for each model, and where there is no database directly."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leeway.domain.stores import Ledger
from leeway.errors import ParamsError, RegistryError, StoreError
from leeway.jobs import telling
from leeway.jobs.nightly import nightly
from leeway.settings import Settings
from leeway.stores.opening import Stores, open_stores
from leeway.workspace import Workspace
from memory_ports import MemoryNotifier
from production import begun, morning, send

BROKEN = "acuracy: {}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Version 1 serves from night 6 on, and the registry cannot be reached."""
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "monitoring" / "watched").mkdir(parents=True)
    (tmp_path / "monitoring" / "policy.yaml").write_text("{}")
    made = Workspace(Settings(workspace=tmp_path, model="colours").resolved())
    made.__dict__.update(notifier=MemoryNotifier(), trigger=None, registry=Away())
    begun(made.stores, at=morning(5))
    yield made
    made.close()


class Away:
    """A registry that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        raise RegistryError("MLflow cannot be reached")


class Unwritable:
    """A ledger that answers and takes nothing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def queue_alert(self, _: object) -> bool:
        raise StoreError("database has no room left on its disk")


def without_outbox(workspace: Workspace) -> None:
    stores = workspace.stores
    workspace.__dict__["stores"] = Stores(stores.log, Unwritable(stores.ledger))  # type: ignore[arg-type]


def sent(workspace: Workspace) -> list[str]:
    return [title for title, _ in workspace.notifier.sent if "finish" in title or "look at" in title]  # type: ignore[attr-defined]


def bodies(workspace: Workspace) -> str:
    return " ".join(body for _, body in workspace.notifier.sent)  # type: ignore[attr-defined]


def break_policy(workspace: Workspace, model: str) -> None:
    (workspace.folder / "monitoring" / "watched" / f"{model}.yaml").write_text(BROKEN)


def test_a_model_that_cannot_be_looked_at_is_told_once_a_day_and_the_error_is_kept(workspace: Workspace) -> None:
    break_policy(workspace, "birds")
    for hours in (0, 1, 2):
        done = nightly(workspace, morning(1) + timedelta(hours=hours))
        assert [type(one) for one in done.failures.errors] == [ParamsError]
    assert sent(workspace) == ["leeway: the monitor could not look at birds"]
    assert "acuracy" in bodies(workspace)
    nightly(workspace, morning(2))
    assert len(sent(workspace)) == 2


def test_each_model_is_told_by_itself(workspace: Workspace) -> None:
    for model in ("birds", "fish"):
        break_policy(workspace, model)
    nightly(workspace, morning(1))
    assert sent(workspace) == [f"leeway: the monitor could not look at {model}" for model in ("birds", "fish")]


def test_a_registry_that_is_down_when_a_night_was_decided_is_told(workspace: Workspace) -> None:
    send(workspace.stores, 6)
    done = nightly(workspace, morning(6))
    assert [str(one) for one in done.failures.errors] == ["MLflow cannot be reached"]
    assert sent(workspace) == ["leeway: the monitor did not finish"]
    assert "MLflow cannot be reached" in bodies(workspace)


def test_what_ends_the_whole_run_is_told_and_raised(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), telling.failure_told(workspace, morning(1), model=None):
        raise ZeroDivisionError("a bug")
    assert sent(workspace) == ["leeway: the monitor did not finish"]
    assert "ZeroDivisionError: a bug" in bodies(workspace)


def test_a_name_that_somebody_mistyped_is_told_to_nobody_else(workspace: Workspace) -> None:
    with pytest.raises(ParamsError, match="nobody"):
        nightly(workspace, morning(1), model="nobody")
    assert sent(workspace) == []


@pytest.mark.parametrize("model", [None, "colours"])
def test_a_database_that_is_away_is_told_directly_and_the_error_is_the_databases(
    workspace: Workspace, model: str | None
) -> None:
    workspace.close()
    del workspace.__dict__["stores"]
    (workspace.folder / ".leeway" / "leeway.db").unlink()
    with pytest.raises(StoreError, match="empty or not there"):
        nightly(workspace, morning(1), model=model)
    assert len(sent(workspace)) == 1
    assert "empty or not there" in bodies(workspace)


def test_a_database_that_takes_no_writes_is_told_directly(workspace: Workspace, tmp_path: Path) -> None:
    workspace.close()
    url = workspace.settings.database_url
    workspace.__dict__["stores"] = open_stores(url, lock_timeout_seconds=0.05)
    send(workspace.stores, 6)
    with closing(sqlite3.connect(tmp_path / ".leeway" / "leeway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = nightly(workspace, morning(6))
    assert "locked" in str(done.failures.errors[0])
    assert "leeway: the monitor could not look at colours" in sent(workspace)


def test_a_channel_that_fails_hides_no_error(workspace: Workspace) -> None:
    workspace.__dict__["notifier"] = MemoryNotifier(broken=True)
    with pytest.raises(ZeroDivisionError), telling.failure_told(workspace, morning(1), model=None):
        raise ZeroDivisionError
    without_outbox(workspace)
    with pytest.raises(ZeroDivisionError), telling.failure_told(workspace, morning(2), model=None):
        raise ZeroDivisionError


def test_an_alert_that_no_channel_took_waits_in_the_outbox(workspace: Workspace) -> None:
    workspace.__dict__["notifier"] = MemoryNotifier(broken=True)
    break_policy(workspace, "birds")
    nightly(workspace, morning(1))
    workspace.__dict__["notifier"] = MemoryNotifier()
    nightly(workspace, morning(1) + timedelta(hours=2))
    assert sent(workspace) == ["leeway: the monitor could not look at birds"]


def test_a_disk_that_is_full_is_told_directly(workspace: Workspace) -> None:
    without_outbox(workspace)
    break_policy(workspace, "birds")
    nightly(workspace, morning(1))
    assert sent(workspace) == ["leeway: the monitor could not look at birds"]


# Flows


def test_a_flow_that_failed_tells_people_unless_the_job_has(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.folder)
    break_policy(workspace, "birds")
    done = nightly(workspace, morning(1))
    capsys.readouterr()
    telling.tell_of_flow("monitoring", done.failures.errors[0], morning(1))
    assert capsys.readouterr().out == ""
    for _ in range(2):
        telling.tell_of_flow("monitoring", "the machine is gone", morning(1))
    out = capsys.readouterr().out
    assert out.count("leeway: the monitoring flow did not finish\nthe machine is gone") == 1
