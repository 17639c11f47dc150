"""Sample: some test images as pixels, to be corrupted, attacked, made strange and timed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leeway.bundle.predictor import Predictor, read_pixels
from leeway.data.manifest import Manifest
from leeway.data.pixels import encoded_images
from leeway.evaluation.answers import Answered
from leeway.evaluation.metrics import predictions
from leeway.evaluation.robustness import Trial, robustness, some_rows
from leeway.evaluation.strangers import Strangers, meet_strangers

Pixels = NDArray[np.uint8]
SEED = 0  # of what is drawn: the same bundle has the same report


@dataclass(frozen=True, slots=True)
class Sample:
    """B test images."""

    images: Sequence[bytes]  # encoded
    pixels: Pixels  # (B, H, W, C) as the bundle takes them
    truth: NDArray[np.int64]  # (B,) class indices


def take_sample(predictor: Predictor, answered: Answered, manifest: Manifest, data: Path, *, most: int) -> Sample:
    """At most that many of the test images, drawn evenly; the same every time. `data`: the folder of the shards."""
    places = some_rows(np.arange(len(answered.rows)), most=most, seed=SEED)
    images = encoded_images(manifest, data, answered.rows[places])
    return Sample(images, read_pixels(images, predictor.contents.resize), answered.truth[places])


def corrupt(predictor: Predictor, sample: Sample, *, attacked: Pixels | None, attack_step: int) -> tuple[Trial, ...]:
    """The bundle's accuracy on the sample, corrupted and attacked."""

    def answer(pixels: Pixels) -> NDArray[np.int64]:
        return predictions(predictor.predict_pixels(pixels).probabilities)

    return robustness(answer, sample.pixels, sample.truth, attacked=attacked, attack_step=attack_step, seed=SEED)


def estrange(predictor: Predictor, sample: Sample, answered: Answered) -> Strangers:
    """What the bundle's energy says about images made from the sample, beside all test images."""
    return meet_strangers(
        answered.energy,
        sample.pixels,
        energy_of=lambda pixels: predictor.predict_pixels(pixels).energy,
        threshold=predictor.contents.energy_threshold,
        rng=np.random.default_rng(SEED),
    )
