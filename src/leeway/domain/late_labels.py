"""What a ledger tells about labels that are missing or late, and people who differ: a part of its Protocol."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Protocol

from leeway.domain.records import Draw, Label, LabelPlan, Prediction, UnansweredDraw


class LateLabels(Protocol):
    """A part of `leeway.domain.stores.Ledger`."""

    def late_draws(self, model: str, version: int, *, since: date) -> list[Draw]:
        """Return the draws of nights from `since` on that were answered late, and that no late plan holds yet."""

    def unanswered_draws(self, plan_id: str) -> list[UnansweredDraw]:
        """Return the draws of a plan, any purpose, in their order, that nobody had answered when it closed."""

    def missed(self, model: str) -> set[str]:
        """Return the predictions that a closed plan drew and nobody has labelled: an answer still measures, late."""

    def unanswered(self, model: str, *, since: datetime) -> list[tuple[LabelPlan, int]]:
        """Return each plan that is open, or was closed at `since` or later, with how many predictions nobody labelled.

        Of all versions, in order of night; late plans are left out. A prediction that was drawn twice counts once.
        """

    def plans_with(self, model: str, ids: Iterable[str]) -> list[LabelPlan]:
        """Return the plans that drew any of these predictions, late ones left out, in order of version and night."""

    def second_opinions(self, model: str) -> list[tuple[str, Prediction, Label]]:
        """(plan id, prediction, label) of open plans in which a contradiction waits for a second person, as queued.

        See `leeway.domain.answers.waits_for_second`.
        """

    def conflicts(self, model: str) -> list[tuple[Label, ...]]:
        """What each person said last of what people call different things; see `leeway.domain.counting.conflicting`."""
