"""Image drift: do the images look different from those of the reference nights? An e-detector on their embeddings.

The reference is split by night, never by image: its even nights (A) and the last nights say in which direction the
images moved, its odd nights (B) how far nights lie apart in that direction anyway. A night is a bet against "the nights
differ no more than those of B do, and without waves of weeks" (Shin, Ramdas, Rinaldo, arXiv 2203.03532; the split of
directions and tests after Rabanser et al., arXiv 1810.11953). No night multiplies the evidence by more than 12.

>>> rng = np.random.default_rng(0)
>>> nights = [rng.normal(size=(300, 8)) for _ in range(14)]
>>> reference, wealth = reference_of(nights), START
>>> recent = nights[-14:]
>>> for number in range(25):
...     tonight = rng.normal(size=(300, 8)) + 0.5 * np.eye(8)[0]
...     found = bet(reference, tonight, recent_mean=np.mean([one.mean(axis=0) for one in recent], axis=0))
...     recent = [*recent[1:], tonight]
...     wealth = update(wealth, found.log_factors)
>>> e_value(wealth) >= threshold()
True
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]

NIGHTS_PER_YEAR = 365
ALPHA = 0.02  # false alarms of this check in a year, of its own
RECENT_NIGHTS = 14  # that say in which direction images moved
CLIP = 2.0  # an image lies at most so many sd out: no single one decides
SIGMAS = 3.0  # of the level of B: with 2, waves of .02 sd alarmed in 6 % of years
TOLERANCE = 0.05  # sd by which nights may move unnoticed
REFERENCES = (14, 28)  # nights: the second reference joins once it is complete, with evidence of its own
BETS = np.array([0.05, 0.1, 0.2, 0.35])
MOST_LOST = 0.95  # a single image never takes more than this share of the wealth
CAP = math.log(12)  # most that a night may add to the log of the evidence
MOST = math.log(NIGHTS_PER_YEAR / ALPHA) + 2 * CAP  # log of the evidence never exceeds it: it can fall again
START = np.full(len(BETS), -np.inf)  # log of the evidence before the first night


@dataclass(frozen=True, slots=True)
class ImageReference:
    """The reference nights' images in coordinates of sd 1."""

    scale: Floats  # (E,) sd of each coordinate over all reference images; infinite where it does not vary
    origin: Floats  # (E,) mean of the nights of A, in the embedding's own units
    a: Floats  # (n, E) images of A, less the origin and over the scale
    b: Floats  # (n, E) images of B
    starts: NDArray[np.intp]  # where each night of B begins
    sizes: NDArray[np.intp]  # images of each night of B


@dataclass(frozen=True, slots=True)
class Bet:
    """What one night says."""

    log_factors: Floats  # (4,) by which each bet multiplies the evidence, in logs
    shift: float  # how far the night lies from B's nights in the direction of the last nights, in sd of images
    scores: Floats  # (n,) of each image, in sd, not clipped: the largest moved most


def reference_of(nights: Sequence[ArrayLike]) -> ImageReference:
    """Split the reference nights, (n, E) each, in order, by night: even ones A, odd ones B; four or more."""
    whole = [np.asarray(one, dtype=np.float32) for one in nights]
    scale = np.concatenate(whole).std(axis=0, dtype=np.float64)
    scale = np.where(scale > 1e-6 * max(float(scale.max()), 1e-30), scale, np.inf).astype(np.float32)
    origin = np.mean([one.mean(axis=0, dtype=np.float64) for one in whole[::2]], axis=0).astype(np.float32)
    a, b = (np.concatenate([(one - origin) / scale for one in half]) for half in (whole[::2], whole[1::2]))
    sizes = np.array([len(one) for one in whole[1::2]])
    return ImageReference(scale, origin, a, b, np.cumsum(sizes) - sizes, sizes)


def bet(reference: ImageReference, tonight: ArrayLike, *, recent_mean: ArrayLike) -> Bet | None:
    """Bet on tonight's images, (n, E); `recent_mean` (E,): the mean of the 14 nights before. None if all are alike.

    The direction is w = recent_mean - A, scaled so that A's images have sd 1 along it; s = w . (x - A), clipped to
    +-2 sd; h = s - B - 3 sqrt(max(S2, sw2/n)/D) - .05 sw, with the D night means of B, their variance S2 and the
    variance sw2 within nights. ln f = min(ln 12, sum ln(1 + lam h)/d), d = 1 + (n-1) max((D-1) S2/chi2_.05(D-1) -
    sw2/n, 0)/sw2: the design effect of images that share a night, with an upper limit of their nights' variance.
    """
    from scipy.special import chdtri  # loads slowly: a command that computes nothing needs none of it

    direction = (np.asarray(recent_mean, dtype=np.float32) - reference.origin) / reference.scale
    spread = float((reference.a @ direction).std())
    if not spread > 0:
        return None
    direction = direction / spread
    scores = ((np.asarray(tonight, dtype=np.float32) - reference.origin) / reference.scale) @ direction
    before, now = np.clip(reference.b @ direction, -CLIP, CLIP), np.clip(scores, -CLIP, CLIP)
    means = np.add.reduceat(before, reference.starts) / reference.sizes
    within = float(((before - np.repeat(means, reference.sizes)) ** 2).sum()) / (len(before) - len(means))
    if not within > 0:
        return None
    between, noise = float(means.var(ddof=1)), within * float((1 / reference.sizes).mean())
    h = now - means.mean() - SIGMAS * math.sqrt(max(between, noise) / len(means)) - TOLERANCE * math.sqrt(within)
    most = (len(means) - 1) * between / float(chdtri(len(means) - 1, 0.95))
    deflation = 1 + (len(h) - 1) * max(most - noise, 0.0) / within
    bets = np.minimum(BETS, MOST_LOST / max(float(np.abs(h.min())), 1e-12))
    factors = np.log1p(bets[:, None] * h.astype(np.float64)).sum(axis=1) / deflation
    return Bet(np.minimum(factors, CAP), float(now.mean() - means.mean()) / math.sqrt(within), scores)


def update(wealth: Floats, log_factors: ArrayLike) -> Floats:
    """Log evidence (Shiryaev-Roberts) after one night: M becomes (M + 1) f, for each bet.

    It stops at 144 times the threshold, so that an alarm ends some nights after the images are back.
    """
    after: Floats = np.minimum(np.logaddexp(wealth, 0.0) + np.asarray(log_factors), MOST)
    return after


def e_value(*wealths: Floats) -> float:
    """M: the mean of the bets, and of the references where there are two."""
    return float(np.exp(np.logaddexp.reduce(np.concatenate(wealths))) / sum(map(len, wealths)))


def threshold() -> float:
    """M that is an alarm: a false one comes within 365 nights with probability at most .02."""
    return NIGHTS_PER_YEAR / ALPHA
