"""A small production for tests of steps: colour squares, three classes, a store in a file, and a clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from leeway.checks.policy import Policy
from leeway.domain.records import Decision, Label, ModelVersion, Prediction, ReferenceCounts
from leeway.domain.stores import Store
from leeway.epoch import Epoch
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.stores.images import FolderImageStore
from leeway.stores.sql import SqlStore
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
    serving_since=datetime.combine(FIRST, time(), tzinfo=UTC),
)
POLICY = Policy.model_validate(
    {
        "prediction_drift": {"min_predictions": 50, "reference_nights": 3},
        "labels": {"per_night": 10, "burst_on_alarm": 40},
        "retrain": {"min_new_labels": 10},
        "promotion": {"mode": "auto", "gate_share": 0.3, "margin_points": 3},
    }
)


def morning(number: int) -> datetime:
    """02:00 after night `number` (from 1)."""
    return datetime.combine(FIRST + timedelta(days=number), time(2), tzinfo=UTC)


def night(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def send(
    store: SqlStore,
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
    store.record_predictions(made, received_at=start)
    return made


def label_all(store: SqlStore, number: int, *, wrong: int = 0) -> int:
    """Answers the whole queue at noon; the first `wrong` answers say that the model erred."""
    queue = store.label_queue("colours")
    answers = []
    for place, (_, said) in enumerate(queue):
        other = next(name for name in CLASSES if name != said.predicted_class)
        truth = other if place < wrong else said.predicted_class
        answers.append(Label(said.id, truth, "tester", morning(number) + timedelta(hours=10)))
    return store.record_labels(answers)


def epoch_of(
    store: Store,
    number: int,
    *,
    policy: Policy = POLICY,
    version: ModelVersion = VERSION,
    images: FolderImageStore | None = None,
) -> Epoch:
    """The version's epoch as it is on morning `number`."""
    return Epoch(version, policy, store, images or FolderImageStore(Path("no images")), morning(number))


def live_morning(store: Store, number: int, *, policy: Policy = POLICY, version: ModelVersion = VERSION) -> Decision:
    """The nightly job for the nights that are due on this morning; the last decision."""
    failures = Failures()
    looked = look(epoch_of(store, number, policy=policy, version=version), failures)
    failures.raise_first()
    assert looked is not None
    assert looked.decided_now, f"no night was due on morning {number}"
    return looked.nights[-1].decision


def known(version: ModelVersion, number: int) -> ModelVersion:
    """The same as another version of the model."""
    return replace(version, version=number, bundle_digest=f"b{number}")


def folder_of_images(path: Path) -> FolderImageStore:
    return FolderImageStore(path / "images")
