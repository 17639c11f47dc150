"""Calibration: the temperature that makes probabilities mean what they say."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]

TEMPERATURE_BOUNDS = (0.5, 3.0)
PRIOR_SPREAD = 0.3  # of log T: networks of this kind lie within e^+-0.6 of 1, and few images cannot say otherwise


def fit_temperature(logits: Floats, truth: Indices) -> float:
    """The T > 0 that makes softmax(logits / T) likeliest, within TEMPERATURE_BOUNDS. Guo et al. (2017), section 4.2.

    `logits` (N, K), `truth` (N,) class indices. A normal prior on log T about 0 pulls it towards 1: the likelihood
    grows with N and outweighs it, while 90 images that are all answered rightly would ask for T = 0.
    No image at all, or a logit that is not finite, leaves T = 1.
    """
    if not len(logits) or not np.isfinite(logits).all():
        return 1.0

    def cost(log_temperature: float) -> float:
        scaled = logits.astype(float) / np.exp(log_temperature)
        surprise = logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]
        return float(surprise.sum() + log_temperature**2 / (2 * PRIOR_SPREAD**2))

    low, high = np.log(TEMPERATURE_BOUNDS)
    return float(np.exp(minimize_scalar(cost, bounds=(low, high), method="bounded").x))
