"""The nouns: frozen records that pass between stations. Times are aware UTC datetimes; a night is a date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from leeway.errors import StoreError

WATCHED = "watched:"  # what the bundle digest of a model without a bundle begins with
MEASURE, GATE = "measure", "gate"  # purposes of a draw
# Kinds of truth: asked for by a plan, come by itself, or come with the prediction log.
DRAWN, VOLUNTEERED, GIVEN = "drawn", "volunteered", "given"
FILE = "file"  # in whose name the labels of a prediction log stand
UNNAMED = "somebody"  # in whose name the labels of people stand who do not say theirs
NAMED, UNSURE, NONE_OF_THESE = "label", "unsure", "none of these classes"  # answers: a name, or none
# Which answers of a plan go to a second person; of a plan of the release before, whoever labelled first counts.
NOT_SECONDED, ERRORS, FIRST_COUNTS = "none", "errors", ""
SHOWN_ONLY = "shown only"  # instead of quiet: a finding of a check that never alarms
NAMED_BY_LOG = "named by a log"  # dataset digest of a version that a log named first


@dataclass(frozen=True, slots=True)
class ReferenceCounts:
    """What a model answered where the truth is known: the yardstick of production, counted once."""

    classes: tuple[str, ...]  # (K,) the bundle's order
    band_edges: tuple[float, float]  # confidence below the first is low, below the second mid
    counts: tuple[tuple[int, int, int], ...]  # (K, 3) predicted class x confidence band
    correct: int  # items answered rightly
    total: int  # items whose truth is known
    edges: tuple[float, ...] = ()  # (B-1,) of the confidence bins, rising
    guesses: tuple[float, ...] = ()  # (B,) calibrated chance of an error in each bin
    cells: tuple[tuple[int, int, int, int], ...] = ()  # true class or -1, predicted class, bin, items
    production: bool = False  # counted on production: drift is held against it, too
    with_confidence: bool = True  # without: one bin, and every answer counts as of the middle band

    @property
    def bin_edges(self) -> tuple[float, ...]:
        """(B-1,) edges; those of the bands where nothing finer was counted."""
        return self.edges or self.band_edges

    @property
    def accuracy(self) -> float:
        """0 to 1; 0 where no truth is known."""
        return self.correct / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A bundle in the registry."""

    model: str
    version: int
    bundle_digest: str
    dataset_digest: str
    reference: ReferenceCounts

    @property
    def watched_only(self) -> bool:
        """Whether Leeway neither trained nor serves it: it is known from files."""
        return self.bundle_digest.startswith(WATCHED)

    @property
    def named_by_log(self) -> bool:
        """Whether it began with a prediction log: without a prediction it is not there yet."""
        return self.dataset_digest == NAMED_BY_LOG


@dataclass(frozen=True, slots=True)
class ServingPeriod:
    """How long a version was the one in production, and why it began: a rollback begins another one."""

    model: str
    version: int
    began_at: datetime
    why: str
    ended_at: datetime | None = None  # None: it serves now


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said about one production image. Its id is unique among the predictions of its model."""

    id: str
    model: str
    version: int
    occurred_at: datetime
    image: str  # sha256 of the encoded image; "" where there is none
    predicted_class: str
    confidence: float | None  # largest probability, 0 to 1; None where the model gave none, or NaN
    probabilities: tuple[float, ...]  # (K,) the bundle's order; empty where only the answer is known
    energy: float | None
    latency_ms: float | None
    group: str  # images of one thing (a patient, a digit) share it; the image hash where nothing is known
    slice: str | None = None  # camera, site
    second_class: str | None = None  # with the second largest probability; None where that is not known
    review: str | None = None  # why a person should look at it


def utc_text(moment: datetime) -> str:
    """Return an aware moment in UTC as columns and SQLite have it. Raises StoreError for one without a zone."""
    if moment.tzinfo is None:
        raise StoreError(f"time {moment.isoformat()} has no time zone; give an aware datetime (UTC)")
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the rows of a prediction log."""

    new: int = 0
    known: int = 0  # recorded before with the same content
    changed: tuple[str, ...] = ()  # ids recorded before with another content: refused
    labels: int = 0  # new
    labels_changed: tuple[str, ...] = ()  # ids whose label from a file was another before: refused
    too_old: int = 0  # from before the model's horizon: refused; see `leeway.domain.forgetting`

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Draw:
    """One independent draw of the label plan. An item drawn twice stands twice and counts twice."""

    id: str
    plan_id: str
    model: str
    prediction_id: str
    purpose: str  # MEASURE: drawn by the plan; GATE: uniform over held-out groups, for the gate alone
    stratum: str
    probability: float  # q_i of one draw, for this item; sums to 1 over the window
    guess: float  # g_i, calibrated guess that the prediction is wrong, 0 to 1


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """What people are asked to label of one night, in short; the store keeps its design and its draws beside it."""

    id: str
    model: str
    version: int
    night: date
    made_at: datetime
    asked: int  # draws
    given: int = 0  # kinds of answers that came with their draw probability, instead of draws
    closed_at: datetime | None = None
    applied_by: str | None = None  # the decision whose checks took its labels into account
    late_of: str | None = None  # the plan whose draws it holds that were answered after that one closed
    second_opinion: str = NOT_SECONDED  # or ERRORS: what contradicts the model goes to a second person

    @property
    def asks(self) -> bool:
        """Whether any label belongs to it."""
        return bool(self.asked or self.given)

    @property
    def is_nightly(self) -> bool:
        """Whether it asked people; the others are of labels that came with the log, or came late."""
        return not self.given and self.late_of is None


@dataclass(frozen=True, slots=True)
class PlanDesign:
    """How the draws of a plan were chosen: what their answers are weighed by."""

    predictions: int  # N, size of the window the draws come from
    mean_guess: float  # g_bar over the whole window
    stratum_shares: Mapping[str, float] = field(default_factory=dict)  # share of the window in each stratum
    # `all`, `class cat`, `slice door` -> items, chance of a draw, mean guess, variance of a draw (`Allocation.part`);
    # and, where labels that came with the log are of one group, what `labels.groups.grouped` says of them;
    # `given` -> what `labels.chances.chances_of` says of labels that came with the log
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    uniform_share: float = 0.2  # eta: no weight 1 / (N q_i) exceeds 1 / eta
    given: tuple["Tally", ...] = ()  # instead of draws: answers that came with their draw probability
    answer_rates: Mapping[str, float] = field(default_factory=dict)  # answered share of each stratum before; missing: 1
    seconded: float = 0.0  # share of the contradictions before that a second person answered, 0 to 1
    position: str | None = None  # of the prediction log, which the draws or answers were taken from; None: not kept


@dataclass(frozen=True, slots=True)
class Tally:
    """Like answers counted together, of labels that came with a draw probability."""

    predicted_class: str
    label: str
    slice: str | None
    probability: float  # q_i of one draw
    count: int


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said of a prediction: never the model's own answer. A later one of the same person corrects it."""

    model: str
    prediction_id: str
    label: str  # "" where the answer is no name
    labeler: str
    labelled_at: datetime
    kind: str = DRAWN
    answer: str = NAMED

    @property
    def said(self) -> str:
        """The name, or in words that it is none."""
        return self.label or self.answer

    def contradicts(self, predicted: str) -> bool:
        """Whether it does not say what the model said."""
        return self.answer != NAMED or self.label != predicted


@dataclass(frozen=True, slots=True)
class RecordedLabels:
    """What became of labels."""

    new: int = 0
    known: int = 0  # the same person's last label of the prediction already
    corrected: int = 0  # of the new ones: how many differ from the same person's label before
    measured: int = 0  # of the corrected ones: of predictions that were measured, by a plan that is closed


@dataclass(frozen=True, slots=True)
class LabelledDraw:
    """A draw with what the model said and what a person said."""

    draw: Draw
    night: date
    predicted_class: str
    label: str
    group: str
    image: str
    slice: str | None = None
    count: int = 1  # like draws counted together, where a whole night was labelled
    seconded: bool = False  # somebody contradicts the model, and a second person, who is asked then, has answered
    same_truth: bool = True  # False: it contradicts the model, and nobody knows what it is

    @property
    def wrong(self) -> bool:
        return self.predicted_class != self.label


@dataclass(frozen=True, slots=True)
class UnansweredDraw:
    """A draw that nobody had answered when its plan closed."""

    draw: Draw
    predicted_class: str
    group: str
    slice: str | None = None


@dataclass(frozen=True, slots=True)
class NightLabels:
    """The draws of one closed plan, with their answers: what the accuracy checks read."""

    night: date
    predictions: int  # N
    mean_guess: float  # g_bar
    draws: tuple[LabelledDraw, ...]  # answered, purpose "measure" only
    stratum_shares: Mapping[str, float] = field(default_factory=dict)  # of the plan
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict)  # of the plan
    uniform_share: float = 0.2  # of the plan
    unanswered: tuple[UnansweredDraw, ...] = ()
    answer_rates: Mapping[str, float] = field(default_factory=dict)  # of the plan
    seconded: float = 0.0  # of the plan
    given: bool = False  # labels that came with the log, each with the chance of being chosen
    counted_before: int = 0  # labels of this night that other plans have brought: this one holds late labels
    late: bool = False  # it holds late labels, where those in time were none, too

    @property
    def labels(self) -> int:
        return sum(one.count for one in self.draws)


@dataclass(frozen=True, slots=True)
class Cell:
    """Predictions of a window that are alike: one row of the night as the database counts it."""

    predicted_class: str
    bin: int  # of confidence, 0 to B-1; -1 without a confidence
    slice: str | None
    count: int
    second: str | None = None  # second class, where the cells are told apart by this one; None: any other, or unknown


@dataclass(frozen=True, slots=True)
class Copies:
    """Predictions of a window that share an image, or a group, and are answered alike."""

    name: str  # of the image, or of the group
    predicted_class: str
    bin: int  # of confidence, 0 to B-1; -1 without a confidence
    count: int


@dataclass(frozen=True, slots=True)
class Pick:
    """One drawn prediction, by its place in its cell: the rank-th in the order of the stream, from 0."""

    predicted_class: str
    bin: int
    slice: str | None
    rank: int
    among: int  # predictions of the cell
    second: str | None = None  # of the cell


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
    histogram: tuple[int, ...] = ()  # (B,) of confidence, in the version's bins
    without_confidence: int = 0  # missing or NaN; they count as of the middle band
    slices: Mapping[str, int] = field(default_factory=dict)  # predictions of each
    position: str | None = None  # of the prediction log when it was counted; None: not kept
    repeats: tuple[tuple[int, int, int], ...] = ()  # (K, 3) copies beyond the first of images that came often

    @property
    def total(self) -> int:
        return sum(map(sum, self.counts))

    @property
    def repeated(self) -> int:
        return sum(map(sum, self.repeats))

    @property
    def distinct(self) -> int:
        """Predictions, of which those about an image that came often count once."""
        return self.total - self.repeated

    def per_class(self) -> tuple[int, ...]:
        """(K,) predictions of each class."""
        return tuple(map(sum, self.counts))


@dataclass(frozen=True, slots=True)
class Claim:
    """Who decides a night, until when nobody else may, and the token that each of their writes shows."""

    model: str
    version: int
    night: date
    holder: str
    until: datetime
    token: int


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

    @property
    def answer(self) -> str:
        """What people and programs are shown: its status; `shown only` for a finding that can start nothing.

        Such a finding is not quiet: quiet says that a check which may alarm has found nothing.
        """
        shown = self.status is Status.QUIET and bool(self.details.get("finding"))
        return SHOWN_ONLY if shown else str(self.status)


@dataclass(frozen=True, slots=True)
class Mark:
    """A check result in short: what charts show of every night."""

    night: date
    check: str
    status: Status
    statistic: float | None
    threshold: float | None


class Action(StrEnum):
    """What the policy concluded."""

    NOTHING = "nothing"
    MORE_LABELS = "more labels"  # an alarm: ask people for a burst of labels
    RETRAIN = "retrain"
    STAND_DOWN = "stand down"  # the burst excluded a drop: the alarm is closed without retraining
    ALERT = "alert"  # a retraining is called for, and Leeway may not start it: people are told


class DecisionState(StrEnum):
    """How far a decision has been acted on."""

    OPEN = "open"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # a request that was never begun: another version serves


class Cause(StrEnum):
    """Why a version was trained. The gate asks for a gain only where accuracy fell."""

    ACCURACY = "accuracy"  # labels show that it fell
    DRIFT = "drift"  # answers moved, and labels could not exclude a drop
    CALENDAR = "calendar"
    HAND = "hand"  # a person asked for it, or released a bundle


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
    class_weights: Mapping[str, float] = field(default_factory=dict)  # to train with, where the class mix has moved
    cause: str = ""  # a Cause; "" for what is no request, or of the release before

    @property
    def nightly(self) -> bool:
        """Whether a night's results called for it, rather than the calendar or a person."""
        return self.key == nightly_key(self.model, self.version, self.night)

    @property
    def accepts(self) -> bool:
        """Whether a person says with it that the night looks as production does."""
        return self.key == accepted_key(self.model, self.version, self.night)


def accepted_key(model: str, version: int, night: date) -> str:
    """Return the key of the decision by which a person accepts a night."""
    return f"{nightly_key(model, version, night)}/accepted"


def nightly_key(model: str, version: int, night: date) -> str:
    """Return the key of the decision that a night's results call for."""
    return f"{model}/{version}/{night.isoformat()}"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to people. Queued with the finding, in one transaction; sent afterwards."""

    key: str  # dedupe: the same key is sent once
    title: str
    body: str
    made_at: datetime
    sent_at: datetime | None = None  # when the last channel had it
    error: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert on its way to one channel: success is kept for each channel by itself."""

    key: str  # of the alert
    channel: str
    sent_at: datetime | None = None
    error: str = ""  # of the last try
    tries: int = 0  # that were concluded
    tried_at: datetime | None = None
    holder: str = ""  # who is sending it


@dataclass(frozen=True, slots=True)
class Release:
    """One move of the champion alias, or a refusal: the ledger that the registry does not keep."""

    model: str
    version: int
    previous: int | None
    outcome: str  # promoted, refused, left for review, rolled back
    reason: str
    at: datetime
    wanted: int = 0  # gate labels with which it is judged again; 0: it waits for none
    wanted_since: date | None = None  # first night whose gate labels count; None: they all do


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer, with every number it rests on."""

    passed: bool
    outcome: str  # "passed", "failed" or "cannot tell"
    reasons: Sequence[str]
    numbers: Mapping[str, Any]
    against: int | None = None  # the champion's version; None for a first one, judged by absolute floors
    wanted: int = 0  # where it cannot tell: gate labels with which it could
    wanted_since: date | None = None  # first night whose gate labels count; None: they all do
    unguarded: Mapping[str, str] = field(default_factory=dict)  # classes that a person has to look at, and why
