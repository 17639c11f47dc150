"""Trains a model: data/dataset, and models/start if a champion lies there -> models/bundle. Run in the workspace."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import leeway
from leeway.adapters.mlflow_registry import open_tracker
from leeway.bundle.contents import INDEX, Contents, bundle_digest, write_bundle
from leeway.bundle.predictor import Graph, answer_golden
from leeway.bundle.reference import count_reference
from leeway.data.manifest import Manifest, read_manifest
from leeway.data.pixels import encoded_images, pixel_array
from leeway.evaluation.calibration import fit_temperature
from leeway.paramsfile import load_section
from leeway.stages.running import run_stage
from leeway.training.params import TrainParams

if TYPE_CHECKING:
    from leeway.training.backbones import Network, Preprocessing

DATA, DATASET, START, BUNDLE = Path("data"), Path("data/dataset"), Path("models/start/champion"), Path("models/bundle")
CACHE = Path(".leeway/cache")
GOLDEN_IMAGES = 5
log = logging.getLogger("leeway.stages.train")


def main() -> int:
    # torch's idle threads spin unless told otherwise before torch is loaded, which is why the imports of it stand in
    # functions here: on cores that others use as well, spinning made training 20 times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return run_stage("train", train)


def train() -> None:
    """Reads params.yaml, data/ and models/start of the workspace that is the current folder; writes models/bundle."""
    params, manifest = load_section(Path("params.yaml"), "train", TrainParams), read_manifest(DATASET)
    from leeway.training.backbones import build, preprocessing
    from leeway.training.datamodule import Pixels, TrainingRows
    from leeway.training.fit import fit, logits_of
    from leeway.training.start import start_from

    champion = START if params.retraining.start == "champion" and (START / INDEX).exists() else None
    if champion:
        params = params.for_retraining()
    start = f"champion {bundle_digest(champion)[:12]}" if champion else params.weights or "scratch"
    recipe = preprocessing(params)
    network = build(params, manifest.classes, pretrained=champion is None)
    if champion:
        start_from(network, champion, backbone=params.backbone, classes=manifest.classes)
    pixels = pixel_array(manifest, DATA, recipe.rule, CACHE)
    originals, feedback = manifest.rows("train", "original"), manifest.rows("train", "feedback")
    rows = TrainingRows(originals, manifest.rows("val"), feedback)
    data = Pixels(pixels, manifest.labels, rows=rows, params=params, mean=recipe.mean, std=recipe.std)
    log.info("train: %s from %s on %d originals, %d feedback", params.backbone, start, len(originals), len(feedback))
    with open_tracker().run("train", tags={"dataset_digest": manifest.digest, "start": start}) as run:
        run.log_params(params.model_dump())
        run.log_dataset(name="dataset", digest=manifest.digest, source=str(DATASET))
        fitted = fit(
            network,
            data,
            params,
            log=lambda told, epoch: run.log_metrics(told, step=epoch),
            folder=CACHE / "checkpoints",
        )
        temperature = fit_temperature(logits_of(network, data), manifest.labels[rows.val])
        digest = _write(network, recipe, temperature, params=params, manifest=manifest, pixels=pixels)
        run.set_tags({"bundle_digest": digest})
    told = (digest, fitted.epochs, fitted.seconds, fitted.val_loss, temperature)
    log.info("train: bundle %.12s after %d epochs in %.0f s, validation loss %.3f, temperature %.2f", *told)


def _write(
    network: "Network",
    recipe: "Preprocessing",
    temperature: float,
    *,
    params: TrainParams,
    manifest: Manifest,
    pixels: np.ndarray,
) -> str:
    """The bundle, with what its own graph answers to the frozen test split; gives its digest."""
    from leeway.training.export import export

    content = export(network, recipe, temperature=temperature)
    graph, test = Graph(content, threads=os.cpu_count() or 1), manifest.rows("test", "original")
    contents = Contents(
        classes=manifest.classes,
        resize=recipe.rule,
        backbone=params.backbone,
        weights=params.weights,
        mean=recipe.mean,
        std=recipe.std,
        temperature=temperature,
        dataset_digest=manifest.digest,
        leeway_version=leeway.__version__,
        reference=count_reference(manifest.classes, graph.run(pixels[test]).probabilities, manifest.labels[test]),
    )
    images = encoded_images(manifest, DATA, _varied(test, manifest.labels[test])[:GOLDEN_IMAGES])
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    golden = answer_golden(graph, images, classes=manifest.classes, rule=recipe.rule)
    return write_bundle(BUNDLE, contents, graph=content, weights=weights, golden=golden)


def _varied(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The rows, one of each class first."""
    _, firsts = np.unique(labels, return_index=True)
    return np.concatenate([rows[firsts], np.delete(rows, firsts)])


if __name__ == "__main__":
    sys.exit(main())
