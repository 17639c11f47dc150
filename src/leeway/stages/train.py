"""Trains a model: data/dataset, and models/start if a champion lies there -> models/bundle. Run in the workspace."""

import hashlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp, softmax

import leeway
from leeway.adapters.mlflow_registry import open_tracker
from leeway.bundle.contents import INDEX, Contents, bundle_digest, read_contents, write_bundle
from leeway.bundle.predictor import Graph, answer_golden
from leeway.bundle.reference import count_reference
from leeway.data.manifest import Manifest, read_manifest
from leeway.data.pixels import encoded_images, pixel_array
from leeway.domain.ports import TrackedRun
from leeway.errors import TrainingError
from leeway.evaluation.calibration import fit_temperature
from leeway.evaluation.selective import review_threshold
from leeway.evaluation.strangeness import energy_threshold
from leeway.paramsfile import load_section
from leeway.stages.running import run_stage
from leeway.training.imbalance import loss_weights, read_class_weights
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams

if TYPE_CHECKING:
    from leeway.training.datamodule import Pixels
    from leeway.training.fit import Fitted
    from leeway.training.preprocessing import Preprocessing

DATA, DATASET, START, BUNDLE = Path("data"), Path("data/dataset"), Path("models/start"), Path("models/bundle")
CHAMPION = START / "champion"
CACHE = Path(".leeway/cache")
CHECKPOINTS = CACHE / "checkpoints"
GOLDEN_IMAGES = 5
log = logging.getLogger("leeway.stages.train")


def main() -> int:
    # torch's idle threads spin unless told otherwise before torch is loaded, which is why the imports of it stand in
    # functions here: on cores that others use as well, spinning made training 20 times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return run_stage("train", train)


def train() -> None:
    """Reads params.yaml, data/ and models/start of the workspace that is the current folder; writes models/bundle."""
    asked, manifest = load_section(Path("params.yaml"), "train", TrainParams), read_manifest(DATASET)
    from leeway.training.fit import is_first_process
    from leeway.training.memory import keep_freed_memory
    from leeway.training.preprocessing import preprocessing

    keep_freed_memory()
    if not is_first_process():  # the first one tells what there is to tell
        logging.getLogger("leeway").setLevel(logging.WARNING)
    champion = _champion(asked)
    recipe = preprocessing(asked, champion=read_contents(champion) if champion else None)
    for warning in recipe.warnings:
        log.warning("train: %s", warning)
    params = _begun(asked, champion)
    start = f"champion {bundle_digest(champion)[:12]}" if champion else params.weights or "scratch"
    pixels = pixel_array(manifest, DATA, recipe.rule, CACHE)
    originals, feedback = manifest.rows("train", "original"), manifest.rows("train", "feedback")
    rows = TrainingRows(originals, manifest.rows("val"), feedback)
    log.info("train: %s from %s on %d originals, %d feedback", params.backbone, start, len(originals), len(feedback))
    tracker = open_tracker() if is_first_process() else open_tracker("none")
    with tracker.run("train", tags={"dataset_digest": manifest.digest, "start": start}) as run:
        run.log_params(params.model_dump())
        run.log_dataset(name="dataset", digest=manifest.digest, source=str(DATASET))
        digest = _train(Begun(params, recipe, manifest, pixels, rows, champion, start), run)
        run.set_tags({"bundle_digest": digest})


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


def _champion(params: TrainParams) -> Path | None:
    """The champion's bundle, if training begins from it. Raises TrainingError if it has to and there is none."""
    there = (CHAMPION / INDEX).exists()
    if params.weights == "champion" and not there:
        raise TrainingError(
            f"params.yaml: train.weights is champion, but {CHAMPION} holds none; run `leeway retrain`, or copy a "
            "bundle there"
        )
    wanted = params.weights == "champion" or params.retraining.start == "champion"
    return CHAMPION if there and wanted else None


def _begun(params: TrainParams, champion: Path | None) -> TrainParams:
    """The params as they hold for this start."""
    if champion:
        return params.for_retraining()
    if params.retraining.start == "scratch" and (CHAMPION / INDEX).exists():
        return params.model_copy(update={"weights": None})
    return params


def _train(begun: Begun, run: TrackedRun) -> str:
    """Trains and writes the bundle; gives its digest."""
    from leeway.training.backbones import build
    from leeway.training.datamodule import Pixels
    from leeway.training.fit import fit
    from leeway.training.runs import close_run, run_key
    from leeway.training.start import start_from

    params, manifest, champion = begun.params, begun.manifest, begun.champion
    network = build(params, manifest.classes, pretrained=champion is None)
    if champion:
        renamed = manifest.renamed
        start_from(network, champion, backbone=params.backbone, classes=manifest.classes, renamed=renamed)
    asked = read_class_weights(START)
    if asked:
        log.info("train: classes weigh %s in the loss", ", ".join(f"{name} {one:.2f}" for name, one in asked.items()))
    weights = loss_weights(params, manifest.labels[begun.rows.original], manifest.classes, asked=asked)
    data = Pixels(
        begun.pixels, manifest.labels, rows=begun.rows, params=params, mean=begun.recipe.mean, std=begun.recipe.std
    )
    dataset = hashlib.sha256("".join([manifest.digest, *manifest.table["asset"].to_pylist()]).encode()).hexdigest()
    facts = {"dataset": dataset, "start": begun.start, "preprocessing": data.recipe, "weights": str(asked)}
    fitted = fit(
        network,
        data,
        params,
        log=lambda told, number: run.log_metrics(told, step=number),
        folder=CHECKPOINTS,
        key=run_key(params, facts),
        dataset=dataset,
        class_weights=weights,
    )
    digest, temperature = _write(begun, fitted, data)
    close_run(CHECKPOINTS)
    told = (digest, fitted.epochs, fitted.seconds, fitted.val_loss, temperature)
    log.info("train: bundle %.12s after %d epochs in %.0f s, validation loss %.3f, temperature %.2f", *told)
    return digest


def _write(begun: Begun, fitted: "Fitted", data: "Pixels") -> tuple[str, float]:
    """The bundle, with what its own graph answers to the frozen test split; gives its digest and temperature."""
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
        leeway_version=leeway.__version__,
        reference=count_reference(manifest.classes, graph.run(begun.pixels[test]).probabilities, manifest.labels[test]),
        review_threshold=review,
        energy_threshold=energy,
        training=_told(begun, fitted),
    )
    images = encoded_images(manifest, DATA, _varied(test, manifest.labels[test])[:GOLDEN_IMAGES])
    weights = {name: tensor.numpy() for name, tensor in fitted.network.state_dict().items()}
    golden = answer_golden(graph, images, classes=manifest.classes, rule=recipe.rule)
    return write_bundle(BUNDLE, contents, graph=content, weights=weights, golden=golden), temperature


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


if __name__ == "__main__":
    sys.exit(main())
