"""Heartbeat: says whether every night that is over was looked at in time. Writes nothing, and asks nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from leeway.epoch import Epoch
from leeway.errors import LeewayError, in_one_line
from leeway.monitor.due import due_nights
from leeway.monitor.fleet import Fleet, trains

GRACE_HOURS = 12.0  # after a night's end
WHAT_TO_DO = (
    "run `leeway monitor`, which takes up the nights that are left, or says what stops it or what it doubts; "
    "then see why nothing ran it: cron, or flows/deploy.py and its Prefect server"
)


@dataclass(slots=True)
class Heartbeat:
    """A line for each version that is watched, and each model that cannot be looked at."""

    on_time: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


def listen(fleet: Fleet, now: datetime, *, grace_hours: float = GRACE_HOURS) -> Heartbeat:
    """Say of every version that is watched whether its nights that ended at least `grace_hours` ago are decided."""
    found = Heartbeat()
    for model in fleet.names():
        try:
            for epoch in watched_epochs(fleet, model, now):
                late = overdue(epoch, grace_hours=grace_hours)
                (found.late if late else found.on_time).append(_line(epoch, late))
        except LeewayError as error:
            found.late.append(f"{model}: cannot be looked at: {in_one_line(error)}")
    if not found.on_time and not found.late:
        found.late.append("nothing is watched here yet: no version serves, and no model is known from files")
    return found


def watched_epochs(fleet: Fleet, model: str, now: datetime) -> list[Epoch]:
    """Return what the monitor looks at of a model, the version in use first, as far as the ledger knows it."""
    if trains(fleet.settings) and model == fleet.settings.model:
        serving = fleet.serving_epoch(model, now)
        return [serving, *fleet.epochs_beside(serving)] if serving else []
    return fleet.epochs_from_files(model, now)[::-1]


def overdue(epoch: Epoch, *, grace_hours: float) -> list[date]:
    """Return the nights that are over and were not decided within the grace."""
    grace = timedelta(hours=grace_hours)
    return [night for night in due_nights(epoch).undecided if epoch.bounds(night)[1] + grace <= epoch.as_of]


def _line(epoch: Epoch, late: Sequence[date]) -> str:
    name, decided = f"{epoch.model} version {epoch.version.version}", epoch.history.decided
    looked = f"looked at last: the night of {decided[-1]}{_when(epoch, decided[-1])}" if decided else "never looked at"
    if not late:
        return f"{name} {looked}" if decided else f"{name}: no night of it is over yet"
    nights = f"{len(late)} nights, of {late[0]} to {late[-1]}, are" if len(late) > 1 else f"the night of {late[0]} is"
    return f"{name} {looked}; {'since then ' if decided else ''}{nights} over and not decided"


def _when(epoch: Epoch, night: date) -> str:
    decision = next(
        one
        for one in epoch.history.decisions
        if one.nightly and (one.version, one.night) == (epoch.version.version, night)
    )
    return f", at {decision.made_at:%Y-%m-%d %H:%M} UTC"
