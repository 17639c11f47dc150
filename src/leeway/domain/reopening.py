"""Reopening: nights that a person took back, and the part of the ledger that takes them back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from leeway.domain.records import Claim


@dataclass(frozen=True, slots=True)
class Reopening:
    """Nights of a model that a person took back, from one on, to be decided anew; and what was taken."""

    model: str
    from_night: date
    at: datetime
    # Rows by table, as JSON: windows, decisions, check_results, label_plans, alerts, deliveries; and in `applied_again`
    # the ids of plans which stay, with their labels.
    content: Mapping[str, Sequence[Any]]

    @property
    def decisions(self) -> Sequence[Mapping[str, Any]]:
        return self.content["decisions"]


class Reopenings(Protocol):
    """What of the ledger takes nights back; see `leeway.domain.stores.Ledger`."""

    def removable(self, model: str, night: date) -> Mapping[str, Sequence[Any]]:
        """Return what `reopen` would take back from this night on, as `Reopening.content` has it. Writes nothing."""

    def reopen(self, model: str, night: date, *, at: datetime, instead_of: Collection[str] = ()) -> Reopening:
        """Take back, in one transaction, windows, results, decisions and alerts of every version from this night on.

        Plans that drew stay, with their labels, to be applied by the nights that are decided anew; other plans go.
        What was taken is kept. Raises HeldError while somebody decides one of these nights (`instead_of`: holders that
        are dead), RefusedError while a retraining runs that one of them asked for.
        """

    def held_nights(self, model: str, *, now: datetime) -> list[Claim]:
        """Return the claims of nights that somebody decides at this moment, in order of version and night."""

    def reopenings(self, model: str) -> list[Reopening]:
        """In order."""
