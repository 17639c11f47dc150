"""Heartbeat: says whether every night that is over was looked at in time. Writes nothing, and asks nobody else."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Pulse:
    """When a version that is watched was last looked at, or why its model cannot be."""

    model: str
    version: int | None = None
    last_night: date | None = None  # that was decided
    decided_at: datetime | None = None
    overdue: tuple[date, ...] = ()  # nights that are over, and were not decided within the grace
    problem: str = ""

    @property
    def is_late(self) -> bool:
        return bool(self.overdue or self.problem)

    @property
    def text(self) -> str:
        """A line for people."""
        if self.problem:
            return f"{self.model}: cannot be looked at: {self.problem}"
        name, last = f"{self.model} version {self.version}", self.last_night
        looked = f"looked at last: the night of {last}{self._when}" if last else "never looked at"
        if not self.overdue:
            return f"{name} {looked}" if last else f"{name}: no night of it is over yet"
        first, number = self.overdue[0], len(self.overdue)
        nights = f"{number} nights, of {first} to {self.overdue[-1]}, are" if number > 1 else f"the night of {first} is"
        return f"{name} {looked}; {'since then ' if last else ''}{nights} over and not decided"

    @property
    def _when(self) -> str:
        return f", at {self.decided_at:%Y-%m-%d %H:%M} UTC" if self.decided_at else ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The pulse of each version that is watched."""

    pulses: tuple[Pulse, ...]

    @property
    def on_time(self) -> list[str]:
        """A line for each version whose nights were looked at."""
        return [pulse.text for pulse in self.pulses if not pulse.is_late]

    @property
    def late(self) -> list[str]:
        """A line for each one that was not, or cannot be; one where nothing is watched."""
        if not self.pulses:
            return ["nothing is watched here yet: no version serves, and no model is known from files"]
        return [pulse.text for pulse in self.pulses if pulse.is_late]


def listen(fleet: Fleet, now: datetime, *, grace_hours: float = GRACE_HOURS) -> Heartbeat:
    """Say of every version that is watched whether its nights that ended at least `grace_hours` ago are decided."""
    pulses: list[Pulse] = []
    for model in fleet.names():
        try:
            for epoch in watched_epochs(fleet, model, now):
                pulses.append(_pulse(epoch, grace_hours))
        except LeewayError as error:
            pulses.append(Pulse(model, problem=in_one_line(error)))
    return Heartbeat(tuple(pulses))


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


def _pulse(epoch: Epoch, grace_hours: float) -> Pulse:
    late, decided = tuple(overdue(epoch, grace_hours=grace_hours)), epoch.history.decided
    if not decided:
        return Pulse(epoch.model, epoch.version.version, overdue=late)
    this = (epoch.version.version, decided[-1])
    decision = next(one for one in epoch.history.decisions if one.nightly and (one.version, one.night) == this)
    return Pulse(epoch.model, epoch.version.version, decided[-1], decision.made_at, late)
