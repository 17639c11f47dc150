"""Overview: one model on one screen: champion, last night's results, open decisions, label queue."""

from datetime import datetime

from leeway.checks.accuracy import Accuracy
from leeway.domain.records import Action, Decision, DecisionState, Status
from leeway.monitor.night import Watch
from leeway.workspace import Workspace


def overview(workspace: Workspace, *, now: datetime) -> str:
    """Plain text: a line for each watched model, the worst first, and more of the workspace's own."""
    fleet = _fleet(workspace, now=now)
    own = _own(workspace) if workspace.trains else ""
    return "\n\n".join(one for one in (fleet, own) if one)


def _fleet(workspace: Workspace, *, now: datetime) -> str:
    """A line for each model that is known from files; empty if there is none."""
    lines = []
    labelled = workspace.store.numbers_of_labels() if workspace.watched else {}
    for model in workspace.watched:
        watches = workspace.watches(now, model)
        if watches:
            lines.append(_line(watches[-1], labelled=labelled.get(model, 0)))
        else:
            lines.append((1, f"{model:20} ? no reference here yet: leeway watch init {model} --reference FILE"))
    told = [text for _, text in sorted(lines)]
    budget = f"{workspace.policy.false_alarm_probability_per_year:.2%} a year each"
    return "\n".join([f"{len(told)} models known from files; false alarms: {budget}", *told]) if told else ""


def _line(at: Watch, *, labelled: int) -> tuple[int, str]:
    """(rank, text): fired before no verdict before quiet."""
    found = at.results()
    last = [one for night, one in found if night == found[-1][0]]
    fired = [one for one in last if one.status is Status.FIRED]
    watching = {name for name, check in at.policy.checks.items() if check.budget_share}
    silent = [one for one in last if one.status is Status.NO_VERDICT and one.check in watching]
    accuracy = next((one for one in last if one.check == Accuracy.name and one.effect is not None), None)
    seen = f"accuracy {accuracy.effect:.1%}" if accuracy and accuracy.effect is not None else "accuracy unknown"
    about = f"{at.champion.model:20} version {at.champion.version}  {seen:17} {labelled:,} labelled  "
    night = f"night of {found[-1][0]}" if found else "no night yet"
    if fired:
        return 0, f"{about}! {', '.join(one.check for one in fired)} fired, {night}"
    if silent or not last:
        return 1, f"{about}? no verdict: {', '.join(one.check for one in silent) or 'nothing was checked'}, {night}"
    return 2, f"{about}  quiet, {night}"


def _own(workspace: Workspace) -> str:
    """At most about 30 lines. A workspace without a champion is told what to do next."""
    store, model = workspace.store, workspace.model
    champion = workspace.find_champion()
    if champion is None:
        return f"model      {model}\nchampion   none yet: `dvc repro` makes a bundle, `leeway release` judges it"
    reference, aliases = champion.reference, sorted(workspace.registry.aliases(model).items())
    since = f"{champion.serving_since:%Y-%m-%d %H:%M}" if champion.serving_since else "not yet recorded"
    queue, labelled = len(store.label_queue(model)), store.numbers_of_labels().get(model, 0)
    lines = [
        f"model      {model}",
        f"champion   version {champion.version}, serving since {since}, "
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
