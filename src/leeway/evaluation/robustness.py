"""Robustness: how much accuracy is left when images are blurred, noisy, lighter, flat, compressed, turned or attacked.

After Hendrycks and Dietterich (2019), "Benchmarking neural network robustness to common corruptions and perturbations",
with strengths of our own: theirs are in pixels of 224, which mean something else at 32 or 512. What has a length is
given here as a share of the shorter side. Images are corrupted as the model takes them, after resizing, so that a
strength means the same for every camera.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from leeway.evaluation.intervals import Interval, share

Pixels = NDArray[np.uint8]  # (B, H, W, C)
Indices = NDArray[np.int64]
Corruption = Callable[[Pixels, float, np.random.Generator], Pixels | NDArray[np.float32]]

CLEAN, ATTACK = "none", "attack"


@dataclass(frozen=True, slots=True)
class Trial:
    """The accuracy under one corruption at one strength."""

    corruption: str  # a name in CORRUPTIONS, or CLEAN, or ATTACK
    severity: int  # 1 to 3; 0 for clean images
    amount: str  # the strength, as a number with its sign or unit
    measure: str  # what the strength counts
    accuracy: Interval
    images: int


@dataclass(frozen=True, slots=True)
class Strengths:
    """A corruption of one image, its three strengths, and how to say them."""

    apply: Corruption
    amounts: tuple[float, float, float]
    form: str  # of an amount
    measure: str  # what it counts


def _blur(image: Pixels, sigma_share: float, _rng: np.random.Generator) -> Pixels:
    blurred = _picture(image).filter(ImageFilter.GaussianBlur(sigma_share * min(image.shape[:2])))
    return _pixels(blurred, image)


def _noise(image: Pixels, deviation: float, rng: np.random.Generator) -> NDArray[np.float32]:
    return image + np.float32(255 * deviation) * rng.standard_normal(image.shape, dtype=np.float32)


def _brightness(image: Pixels, change: float, rng: np.random.Generator) -> NDArray[np.float32]:
    return image + np.float32(255 * change * rng.choice((-1, 1)))


def _contrast(image: Pixels, kept: float, _rng: np.random.Generator) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = image.mean(axis=(0, 1), dtype=np.float32)
    return mean + np.float32(kept) * (image - mean)


def _jpeg(image: Pixels, quality: float, _rng: np.random.Generator) -> Pixels:
    stored = io.BytesIO()
    _picture(image).save(stored, "JPEG", quality=int(quality))
    with Image.open(stored) as opened:
        return _pixels(opened, image)


def _rotation(image: Pixels, degrees: float, rng: np.random.Generator) -> Pixels:
    """About the centre; the corners that appear take the usual colour of the border."""
    border = np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]), axis=0)
    fill = tuple(int(channel) for channel in border)
    turned = _picture(image).rotate(
        float(degrees * rng.choice((-1, 1))),
        resample=Image.Resampling.BILINEAR,
        fillcolor=fill if len(fill) > 1 else fill[0],
    )
    return _pixels(turned, image)


# The first strength is what happens every day, the third what a person still reads at a glance.
CORRUPTIONS = {
    "blur": Strengths(_blur, (0.01, 0.02, 0.04), "{:.0%}", "sigma, of the shorter side"),
    "noise": Strengths(_noise, (0.04, 0.08, 0.16), "{:.0%}", "deviation, of the range"),
    "brightness": Strengths(_brightness, (0.1, 0.2, 0.3), "{:.0%}", "lighter or darker, of the range"),
    "contrast": Strengths(_contrast, (0.7, 0.5, 0.3), "{:.0%}", "of the contrast left"),
    "jpeg": Strengths(_jpeg, (50, 25, 10), "{:.0f}", "JPEG quality"),
    "rotation": Strengths(_rotation, (5, 10, 20), "{:.0f}°", "either way"),
}


def robustness(
    answer: Callable[[Pixels], Indices],
    pixels: Pixels,
    truth: Indices,
    *,
    attacked: Pixels | None = None,
    attack_step: int = 0,
    seed: int = 0,
) -> tuple[Trial, ...]:
    """The clean accuracy first, then each corruption at each strength, then under attack where there is one.

    answer: (B, H, W, C) uint8 to (B,) class indices, -1 where there is no answer; the bundle's own graph.
    pixels: as the bundle's resize rule made them, with their `truth` (B,). attacked: the same images after a step of
    `attack_step` grey levels against the model (training/gradients.py). What is random follows `seed` alone, and is
    the same at every strength. Raises ValueError without images.
    """
    if not len(pixels):
        raise ValueError("no image to try corruptions on")

    def trial(corruption: str, severity: int, amount: str, measure: str, images: Pixels) -> Trial:
        right = int((answer(images) == truth).sum())
        return Trial(corruption, severity, amount, measure, share(right, len(truth)), len(truth))

    trials = [trial(CLEAN, 0, "", "as they are", pixels)]
    for name, how in CORRUPTIONS.items():
        for severity, amount in enumerate(how.amounts, start=1):
            spoiled = corrupted(pixels, name, severity, seed=seed)
            trials.append(trial(name, severity, how.form.format(amount), how.measure, spoiled))
    if attacked is not None:
        trials.append(trial(ATTACK, 1, f"{attack_step}/255", "FGSM, a pixel", attacked))
    return tuple(trials)


def corrupted(pixels: Pixels, corruption: str, severity: int, *, seed: int = 0) -> Pixels:
    """(B, H, W, C) uint8 under one of CORRUPTIONS at severity 1 to 3; each image draws by itself, from `seed`."""
    how = CORRUPTIONS[corruption]
    amount, spoiled = how.amounts[severity - 1], np.empty_like(pixels)
    for number, image in enumerate(pixels):
        made = how.apply(image, amount, np.random.default_rng([seed, number]))
        spoiled[number] = made if made.dtype == np.uint8 else np.clip(np.rint(made), 0, 255).astype(np.uint8)
    return spoiled


def some_rows(rows: Indices, *, most: int, seed: int = 0) -> Indices:
    """At most that many of these rows, drawn evenly, in their order; the same for one seed."""
    if len(rows) <= most:
        return rows
    drawn: Indices = np.sort(np.random.default_rng(seed).choice(rows, size=most, replace=False))
    return drawn


def worst(trials: Sequence[Trial]) -> Trial | None:
    """The corruption that costs most at its mildest strength: what to augment against first.

    None if none demonstrably costs anything there: the clean accuracy lies in every interval.
    """
    clean = trials[0].accuracy.value
    mild = [one for one in trials if one.severity == 1 and one.corruption != ATTACK and one.accuracy.high < clean]
    return min(mild, key=lambda one: one.accuracy.value, default=None)


def _picture(image: Pixels) -> Image.Image:
    """(H, W, C) as an image of Pillow's, RGB or grey."""
    return Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])


def _pixels(picture: Image.Image, like: Pixels) -> Pixels:
    return np.asarray(picture, dtype=np.uint8).reshape(like.shape)
