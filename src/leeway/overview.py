"""Overview: one model on one screen: champion, last night's results, open decisions, label queue."""

from datetime import datetime

from leeway.domain.records import Action, Decision, DecisionState
from leeway.wiring import Workspace


def overview(workspace: Workspace, *, now: datetime) -> str:
    """Plain text, at most about 30 lines. A workspace without a champion is told what to do next."""
    store, model = workspace.store, workspace.model
    champion = workspace.find_champion(now)
    if champion is None:
        return f"model      {model}\nchampion   none yet: `dvc repro` makes a bundle, `leeway release` judges it"
    reference, aliases = champion.reference, sorted(workspace.registry.aliases(model).items())
    queue, labelled = len(store.label_queue(model)), len(store.labels(model))
    lines = [
        f"model      {model}",
        f"champion   version {champion.version}, serving since {champion.serving_since:%Y-%m-%d %H:%M}, "
        f"test accuracy {reference.correct / max(reference.total, 1):.1%} of {reference.total} images",
        f"aliases    {', '.join(f'{name} {version}' for name, version in aliases)}",
        *_last_night(workspace, champion.version),
        *_decisions(store.decisions(model)),
        f"labels     {queue} predictions wait for a person, {labelled} are labelled",
    ]
    waiting = store.pending_alerts()
    if waiting:
        lines.append(f"alerts     {len(waiting)} not delivered; the last error: {waiting[-1].error or 'not tried yet'}")
    return "\n".join(lines)


def _last_night(workspace: Workspace, version: int) -> list[str]:
    found = workspace.store.results(workspace.model, version)
    if not found:
        return ["last night none is closed yet: predictions of a day are checked by the next `leeway monitor`"]
    night = found[-1][0]
    told = [result for at, result in found if at == night]
    return [f"last night {night}", *(f"  {one.status:10} {one.check:18} {one.reason}" for one in told)]


def _decisions(decisions: list[Decision]) -> list[str]:
    under_way = [one for one in decisions if one.state in (DecisionState.OPEN, DecisionState.RUNNING)]
    last = [one for one in decisions if one.action is not Action.NOTHING and one not in under_way][-1:]
    lines = [f"  {one.state:10} {one.action}, {one.key}: {one.reason}" for one in under_way]
    lines += [f"  last       {one.action}, {one.key}: {one.outcome or one.reason}" for one in last]
    return [f"decisions  {len(under_way)} open or running", *lines]
