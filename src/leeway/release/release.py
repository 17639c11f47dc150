"""Releases: registers a bundle as challenger, and moves the champion alias where the gate let it pass."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from leeway.bundle.contents import read_contents, verify_bundle
from leeway.checks.policy import Policy
from leeway.domain.ports import Registry, Store
from leeway.domain.records import Alert, ModelVersion, Release, Verdict
from leeway.errors import RegistryError

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
PROMOTED, REFUSED, FOR_REVIEW, ROLLED_BACK = "promoted", "refused", "left for review", "rolled back"
UNCHANGED = "is the champion already"
LONGEST_TEXT = 5_000  # characters of a description or tag that every database behind MLflow takes
log = logging.getLogger("leeway.release")

Fetch = Callable[[int], Path]  # a version's bundle as a local folder


def register(bundle: Path, *, model: str, registry: Registry, store: Store, reason: str) -> ModelVersion:
    """The bundle as a model version, alias challenger unless it is in production. A known bundle keeps its version."""
    contents = verify_bundle(bundle)
    version = registry.register(bundle, model=model, tags={"reason": reason, "gate": "not judged"})
    if registry.aliases(model).get(CHAMPION) != version:
        registry.set_alias(model, CHALLENGER, version)
    found = ModelVersion(
        model=model,
        version=version,
        bundle_digest=registry.tags(model, version)["bundle_digest"],
        dataset_digest=contents.dataset_digest,
        reference=contents.reference,
    )
    store.record_model(found)
    return found


def champion_of(model: str, *, registry: Registry, store: Store, fetch: Fetch, now: datetime) -> ModelVersion:
    """Returns the version in production, its epoch begun. Raises RegistryError if there is none yet."""
    found = find_champion(model, registry=registry, store=store, fetch=fetch)
    if found is None:
        raise RegistryError(
            f"'{model}' has no champion yet: `dvc repro` makes a bundle, `leeway release` registers and judges it, "
            "and `leeway promote VERSION` puts it into production"
        )
    return with_epoch(found, store, now=now)


def find_champion(model: str, *, registry: Registry, store: Store, fetch: Fetch) -> ModelVersion | None:
    """Returns the version in production, as the registry has it: also one that a person made champion in MLflow.

    Writes nothing: one that never served has no `serving_since`. None if there is no champion yet.
    """
    version = registry.aliases(model).get(CHAMPION)
    return None if version is None else find_version(model, version, registry=registry, store=store, fetch=fetch)


def find_version(model: str, version: int, *, registry: Registry, store: Store, fetch: Fetch) -> ModelVersion:
    """Returns a version of the registry, also one that was registered elsewhere. Writes nothing.

    Raises RegistryError for an unknown one.
    """
    digest = registry.tags(model, version)["bundle_digest"]
    known = store.model_version(model, version)
    if known is not None:
        return known
    contents = read_contents(fetch(version))
    return ModelVersion(model, version, digest, contents.dataset_digest, contents.reference)


def with_epoch(version: ModelVersion, store: Store, *, now: datetime) -> ModelVersion:
    """Returns the version that serves with its epoch, which begins now unless it has begun."""
    return begin_epoch(version, store, now=now) if version.serving_since is None else version


def begin_epoch(version: ModelVersion, store: Store, *, now: datetime) -> ModelVersion:
    """Records that the version serves from now on: the only place where an epoch begins."""
    begun = replace(version, serving_since=now)
    store.record_model(begun)
    return begun


def release(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    verdict: Verdict,
    *,
    registry: Registry,
    store: Store,
    policy: Policy,
    now: datetime,
    approved_by: str | None = None,
) -> Release:
    """Acts on the verdict. The version's description and tags carry every number first; then it is promoted, refused,
    or, where the policy says `review` and nobody approved it yet, left for review."""
    if champion is not None and champion.version == challenger.version:
        return Release(champion.model, champion.version, None, UNCHANGED, "the pipeline made the same bundle", now)
    outcome = PROMOTED if approved_by or policy.promotion.mode == "auto" else FOR_REVIEW
    outcome = outcome if verdict.passed else REFUSED
    evidence = {
        "gate": verdict.outcome,
        "gate_against": str(champion.version) if champion else "absolute floors",
        **{f"gate_{part}": _as_json(numbers) for part, numbers in verdict.numbers.items()},
        "review": {PROMOTED: f"approved by {approved_by or 'policy'}", FOR_REVIEW: "pending"}.get(outcome, "not asked"),
    }
    registry.describe(
        challenger.model, challenger.version, text=_description(champion, verdict, outcome), tags=evidence
    )
    if outcome == PROMOTED:
        _promote(challenger, champion, registry=registry, store=store, now=now)
    made = Release(
        model=challenger.model,
        version=challenger.version,
        previous=champion.version if champion else None,
        outcome=outcome,
        reason="; ".join(verdict.reasons),
        at=now,
    )
    _record(made, store, policy)
    return made


def rollback(champion: ModelVersion, *, registry: Registry, store: Store, policy: Policy, now: datetime) -> Release:
    """Puts the previous version back into production. Raises RegistryError, with nothing moved, if there is none."""
    model, previous = champion.model, registry.aliases(champion.model).get(PREVIOUS)
    known = store.model_version(model, previous) if previous is not None else None
    if previous is None or known is None:
        listed = ", ".join(map(str, registry.versions(model)))
        raise RegistryError(f"'{model}' has no previous version to roll back to (versions: {listed}); `leeway promote`")
    registry.set_alias(model, CHAMPION, previous)
    registry.drop_alias(model, PREVIOUS)
    _begin_serving(known, champion, store, now=now)
    made = Release(model, previous, champion.version, ROLLED_BACK, f"version {champion.version} was withdrawn", now)
    _record(made, store, policy)
    return made


def _promote(
    challenger: ModelVersion, champion: ModelVersion | None, *, registry: Registry, store: Store, now: datetime
) -> None:
    """Each alias is read back by the registry; at no moment is there no champion."""
    if champion is not None:
        registry.set_alias(champion.model, PREVIOUS, champion.version)
    registry.set_alias(challenger.model, CHAMPION, challenger.version)
    if registry.aliases(challenger.model).get(CHALLENGER) == challenger.version:
        registry.drop_alias(challenger.model, CHALLENGER)
    _begin_serving(challenger, champion, store, now=now)


def _begin_serving(version: ModelVersion, before: ModelVersion | None, store: Store, *, now: datetime) -> None:
    """A new epoch; nobody is asked any more about what the version before it said."""
    begin_epoch(version, store, now=now)
    if before is not None:
        for plan in store.plans(before.model, before.version):
            if plan.closed_at is None:
                store.close_plan(plan.id, closed_at=now)


def _record(made: Release, store: Store, policy: Policy) -> None:
    store.record_release(made)
    log.info("%s version %d: %s", made.model, made.version, made.outcome)
    if "release" in policy.alerts.about:
        title = f"leeway: {made.model} version {made.version} {made.outcome}"
        key = f"release/{made.model}/{made.version}/{made.outcome}/{made.at.isoformat()}"
        store.queue_alert(Alert(key=key, title=title, body=made.reason, made_at=made.at))


def _description(champion: ModelVersion | None, verdict: Verdict, outcome: str) -> str:
    """Markdown: MLflow shows it on the version's page, above the tags with every number."""
    against = f"champion version {champion.version}" if champion else "absolute floors, being the first"
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
    return f"**{outcome}**: gate {verdict.outcome} (against {against})\n\n{reasons}\n"[:LONGEST_TEXT]


def _as_json(numbers: Any) -> str:
    """JSON without numpy, and with null where a number is not finite. Of many classes those that lose most, to fit."""
    plain = _plain(numbers)
    text = json.dumps(plain, ensure_ascii=False)
    while len(text) > LONGEST_TEXT and isinstance(plain, dict) and len(plain) > 1:
        worst = sorted(plain.items(), key=lambda pair: _loss(pair[1]), reverse=True)
        plain = dict(worst[: len(plain) // 2])
        text = json.dumps(plain, ensure_ascii=False)
    return text


def _loss(numbers: Any) -> float:
    return (numbers.get("loss") or 0.0) if isinstance(numbers, dict) else 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
