"""The nouns: frozen records that pass between stations. Times are aware UTC datetimes; a night is a date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

BANDS = ("low", "mid", "high")  # confidence bands, cut at the model's own edges
LabelSource = str  # "original" or "feedback"


@dataclass(frozen=True, slots=True)
class ReferenceCounts:
    """What a model answered on its frozen test split: the yardstick of production."""

    classes: tuple[str, ...]  # (K,) the bundle's order
    band_edges: tuple[float, float]  # confidence below the first is low, below the second mid
    counts: tuple[tuple[int, int, int], ...]  # (K, 3) predicted class x confidence band
    correct: int  # test images answered rightly
    total: int  # test images


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A bundle in the registry."""

    model: str
    version: int
    bundle_digest: str
    dataset_digest: str
    reference: ReferenceCounts
    serving_since: datetime | None = None  # start of its epoch as champion


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said about one production image."""

    id: str
    model: str
    version: int
    occurred_at: datetime
    image: str  # sha256 of the encoded image
    predicted_class: str
    confidence: float  # largest probability, 0 to 1
    probabilities: tuple[float, ...]  # (K,) the bundle's order
    energy: float
    latency_ms: float
    group: str  # images of one thing (a patient, a digit) share it; the image hash where nothing is known
    slice: str | None = None  # camera, site


@dataclass(frozen=True, slots=True)
class Draw:
    """One independent draw of the label plan. An item drawn twice stands twice and counts twice."""

    id: str
    plan_id: str
    prediction_id: str
    purpose: str  # "measure": drawn by the plan; "gate": uniform over held-out groups, for the gate alone
    stratum: str
    probability: float  # q_i of one draw, for this item; sums to 1 over the window
    guess: float  # g_i, calibrated guess that the prediction is wrong, 0 to 1


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """What to label of one window, and with which probability it was chosen."""

    id: str
    model: str
    version: int
    night: date
    made_at: datetime
    predictions: int  # N, size of the window the draws come from
    mean_guess: float  # g_bar over the whole window
    draws: tuple[Draw, ...]
    closed_at: datetime | None = None
    stratum_shares: Mapping[str, float] = field(default_factory=dict)  # share of the window in each stratum


@dataclass(frozen=True, slots=True)
class Label:
    """Human truth for a prediction: never the model's own answer."""

    prediction_id: str
    label: str
    labeler: str
    labelled_at: datetime


@dataclass(frozen=True, slots=True)
class LabelledDraw:
    """A draw with what the model said and what a person said."""

    draw: Draw
    night: date
    predicted_class: str
    label: str
    group: str
    image: str

    @property
    def wrong(self) -> bool:
        return self.predicted_class != self.label


@dataclass(frozen=True, slots=True)
class NightLabels:
    """The answered draws of one closed plan: what the accuracy checks read."""

    night: date
    predictions: int  # N
    mean_guess: float  # g_bar
    draws: tuple[LabelledDraw, ...]  # purpose "measure" only
    stratum_shares: Mapping[str, float] = field(default_factory=dict)  # of the plan


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """One closed night of predictions, counted in the database."""

    model: str
    version: int
    night: date
    classes: tuple[str, ...]  # (K,)
    counts: tuple[tuple[int, int, int], ...]  # (K, 3) predicted class x confidence band
    foreign: int = 0  # predictions outside the class list: an event of its own, never a cell
    late: int = 0  # rows that came after the window closed

    @property
    def total(self) -> int:
        return sum(map(sum, self.counts))

    def per_class(self) -> tuple[int, ...]:
        """(K,) predictions of each class."""
        return tuple(map(sum, self.counts))


class Status(StrEnum):
    """Three answers. Only `fired` may trigger; `no verdict` is shown, never green."""

    FIRED = "fired"
    QUIET = "quiet"
    NO_VERDICT = "no verdict"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check concluded about one window, with its numbers."""

    check: str
    status: Status
    reason: str  # one sentence a person understands, numbers included
    statistic: float | None = None
    threshold: float | None = None
    effect: float | None = None  # total variation, or accuracy
    n: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON: p-value, interval, per class
    state: Mapping[str, Any] = field(default_factory=dict)  # JSON: what the check carries to the next night


class Action(StrEnum):
    """What the policy concluded."""

    NOTHING = "nothing"
    MORE_LABELS = "more labels"  # an alarm: ask people for a burst of labels
    RETRAIN = "retrain"
    STAND_DOWN = "stand down"  # the burst excluded a drop: the alarm is closed without retraining


class DecisionState(StrEnum):
    """How far a decision has been acted on."""

    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy concluded about one window. Stored before it is acted on, once per key."""

    key: str  # model/version/night
    model: str
    version: int
    night: date
    action: Action
    reason: str
    made_at: datetime
    policy_digest: str
    state: DecisionState = DecisionState.DONE  # a retraining request starts open
    outcome: str = ""  # what came of it

    @property
    def nightly(self) -> bool:
        """Whether a night's results called for it, rather than the calendar or a person."""
        return self.key == f"{self.model}/{self.version}/{self.night}"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to people. Queued with the finding, in one transaction; sent afterwards."""

    key: str  # dedupe: the same key is sent once
    title: str
    body: str
    made_at: datetime
    sent_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """One move of the champion alias, or a refusal: the ledger that the registry does not keep."""

    model: str
    version: int
    previous: int | None
    outcome: str  # promoted, refused, left for review, rolled back
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer, with every number it rests on."""

    passed: bool
    outcome: str  # "passed", "failed" or "cannot tell"
    reasons: Sequence[str]
    numbers: Mapping[str, Any]
