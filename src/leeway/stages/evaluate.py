"""Evaluates the bundle itself, as it will be served, on the frozen test split, and writes reports/."""

import csv
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leeway.adapters.mlflow_registry import open_tracker
from leeway.bundle.contents import bundle_digest
from leeway.bundle.predictor import Predictor
from leeway.data.manifest import Manifest, read_manifest
from leeway.data.pixels import encoded_images
from leeway.errors import BundleError
from leeway.evaluation.metrics import NO_ANSWER, Report, evaluate, predictions
from leeway.evaluation.params import EvaluateParams
from leeway.evaluation.plots import save_pictures
from leeway.paramsfile import load_section
from leeway.stages.running import run_stage

DATA, DATASET, BUNDLE, REPORTS = Path("data"), Path("data/dataset"), Path("models/bundle"), Path("reports")
IMAGES_AT_ONCE = 512  # decoded images held in memory
log = logging.getLogger("leeway.stages.evaluate")


def main() -> int:
    return run_stage("evaluate", evaluate_bundle)


def evaluate_bundle() -> None:
    """Reads params.yaml, data/ and models/bundle of the workspace that is the current folder; writes reports/."""
    params = load_section(Path("params.yaml"), "evaluate", EvaluateParams)
    manifest, digest = read_manifest(DATASET), bundle_digest(BUNDLE)
    predictor = Predictor.load(BUNDLE, threads=os.cpu_count() or 1)
    rows = _shard_by_shard(manifest, manifest.rows("test", "original"))
    log.info("evaluate: bundle %.12s on %d test images of dataset %.12s", digest, len(rows), manifest.digest)
    truth, probabilities = manifest.labels[rows], _answers(predictor, manifest, rows)
    report = evaluate(truth, probabilities, classes=manifest.classes, bins=params.bins)
    _write(report, truth=truth, predicted=predictions(probabilities))
    with open_tracker().run_of_bundle(digest, name="evaluate") as run:
        run.log_metrics(report.headline())
        run.log_files(REPORTS / "pictures", under="evaluation")
    told = report.accuracy
    log.info("evaluate: accuracy %.3f (%.3f to %.3f); see %s", told.value, told.low, told.high, REPORTS)


def _answers(predictor: Predictor, manifest: Manifest, rows: np.ndarray) -> np.ndarray:
    """(N, K) probabilities for the images in these rows of the manifest."""
    if predictor.contents.classes != manifest.classes:
        told = f"{', '.join(predictor.contents.classes)}; the dataset's are {', '.join(manifest.classes)}"
        raise BundleError(f"{BUNDLE}: its classes are {told}: make both anew with `dvc repro`")
    chunks = [rows[start : start + IMAGES_AT_ONCE] for start in range(0, len(rows), IMAGES_AT_ONCE)]
    answers = [predictor.predict(encoded_images(manifest, DATA, chunk)).probabilities for chunk in chunks]
    return np.concatenate([np.empty((0, len(manifest.classes)), np.float32), *answers])


def _shard_by_shard(manifest: Manifest, rows: np.ndarray) -> np.ndarray:
    """The same rows, ordered so that few chunks share a shard: each chunk reads the shards it touches whole."""
    shards = np.array(manifest.table["shard"].to_pylist())
    return rows[np.argsort(shards[rows], kind="stable")]


def _write(report: Report, *, truth: np.ndarray, predicted: np.ndarray) -> None:
    """Pictures, the two files that `dvc plots` draws, and last the metrics."""
    save_pictures(report, REPORTS / "pictures")
    names = {**dict(enumerate(report.classes)), NO_ANSWER: "(no answer)"}
    pairs = ((names[actual], names[answer]) for actual, answer in zip(truth.tolist(), predicted.tolist(), strict=True))
    _write_csv(REPORTS / "confusion.csv", ["actual", "predicted"], pairs)
    bins = [(one.confidence, one.accuracy.value, one.count) for one in report.reliability if one.accuracy]
    _write_csv(REPORTS / "reliability.csv", ["confidence", "accuracy", "images"], bins)
    (REPORTS / "metrics.json").write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    sys.exit(main())
