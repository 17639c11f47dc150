"""Upkeep: the part of the prediction log that looks after the files it is made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rolled:
    """What became of the days that are over."""

    segments: int = 0
    rows: int = 0
    known: int = 0  # rows left out, since the same stood in the log already
    changed: tuple[str, ...] = ()  # ids left out, since another content stood in the log already

    def __add__(self, other: "Rolled") -> "Rolled":
        return Rolled(
            self.segments + other.segments,
            self.rows + other.rows,
            self.known + other.known,
            self.changed + other.changed,
        )


@dataclass(frozen=True, slots=True)
class LogProblem:
    """A file of the log that is not as it was written, or that nothing names."""

    file: str
    problem: str
    model: str | None = None  # whose rows stand in it; None for several models, or nobody's
    rows: int | None = None
    first_at: datetime | None = None  # when these predictions occurred
    last_at: datetime | None = None
    lost: bool = True  # whether rows are missing; an unnamed file only takes room


class Upkeep(Protocol):
    """What keeps a log of files whole; a log that lies in a database leaves this to the database."""

    def roll(self, now: datetime) -> Rolled:
        """Turn what was received on days before `now` (UTC) into files that never change.

        No row is seen twice or not at all meanwhile. Where somebody else is at it, nothing is done. Called by the
        nightly job; a reader never does.
        """

    def close(self) -> None:
        """Give back what it keeps open, but for the ledger's own database."""

    def check(self, model: str | None = None, *, quick: bool = False) -> list[LogProblem]:
        """Return what is wrong with the files of one model's log, or of all; `quick` leaves out reading them whole."""
