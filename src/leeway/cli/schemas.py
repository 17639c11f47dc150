"""Schemas: the JSON object that each command prints with `--json`. docs/json.md is made of them.

A comment behind a key says what it holds. Times are ISO 8601 with their offset, nights are dates, paths are texts. A
command that ends with another exit code than 0 adds the keys of `Failure`, or prints nothing but these.
"""

from datetime import date, datetime
from pathlib import Path
from typing import Any, TypedDict

from leeway.cli.label_schemas import LabelQueueFacts


class FailureFacts(TypedDict):
    error: str  # what stderr says in one line
    exit_code: int  # what the command ends with: 1 refused, 2 a mistake in the input, 70 a bug, 130 interrupted


class OutlookFacts(TypedDict):
    predictions_per_night: int
    classes: int
    accuracy: float  # while nothing is wrong, 0 to 1
    sentences: list[str]  # what is seen and how soon, what never is, and whether an alarm can end in a better model
    assumed: list[str]  # what is taken for granted


class InitFacts(TypedDict):
    folder: Path  # absolute
    files: list[str]  # names of what stands in it
    outlook: OutlookFacts


class ConcernFacts(TypedDict):
    rank: str  # blind, wrong, yours, under_way, unknown or healthy: the worst first
    text: str  # what is wrong, since when, and what to do


class StandingFacts(TypedDict):
    model: str
    version: int | None  # null where no reference is known yet
    rank: str  # of the worst concern
    beside: bool  # whether it answers beside the version in use
    concerns: list[ConcernFacts]


class WaitingAlertsFacts(TypedDict):
    count: int  # not delivered
    since: datetime | None  # when the first of them was made
    error: str  # of the last try; empty: not tried yet


class CheckFacts(TypedDict):
    check: str
    status: str  # fired, quiet, no verdict; shown only: a finding that can start nothing
    reason: str  # a sentence with its numbers
    statistic: float | None
    threshold: float | None
    effect: float | None  # total variation, or accuracy
    n: int  # predictions or labels that it rests on
    details: dict[str, Any]  # its own for each check


class DecisionFacts(TypedDict):
    key: str  # model/version/night
    action: str  # nothing, more labels, retrain, stand down or alert
    reason: str
    state: str  # open, running, done, failed or withdrawn


class ChampionFacts(TypedDict):
    model: str
    version: int
    serving_since: datetime | None  # null: it does not serve
    test_accuracy: float  # 0 to 1
    test_images: int
    last_night: date | None  # the last one that was decided
    checks: list[CheckFacts]  # of that night
    decisions: list[DecisionFacts]  # open or running
    waiting_for_a_label: int  # predictions
    labelled: int  # predictions


class StatusFacts(TypedDict):
    models: list[StandingFacts]  # the worst first
    champion: ChampionFacts | None  # null: this folder trains no model, or none is released yet
    alerts_not_delivered: WaitingAlertsFacts
    false_alarm_probability_per_year: float  # of each model


class NightFacts(TypedDict):
    night: date
    headline: str  # what the night means
    checks: list[CheckFacts]
    decision: DecisionFacts


class MorningFacts(TypedDict):
    model: str
    version: int
    decided_now: bool  # false: the nights are those that were decided before
    night: date | None  # the last one
    headline: str  # of the last night
    checks: list[CheckFacts]  # of the last night
    decision: DecisionFacts | None  # of the last night
    skipped: list[tuple[date, date]]  # first and last night of each gap without a prediction
    doubtful: tuple[date, date] | None  # nights that are over and not decided, since no prediction came after them
    labels_asked: dict[date, int]  # by night
    labels_waiting: LabelQueueFacts | None  # null: nothing
    pages: list[Path]  # drawn now
    nights: list[NightFacts]


class MorningsFacts(TypedDict):
    models: list[MorningFacts]


class ReleasedFacts(TypedDict):
    model: str
    version: int
    previous: int | None  # the version that served before
    outcome: str  # promoted, refused, left for review or rolled back
    reason: str
    at: datetime
    gate_labels_wanted: int  # with so many it is judged again; 0: it waits for none


class RetrainedFacts(TypedDict):
    request: str  # key of the decision that asked for it
    release: ReleasedFacts
    dataset_digest: str
    commit: str  # hash of the git commit that holds what made it; with what it lacks, if anything


class ScoredFileFacts(TypedDict):
    id: str  # of the prediction
    predicted_class: str
    confidence: float | None  # 0 to 1
    second_class: str | None
    file: Path


class PredictionsFacts(TypedDict):
    model: str
    version: int
    predictions: list[ScoredFileFacts]


class PulseFacts(TypedDict):
    model: str
    version: int | None  # null where the model cannot be looked at
    last_night: date | None  # the last one that was decided
    decided_at: datetime | None  # when it was
    overdue: list[date]  # over, and not decided within the grace
    problem: str  # why it cannot be looked at; empty: it can


class HeartbeatFacts(TypedDict):
    in_time: bool  # whether every night that is over was decided
    models: list[PulseFacts]


class WatchInitFacts(TypedDict):
    model: str
    version: int
    accuracy: float  # 0 to 1
    labelled: int  # rows of the reference
    rows: int
    classes: list[str]
    alike_classes: list[list[str]]  # names that differ in little, and are classes of their own
    policy: Path
    floor: float  # lowest accuracy, 0 to 1
    outlook: OutlookFacts
    log: str | None  # where its predictions lie; null: they are ingested


class ClassBalanceFacts(TypedDict):
    name: str
    images: dict[str, int]  # by split
    held_out: int
    test_groups: int  # independent test images, at least
    recall_low: float  # 95 % interval of a recall of 90 % on so many
    recall_high: float


class FindingFacts(TypedDict):
    kind: str
    count: int
    example: str


class GroupsFacts(TypedDict):
    count: int  # groups of two images or more
    images: int  # in them
    largest: int
    largest_name: str


class SizesFacts(TypedDict):
    smallest: tuple[int, int]  # width, height in pixels
    median: tuple[int, int]
    largest: tuple[int, int]
    distinct: int  # different sizes
    square: float  # share of the images


class DataAuditFacts(TypedDict):
    digest: str  # of the dataset version
    images: int
    classes: list[ClassBalanceFacts]
    splits: dict[str, int]  # images in each
    held_out: dict[str, int]  # images that are used nowhere, by reason
    sources: dict[str, int]  # images by where their label comes from
    findings: list[FindingFacts]
    groups: GroupsFacts
    conflicts: int  # images whose labels contradict each other
    leaks: int  # pairs of alike images on two sides of a split
    sizes: SizesFacts | None
    renamed: dict[str, str]  # class name in the source: its name now
    warnings: list[str]
    page: Path


class RowsFacts(TypedDict):
    columns: list[str]
    rows: list[dict[str, Any]]  # by column; a decimal number and a span of time as text, bytes in hexadecimal


class FileUpgradeFacts(TypedDict):
    path: str  # from the workspace
    action: str  # added, replaced, merged, or beside: left beside the file that it could not be merged into
    changes: list[str]  # in words
    diff: str  # unified


class LedgerUpgradeFacts(TypedDict):
    before: str  # revision of the schema
    after: str


class UpgradeFacts(TypedDict):
    version: str  # of Leeway, installed here
    recorded_version: str | None  # that ran the last `dvc repro`; null: none did
    needed: bool  # whether anything changes
    done: bool  # whether it was changed
    files: list[FileUpgradeFacts]  # that change
    ledger: LedgerUpgradeFacts | None  # null: its schema stays
    trains_again: str | None  # why the next `dvc repro` does; null: it does not because of this
    unmerged: list[str]  # files of an earlier upgrade that a person still has to merge


class DiagnosisFacts(TypedDict):
    name: str  # what was looked at
    status: str  # ok, warn, fail or not used
    found: str  # a sentence
    mend: str  # what to type or to change; empty where nothing is wrong


class DoctorFacts(TypedDict):
    checks: list[DiagnosisFacts]
    failed: int
