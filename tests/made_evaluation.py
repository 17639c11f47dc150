"""An evaluation for tests: real figures of made-up answers, everything else spelled out."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from leeway.bundle.contents import Contents
from leeway.bundle.resize import ResizeRule
from leeway.data.manifest import TABLE_SCHEMA, Manifest
from leeway.domain.records import ReferenceCounts
from leeway.evaluation.answers import Answered
from leeway.evaluation.checklist import Checklist, ChecklistItem
from leeway.evaluation.latency import Latency
from leeway.evaluation.metrics import evaluate
from leeway.evaluation.mistakes import Mistake
from leeway.evaluation.must_pass import Required
from leeway.evaluation.record import Evaluation
from leeway.evaluation.robustness import robustness
from leeway.evaluation.strangers import meet_strangers

CLASSES = ("cat", "dog", "ship", "car", "frog", "horse")
HISTORY = tuple(
    {"epoch": n, "train_loss": 1 / (n + 1), "val_loss": 1.1 / (n + 1), "val_accuracy": 1 - 0.5 / (n + 1), "lr": 0.003}
    for n in range(4)
)


@dataclass(frozen=True, slots=True)
class Made:
    """An evaluation, and the answers that it is about."""

    evaluation: Evaluation
    answered: Answered


def made_evaluation(
    classes: tuple[str, ...] = CLASSES, *, images: int = 240, slices: tuple[str, ...] = (), **changes: Any
) -> Made:
    """Answers that are mostly right; `changes` replace fields of the bundle's contents."""
    rng = np.random.default_rng(0)
    truth = np.arange(images) % len(classes)
    logits = rng.normal(size=(images, len(classes)))
    logits[np.arange(images), truth] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    energy = -np.log(np.exp(logits).sum(axis=1))
    answered = Answered(np.arange(images), truth, probabilities, energy, None)
    contents = _contents(classes, changes)
    pixels = rng.integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    report = evaluate(
        truth, probabilities, classes=classes, bins=10, draws=100, rng=rng, temperature=contents.temperature,
        slices=[slices[n % len(slices)] for n in range(images)] if slices else (),
    )  # fmt: skip
    evaluation = Evaluation(
        bundle_digest="b" * 64,
        bundle_bytes=640_000,
        contents=contents,
        manifest=Manifest("d" * 64, classes, TABLE_SCHEMA.empty_table()),
        intended_use=None,
        report=report,
        risk=answered.risk,
        review=answered.review(contents.review_threshold),
        strangers=meet_strangers(
            energy, pixels, energy_of=lambda p: p.mean(axis=(1, 2, 3)), threshold=contents.energy_threshold, rng=rng
        ),
        latency=Latency(200, 1.5, 4.25, 1.25, 3.5, 2),
        gain=None,
        trials=robustness(lambda p: np.zeros(len(p), dtype=np.int64), pixels, np.arange(8) % 2),
        checklist=Checklist(
            "b" * 64, (ChecklistItem("weights loaded", "pass", "ok"), ChecklistItem("must-pass set", "fail", "1 wrong"))
        ),
        required=(Required("a<b>.png", "cat", "dog", 0.75, False), Required("c.png", "cat", "cat", 0.9, False)),
        mistakes=(Mistake("photos/<1>.png", "cat", "dog", 0.91, picture()),),
        readers=("evaluate", "gate"),
    )
    return Made(evaluation, answered)


def picture() -> bytes:
    """A PNG."""
    stored = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 30, 20)).save(stored, "PNG")
    return stored.getvalue()


def _contents(classes: tuple[str, ...], changes: dict[str, Any]) -> Contents:
    told: dict[str, Any] = {
        "classes": classes,
        "resize": ResizeRule(8, 8),
        "backbone": "resnet18",
        "weights": None,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "temperature": 1.5,
        "dataset_digest": "d" * 64,
        "leeway_version": "0",
        "reference": ReferenceCounts(classes, (0.5, 0.9), ((0, 0, 3),) * len(classes), correct=9, total=9),
        "review_threshold": 0.7,
        "energy_threshold": 0.0,
        "training": {"history": list(HISTORY), "start": "scratch", "warnings": ["mean <differs>"]},
    }
    return Contents(**(told | changes))
