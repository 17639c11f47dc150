"""Simulates years of images whose embeddings move or do not, through the statistics of the product (check 11)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.stats import image_drift as images

Floats = NDArray[np.floating]
Means = Callable[[int, int, Generator], Floats]  # (nights, coordinates, rng) -> (nights, E) mean of each night

IMAGES, COORDINATES = 300, 32


@dataclass(frozen=True, slots=True)
class Change:
    """From a night on, a share of the images lies off by so many sd in one direction."""

    night: int
    sd: float
    share: float = 1.0


def alike(nights: int, coordinates: int, rng: Generator) -> Floats:  # noqa: ARG001
    return np.zeros((nights, coordinates))


def shifted(nights: int, coordinates: int, rng: Generator, *, sd: float) -> Floats:
    """Each night lies off by so many sd in every coordinate, by itself."""
    return rng.normal(scale=sd, size=(nights, coordinates))


def directed(nights: int, coordinates: int, rng: Generator, *, sd: float, directions: int = 3) -> Floats:
    """Each night lies off along a few directions that stay the same: light, distance, background."""
    fixed = np.linalg.qr(rng.normal(size=(coordinates, directions)))[0].T
    return np.asarray(rng.normal(scale=sd, size=(nights, directions)) @ fixed)


def wavy(nights: int, coordinates: int, rng: Generator, *, sd: float, memory: float = 0.9) -> Floats:
    """Each night remembers the one before (AR(1)) in every coordinate, with this stationary sd."""
    means = np.empty((nights, coordinates))
    means[0] = rng.normal(scale=sd, size=coordinates)
    fresh = rng.normal(scale=sd * np.sqrt(1 - memory**2), size=(nights, coordinates))
    for night in range(1, nights):
        means[night] = memory * means[night - 1] + fresh[night]
    return means


def first_alarm(
    means: Means, rng: Generator, *, nights: int = 365, change: Change | None = None,
    references: tuple[int, ...] = images.REFERENCES, coordinates: int = COORDINATES,
) -> int:  # fmt: skip
    """Live through the nights; return the night of the first alarm, from 0, -1 without one."""
    located = means(nights, coordinates, rng)
    direction = rng.normal(size=coordinates)
    direction /= np.linalg.norm(direction)
    kept: list[Floats] = []
    averages = np.empty((nights, coordinates))
    known: dict[int, images.ImageReference] = {}
    wealth = dict.fromkeys(references, images.START)
    for night in range(nights):
        tonight = rng.standard_normal((IMAGES, coordinates), dtype=np.float32) + located[night]
        if change and night >= change.night:
            tonight += change.sd * direction * (rng.random((IMAGES, 1)) < change.share)
        averages[night] = tonight.mean(axis=0)
        if night < max(references):
            kept.append(tonight)
        for size in references:
            if night < size:
                continue
            if size not in known:
                known[size] = images.reference_of(kept[:size])
            recent = averages[night - images.RECENT_NIGHTS : night].mean(axis=0)
            found = images.bet(known[size], tonight, recent_mean=recent)
            if found:
                wealth[size] = images.update(wealth[size], found.log_factors)
        if known and images.e_value(*(wealth[size] for size in known)) >= images.threshold():
            return night
    return -1
