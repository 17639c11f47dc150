"""Alikeness: how many independent predictions a night is worth, by what the first nights differ by."""

from collections.abc import Sequence

import numpy as np

from leeway.checks.registry import Evidence
from leeway.checks.yardstick import band_counts
from leeway.domain.records import WindowCounts
from leeway.stats.reference import correlation, design_effect

TELLING = 7  # quiet nights that tell it; later ones change nothing, since a slow drift would hide in it
FEWEST = 2  # nights that can tell it
FEWEST_PREDICTIONS = 10  # of such a night
UNTOLD = 1 / 800  # until they are there: nights whose shares are Dirichlet(800) draws


def deflation(evidence: Evidence, *, size: float) -> float:
    """Return by how much a night of `size` predictions says less than independent ones: 1 is not at all."""
    nights = _telling(evidence)
    rho = UNTOLD if len(nights) < FEWEST else _correlation(nights, evidence.window.classes)
    return float(design_effect(round(size), rho))


def is_known(evidence: Evidence) -> bool:
    """Return whether nights have told how much they differ."""
    return len(_telling(evidence)) >= FEWEST


def _telling(evidence: Evidence) -> list[WindowCounts]:
    return [one for one in evidence.earlier if _tells(one, evidence)][:TELLING]


def _tells(night: WindowCounts, evidence: Evidence) -> bool:
    same = set(night.classes) == set(evidence.window.classes)
    return night.total >= FEWEST_PREDICTIONS and night.night not in evidence.fired and same


def _correlation(nights: Sequence[WindowCounts], classes: tuple[str, ...]) -> float:
    return correlation(np.stack([band_counts(one, classes) for one in nights]))
