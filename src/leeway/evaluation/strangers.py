"""Strangers: does the energy tell images that are none of the classes from those that are?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from leeway.evaluation.intervals import Interval, share

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]
PATCHES = 4  # a side: what is shuffled keeps its colours and textures, and loses its shape


@dataclass(frozen=True, slots=True)
class Kind:
    """Made-up images of one kind beside the test images."""

    name: str
    images: int
    auroc: float  # chance that such an image has a higher energy than a test image: 0.5 tells nothing, 1 all
    flagged: Interval | None  # share above the threshold; None without one


@dataclass(frozen=True, slots=True)
class Strangers:
    """What the energy is worth. Made-up images are easy ones: real strangers may look more like the classes."""

    threshold: float | None
    flagged: Interval | None  # share of the test images above it: false alarms, about the share it was set for
    kinds: tuple[Kind, ...]


def make_up(pixels: Pixels, rng: np.random.Generator) -> dict[str, Pixels]:
    """Strangers of (B, H, W, C) test images, by what they are: uniform noise, their negatives, their patches mixed."""
    return {
        "uniform noise": rng.integers(0, 256, size=pixels.shape, dtype=np.uint8),
        "inverted test images": 255 - pixels,
        "test images with shuffled patches": _shuffled(pixels, rng),
    }


def meet_strangers(
    energy: Floats,
    pixels: Pixels,
    *,
    energy_of: Callable[[Pixels], Floats],
    threshold: float | None,
    rng: np.random.Generator,
) -> Strangers:
    """energy (N,) of the test images; pixels (B, H, W, C) of some of them, to make strangers from."""
    told = {name: energy_of(made) for name, made in make_up(pixels, rng).items()} if len(pixels) else {}
    kinds = tuple(
        Kind(name, len(found), auroc(_ordered(energy), _ordered(found)), _flagged(found, threshold))
        for name, found in told.items()
    )
    return Strangers(threshold, _flagged(energy, threshold), kinds)


def auroc(inside: Floats, outside: Floats) -> float:
    """Chance that one of `outside` lies above one of `inside`, a tie counting half (Mann and Whitney 1947)."""
    ranks = rankdata(np.concatenate([outside, inside]))[: len(outside)]
    return float((ranks.sum() - len(outside) * (len(outside) + 1) / 2) / (len(outside) * len(inside)))


def _flagged(energy: Floats, threshold: float | None) -> Interval | None:
    if threshold is None or not len(energy):
        return None
    return share(int((_ordered(energy) > threshold).sum()), len(energy))


def _ordered(energy: Floats) -> Floats:
    """An energy that is no number is the strangest of all."""
    return np.where(np.isnan(energy), np.inf, energy)


def _shuffled(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Each image with its PATCHES x PATCHES patches in another order; rows and columns left over stay."""
    images, height, width, channels = pixels.shape
    h, w = height // PATCHES, width // PATCHES
    cut = pixels[:, : h * PATCHES, : w * PATCHES].reshape(images, PATCHES, h, PATCHES, w, channels)
    patches = cut.swapaxes(2, 3).reshape(images, PATCHES**2, h, w, channels)
    order = rng.permuted(np.tile(np.arange(PATCHES**2), (images, 1)), axis=1)
    mixed = patches[np.arange(images)[:, None], order].reshape(images, PATCHES, PATCHES, h, w, channels)
    found = pixels.copy()
    found[:, : h * PATCHES, : w * PATCHES] = mixed.swapaxes(2, 3).reshape(images, h * PATCHES, w * PATCHES, channels)
    return found
