"""Epochs that a job works on: of the version in production, and of the models known from files.

Who serves stands in the ledger. The registry is asked only where something is registered or released, by the nightly
job when a night was due, and once by the first command that writes in a workspace of the release before.
"""

import logging
from datetime import datetime

from leeway.domain.records import Alert
from leeway.epoch import Epoch, begin
from leeway.errors import RegistryError
from leeway.jobs.failures import Failures
from leeway.monitor.due import due_nights
from leeway.monitor.fleet import trains
from leeway.monitor.night import nights_to_plan
from leeway.monitor.overview import first_release_text
from leeway.workspace import Workspace

MOVED = "the champion alias was moved in MLflow"
log = logging.getLogger("leeway.epochs")


def find_champion(workspace: Workspace, as_of: datetime) -> Epoch | None:
    """Return the epoch of the version in production, or None if none serves. Writes nothing, asks the ledger alone."""
    return workspace.fleet.serving_epoch(workspace.model, as_of)


def champion(workspace: Workspace, as_of: datetime) -> Epoch:
    """Return the same, for commands that write. Raises RegistryError, which says how to get one, if there is none."""
    serving = _serving(workspace, as_of)
    if serving is None:
        raise _no_champion(workspace, workspace.model)
    return serving


def reconcile(workspace: Workspace, as_of: datetime) -> Epoch | None:
    """Return the epoch of the version that bears the registry's alias; None if no version serves.

    If somebody moved the alias, its epoch begins now, and people are told. An alias that is lost changes nothing.
    """
    named, serving = workspace.versions.named_champion(), find_champion(workspace, as_of)  # MLflow first: it takes long
    if named is None and serving is not None:
        log.warning("%s: no version bears the alias champion; version %d serves", *_about(serving))
    elif named is not None and (serving is None or serving.version.version != named.version):
        before = f"instead of version {serving.version.version}" if serving else "and none served before"
        workspace.ledger.record_model(named)
        serving = begin(workspace.fleet.epoch(named, as_of), why=MOVED)
        log.warning("%s: somebody set the alias champion to version %d, %s", *_about(serving), before)
        title = f"leeway: {serving.model} version {named.version} serves, since {MOVED}"
        body = f"Nobody released it here: somebody moved the alias, {before}. `leeway rollback` puts the previous back."
        key = f"moved/{serving.model}/{named.version}/{as_of.isoformat()}"
        if "release" in serving.policy.alerts.about:
            workspace.ledger.queue_alert(Alert(key=key, title=title, body=body, made_at=as_of))
    if not workspace.ledger.is_reconciled():
        workspace.ledger.mark_reconciled(as_of)
    return serving


def reconcile_once(workspace: Workspace, as_of: datetime) -> None:
    """Reconcile in a workspace of the release before, if that was never done: for commands that need no champion."""
    if trains(workspace.settings) and not workspace.ledger.is_reconciled():
        try:
            reconcile(workspace, as_of)
        except RegistryError as error:
            log.warning("%s: not compared with MLflow yet: %s", workspace.model, error)


def latest(workspace: Workspace, model: str, as_of: datetime) -> Epoch:
    """Return the epoch of a model's version in production or, of a model known from files, of its last version.

    Writes nothing. Raises ParamsError for a model without a version, RegistryError for the workspace's own without a
    champion.
    """
    serving = workspace.fleet.serving_epoch(model, as_of)
    if serving is None and model == workspace.model and trains(workspace.settings):
        raise _no_champion(workspace, model)
    return serving or workspace.fleet.last_epoch(model, as_of)


def watched(workspace: Workspace, as_of: datetime, failures: Failures, *, model: str | None = None) -> list[Epoch]:
    """Return what there is to look at this morning: of each model the version in use, last, and before it every other
    version that has a night to be decided, or to be planned.

    With `model` of that one alone. A model that cannot be looked at (its policy, its registry) stops no other one.
    Raises ParamsError for a name that is not watched, RegistryError where there is nothing to look at yet.
    """
    fleet, epochs = workspace.fleet, list[Epoch]()
    for name in fleet.names(model):
        with failures.kept(name, model=name):
            if trains(workspace.settings) and name == workspace.model:
                serving = _serving(workspace, as_of)
                found = [*fleet.epochs_beside(serving), serving] if serving else []
            else:
                if workspace.log.external(name) is not None:
                    from leeway.jobs.elsewhere import learn_versions  # loads Arrow, which most mornings do without

                    learn_versions(workspace, name, as_of)
                found = fleet.epochs_from_files(name, as_of)
            epochs += [*filter(_is_due, found[:-1]), *found[-1:]]
    if not epochs and not failures.errors and trains(workspace.settings) and model in (None, workspace.model):
        champion(workspace, as_of)  # which says why there is nothing to look at
    return epochs


def _is_due(epoch: Epoch) -> bool:
    return bool(due_nights(epoch).nights or nights_to_plan(epoch))


def _no_champion(workspace: Workspace, model: str) -> RegistryError:
    if not trains(workspace.settings):
        return RegistryError("this folder watches models that are made elsewhere: none is trained or served here")
    return RegistryError(f"'{model}' has no champion yet: {first_release_text(workspace.ledger.releases(model))}")


def _serving(workspace: Workspace, as_of: datetime) -> Epoch | None:
    """What the ledger says; the registry is asked where it says nothing, or is of the release before."""
    serving = find_champion(workspace, as_of)
    return serving if serving is not None and workspace.ledger.is_reconciled() else reconcile(workspace, as_of)


def _about(epoch: Epoch) -> tuple[str, int]:
    return epoch.model, epoch.version.version
