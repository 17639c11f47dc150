"""Pruning: predictions that are older than the workspace keeps them are removed, never one that may still count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from leeway.checks.windows import night_bounds, night_of
from leeway.domain.forgetting import Forgotten
from leeway.domain.stores import LATE_NIGHTS
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.errors import HeldError
from leeway.jobs.claims import is_dead
from leeway.labels.late import LATE_TRUTH_NIGHTS
from leeway.monitor.due import due_nights
from leeway.monitor.fleet import trains
from leeway.stores.columnar.log import ColumnarLog
from leeway.workspace import Workspace

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Needed:
    """A night from which on predictions are still needed, and why."""

    since: date
    why: str


@dataclass(frozen=True, slots=True)
class Pruning:
    """What goes of one model."""

    model: str
    asked: date  # the first night that was to be kept
    first_kept: date  # the first one that is kept
    horizon: datetime  # where it begins
    rows: int = 0
    nights: int = 0
    bytes: int | None = None  # of files; None: in a database, which uses the room again
    kept: Sequence[str] = ()  # why nights before `asked` stay


def plan_pruning(workspace: Workspace, model: str, before: date | None, now: datetime) -> Pruning | None:
    """Return what is to go; None where nothing says how long predictions are kept. Writes nothing."""
    policy = workspace.fleet.policy_of(model)
    today, days = night_of(now, policy.zone), policy.retention.predictions_days
    if before is None and days is None:
        return None
    asked = before or today - days * DAY  # type: ignore[operator]
    planned = Pruning(model, asked, asked, night_bounds(asked, policy.zone)[0])
    epochs = _epochs(workspace, model, now)
    if not epochs:
        return replace(planned, kept=("all: no night of it was ever closed here",))
    needs = [one for one in _needed(epochs, today) if one.since < asked]
    first = min([asked, *(one.since for one in needs)])
    horizon = min(one.bounds(first)[0] for one in epochs)
    return _counted(
        workspace, replace(planned, first_kept=first, horizon=horizon, kept=tuple(one.why for one in needs))
    )


def prune(workspace: Workspace, planned: Pruning, now: datetime) -> Forgotten:
    """Remove it. Raises HeldError while a monitor is at a night of the model."""
    for claim in workspace.ledger.held_nights(planned.model, now=now):
        if not is_dead(claim.holder):
            raise HeldError(
                f"the night of {claim.night} of {planned.model} is being decided by {claim.holder}; wait for its end, "
                "and then prune",
                holder=claim.holder,
            )
    forgotten: Forgotten = workspace.log.forget(planned.model, before=planned.horizon)
    return forgotten


def pruning_text(planned: Pruning) -> str:
    """Return what goes and what stays, in some lines."""
    room = "" if planned.bytes is None else f", about {planned.bytes / 2**20:,.1f} MiB of files"
    goes = f"{counted(planned.rows, 'prediction')} of {counted(planned.nights, 'closed night')}{room}"
    lines = [
        f"{planned.model}, before the night of {planned.first_kept}",
        f"  goes   {goes if planned.rows else 'nothing'}",
    ]
    lines += [f"  stays  {why}" for why in planned.kept]
    return "\n".join(lines)


def _epochs(workspace: Workspace, model: str, now: datetime) -> list[Epoch]:
    """Every version whose nights are decided here, the one in use last."""
    if trains(workspace.settings) and model == workspace.model:
        serving = workspace.fleet.serving_epoch(model, now)
        return [*workspace.fleet.epochs_beside(serving), serving] if serving else []
    return workspace.fleet.epochs_from_files(model, now)


def _needed(epochs: Sequence[Epoch], today: date) -> list[Needed]:
    needs = [Needed(today, f"the night of {today}, which is not over")]
    for epoch in epochs:
        version = f"version {epoch.version.version}"
        if undecided := due_nights(epoch).undecided:
            first = min(undecided)
            needs.append(Needed(first, f"{version}: from {first} on nights are not closed yet; next: leeway monitor"))
        plans = epoch.history.plans
        if open_plans := [one.night for one in epoch.history.open_plans()]:
            first = min(open_plans)
            needs.append(Needed(first, f"{version}: the label plan of {first} is open, and what it drew still counts"))
        truth = [one.night for one in plans if one.given and one.night >= today - LATE_TRUTH_NIGHTS * DAY]
        if truth:
            why = f"labels that come with the log measure {LATE_TRUTH_NIGHTS} nights late"
            needs.append(Needed(min(truth), f"{version}: from {min(truth)} on {why}"))
    in_use = epochs[-1]
    if closed := sorted(in_use.history.cut)[-LATE_NIGHTS:]:
        why = f"late rows of the last {counted(len(closed), 'closed night')} are still counted"
        needs.append(Needed(closed[0], f"version {in_use.version.version}: from {closed[0]} on {why}"))
    return needs


def _counted(workspace: Workspace, planned: Pruning) -> Pruning:
    rows, nights = 0, set[date]()
    for version in workspace.ledger.versions(planned.model):
        first = workspace.log.first_at(version)
        if first is None or first >= planned.horizon:
            continue
        rows += workspace.log.count(version, first, planned.horizon)
        bounds = workspace.ledger.window_bounds(version.model, version.version)
        nights |= {night for night, (_, end) in bounds.items() if first < end <= planned.horizon}
    log = workspace.log
    size = log.bytes_before(planned.model, planned.horizon) if isinstance(log, ColumnarLog) else None
    return replace(planned, rows=rows, nights=len(nights), bytes=size)
