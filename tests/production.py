"""A small production for tests of steps: colour squares, three classes, a store in a file, and a clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from leeway.checks.policy import Policy
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import (
    Decision,
    Draw,
    Label,
    ModelVersion,
    Prediction,
    ReferenceCounts,
    ServingPeriod,
)
from leeway.epoch import Epoch
from leeway.jobs.claims import claim_night
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.stores import ledger_queries, rows
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores, open_stores
from memory_stores import MemoryLedger
from tiny_bundle import CLASSES, square

FIRST = date(2026, 3, 1)
VERSION = ModelVersion(
    model="colours",
    version=1,
    bundle_digest="b1",
    dataset_digest="d1",
    reference=ReferenceCounts(
        CLASSES, (0.5, 0.9), ((10, 10, 80),) * 3, correct=294, total=300, guesses=(0.5, 0.25, 0.02)
    ),
)
BEGAN = datetime.combine(FIRST, time(), tzinfo=UTC)
POLICY = Policy.model_validate(
    {
        "prediction_drift": {"min_predictions": 50, "reference_nights": 3, "trigger": "chi_square"},  # of one night
        "labels": {"per_night": 10, "burst_on_alarm": 40},
        "retrain": {"min_new_labels": 10},
        "promotion": {"mode": "auto", "gate_share": 0.3, "gate_per_night": 0, "margin_points": 3},
    }
)


class NamedImages(FolderImageStore):
    """Takes every image that a prediction names for one that is there; none can be read."""

    def holds(self, image: str) -> bool:
        return bool(image)


def morning(number: int) -> datetime:
    """02:00 after night `number` (from 1)."""
    return datetime.combine(FIRST + timedelta(days=number), time(2), tzinfo=UTC)


def night(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def send(
    stores: Stores,
    number: int,
    *,
    count: int = 200,
    images: FolderImageStore | None = None,
    mix: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3),
    version: int = 1,
    name: str = "shot",
) -> list[Prediction]:
    """A night of `count` predictions; every tenth is unsure. Groups recur: there are 150."""
    rng = np.random.default_rng(number)
    start = datetime.combine(night(number), time(), tzinfo=UTC)
    made = []
    for place, chosen in enumerate(rng.choice(3, size=count, p=mix).tolist()):
        said = CLASSES[chosen]
        confidence = 0.6 if place % 10 == 0 else 0.97
        image = images.put(square(said, shade=place % 20)) if images else f"{place:064x}"
        made.append(
            Prediction(
                id=f"{name}-v{version}-{number:03d}-{place:04d}",
                model="colours",
                version=version,
                occurred_at=start + timedelta(minutes=place),
                image=image,
                predicted_class=said,
                confidence=confidence,
                probabilities=tuple(confidence if one == said else (1 - confidence) / 2 for one in CLASSES),
                energy=-1.0,
                latency_ms=1.0,
                group=f"thing-{rng.integers(150)}",
            )
        )
    record(stores, made, received_at=start)
    return made


def record(stores: Stores, made: list[Prediction], *, received_at: datetime = BEGAN) -> None:
    """Predictions of one version."""
    batches = [(made[0].version, PredictionColumns.of(made))]
    stores.log.record(made[0].model, batches, received_at=received_at, strict=True)


def label_all(stores: Stores, number: int, *, wrong: int = 0) -> int:
    """Answers the whole queue at noon; the first `wrong` answers say that the model erred."""
    queue = stores.ledger.label_queue("colours")
    answers = []
    for place, (_, said) in enumerate(queue):
        other = next(name for name in CLASSES if name != said.predicted_class)
        truth = other if place < wrong else said.predicted_class
        answers.append(Label("colours", said.id, truth, "tester", morning(number) + timedelta(hours=10)))
    return stores.ledger.record_labels(answers).new


def epoch_of(
    stores: Stores,
    number: int,
    *,
    policy: Policy = POLICY,
    version: ModelVersion = VERSION,
    images: FolderImageStore | None = None,
) -> Epoch:
    """The version's epoch as it is on morning `number`."""
    periods = stores.ledger.serving_periods(version.model)
    began_at = next((one.began_at for one in periods if one.version == version.version and one.ended_at is None), BEGAN)
    kept = images or NamedImages(Path("no images"))
    return Epoch(version, policy, stores.log, stores.ledger, kept, morning(number), began_at)


def live_morning(stores: Stores, number: int, *, policy: Policy = POLICY, version: ModelVersion = VERSION) -> Decision:
    """The nightly job for the nights that are due on this morning; the last decision."""
    failures = Failures()
    looked = look(epoch_of(stores, number, policy=policy, version=version), failures)
    failures.raise_first()
    assert looked is not None
    assert looked.decided_now, f"no night was due on morning {number}"
    return looked.nights[-1].decision


def known(version: ModelVersion, number: int) -> ModelVersion:
    """The same as another version of the model."""
    return replace(version, version=number, bundle_digest=f"b{number}")


def begun(stores: Stores, version: ModelVersion = VERSION, *, at: datetime = BEGAN) -> Stores:
    """The stores with the version recorded, and serving."""
    stores.ledger.record_model(version)
    stores.ledger.begin_epoch(ServingPeriod(version.model, version.version, at, "the test"))
    return stores


def open_in(folder: Path) -> Stores:
    """Stores in a file, whose draws are the same in every test."""
    return open_stores(f"sqlite:///{folder / 'leeway.db'}", secret="of the tests")


def draws_of(stores: Stores, plan_id: str) -> list[Draw]:
    """The draws of a plan, answered or not."""
    if isinstance(stores.ledger, MemoryLedger):
        return stores.ledger.draws(plan_id)
    found = stores.ledger.database.all(ledger_queries.drawn_of(plan_id))
    return [rows.record_from(Draw, row, rows.DRAW) for row in found]


def held(epoch: Epoch, number: int) -> Epoch:
    """The epoch with a night claimed: steps by themselves write only so."""
    claim_night(epoch, night(number))
    return epoch


def folder_of_images(path: Path) -> FolderImageStore:
    return FolderImageStore(path / "images")
