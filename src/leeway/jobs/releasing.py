"""Releasing: a bundle judged and promoted, a version approved, the champion withdrawn."""

import logging
from datetime import UTC, datetime

from leeway.bundle.contents import INDEX, read_contents
from leeway.checks.policy import load_policy
from leeway.data.manifest import read_manifest
from leeway.domain.commit import Commit
from leeway.domain.records import Cause, Release
from leeway.epoch import Epoch
from leeway.errors import BundleError, WorkspaceError
from leeway.jobs import epochs
from leeway.jobs.telling import tell_people
from leeway.release.judge import Grounds, judge
from leeway.release.release import release, rollback
from leeway.workspace import Workspace

log = logging.getLogger("leeway.releasing")


def release_bundle(workspace: Workspace, now: datetime, *, reason: str) -> Release:
    """Commit what made the bundle of the last `dvc repro`, register it, judge it, and promote it or not.

    Raises ParamsError, with nothing committed, for a mistake in the policy, and BundleError if there is no bundle.
    """
    load_policy(workspace.settings.policy_path)  # before anything is committed or registered
    commit = commit_made(workspace, reason=reason)
    version = workspace.versions.register(workspace.bundle, reason=reason, cause=Cause.HAND, commit=commit)
    return _judge_and_release(workspace, workspace.fleet.epoch(version, now))


def commit_made(workspace: Workspace, *, reason: str) -> Commit:
    """Commit what made the bundle, if nobody has other work lying about; what keeps git from it is logged.

    Raises BundleError if there is no bundle.
    """
    if not (workspace.bundle / INDEX).is_file():
        raise BundleError(f"models/bundle holds no bundle (no {INDEX}): `dvc repro` makes one, then `leeway release`")
    message = f"Dataset {read_contents(workspace.bundle).dataset_digest[:12]}: {reason}\n"
    try:
        commit = workspace.repository.commit(message, only_if_clean=True)
    except WorkspaceError as error:  # no repository: a model can be released without
        commit = Commit("", lacks="what made it", remarks=(f"not committed: {error}",))
    return log_commit(commit)


def log_commit(commit: Commit) -> Commit:
    """Say what was committed, and what else there is to say of it; return it."""
    if commit.is_new:
        log.info("what made this model is git commit %s", commit.hash[:12])
    for remark in commit.remarks:
        log.warning("%s", remark)
    return commit


def judge_again(workspace: Workspace, version: int, now: datetime) -> Release:
    """Judge a version again that waited for labels of the gate, and do with it what `release_bundle` would."""
    return _judge_and_release(workspace, workspace.fleet.epoch(workspace.versions.find(version), now))


def approve(workspace: Workspace, version: int, now: datetime, *, approved_by: str) -> Release:
    """Judge a version again that a person approves, and promote it if it passes. Raises RegistryError if unknown."""
    candidate = workspace.fleet.epoch(workspace.versions.find(version), now)
    return _judge_and_release(workspace, candidate, approved_by=approved_by)


def withdraw(workspace: Workspace, now: datetime) -> Release:
    """Put the previous version back into production. Raises RegistryError, with nothing moved, without one."""
    epochs.reconcile(workspace, now)
    made = rollback(epochs.champion(workspace, now), workspace.versions)
    tell_people(workspace, now)
    return made


def grounds(workspace: Workspace) -> Grounds:
    """Return what a candidate is judged on now. A look at the test split is noted with the time of the clock."""
    manifest = read_manifest(workspace.dataset)
    return Grounds(manifest, workspace.dataset.parent, workspace.checklist, workspace.test_reads, datetime.now(UTC))


def _judge_and_release(workspace: Workspace, candidate: Epoch, *, approved_by: str | None = None) -> Release:
    champion = epochs.reconcile(workspace, candidate.as_of)
    verdict = judge(candidate, champion, workspace.versions, grounds(workspace))
    made = release(candidate, verdict, workspace.registry, approved_by=approved_by)
    tell_people(workspace, candidate.as_of)
    return made
