"""Releasing: a bundle judged and promoted, a version approved, the champion withdrawn."""

from datetime import UTC, datetime

from leeway.data.manifest import read_manifest
from leeway.domain.records import Cause, Release
from leeway.epoch import Epoch
from leeway.jobs import epochs
from leeway.jobs.telling import tell_people
from leeway.release.judge import Grounds, judge
from leeway.release.release import release, rollback
from leeway.workspace import Workspace


def release_bundle(workspace: Workspace, now: datetime, *, reason: str) -> Release:
    """Register the bundle of the last `dvc repro`, judge it, and promote it, refuse it or leave it for review."""
    version = workspace.versions.register(workspace.bundle, reason=reason, cause=Cause.HAND)
    return _judge_and_release(workspace, workspace.fleet.epoch(version, now))


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
