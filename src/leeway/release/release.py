"""Releases: moves the champion alias where the gate let a version pass, and back."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from leeway.domain.ports import Registry
from leeway.domain.records import Alert, Release, Verdict
from leeway.epoch import Epoch, begin
from leeway.errors import RegistryError
from leeway.release.versions import CHALLENGER, CHAMPION, PREVIOUS, Versions

PROMOTED, REFUSED, FOR_REVIEW, ROLLED_BACK = "promoted", "refused", "left for review", "rolled back"
UNCHANGED = "is the champion already"
LONGEST_TEXT = 5_000  # characters of a description or tag that every database behind MLflow takes
log = logging.getLogger("leeway.release")


def release(candidate: Epoch, verdict: Verdict, registry: Registry, *, approved_by: str | None = None) -> Release:
    """Act on the verdict: promote the candidate, refuse it, or leave it for review.

    The version's description and tags carry every number first. It is left for review where the policy says `review`
    and nobody approved it yet; where no test could show that a class is lost, `auto` waits for a person, too.
    """
    version, policy, against = candidate.version, candidate.policy, verdict.against
    if against == version.version:
        reason = "the pipeline made the same bundle"
        return Release(version.model, version.version, None, UNCHANGED, reason, candidate.as_of)
    by_itself = policy.promotion.mode == "auto" and not verdict.unguarded
    outcome = PROMOTED if approved_by or by_itself else FOR_REVIEW
    outcome = outcome if verdict.passed else REFUSED
    evidence = {
        "gate": verdict.outcome,
        "gate_against": "absolute floors" if against is None else str(against),
        **{f"gate_{part}": _as_json(numbers) for part, numbers in verdict.numbers.items()},
        "review": {PROMOTED: f"approved by {approved_by or 'policy'}", FOR_REVIEW: "pending"}.get(outcome, "not asked"),
    }
    registry.describe(version.model, version.version, text=_description(verdict, outcome), tags=evidence)
    if outcome == PROMOTED:
        _promote(candidate, against, registry, approved_by=approved_by)
    made = Release(
        model=version.model,
        version=version.version,
        previous=against,
        outcome=outcome,
        reason="; ".join(verdict.reasons),
        at=candidate.as_of,
        wanted=verdict.wanted if outcome == REFUSED else 0,
        wanted_since=verdict.wanted_since if outcome == REFUSED else None,
    )
    _record(candidate, made)
    return made


def rollback(champion: Epoch, versions: Versions) -> Release:
    """Put the previous version back into production. Raises RegistryError, with nothing moved, if there is none."""
    model, number, registry = champion.model, champion.version.version, versions.registry
    previous = registry.aliases(model).get(PREVIOUS)
    if previous is None:
        listed = ", ".join(map(str, registry.versions(model)))
        raise RegistryError(f"'{model}' has no previous version to roll back to (versions: {listed}); `leeway promote`")
    known = versions.find(previous)
    registry.set_alias(model, CHAMPION, previous)
    registry.drop_alias(model, PREVIOUS)
    _begin_serving(replace(champion, version=known), number, why=f"{ROLLED_BACK}: version {number} was withdrawn")
    made = Release(model, previous, number, ROLLED_BACK, f"version {number} was withdrawn", champion.as_of)
    _record(champion, made)
    return made


def _promote(candidate: Epoch, before: int | None, registry: Registry, *, approved_by: str | None) -> None:
    """Each alias is read back by the registry; at no moment is there no champion."""
    model, version = candidate.model, candidate.version.version
    if before is not None:
        registry.set_alias(model, PREVIOUS, before)
    registry.set_alias(model, CHAMPION, version)
    if registry.aliases(model).get(CHALLENGER) == version:
        registry.drop_alias(model, CHALLENGER)
    _begin_serving(candidate, before, why=f"{PROMOTED}, approved by {approved_by or 'the policy'}")


def _begin_serving(epoch: Epoch, before: int | None, *, why: str) -> None:
    """Begin a new epoch; nobody is asked any more about what the version before it said."""
    begin(epoch, why=why)
    if before is not None:
        for plan in epoch.ledger.plans(epoch.model, before):
            if plan.closed_at is None:
                epoch.ledger.close_plan(plan.id, closed_at=epoch.as_of)


def _record(epoch: Epoch, made: Release) -> None:
    epoch.ledger.record_release(made)
    log.info("%s version %d: %s", made.model, made.version, made.outcome)
    if "release" in epoch.policy.alerts.about:
        title = f"leeway: {made.model} version {made.version} {made.outcome}"
        key = f"release/{made.model}/{made.version}/{made.outcome}/{made.at.isoformat()}"
        epoch.ledger.queue_alert(Alert(key=key, title=title, body=made.reason, made_at=made.at))


def _description(verdict: Verdict, outcome: str) -> str:
    """Markdown: MLflow shows it on the version's page, above the tags with every number."""
    against = (
        f"champion version {verdict.against}" if verdict.against is not None else "absolute floors, being the first"
    )
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
