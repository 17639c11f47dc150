"""The records of the battery that all stores have to pass, and ways to do several things at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing.synchronize import Barrier as ProcessBarrier
from threading import Barrier
from typing import Protocol

from sqlalchemy import Connection, create_engine

from leeway.domain.columns import PredictionColumns
from leeway.domain.records import (
    Action,
    Alert,
    CheckResult,
    Claim,
    Decision,
    DecisionState,
    Draw,
    Label,
    LabelPlan,
    ModelVersion,
    PlanDesign,
    Prediction,
    Recorded,
    ReferenceCounts,
    Status,
    WindowCounts,
)
from leeway.domain.stores import Ledger, PredictionLog
from leeway.stores.database import parse_address
from leeway.stores.opening import open_stores

NIGHT = date(2025, 3, 1)
START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + DAY
CLOSED = END + timedelta(hours=2)
CLASSES = ("cat", "dog", "ship")
REFERENCE = ReferenceCounts(CLASSES, (0.6, 0.9), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), correct=40, total=45)
VERSION = ModelVersion("pets", 1, "bundle-1", "data-1", REFERENCE)
BIRDS = replace(VERSION, model="birds")
SECRET = "s"


class TwoStores(Protocol):
    """A prediction log and a ledger, wherever they are kept."""

    @property
    def log(self) -> PredictionLog: ...

    @property
    def ledger(self) -> Ledger: ...

    def close(self) -> None: ...


# The log


def prediction(name: str, **changed: object) -> Prediction:
    made = Prediction(
        id=name,
        model="pets",
        version=1,
        occurred_at=START + timedelta(hours=5),
        image="ab" * 32,
        predicted_class="dog",
        confidence=0.75,
        probabilities=(0.1, 0.75, 0.15),
        energy=-3.25,
        latency_ms=4.5,
        group="thing-1",
        slice="door",
        second_class="ship",
        review="unsure",
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def record(log: PredictionLog, *rows: Prediction, strict: bool = False, received_at: datetime = START) -> Recorded:
    """Record these predictions of one model: a batch for each of its versions, in one transaction."""
    versions = sorted({one.version for one in rows})
    [model] = {one.model for one in rows}
    batches = [(version, PredictionColumns.of([one for one in rows if one.version == version])) for version in versions]
    return log.record(model, batches, received_at=received_at, strict=strict)


def recorded(log: PredictionLog, *names: str, **changed: object) -> list[Prediction]:
    made = [prediction(name, **changed) for name in names]
    record(log, *made)
    return made


def with_labels(
    rows: Sequence[Prediction], labels: Sequence[str | None], chances: Sequence[float | None]
) -> tuple[int, PredictionColumns]:
    """A batch of a log that comes with labels."""
    return rows[0].version, replace(PredictionColumns.of(rows), labels=labels, draw_probabilities=chances)


# The ledger


def claimed(ledger: Ledger, night: date = NIGHT, *, holder: str = "here", version: ModelVersion = VERSION) -> Claim:
    return ledger.claim_night(version, night, holder=holder, now=CLOSED, until=CLOSED + timedelta(hours=1))


def decision(night: date = NIGHT, *, model: str = "pets", state: DecisionState = DecisionState.OPEN) -> Decision:
    key = f"{model}/1/{night}"
    return Decision(key, model, 1, night, Action.RETRAIN, "accuracy fell", CLOSED, "policy-1", state)


def window(night: date = NIGHT, **changed: object) -> WindowCounts:
    return replace(WindowCounts("pets", 1, night, CLASSES, ((0, 1, 2), (3, 4, 5), (0, 0, 0))), **changed)  # type: ignore[arg-type]


def plan(
    name: str,
    drawn: Sequence[str],
    *,
    night: date = NIGHT,
    purpose: str = "measure",
    second_opinion: str = "none",
) -> tuple[LabelPlan, PlanDesign, list[Draw]]:
    """A plan, its design and its draws, as they are recorded."""
    draws = [
        Draw(f"{name}-{at}", name, "pets", one, purpose, stratum="dog", probability=0.125, guess=0.25)
        for at, one in enumerate(drawn)
    ]
    made = LabelPlan(name, "pets", 1, night, CLOSED, asked=len(draws), second_opinion=second_opinion)
    return made, PlanDesign(predictions=300, mean_guess=0.0625, stratum_shares={"dog": 1.0}), draws


def planned(ledger: Ledger, name: str, drawn: Sequence[str], *, night: date = NIGHT, **more: str) -> bool:
    """Record a plan that draws these predictions."""
    made, design, draws = plan(name, drawn, night=night, **more)
    pins = [prediction(one, group=f"thing of {one}") for one in sorted(set(drawn))]
    return ledger.record_plan(made, design, draws, pins, claim=claimed(ledger, night))


def pinned(name: str, **changed: object) -> Prediction:
    """What is kept of a prediction that was drawn."""
    return prediction(name, probabilities=(), latency_ms=None, **{"group": f"thing of {name}"} | changed)


def label(
    name: str,
    said: str = "dog",
    *,
    labeler: str = "ada",
    minute: int = 0,
    model: str = "pets",
    kind: str = "drawn",
    answer: str = "label",
) -> Label:
    return Label(model, name, said, labeler, CLOSED + timedelta(minutes=minute), kind, answer)


FIRED = CheckResult(
    check="accuracy",
    status=Status.FIRED,
    reason="accuracy 0.71 is under 0.90",
    statistic=31.5,
    threshold=27.0,
    effect=0.71,
    n=20,
    details={"interval": [0.62, 0.79], "per_class": {"cat": None}},
    state={"wealth": 31.5},
)
UNSURE = CheckResult("drift", Status.NO_VERDICT, "12 predictions, 100 needed")
ALERT = Alert("pets/1/alarm", "Accuracy fell", "0.71\nNöt good", CLOSED)


# Several at once, and from outside


def all_at_once(act: Callable[[int], bool], number: int = 6) -> list[bool]:
    barrier = Barrier(number)

    def start(one: int) -> bool:
        barrier.wait()
        return act(one)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(start, range(number)))


def open_when_all_are_ready(url: str, barrier: ProcessBarrier) -> None:
    """Runs in a process of its own."""
    barrier.wait(timeout=60)
    open_stores(url).close()


@contextmanager
def somebody_else(url: str) -> Iterator[Connection]:
    """A connection that knows nothing of Leeway."""
    engine = create_engine(parse_address(url))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
