"""What production said, and what was asked, answered and concluded, as Protocols: rooms see these, stores/ has them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from leeway.domain.columns import PredictionColumns
from leeway.domain.drawing import Drawing
from leeway.domain.forgetting import Forgetting
from leeway.domain.given_truth import GivenTruth
from leeway.domain.late_labels import LateLabels
from leeway.domain.moments import Moments
from leeway.domain.outbox import Outbox
from leeway.domain.records import (
    Alert,
    CheckResult,
    Claim,
    Decision,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    Mark,
    ModelVersion,
    PlanDesign,
    Prediction,
    Recorded,
    RecordedLabels,
    Release,
    ServingPeriod,
    Status,
    WindowCounts,
)
from leeway.domain.reopening import Reopenings
from leeway.domain.sources import Sources
from leeway.domain.upkeep import Upkeep

LATE_NIGHTS = 7  # closed nights whose late rows are still counted: it takes a look at each of their rows


class PredictionLog(Drawing, Forgetting, GivenTruth, Moments, Sources, Upkeep, Protocol):
    """What models said, and truth that came with it: large, append-only, keyed by (model, id). Times are aware UTC.

    A position is a moment of one model's log, as a text that nobody but the log reads: `upto` it a night stays as it
    was counted, `after` it stands what came late. Draws go by a permanent random number of each row, in the order of
    one of `leeway.domain.identity.STREAMS`: they are the same on every engine, and whatever came later.
    """

    def record(
        self,
        model: str,
        batches: Iterable[tuple[int, PredictionColumns]],
        *,
        received_at: datetime,
        strict: bool = False,
    ) -> Recorded:
        """Record (version, rows) of one source in one transaction; if it fails, nothing was written.

        A known id with the same content changes nothing, but for the path of an image that has moved. One with other
        content is refused and named, one from before the model's horizon refused and counted; with `strict` either
        raises ConflictError.
        """

    def position(self, model: str) -> str:
        """Return where the model's log ends now."""

    def by_ids(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        """Return these predictions in order of id, whatever their version; unknown ids are left out."""

    def count(self, version: ModelVersion, start: datetime, end: datetime | None, *, after: str | None = None) -> int:
        """Count the predictions of a window, or from a moment on; with `after` those that came later than this."""

    def elsewhere(self, model: str, ids: Sequence[str]) -> dict[str, int]:
        """Return how many of these ids other models' logs hold, by model."""


class Ledger(LateLabels, Outbox, Reopenings, Protocol):
    """What was asked, answered, concluded, released and sent: small, transactional. Times are aware UTC.

    It points nowhere into the log: what was drawn or labelled by a person is pinned, with all that is needed of it.
    What a night concludes is written under a claim: one that somebody else took over raises StoreError.
    """

    @property
    def id(self) -> str:
        """Its own name, made with it: another ledger has another."""

    @property
    def secret(self) -> str:
        """What the permanent numbers of its log are made with."""

    # Models, and which of them serves

    def record_model(self, version: ModelVersion) -> None:
        """Insert; another bundle digest for a known version raises ConflictError."""

    def versions(self, model: str) -> list[ModelVersion]:
        """Every recorded version of the model, in order."""

    def begin_epoch(self, period: ServingPeriod) -> None:
        """Let the version serve from now on: ends the open period of the model, and begins this one."""

    def serving_periods(self, model: str) -> list[ServingPeriod]:
        """In order; the last one is open, if any version serves."""

    def is_reconciled(self) -> bool:
        """Whether the champions were ever compared with the registry: not yet in a ledger of the release before."""

    def mark_reconciled(self, at: datetime) -> None: ...

    # Nights

    def claim_night(
        self, version: ModelVersion, night: date, *, holder: str, now: datetime, until: datetime, instead_of: str = ""
    ) -> Claim:
        """Claim a night for this holder. What another one holds, later than `now`, raises HeldError with its claim.

        `instead_of` names a holder that is known to be dead.
        """

    def give_back(self, claim: Claim) -> None:
        """Free the night for whoever comes next. One that was taken over meanwhile is left alone."""

    def record_window(
        self, window: WindowCounts, *, start: datetime, end: datetime, closed_at: datetime, claim: Claim
    ) -> bool:
        """Return False if this night was closed before: the first closing stands."""

    def windows(self, model: str, version: int) -> list[WindowCounts]:
        """Closed windows in order of night, without what came late."""

    def window_bounds(self, model: str, version: int) -> dict[date, tuple[datetime, datetime]]:
        """Return start and end of each closed window, by night."""

    def record_night(
        self,
        window: WindowCounts,
        results: Sequence[CheckResult],
        decision: Decision,
        alerts: Sequence[Alert],
        *,
        claim: Claim,
        applied: Sequence[str] = (),
    ) -> bool:
        """Record results, decision, alerts, and which label plans they took into account, in one transaction.

        Return False, with nothing written, for a known key.
        """

    def results(
        self, model: str, version: int, *, nights: Sequence[date] | None = None, check: str | None = None
    ) -> list[tuple[date, CheckResult]]:
        """Return results in order of night and, within a night, of the policy; of some nights, or one check, or all."""

    def marks(self, model: str, version: int, *, since: date, only: Status | None = None) -> list[Mark]:
        """Return the same in short, from this night on; with `only`, those of this status."""

    # Decisions

    def record_decision(self, decision: Decision) -> bool:
        """One that no night called for (the calendar, a person). False, with nothing written, for a known key."""

    def decisions(self, model: str) -> list[Decision]:
        """In order of made_at."""

    def claim_decision(self, key: str, *, now: datetime, lease_hours: float = 24.0) -> bool:
        """Open -> running, for exactly one caller, and only while no other decision of this model is running.

        A claim older than the lease no longer counts as running, and may be claimed again: its process is dead.
        """

    def give_up_lapsed(self, model: str, *, now: datetime, lease_hours: float = 24.0) -> list[str]:
        """Running decisions whose claim is older than the lease become failed; gives their keys."""

    def finish_decision(self, key: str, *, failed: bool, outcome: str) -> None: ...

    def withdraw_requests(self, model: str, *, besides: int, outcome: str) -> list[str]:
        """Open retraining requests of other versions than `besides` become withdrawn; gives their keys.

        One that runs is left to its training run, which finishes it.
        """

    # Label plans and labels

    def record_plan(
        self, plan: LabelPlan, design: PlanDesign, draws: Sequence[Draw], pins: Sequence[Prediction], *, claim: Claim
    ) -> bool:
        """Record a plan with its draws, and pin what was drawn. False, with nothing written, for a known id."""

    def plans(self, model: str, version: int) -> list[LabelPlan]:
        """In order of night."""

    def design(self, plan_id: str) -> PlanDesign:
        """How the plan's draws were chosen."""

    def close_plan(self, plan_id: str, *, closed_at: datetime) -> None:
        """Close it with the labels that are in by now: those measure, whatever is said later. The first one stands."""

    def groups_drawn(self, model: str, version: int, *, purpose: str) -> set[str]:
        """Groups of the predictions that were ever drawn for this purpose."""

    def label_queue(self, model: str, *, labeler: str = "") -> list[tuple[str, Prediction]]:
        """(plan id, prediction) of open plans that no one has answered; see `leeway.domain.queue.in_queue_order`.

        For a `labeler` what waits for another person to answer it, too, among the others.
        """

    def queues(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """Return the models that have pinned each of these ids, in order; ids of none are left out."""

    def pin(self, predictions: Sequence[Prediction]) -> None:
        """Keep what is needed of these predictions; a known one learns where its image is now."""

    def pinned(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        """Return these pinned predictions, in order of id; they carry no probabilities and no latency."""

    def drawn(self, model: str, ids: Iterable[str]) -> set[str]:
        """Return which of these predictions a label plan has drawn: what people say of them was asked for."""

    def record_labels(self, labels: Sequence[Label]) -> RecordedLabels:
        """Append what people said. A person's later label of a prediction counts instead of the earlier one.

        A prediction need not be known yet.
        """

    def labelled_draws(self, plan_id: str, *, as_closed: bool = False) -> list[LabelledDraw]:
        """Answered draws of a plan, any purpose, in their order; see `leeway.domain.answers.outcome`.

        With `as_closed` by the labels that were in when it closed (all, where the release before closed it).
        """

    def labels(self, model: str) -> list[tuple[Label, Prediction]]:
        """The label that counts of every pinned prediction that has one, in order of when it was given."""

    def label_counts(self) -> dict[str, int]:
        """Model -> how many of its predictions people have labelled; models without one are left out."""

    # Releases

    def record_release(self, release: Release) -> None: ...

    def releases(self, model: str) -> list[Release]: ...


class ImageStore(Protocol):
    """Encoded images by the sha256 of their bytes."""

    def put(self, content: bytes) -> str: ...

    def read(self, image: str) -> bytes:
        """A decodable image, by its digest or by the absolute path of a file (`Prediction.image`).

        Raises DataError for anything else. Whoever needs an image's bytes gets them here.
        """

    def holds(self, image: str) -> bool:
        """Whether there is a file of it that begins as an image; to tell whether it can be decoded takes `read`."""
