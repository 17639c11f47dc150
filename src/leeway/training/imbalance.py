"""Imbalance: how much each class counts, in the loss and in the draw of the batches."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from leeway import durable
from leeway.errors import DataError
from leeway.recordfile import read_record
from leeway.training.params import TrainParams

CLASS_WEIGHTS = "class_weights.json"  # beside the champion, in models/start
Weights = NDArray[np.float64]
PositiveWeight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def class_draws(params: TrainParams, labels: NDArray[np.int64], classes: int) -> Weights | None:
    """(K,) how often to draw an image of each class; None: each image once. `labels` (n,) of the training images."""
    return _inverse(labels, classes) if params.imbalance == "weighted_sampler" else None


def loss_weights(
    params: TrainParams, labels: NDArray[np.int64], classes: Sequence[str], *, asked: Mapping[str, float] | None = None
) -> Weights | None:
    """(K,) weight of each class in the loss, None if all count the same. `labels` (n,) of the training images.

    `asked` are the weights that a retraining carries because production's mix has moved. They weigh the loss and not
    the draw: every original still comes once an epoch, and a rare class is not learned by heart from a few images
    repeated. A class without a weight has 1.
    """
    weights = np.ones(len(classes))
    if params.imbalance == "weighted_loss":
        weights = _inverse(labels, len(classes))
    if asked:
        weights = weights * np.array([asked.get(name, 1.0) for name in classes])
    if not asked and params.imbalance != "weighted_loss":
        return None
    scaled: Weights = weights / weights[labels].mean()
    return scaled


def write_class_weights(folder: Path, weights: Mapping[str, float]) -> None:
    """class_weights.json in `folder`, where training finds it; without weights the file is removed."""
    path = folder / CLASS_WEIGHTS
    if not weights:
        path.unlink(missing_ok=True)
        return
    durable.write_text(path, json.dumps(dict(sorted(weights.items())), indent=1) + "\n")


def read_class_weights(folder: Path) -> dict[str, float]:
    """The weights that a retraining carries; empty if there are none. Raises DataError for what is not a weight."""
    path = folder / CLASS_WEIGHTS
    if not path.exists():
        return {}
    return read_record(path, dict[str, PositiveWeight], error=DataError, hint="remove the file, or retrain anew")


def _inverse(labels: NDArray[np.int64], classes: int) -> Weights:
    """(K,) in inverse proportion to how many images a class has; a class without any has 1."""
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1.0)
