"""Answers: what a bundle says about the test split, each image decoded once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.bundle.predictor import Predictor, read_pixels
from leeway.data.manifest import Manifest
from leeway.data.pixels import encoded_images
from leeway.data.progress import advancing
from leeway.errors import BundleError
from leeway.evaluation.metrics import predictions
from leeway.evaluation.selective import Review, RiskCoverage, apply_review, risk_coverage
from leeway.evaluation.tta import Gain, Views, compare, mean_answer, times_slower

Indices = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
IMAGES_AT_ONCE = 512  # decoded images held in memory


@dataclass(frozen=True, slots=True)
class Answered:
    """N test images in the order in which their shards lie, and what was said about them."""

    rows: Indices  # (N,) of the manifest
    truth: Indices  # (N,) class indices
    probabilities: Floats  # (N, K)
    energy: Floats  # (N,)
    gain: Gain | None  # of test-time augmentation; None where none was asked for

    @property
    def predicted(self) -> Indices:
        """(N,) class indices, NO_ANSWER where a probability is not finite."""
        return predictions(self.probabilities)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,)"""
        return np.asarray(self.predicted == self.truth)

    @property
    def confidence(self) -> Floats:
        """(N,) the largest probability, NaN where one is."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def risk(self) -> RiskCoverage:
        return risk_coverage(self.confidence, self.right)

    def review(self, threshold: float | None) -> Review | None:
        """What the bundle's review threshold does to these answers; None without one."""
        return None if threshold is None else apply_review(self.confidence, self.right, threshold=threshold)

    def column(self, manifest: Manifest, name: str) -> list[Any]:
        """(N,) a column of the manifest, for these images."""
        values = manifest.table[name].to_pylist()
        return [values[row] for row in self.rows.tolist()]


def answer_test_split(predictor: Predictor, manifest: Manifest, data_folder: Path, *, views: Views) -> Answered:
    """The bundle's answers to the manifest's test rows; with `views` also to the means over them, to compare.

    Raises BundleError if the classes are not the dataset's, DataError for an image that cannot be decoded.
    """
    _check_classes(predictor, manifest)
    rows = _shard_by_shard(manifest, manifest.rows("test"))
    probabilities, energy, averaged = [], [], []

    def answer(pixels: NDArray[np.uint8]) -> Floats:
        return predictor.predict_pixels(pixels).probabilities

    with advancing("answering test images", total=len(rows)) as advance:
        for start in range(0, len(rows), IMAGES_AT_ONCE):
            images = encoded_images(manifest, data_folder, rows[start : start + IMAGES_AT_ONCE])
            pixels = read_pixels(images, predictor.contents.resize)
            told = predictor.predict_pixels(pixels)
            probabilities.append(told.probabilities)
            energy.append(told.energy)
            if views != "none":
                averaged.append(mean_answer(pixels, views, answer=answer))
            advance(len(images))
    nothing = np.empty((0, len(manifest.classes)), np.float32)
    truth, found = manifest.labels[rows], np.concatenate([nothing, *probabilities])
    gain = None
    if averaged:
        slower = times_slower(pixels, views, answer=answer)
        gain = compare(truth, found, np.concatenate(averaged), views=views, slower=slower)
    return Answered(rows, truth, found, np.concatenate([np.empty(0, np.float32), *energy]), gain)


def _check_classes(predictor: Predictor, manifest: Manifest) -> None:
    if predictor.contents.classes != manifest.classes:
        told = f"{', '.join(predictor.contents.classes)}; the dataset's are {', '.join(manifest.classes)}"
        raise BundleError(f"models/bundle: its classes are {told}: make both anew with `dvc repro`")


def _shard_by_shard(manifest: Manifest, rows: Indices) -> Indices:
    """The same rows, ordered so that few chunks share a shard: each chunk reads the shards it touches whole."""
    shards = np.array(manifest.table["shard"].to_pylist())
    ordered: Indices = rows[np.argsort(shards[rows], kind="stable")]
    return ordered
