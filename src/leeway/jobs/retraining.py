"""The retraining job: labels become data, data a challenger, and the challenger a champion if the gate lets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from leeway.bundle.contents import read_contents
from leeway.domain.commit import Commit
from leeway.domain.records import Cause, Decision, ModelVersion, Release
from leeway.epoch import Epoch
from leeway.jobs import epochs
from leeway.jobs.failures import Failures
from leeway.jobs.releasing import grounds, log_commit
from leeway.jobs.step import RunStep, call
from leeway.jobs.telling import TOLD, tell_people
from leeway.release import retrain
from leeway.release.judge import judge
from leeway.release.release import release
from leeway.workspace import Workspace

CALENDAR = "the calendar"


@dataclass(frozen=True, slots=True)
class Retrained:
    """What came of a retraining."""

    release: Release
    dataset_digest: str
    commit: str  # of git, that holds what made it; with what it lacks, if anything


def retraining(workspace: Workspace, request: str | None, now: datetime, *, run: RunStep = call) -> Retrained | None:
    """Claim the request, train on its labels, judge what came of it, and release it or not.

    Without a request it is the calendar that asks, if there is enough to learn. Returns None if there was nothing to
    do, or somebody else is at it. Whatever happens, people are told at the end.
    """
    champion = epochs.reconcile(workspace, now) or epochs.champion(workspace, now)
    decision = claim(workspace, champion, request)
    if decision is None:
        return None
    with at_work(workspace, champion, decision):
        run(retrain.add_labels, champion, decision, workspace.repository, folder=workspace.feedback)
        run(retrain.fetch_champion, workspace.versions, decision, workspace.repository, folder=workspace.start)
        run(reproduce, workspace)
        commit = run(commit_made, workspace, decision)
        version = run(register, workspace, decision, commit)
        candidate = workspace.fleet.epoch(version, now)
        verdict = run(judge, candidate, champion, workspace.versions, grounds(workspace))
        made = run(release, candidate, verdict, workspace.registry)
        run(retrain.finish, candidate, decision, made)
    return Retrained(made, version.dataset_digest, commit.text)


def claim(workspace: Workspace, champion: Epoch, request: str | None) -> Decision | None:
    """Return the request, now ours; without one the calendar's, if it is worth it."""
    if request is None:
        if not retrain.is_worth_it(champion, folder=workspace.feedback):
            return None
        request = retrain.request(champion, asked_by=CALENDAR, cause=Cause.CALENDAR).key
    return retrain.claim(champion, request)


@contextmanager
def at_work(workspace: Workspace, champion: Epoch, decision: Decision) -> Iterator[None]:
    """Around the work on a claimed request; whatever happens, people are told at the end."""
    try:
        with retrain.failure_reported(champion, decision):
            yield
    except Exception as error:
        if "release" in champion.policy.alerts.about:
            error.add_note(TOLD)
        raise
    finally:
        with Failures().kept("alerts"):  # which stay in the outbox; the retraining's own error is what is raised
            tell_people(workspace, champion.as_of)


def reproduce(workspace: Workspace) -> None:
    """Run `dvc repro`."""
    workspace.repository.reproduce()


def commit_made(workspace: Workspace, decision: Decision) -> Commit:
    """Commit what made it before anything is released, also where people have other work lying about."""
    message = retrain.commit_message(decision, read_contents(workspace.bundle).dataset_digest)
    return log_commit(workspace.repository.commit(message))


def register(workspace: Workspace, decision: Decision, commit: Commit) -> ModelVersion:
    """Register what it made, with the decision's reason and cause, and the commit."""
    cause = decision.cause or Cause.ACCURACY  # a request of the release before: the stricter rule
    return workspace.versions.register(workspace.bundle, reason=decision.reason, cause=cause, commit=commit)
