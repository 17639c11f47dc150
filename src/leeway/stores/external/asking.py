"""What a question to a log elsewhere is about, and what whoever keeps the log can answer, as a Protocol."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Executable

# (quoted name of what is read, SQL of a text -> SQL of its permanent number) -> relation -> its query
Relations = Callable[[str, Callable[[str], str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Extent:
    """The part of a log that a question looks at: start <= occurred_at < end, of what came between two positions."""

    start: datetime | None = None
    end: datetime | None = None
    after: str | None = None
    upto: str | None = None
    only: frozenset[str] | None = None  # of files: these alone


class Keeper(Protocol):
    """Whoever keeps the log: files, or a table. Raises LogError, in one line, where it cannot be read."""

    @property
    def dialect(self) -> str:
        """Whose SQL its types and its questions are in."""

    def columns(self) -> Mapping[str, str]:
        """Return the type of each column."""

    def position(self) -> str:
        """Return what the log is now, so that it can be read as such later, if it can."""

    def is_kept(self, position: str) -> bool:
        """Whether the log can still be read as it was at this position."""

    def keeps_past(self) -> bool:
        """Whether any process can read the log as it was at a position, for some days at least."""

    def tells_news(self) -> bool:
        """Whether what came after a position can be read by itself."""

    def rows(self, extent: Extent) -> int | None:
        """Return how many rows there are at most, where that is known unasked."""

    def spans(
        self, names: Collection[str] | None, start: datetime | None, end: datetime | None
    ) -> tuple[list[tuple[datetime, datetime]], Extent | None]:
        """Return (first, last) moments inside a window that are known unasked, and what has to be asked besides.

        Of rows with one of these names in `model_version`, "" for none; None: only their rows say whose they are.
        """

    def ask(self, query: Executable, relations: Relations, extent: Extent) -> list[tuple[Any, ...]]:
        """Return the rows of a query over these relations."""

    def cost(self, query: Executable, relations: Relations, extent: Extent) -> str:
        """Say what a query reads; empty where nobody says it."""

    def close(self) -> None:
        """Give connections back."""
