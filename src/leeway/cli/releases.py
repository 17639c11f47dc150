"""Commands that train, judge and release versions: retrain, release, promote, rollback."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Answer, Json, answering
from leeway.errors import RefusedError

if TYPE_CHECKING:
    from leeway.cli.schemas import ReleasedFacts
    from leeway.domain.records import Decision, Release
    from leeway.workspace import Workspace


def retrain(as_json: Json = False) -> None:
    """Retrain now: for the request that is open, or else for a new one in your name."""
    from leeway.jobs import epochs
    from leeway.release.retrain import request as ask
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace() as workspace:
        now = datetime.now(UTC)
        request = ask(epochs.champion(workspace, now), asked_by="hand")
        made = run_request(workspace, request, answer, now=now)
        if made is None:
            raise RefusedError(f"{request.key}: another retraining is running; `leeway status` shows it")
        _stop_if_refused(made)


def release(as_json: Json = False) -> None:
    """Register the bundle of the last `dvc repro`, judge it, and promote it or leave it for review."""
    from leeway.jobs.releasing import release_bundle
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace() as workspace:
            made = release_bundle(workspace, datetime.now(UTC), reason="released by hand")
        _report(made, answer)


def promote(
    version: Annotated[int, typer.Argument(help="The version that a person approves.")], as_json: Json = False
) -> None:
    """Approve a version: it is judged again, and promoted if it passes the gate."""
    from leeway.jobs.releasing import approve
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace() as workspace:
            made = approve(workspace, version, datetime.now(UTC), approved_by="a person")
        _report(made, answer)


def rollback(as_json: Json = False) -> None:
    """Put the previous version back into production."""
    from leeway.jobs.releasing import withdraw
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace() as workspace:
            made = withdraw(workspace, datetime.now(UTC))
        _report(made, answer)


def run_request(workspace: "Workspace", request: "Decision", answer: Answer, *, now: datetime) -> "Release | None":
    """Run the steps of the training flow, and say what came of it. Returns None if the request is not ours to run."""
    from leeway.cli.schemas import RetrainedFacts
    from leeway.jobs.retraining import retraining

    done = retraining(workspace, request.key, now)
    if done is None:
        return None
    answer.say(*what_is_next(done.release))
    answer.say(f"dataset version {done.dataset_digest[:12]} is git commit {done.commit}")
    released = released_facts(done.release)
    answer.give(
        RetrainedFacts(request=request.key, release=released, dataset_digest=done.dataset_digest, commit=done.commit)
    )
    return done.release


def released_facts(made: "Release") -> "ReleasedFacts":
    """Return what became of a version."""
    from leeway.cli.schemas import ReleasedFacts

    return ReleasedFacts(
        model=made.model,
        version=made.version,
        previous=made.previous,
        outcome=made.outcome,
        reason=made.reason,
        at=made.at,
        gate_labels_wanted=made.wanted,
    )


def _report(made: "Release", answer: Answer) -> None:
    answer.give(released_facts(made))
    answer.say(*what_is_next(made))
    _stop_if_refused(made)


def what_is_next(made: "Release") -> list[str]:
    """Return what a person does next. What came of it is in the log, and in the alert that is printed or sent."""
    if made.outcome == "left for review":
        return [f"Approve it with `leeway promote {made.version}`; every number stands on the version in MLflow."]
    if made.outcome == "refused":
        held_to = "the champion" if made.previous else "promotion.min_accuracy and promotion.min_class_recall"
        return [
            f"It was held to {held_to} (`promotion` in monitoring/policy.yaml) and to reports/checklist.json.",
            "Change params.yaml or the images, then `dvc repro` and `leeway release` again.",
        ]
    if made.outcome == "is the champion already":
        return [f"{made.model} version {made.version} {made.outcome}: {made.reason}, and nothing was changed."]
    return []


def _stop_if_refused(made: "Release") -> None:
    """Raises RefusedError, with the gate's reasons, for a version that was refused."""
    if made.outcome == "refused":
        raise RefusedError(f"{made.model} version {made.version} was refused: {made.reason}")
