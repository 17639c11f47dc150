"""What production said and what was concluded, as Protocols: the rooms see these, stores implement them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from leeway.domain.records import (
    Alert,
    Cell,
    CheckResult,
    Decision,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    Mark,
    ModelVersion,
    Pick,
    PlanDesign,
    Prediction,
    PredictionColumns,
    Recorded,
    Release,
    Status,
    Tally,
    WindowCounts,
)

LATE_NIGHTS = 7  # closed nights whose late rows are still counted: it takes a look at each of their rows


class Store(Protocol):
    """Production facts in SQL. All times are aware UTC. Every method is one transaction."""

    def record_model(self, version: ModelVersion) -> None:
        """Insert, or update `serving_since` of a known version (None leaves it as it is).

        Another bundle digest for a known version raises ConflictError.
        """

    def model_version(self, model: str, version: int) -> ModelVersion | None: ...

    def record_predictions(self, predictions: Sequence[Prediction], *, received_at: datetime) -> int:
        """How many were new. A known id with the same content changes nothing.

        With other content ConflictError names the ids, and nothing of the call is written.
        """

    def versions(self, model: str) -> list[ModelVersion]:
        """Every recorded version of the model, in order."""

    def record_columns(
        self,
        model: str,
        batches: Iterable[tuple[int, PredictionColumns]],
        *,
        received_at: datetime,
        all_or_nothing: bool = False,
    ) -> Recorded:
        """(version, rows) of a prediction log, each batch in one transaction, or all of them.

        A known id with the same content changes nothing; with another it is refused and told, and with `all_or_nothing`
        raises ConflictError, with nothing written.
        """

    def predictions(self, model: str, version: int, start: datetime, end: datetime) -> list[Prediction]:
        """Those with start <= occurred_at < end, ordered by id."""

    def predictions_by_id(self, ids: Sequence[str]) -> list[Prediction]:
        """Ordered by id; unknown ids are left out."""

    def first_prediction_at(self, model: str, version: int) -> datetime | None: ...

    def cells(self, version: ModelVersion, start: datetime, end: datetime) -> list[Cell]:
        """A night as counts: GROUP BY class x confidence bin x slice, in SQL; in order of class, slice, bin."""

    def pick(self, version: ModelVersion, start: datetime, end: datetime, picks: Sequence[Pick]) -> list[Prediction]:
        """The picked ones in their order, found in the database; a pick beyond its cell's end is left out."""

    def predictions_at(
        self, model: str, version: int, start: datetime, end: datetime, ranks: Sequence[int]
    ) -> list[Prediction]:
        """Those at these places, from 0, of the window ordered by id; each once, ordered by id."""

    def number_after(self, model: str, version: int, moment: datetime) -> int:
        """Predictions whose time lies after this moment."""

    def record_window(self, window: WindowCounts, *, start: datetime, end: datetime, closed_at: datetime) -> bool:
        """False if this night was closed before: the first closing stands."""

    def windows(self, model: str, version: int) -> list[WindowCounts]:
        """Closed windows in order of night; `late`: rows of the last 7 that came after the closing, counted now."""

    def record_night(
        self,
        window: WindowCounts,
        results: Sequence[CheckResult],
        decision: Decision,
        alerts: Sequence[Alert],
        *,
        applied: Sequence[str] = (),
    ) -> bool:
        """Results, decision, alerts, and which label plans they took into account, in one transaction.

        False, with nothing written, for a known key.
        """

    def record_decision(self, decision: Decision) -> bool:
        """One that no night called for (the calendar, a person). False, with nothing written, for a known key."""

    def results(
        self, model: str, version: int, *, nights: Sequence[date] | None = None, check: str | None = None
    ) -> list[tuple[date, CheckResult]]:
        """Return results in order of night and, within a night, of the policy; of some nights, or one check, or all."""

    def marks(self, model: str, version: int, *, since: date, only: Status | None = None) -> list[Mark]:
        """Return the same in short, from this night on; with `only`, those of this status."""

    def decisions(self, model: str) -> list[Decision]:
        """In order of made_at."""

    def claim_decision(self, key: str, *, now: datetime, lease_hours: float = 24.0) -> bool:
        """Open -> running, for exactly one caller, and only while no other decision of this model is running.

        A claim older than the lease no longer counts as running, and may be claimed again: its process is dead.
        """

    def give_up_lapsed(self, model: str, *, now: datetime, lease_hours: float = 24.0) -> list[str]:
        """Running decisions whose claim is older than the lease become failed; gives their keys."""

    def finish_decision(self, key: str, *, failed: bool, outcome: str) -> None: ...

    def record_plan(self, plan: LabelPlan, design: PlanDesign, draws: Sequence[Draw] = ()) -> bool:
        """False, with nothing written, if a plan with this id is known."""

    def plans(self, model: str, version: int) -> list[LabelPlan]:
        """In order of night."""

    def design(self, plan_id: str) -> PlanDesign:
        """How the plan's draws were chosen."""

    def draws(self, plan_id: str) -> list[Draw]:
        """The draws of a plan, in their order."""

    def groups_drawn(self, model: str, version: int, *, purpose: str) -> set[str]:
        """Groups of the predictions that were ever drawn for this purpose."""

    def first_given(self, model: str, version: int) -> datetime | None:
        """When the first prediction occurred whose label came with a draw probability that no plan has taken."""

    def given_tallies(self, model: str, version: int, start: datetime, end: datetime) -> list[Tally]:
        """Answers of this window that came with a draw probability and that no plan has taken, counted in SQL."""

    def record_given(self, plan: LabelPlan, design: PlanDesign, *, start: datetime, end: datetime) -> bool:
        """The plan of such answers, and that it took them. False if it was known: then they came too late to measure,
        and are marked all the same."""

    def close_plan(self, plan_id: str, *, closed_at: datetime) -> None: ...

    def record_labels(self, labels: Sequence[Label]) -> int:
        """How many were new: one label per prediction and labeler.

        An unknown prediction raises StoreError, and nothing is written.
        """

    def label_queue(self, model: str) -> list[tuple[str, Prediction]]:
        """(plan id, prediction) of open plans that no one has labelled, each prediction once."""

    def labelled_draws(self, plan_id: str) -> list[LabelledDraw]:
        """Answered draws of a plan, any purpose; the earliest label of a prediction counts."""

    def labels(self, model: str) -> list[tuple[Label, Prediction]]:
        """Earliest label of every labelled prediction of the model."""

    def numbers_of_labels(self) -> dict[str, int]:
        """Model -> how many of its predictions have a label; models without one are left out."""

    def disagreements(self, model: str) -> int:
        """Predictions that people have called different things; the earliest label counts."""

    def record_release(self, release: Release) -> None: ...

    def releases(self, model: str) -> list[Release]: ...

    def pending_alerts(self) -> list[Alert]: ...

    def mark_alert(self, key: str, *, sent_at: datetime | None, error: str = "") -> None: ...

    def queue_alert(self, alert: Alert) -> bool:
        """False if an alert with this key is known."""

    def close(self) -> None:
        """Gives its connections back."""


class ImageStore(Protocol):
    """Encoded images by the sha256 of their bytes."""

    def put(self, content: bytes) -> str: ...

    def read(self, image: str) -> bytes:
        """A decodable image, by its digest or by the absolute path of a file (`Prediction.image`).

        Raises DataError for anything else. Whoever needs an image's bytes gets them here.
        """
