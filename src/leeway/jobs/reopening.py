"""Reopening: nights that were decided wrongly are taken back, so that the next run decides them anew."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from leeway.domain.records import Action, DecisionState
from leeway.domain.reopening import Reopening
from leeway.errors import HeldError
from leeway.jobs.claims import is_dead
from leeway.workspace import Workspace

UNDER_WAY = (DecisionState.OPEN, DecisionState.RUNNING)


def reopen(workspace: Workspace, model: str, night: date, now: datetime) -> Reopening:
    """Take the nights from this one on back, with their pages. Raises HeldError while a monitor is at one of them."""
    try:
        made = workspace.ledger.reopen(model, night, at=now)
    except HeldError as held:
        if not is_dead(held.holder):
            raise
        made = workspace.ledger.reopen(model, night, at=now, instead_of=[held.holder])
    for one in made.content["windows"]:
        for page in workspace.night_pages.glob(f"{model}-{one['version']}-{one['night']}*.html"):
            page.unlink()
    return made


def content_text(model: str, night: date, content: Mapping[str, Sequence[Any]]) -> str:
    """Return what a reopening takes back, in some lines."""
    decisions, windows = content["decisions"], content["windows"]
    if not decisions and not windows:
        return ""
    alarms = [one["key"] for one in decisions if one["action"] == Action.MORE_LABELS]
    requests = [one for one in decisions if one["action"] == Action.RETRAIN]
    waiting = [one["key"] for one in requests if one["state"] in UNDER_WAY]
    done = [one["key"] for one in requests if one["state"] not in UNDER_WAY]
    versions = sorted({one["version"] for one in windows})
    nights = sorted({one["night"] for one in windows})
    lines = [
        f"{model}, from {night} on",
        f"  nights     {len(nights)}, the last {nights[-1] if nights else 'none'}, of version "
        f"{', '.join(map(str, versions)) or 'none'}: they are closed and decided anew by the next `leeway monitor`",
        f"  decisions  {len(decisions)}{_listed(', alarms', alarms)}{_listed(', open requests', waiting)}",
        f"  plans      {len(content['label_plans'])} without draws go; the labels of {len(content['applied_again'])} "
        "others are applied again",
        f"  alerts     {len(content['alerts'])} go: a night that is decided anew tells people anew",
    ]
    lines += [f"  stays      what came of the retraining that {one} asked for" for one in done]
    return "\n".join(lines)


def _listed(what: str, keys: Sequence[str]) -> str:
    return f"{what}: {', '.join(keys)}" if keys else ""
