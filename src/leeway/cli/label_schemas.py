"""Schemas of what commands about labels, and about what was decided, print with `--json`; see `leeway.cli.schemas`."""

from datetime import date, datetime
from pathlib import Path
from typing import TypedDict


class LabelErrorFacts(TypedDict):
    asset: str  # content hash of the image
    origin: str  # where the image came from
    split: str
    label: str
    suggested: str
    confidence: float  # of the suggested class, 0 to 1
    likely: bool  # false: contradicted, as an ambiguous image may be, too


class LabelErrorsFacts(TypedDict):
    images: int  # that were looked through
    likely: int  # labels that are likely wrong
    errors: list[LabelErrorFacts]  # the likely ones first
    table: Path
    page: Path


class ChangedLabelFacts(TypedDict):
    origin: str
    before: str | None
    now: str | None  # null: left out


class RelabelledFacts(TypedDict):
    changed: list[ChangedLabelFacts]
    known: int  # rows that say what holds already
    unanswered: int  # rows whose new_label is empty
    shard: Path | None  # where the corrections lie; null: nothing new


class LeftOutFacts(TypedDict):
    prediction_id: str
    problem: str


class OpenNightFacts(TypedDict):
    night: date
    version: int
    images: int  # that nobody has answered, and that can be shown
    second_opinions: int  # answers that contradict the model, and wait for another person
    closes_at: datetime


class ClosedNightFacts(TypedDict):
    night: date
    version: int
    images: int  # that nobody answered
    closed_at: datetime


class LabelQueueFacts(TypedDict):
    images: int  # that wait for a first answer
    second_opinions: int  # answers that wait for a second person
    unreadable: int  # images that are asked for and cannot be shown
    nights: list[OpenNightFacts]  # the newest first
    closed_unanswered: list[ClosedNightFacts]  # within the last 7 days; the newest first


class LabelsExportFacts(TypedDict):
    model: str
    folder: Path
    tasks: int  # predictions to label
    left_out: list[LeftOutFacts]  # their images cannot be read
    second_after: list[str]  # people whose answers are asked for a second time, by somebody else
    waiting: LabelQueueFacts | None  # null: nothing


class BadAnswerFacts(TypedDict):
    place: str  # line or task
    problem: str


class AnswerFileFacts(TypedDict):
    file: Path
    new: int  # labels
    known: int  # already the last label of the same person
    corrected: int  # of the new ones: they differ from the same person's label before
    measured: int  # of the corrected ones: measured with the earlier label
    unanswered: int  # predictions in the file without a label
    skipped: int  # of the unanswered ones
    unsure: int  # answers that say so
    none_of_these: int  # answers that say so
    refused: list[BadAnswerFacts]


class LabelPlanFacts(TypedDict):
    night: date
    version: int
    asked: int  # draws
    answered: int  # of them
    open_until: datetime | None  # null: it is closed
    closed_at: datetime | None


class OpinionFacts(TypedDict):
    labeler: str
    label: str  # a class, or in words that it is none
    labelled_at: datetime


class ConflictFacts(TypedDict):
    prediction_id: str
    labels: list[OpinionFacts]


class LabelledModelFacts(TypedDict):
    model: str
    nights: list[LabelPlanFacts]  # that asked for one of these labels
    waiting: LabelQueueFacts
    unasked: int  # labels that nobody asked for
    conflicts: list[ConflictFacts]
    outside: dict[str, int]  # labels that name no class of the model


class LabelsImportFacts(TypedDict):
    files: list[AnswerFileFacts]
    models: list[LabelledModelFacts]


class ModelConflictsFacts(TypedDict):
    model: str
    conflicts: list[ConflictFacts]


class LabelsConflictsFacts(TypedDict):
    models: list[ModelConflictsFacts]


class AlarmFacts(TypedDict):
    night: date
    version: int
    checks: list[str]  # that began to fire
    alert_only: bool  # people are told, and nothing more is asked for
    reason: str


class CalendarFacts(TypedDict):
    nights: int
    labels: int  # that the checks were given
    alarms: list[AlarmFacts]
    no_verdict: dict[str, int]  # nights, by check


class BacktestFacts(TypedDict):
    model: str
    policy_now: CalendarFacts  # of the policy of each night
    other: CalendarFacts  # of the policy that is tried


class ReopenFacts(TypedDict):
    model: str
    from_night: date
    reopened: bool  # false: nothing to take back, or not done without --yes
    nights: list[date]
    versions: list[int]
    decisions: list[str]  # their keys
    alarms: list[str]  # keys of those decisions that asked for more labels
    open_requests: list[str]  # keys of those that asked for a retraining which is not over
    done_requests: list[str]  # what came of them stays
    plans: int  # without draws: they go
    plans_applied_again: int  # their labels stay
    alerts: int


class AcceptFacts(TypedDict):
    model: str
    night: date
    new: bool  # false: it was accepted before


class PrunedModelFacts(TypedDict):
    model: str
    asked: date  # the first night that was to be kept
    first_kept: date  # the first night that is kept
    pruned: bool  # false: nothing to remove, or not done: with --dry-run, without --yes
    predictions: int  # that are older
    labels: int | None  # that came with the log and are removed; null before it is done
    nights: int  # closed ones, of which these predictions are
    bytes: int | None  # of files; null where the log is kept in a database
    kept: list[str]  # why older nights stay


class PruneFacts(TypedDict):
    models: list[PrunedModelFacts]
