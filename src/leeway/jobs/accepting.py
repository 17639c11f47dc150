"""Accepting: a person says that a night which looked unlike the reference is what production looks like."""

from datetime import date, datetime

from leeway.epoch import Epoch
from leeway.monitor.first_nights import accept, nights_that_asked
from leeway.workspace import Workspace


def accept_night(workspace: Workspace, model: str, night: date, now: datetime) -> bool:
    """Record it for the version that the night is of; False if that was said before.

    Raises ParamsError for a night that does not ask.
    """
    fleet = workspace.fleet
    serving = fleet.serving_epoch(model, now)
    epochs = [*fleet.epochs_beside(serving), serving] if serving else fleet.epochs_from_files(model, now)
    return accept(_epoch_of(epochs, night) if epochs else fleet.last_epoch(model, now), night)


def _epoch_of(epochs: list[Epoch], night: date) -> Epoch:
    """Return the epoch in which the night asked, the one in use first; that one where none did."""
    return next((one for one in reversed(epochs) if night in nights_that_asked(one)), epochs[-1])
