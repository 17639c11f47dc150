"""Retrains: a request is claimed once, its data put in place, and what came of it written back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leeway.checks.policy import policy_digest
from leeway.checks.windows import night_of
from leeway.domain.ports import DataRepository
from leeway.domain.records import Action, Alert, Cause, Decision, DecisionState, Release
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.errors import StoreError, WorkspaceError
from leeway.labels import answers, feedback
from leeway.labels.images import count_readable, left_out_text
from leeway.release.versions import CHAMPION, Versions
from leeway.training.imbalance import write_class_weights

log = logging.getLogger("leeway.retrain")
MEND_IMAGES = "Put the images back where they were: a later retraining takes them"


def request(epoch: Epoch, *, asked_by: str, cause: Cause = Cause.HAND) -> Decision:
    """Return the oldest open request of this version, or else a new one in the name of `asked_by`, for this cause."""
    number = epoch.version.version
    waiting = [one for one in epoch.ledger.decisions(epoch.model) if _open(one) and one.version == number]
    if waiting:
        return waiting[0]
    night = night_of(epoch.as_of, epoch.policy.zone)
    decision = Decision(
        key=f"{epoch.model}/{number}/{night}/{asked_by} {epoch.as_of:%H:%M:%S}",
        model=epoch.model,
        version=number,
        night=night,
        action=Action.RETRAIN,
        reason=f"asked for by {asked_by}",
        made_at=epoch.as_of,
        policy_digest=policy_digest(epoch.policy),
        state=DecisionState.OPEN,
        cause=cause,
    )
    epoch.ledger.record_decision(decision)
    return decision


def is_worth_it(epoch: Epoch, *, folder: Path) -> bool:
    """Return whether the calendar may retrain: only with `min_new_labels` that no shard in `folder` holds yet.

    A label whose image is not to be had counts for nothing: it would ask for a retraining for ever.
    """
    unused = feedback.not_stored(answers.training_labels(epoch, since=None), folder)
    needed = epoch.policy.retrain.min_new_labels
    new = len(unused)
    if new >= needed and (readable := count_readable(unused, epoch.images, most=needed)) < needed:
        new = readable
    log.info("calendar: %d new labels to train on, %d needed (retrain.min_new_labels)", new, needed)
    return new >= needed


def claim(epoch: Epoch, key: str) -> Decision | None:
    """Take the request; None if somebody else has it, it is done, or another retraining runs.

    Raises StoreError for a key that is no request.
    """
    decisions = epoch.ledger.decisions(epoch.model)
    requests = [one for one in decisions if one.key == key and one.action is Action.RETRAIN]
    if not requests:
        waiting = ", ".join(one.key for one in decisions if _open(one)) or "none"
        raise StoreError(
            f"'{key}' is no retraining request of '{epoch.model}'; open requests: {waiting} (`leeway status`)"
        )
    if epoch.ledger.claim_decision(key, now=epoch.as_of):
        return requests[0]
    log.info("%s: skipped: it is done, or a retraining is running", key)
    return None


@contextmanager
def failure_reported(epoch: Epoch, decision: Decision) -> Iterator[None]:
    """Around the work on a claimed request: however it fails, close the request and queue an alert."""
    try:
        yield
    except BaseException as error:  # cancelling included: an open claim would block the next retraining
        reason = str(error) or type(error).__name__
        epoch.ledger.finish_decision(decision.key, failed=True, outcome=reason)
        if "release" in epoch.policy.alerts.about:
            title = f"leeway: retraining of {decision.model} failed"
            body = f"{decision.key} ({decision.reason}): {reason}"
            epoch.ledger.queue_alert(Alert(key=f"{decision.key}/failed", title=title, body=body, made_at=epoch.as_of))
        raise


def add_labels(epoch: Epoch, decision: Decision, repository: DataRepository, *, folder: Path) -> Path | None:
    """Write the labels that this request trains on as one more shard under DVC; None if there are no new ones.

    Labels whose image cannot be read are left out: the log and an alert name them, and the others train.
    """
    alarm = epoch.alarm_ever(decision.night)
    since = answers.labels_since(alarm, epoch.policy) if decision.nightly else None
    labels = answers.training_labels(epoch, since=since)
    name = decision.key.replace("/", "-").replace(" ", "-")
    added = feedback.add_feedback(labels, epoch.images, folder=folder, name=name)
    if added.left_out:
        _tell_left_out(epoch, decision, added)
    if added.shard is not None:
        repository.add(added.shard)
    return added.shard


def _tell_left_out(epoch: Epoch, decision: Decision, added: feedback.Feedback) -> None:
    rest = (
        f"the other {added.new - len(added.left_out):,} train"
        if added.shard
        else "no new image is left to train on, and the retraining goes on with the data as it was"
    )
    text = f"{left_out_text(added.left_out, of=added.new)}; {rest}. {MEND_IMAGES}"
    log.warning("%s: %s", decision.key, text)
    if "release" in epoch.policy.alerts.about:
        images = counted(added.new, "labelled image")
        title = f"leeway: {decision.model} retrains without {len(added.left_out):,} of {images}"
        epoch.ledger.queue_alert(Alert(f"{decision.key}/left out", title, f"{decision.key}: {text}", epoch.as_of))


def fetch_champion(versions: Versions, decision: Decision, repository: DataRepository, *, folder: Path) -> Path | None:
    """Put the champion's bundle under DVC, for training to start from; None if there is no champion.

    Beside it in `folder` stand the class weights that the decision carries, if any.
    """
    write_class_weights(folder, decision.class_weights)
    version = versions.registry.aliases(versions.model).get(CHAMPION)
    if version is None:
        return None
    bundle = versions.registry.fetch(versions.model, version, folder / "champion")
    try:
        repository.add(bundle)
    except WorkspaceError as error:  # as where an old .gitignore forbids it; the training goes on all the same
        log.warning("%s: the commit of this retraining will lack the bundle that it started from: %s", bundle, error)
    return bundle


def commit_message(decision: Decision, dataset_digest: str) -> str:
    """Return what stands in git beside the dataset version, whatever the gate will say."""
    return (
        f"Dataset {dataset_digest[:12]}: {decision.model} retrained\n\n"
        f"Why retrained ({decision.key}): {decision.reason}\n"
    )


def finish(candidate: Epoch, decision: Decision, made: Release) -> None:
    """Close the request with what came of it."""
    outcome = f"version {made.version} {made.outcome}: {made.reason}"
    candidate.ledger.finish_decision(decision.key, failed=False, outcome=outcome)


def _open(decision: Decision) -> bool:
    return decision.action is Action.RETRAIN and decision.state is DecisionState.OPEN
