"""Retrains: a request is claimed once, its data put in place, and what came of it written back."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from leeway.checks.policy import Policy, policy_digest
from leeway.checks.windows import night_of
from leeway.data.shards import read_feedback
from leeway.domain.ports import DataRepository, ImageStore, Registry, Store
from leeway.domain.records import Action, Alert, Decision, DecisionState, ModelVersion, Release
from leeway.errors import StoreError
from leeway.labels import answers
from leeway.release.release import CHAMPION
from leeway.training.imbalance import write_class_weights

log = logging.getLogger("leeway.retrain")


def request(store: Store, champion: ModelVersion, policy: Policy, *, asked_by: str, now: datetime) -> Decision:
    """The oldest open request of this model, or else a new one in the name of `asked_by` (the calendar, a person)."""
    waiting = [one for one in store.decisions(champion.model) if _open(one)]
    if waiting:
        return waiting[0]
    night = night_of(now, policy.zone)
    decision = Decision(
        key=f"{champion.model}/{champion.version}/{night}/{asked_by} {now:%H:%M:%S}",
        model=champion.model,
        version=champion.version,
        night=night,
        action=Action.RETRAIN,
        reason=f"asked for by {asked_by}",
        made_at=now,
        policy_digest=policy_digest(policy),
        state=DecisionState.OPEN,
    )
    store.record_decision(decision)
    return decision


def is_worth_it(store: Store, champion: ModelVersion, policy: Policy, *, folder: Path) -> bool:
    """Whether the calendar may retrain: only with `min_new_labels` that no shard in `folder` holds yet."""
    stored = {row["origin"] for row in read_feedback(folder)}
    labels = answers.training_labels(store, champion, policy, since=None)
    new, needed = sum(one.id not in stored for _, one in labels), policy.retrain.min_new_labels
    log.info("calendar: %d new labels to train on, %d needed (retrain.min_new_labels)", new, needed)
    return new >= needed


def claim(store: Store, model: str, key: str, *, now: datetime) -> Decision | None:
    """The request, now running and ours; None if somebody else has it, it is done, or another retraining runs.

    Raises StoreError for a key that is no request.
    """
    found = [one for one in store.decisions(model) if one.key == key and one.action is Action.RETRAIN]
    if not found:
        waiting = ", ".join(one.key for one in store.decisions(model) if _open(one)) or "none"
        raise StoreError(f"'{key}' is no retraining request of '{model}'; open requests: {waiting} (`leeway status`)")
    if store.claim_decision(key, now=now):
        return found[0]
    log.info("%s: skipped: it is done, or a retraining is running", key)
    return None


@contextmanager
def told(store: Store, decision: Decision, policy: Policy, *, now: datetime) -> Iterator[None]:
    """Around the work on a claimed request: however it fails, the request is closed and people are to be told."""
    try:
        yield
    except BaseException as error:  # cancelling included: an open claim would block the next retraining
        reason = str(error) or type(error).__name__
        store.finish_decision(decision.key, failed=True, outcome=reason)
        if "release" in policy.alerts.about:
            title = f"leeway: retraining of {decision.model} failed"
            body = f"{decision.key} ({decision.reason}): {reason}"
            store.queue_alert(Alert(key=f"{decision.key}/failed", title=title, body=body, made_at=now))
        raise


def add_labels(
    store: Store,
    champion: ModelVersion,
    policy: Policy,
    decision: Decision,
    *,
    images: ImageStore,
    repository: DataRepository,
    folder: Path,
) -> Path | None:
    """The labels that this request trains on, as one more shard under DVC; None if there are no new ones."""
    alarm = answers.alarm_before(store.decisions(champion.model), champion, night=decision.night)
    since = answers.labels_since(alarm, policy) if decision.nightly else None
    labels = answers.training_labels(store, champion, policy, since=since)
    shard = answers.add_feedback(labels, images, folder=folder, name=decision.key.replace("/", "-").replace(" ", "-"))
    if shard is not None:
        repository.add(shard)
    return shard


def fetch_champion(registry: Registry, decision: Decision, *, folder: Path) -> Path | None:
    """The champion's bundle where DVC sees it, for training to start from; None if there is no champion.

    Beside it in `folder` stand the class weights that the decision carries, if any.
    """
    write_class_weights(folder, decision.class_weights)
    version = registry.aliases(decision.model).get(CHAMPION)
    return None if version is None else registry.fetch(decision.model, version, folder / "champion")


def finish(
    store: Store, decision: Decision, release: Release, *, repository: DataRepository, dataset_digest: str
) -> str:
    """Commits the dataset version with the reason, and closes the request; gives the commit's hash."""
    outcome = f"version {release.version} {release.outcome}: {release.reason}"
    commit = repository.commit(
        f"Dataset {dataset_digest[:12]}: {decision.model} version {release.version} {release.outcome}\n\n"
        f"Why retrained ({decision.key}): {decision.reason}\nGate: {release.reason}\n"
    )
    store.finish_decision(decision.key, failed=False, outcome=outcome)
    return commit


def _open(decision: Decision) -> bool:
    return decision.action is Action.RETRAIN and decision.state is DecisionState.OPEN
