"""Moment: the time that a command or a flow acts at, which never lies ahead of the clock without a word."""

from datetime import UTC, datetime

from leeway.errors import ParamsError


def acting_at(given: datetime | None, *, clock: datetime, simulate: bool = False) -> datetime:
    """Return the time to act at: what was given (without a zone: UTC), or the clock.

    Nights that are closed ahead of their time stay closed, with whatever had come in by then. Raises ParamsError for
    a time ahead of the clock, unless the nights of a simulation are meant.
    """
    if given is None:
        return clock
    moment = given if given.tzinfo else given.replace(tzinfo=UTC)
    if moment > clock and not simulate:
        raise ParamsError(
            f"--as-of: got {moment:%Y-%m-%d %H:%M:%S}, and it is {clock:%Y-%m-%d %H:%M:%S} UTC: nights that are not "
            "over cannot be decided; give a time that has been, or --simulate if this is a simulation"
        )
    return moment
