"""Bundling: what a training made becomes a bundle, with thresholds, golden images and reference counts."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp, softmax

from leeway.bundle.contents import Contents, write_bundle
from leeway.bundle.predictor import Graph, answer_golden
from leeway.bundle.reference import count_reference
from leeway.data.manifest import Manifest
from leeway.data.pixels import encoded_images
from leeway.evaluation.calibration import fit_temperature
from leeway.evaluation.reads import LEDGER, record_read
from leeway.evaluation.selective import review_threshold
from leeway.evaluation.strangeness import energy_threshold
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams
from leeway.version import __version__

if TYPE_CHECKING:
    from leeway.training.datamodule import Pixels
    from leeway.training.fit import Fitted
    from leeway.training.preprocessing import Preprocessing

DATA, BUNDLE = Path("data"), Path("models/bundle")
GOLDEN_IMAGES = 5


@dataclass(frozen=True, slots=True)
class Begun:
    """A training with all that it needs."""

    params: TrainParams
    recipe: "Preprocessing"
    manifest: Manifest
    pixels: np.ndarray
    rows: TrainingRows
    champion: Path | None
    start: str


def write_trained(begun: Begun, fitted: "Fitted", data: "Pixels") -> tuple[str, float]:
    """Writes models/bundle; gives its digest and temperature.

    What its own graph answers to the frozen test split becomes its reference, and is written down as a look at it.
    """
    from leeway.training.export import export
    from leeway.training.fit import logits_of

    params, recipe, manifest = begun.params, begun.recipe, begun.manifest
    logits, truth = logits_of(fitted.network, data, device=fitted.device), manifest.labels[begun.rows.val]
    temperature = fit_temperature(logits, truth)
    content = export(fitted.network, recipe, temperature=temperature)
    graph, test = Graph(content, threads=os.cpu_count() or 1), manifest.rows("test")
    review, energy = _thresholds(logits / temperature, truth, params=params, temperature=temperature)
    contents = Contents(
        classes=manifest.classes,
        resize=recipe.rule,
        backbone=params.backbone,
        weights=params.weights,
        mean=recipe.mean,
        std=recipe.std,
        temperature=temperature,
        dataset_digest=manifest.digest,
        leeway_version=__version__,
        reference=count_reference(manifest.classes, graph.run(begun.pixels[test]).probabilities, manifest.labels[test]),
        review_threshold=review,
        energy_threshold=energy,
        training=_told(begun, fitted),
    )
    images = encoded_images(manifest, DATA, _varied(test, manifest.labels[test])[:GOLDEN_IMAGES])
    weights = {name: tensor.numpy() for name, tensor in fitted.network.state_dict().items()}
    golden = answer_golden(graph, images, classes=manifest.classes, rule=recipe.rule)
    digest = write_bundle(BUNDLE, contents, graph=content, weights=weights, golden=golden)
    record_read(LEDGER, digest, by="train", at=datetime.now(UTC))
    return digest, temperature


def _thresholds(
    scaled: np.ndarray, truth: np.ndarray, *, params: TrainParams, temperature: float
) -> tuple[float | None, float]:
    """Confidence under which a person should look, energy above which an image is strange; `scaled` (v, K) logits."""
    probabilities = softmax(scaled, axis=1)
    right = probabilities.argmax(axis=1) == truth
    energies = -temperature * logsumexp(scaled, axis=1)
    review = review_threshold(probabilities.max(axis=1), right, target=params.review_accuracy)
    return review, energy_threshold(energies, share=params.strange_share)


def _told(begun: Begun, fitted: "Fitted") -> dict[str, Any]:
    """How the network came to be: nothing that differs when it is trained once more."""
    return {
        "history": list(fitted.history),
        "first_epoch_accuracy": fitted.history[0]["val_accuracy"],
        "precision": fitted.precision,
        "device": fitted.device,
        "start": begun.start,
        "warnings": list(begun.recipe.warnings),
    }


def _varied(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The rows, one of each class first."""
    _, firsts = np.unique(labels, return_index=True)
    return np.concatenate([rows[firsts], np.delete(rows, firsts)])
