"""Strangeness: how far an image lies from what the model was trained on, told by its energy."""

import math

import numpy as np
from numpy.typing import NDArray

from leeway.errors import DataError

Floats = NDArray[np.floating]


def energy_threshold(energy: Floats, *, share: float) -> float:
    """Energy above which an image counts as strange: so high that at most `share` of images like these lie above it.

    energy (N,) of validation images, higher is stranger (Liu et al. 2020, "Energy-based out-of-distribution
    detection"); share between 0 and 1. It is the ceil((N + 1)(1 - share))-th smallest, which holds for the next image
    whatever the distribution (Vovk et al. 2005, split conformal); under 1 / share - 1 images the largest one, and then
    1 / (N + 1) may lie above. Values that are not finite are left out. Raises DataError if none is left.
    """
    finite = np.sort(energy[np.isfinite(energy)].astype(float))
    if not len(finite):
        raise DataError(f"none of {len(energy)} energies is a finite number; was the network trained?")
    rank = min(math.ceil((len(finite) + 1) * (1 - share)), len(finite))
    return float(finite[max(rank, 1) - 1])
