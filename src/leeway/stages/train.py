"""Trains a model: data/dataset, and models/start if a champion lies there -> models/bundle. Run in the workspace."""

import hashlib
import logging
import os
import sys
from pathlib import Path

from leeway.adapters.mlflow.tracking import open_tracker
from leeway.bundle.contents import bundle_digest, read_contents
from leeway.data.manifest import read_manifest
from leeway.data.pixels import pixel_array
from leeway.domain.ports import TrackedRun
from leeway.paramsfile import load_section
from leeway.stages.beginning import START, champion_to_start_from, params_for_start
from leeway.stages.bundling import Begun, write_trained
from leeway.stages.running import run_stage
from leeway.training.imbalance import loss_weights, read_class_weights
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams

DATA, DATASET = Path("data"), Path("data/dataset")
CACHE = Path(".leeway/cache")
CHECKPOINTS = CACHE / "checkpoints"
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
    champion = champion_to_start_from(asked)
    recipe = preprocessing(asked, champion=read_contents(champion) if champion else None)
    for warning in recipe.warnings:
        log.warning("train: %s", warning)
    params = params_for_start(asked, champion)
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
    digest, temperature = write_trained(begun, fitted, data)
    close_run(CHECKPOINTS)
    told = (digest, fitted.epochs, fitted.seconds, fitted.val_loss, temperature)
    log.info("train: bundle %.12s after %d epochs in %.0f s, validation loss %.3f, temperature %.2f", *told)
    return digest


if __name__ == "__main__":
    sys.exit(main())
