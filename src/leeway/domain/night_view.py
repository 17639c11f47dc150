"""The page of a night as numbers: what the step gathers, and what the adapter draws."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from leeway.domain.records import Action, CheckResult, Decision, Status


@dataclass(frozen=True, slots=True)
class ShareInterval:
    """A share between 0 and 1 with its 95 % interval."""

    value: float
    low: float
    high: float
    labels: int


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """Where an e-detector stood after one night; no value where the check gave no verdict."""

    night: date
    status: Status
    value: float | None  # M
    threshold: float | None  # 365/alpha of that night


@dataclass(frozen=True, slots=True)
class EvidencePath:
    """An e-detector over the nights of the epoch."""

    check: str
    points: tuple[EvidencePoint, ...]


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """The accuracy of served predictions as it was known after one night."""

    night: date
    accuracy: ShareInterval | None = None
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How one class fares, both ways. None where there are too few labels."""

    name: str
    labels: int
    recall: ShareInterval | None
    precision: ShareInterval | None
    false_positive_rate: ShareInterval | None
    recall_floor: float | None
    precision_floor: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labelled items by what a person said (rows) and what the model said (columns), counted, not weighted."""

    classes: tuple[str, ...]  # (C,) those shown
    counts: tuple[tuple[int, ...], ...]  # (C, C)
    items: int  # labelled items, those not shown included
    hidden: int  # classes that occur and are not shown


@dataclass(frozen=True, slots=True)
class ClassShare:
    """Share of the predictions that name this class, 0 to 1."""

    name: str
    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class ClassMix:
    """Shares of the predicted classes, in the model's order; of many classes those that moved most."""

    against: str  # what the reference is, in words
    shares: tuple[ClassShare, ...]
    hidden: int  # classes not shown


@dataclass(frozen=True, slots=True)
class ConfidenceBins:
    """Predictions in each bin of confidence. The bins are cut by the reference and not equally wide."""

    edges: tuple[float, ...]  # (B-1,)
    current: tuple[int, ...]  # (B,)
    reference: tuple[int, ...]  # (B,), empty where nothing was counted


@dataclass(frozen=True, slots=True)
class ServedLatency:
    """Of a sample of the night's predictions, in milliseconds."""

    p50: float
    p99: float
    sample: int  # predictions that told a latency


@dataclass(frozen=True, slots=True)
class Picture:
    """One prediction that is worth a look."""

    id: str
    night: date
    content: bytes | None  # encoded image; None where it cannot be had
    predicted_class: str
    confidence: float | None
    energy: float | None
    label: str | None  # what a person said


@dataclass(frozen=True, slots=True)
class NightPage:
    """Everything on the page of one night. Written from what is stored; nothing here decides."""

    model: str
    version: int
    night: date
    as_of: datetime
    epoch: date
    classes: int  # K
    predictions: int
    decision: Decision | None  # None: not decided yet
    results: tuple[CheckResult, ...]
    never_fire: frozenset[str]  # checks that are shown for what they say; their quiet clears nothing
    actions: Mapping[date, Action]  # nights of the epoch on which something was decided
    evidence: tuple[EvidencePath, ...]
    accuracies: tuple[AccuracyPoint, ...]
    labelled_nights: tuple[date, ...]  # nights whose labels are behind tonight's estimates, in order
    plain_mean: float | None  # share of right answers among tonight's labels as they lie in the queue; None without any
    class_rows: tuple[ClassRow, ...]  # worst first
    confusion: Confusion | None
    mix: ClassMix | None
    confidence: ConfidenceBins | None
    latency: ServedLatency | None
    errors: tuple[Picture, ...]  # labelled and wrong, most confident first
    unsure: tuple[Picture, ...]  # least confident first
    unlike: tuple[Picture, ...]  # highest energy first
    headline: str = ""  # what the night means for people
    first_nights: str = ""  # what is watched already, and what not yet
    assumptions: Mapping[str, str] = field(default_factory=dict)  # by check, in order: what has to hold
    labels_asked: str = ""  # what waits for people of this night and those before, until when, when the page was drawn
    moved: tuple[Picture, ...] = ()  # whose images moved most; empty unless image drift fired

    def result(self, check: str) -> CheckResult | None:
        return next((one for one in self.results if one.check == check), None)
