"""Epochs that a job works on: of the version in production, and of the models known from files."""

from datetime import datetime

from leeway.epoch import Epoch, begin
from leeway.jobs.failures import Failures
from leeway.monitor.fleet import trains
from leeway.workspace import Workspace


def find_champion(workspace: Workspace, as_of: datetime) -> Epoch | None:
    """Return the epoch of the version in production, or None if no version has been released. Writes nothing."""
    version = workspace.versions.find_champion()
    return None if version is None else workspace.fleet.epoch(version, as_of)


def serving(workspace: Workspace, as_of: datetime) -> Epoch | None:
    """Return the same, begun now if a person put the version there, in MLflow. For jobs that write."""
    found = find_champion(workspace, as_of)
    return None if found is None else begin(found)


def champion(workspace: Workspace, as_of: datetime) -> Epoch:
    """Return the same. Raises RegistryError, which says how to get one, if there is none yet."""
    return begin(workspace.fleet.epoch(workspace.versions.champion(), as_of))


def latest(workspace: Workspace, model: str, as_of: datetime) -> Epoch:
    """Return the epoch of a model's last version, as it is recorded or, of the workspace's own, as it is in production.

    Writes nothing. Raises ParamsError for a model without a version.
    """
    own = model == workspace.model and trains(workspace.settings) and not workspace.store.versions(model)
    return (find_champion(workspace, as_of) if own else None) or workspace.fleet.last_epoch(model, as_of)


def watched(workspace: Workspace, as_of: datetime, failures: Failures, *, model: str | None = None) -> list[Epoch]:
    """Return what there is to look at this morning: the champion, and every version of the models known from files.

    With `model` that one alone. A model that cannot be looked at (its policy, its registry) stops no other one.
    Raises ParamsError for a name that is not watched, RegistryError where there is nothing to look at yet.
    """
    fleet, epochs = workspace.fleet, list[Epoch]()
    for name in fleet.names(model):
        with failures.kept(name):
            if trains(workspace.settings) and name == workspace.model:
                found = serving(workspace, as_of)
                epochs += [found] if found else []
            else:
                epochs += fleet.epochs_from_files(name, as_of)
    if not epochs and not failures.errors and trains(workspace.settings) and model in (None, workspace.model):
        champion(workspace, as_of)  # which says why there is nothing to look at
    return epochs
