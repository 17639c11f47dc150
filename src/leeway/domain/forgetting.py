"""Forgetting: rows of the prediction log that are removed for good, as a Protocol, and which rows come too late."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

from leeway.domain.columns import PredictionColumns
from leeway.domain.records import utc_text


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed of a model, and where what is left of it begins."""

    rows: int = 0
    labels: int = 0  # that came with the log
    first_at: datetime | None = None  # when the first prediction that remains occurred; None if none does


class Forgetting(Protocol):
    """A part of the prediction log: retention. What is pinned in the ledger stays there, as do closed windows."""

    def forget(self, model: str, *, before: datetime) -> Forgotten:
        """Remove all predictions of the model that occurred before this moment, its horizon, and their labels.

        From then on such rows are refused (`Recorded.too_old`). A horizon never moves back. What was begun and broken
        off is completed by the next call.
        """

    def horizon(self, model: str) -> datetime | None:
        """Return up to which moment the model was forgotten; None if it never was."""

    def forget_ids(self, model: str, ids: Iterable[str]) -> Forgotten:
        """Remove these predictions and their labels; unknown ids are passed over. One that comes again is new."""


def behind_horizon(given: PredictionColumns, horizon: datetime | None) -> tuple[PredictionColumns, int]:
    """Return the rows that occurred at the horizon or later, and how many did before it."""
    if horizon is None:
        return given, 0
    limit = utc_text(horizon)
    chosen = [index for index, moment in enumerate(given.occurred_at) if moment >= limit]
    old = len(given.ids) - len(chosen)
    if not old:
        return given, 0
    columns = {one.name: getattr(given, one.name) for one in fields(given) if one.name != "version_stated"}
    kept: dict[str, Any] = {
        name: [column[index] for index in chosen] for name, column in columns.items() if len(column)
    }
    return replace(given, **kept), old


def too_old_text(rows: int, horizon: datetime) -> str:
    """Return why rows were refused, for people."""
    are = "row is" if rows == 1 else "rows are"
    return f"{rows:,} {are} from before {horizon:%Y-%m-%d %H:%M} UTC, up to which the log was forgotten"
