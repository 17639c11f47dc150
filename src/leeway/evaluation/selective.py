"""Select: which answers may stand by themselves, and which a person should look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
LEVEL = 0.95  # of the lower limit, one-sided


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """What is wrong among the answers that stand, as fewer of them do. One point for each distinct confidence.

    El-Yaniv and Wiener (2010), "On the foundations of noise-free selective classification".
    """

    confidence: Floats  # (M,) falling: answers this sure, and surer ones, stand
    coverage: Floats  # (M,) share of all answers that stand, rising to 1
    risk: Floats  # (M,) share of these that is wrong

    @property
    def area(self) -> float:
        """Mean risk over all coverages, 0 to 1, smaller is better (AURC; Geifman, Uziel and El-Yaniv 2019)."""
        return float(np.diff(self.coverage, prepend=0.0) @ self.risk)


@dataclass(frozen=True, slots=True)
class Review:
    """A review threshold at work on labelled images."""

    threshold: float
    images: int
    kept: int  # answers at or above the threshold
    right: int  # of these

    @property
    def sent(self) -> float:
        """Share of the images that a person looks at, 0 to 1."""
        return 1 - self.kept / self.images if self.images else 0.0


def risk_coverage(confidence: Floats, right: Flags) -> RiskCoverage:
    """confidence, right: (N,), an answer's confidence and whether it is right; N = 0 gives empty arrays.

    A confidence that is not finite is the lowest of all: such an answer never stands before another.
    """
    sure, hits, kept = _kept(confidence, right)
    return RiskCoverage(confidence=sure, coverage=kept / max(len(confidence), 1), risk=1 - hits / kept)


def review_threshold(confidence: Floats, right: Flags, *, target: float) -> float | None:
    """Confidence under which a person should look, so that `target` of the other answers are right; None if none does.

    confidence, right: (N,) of labelled images that the model was not trained on; target between 0 and 1.
    It is the smallest confidence at which the lower 95 % limit (Wilson, one-sided) of the accuracy of the answers that
    stand reaches the target. The limit, since the threshold is chosen where the sample looks good: chosen by the plain
    value, the true accuracy falls short of the target every second time; with the limit in at most 7 of 100 validation
    sets (simulated, 90 to 5,000 images, targets of 90 to 99 %). So a small set shows less than its size can tell: even
    an errorless one shows 95 % only from 52 images on, and 99 % from 268.
    """
    sure, hits, kept = _kept(confidence, right)
    reached = _lower_limit(hits, kept) >= target
    return float(sure[np.flatnonzero(reached)[-1]]) if reached.any() else None


def apply_review(confidence: Floats, right: Flags, *, threshold: float) -> Review:
    """What a threshold does to (N,) answers; one that is not finite is sent to a person."""
    stands = np.asarray(confidence >= threshold)
    return Review(threshold, images=len(stands), kept=int(stands.sum()), right=int((stands & right).sum()))


def _kept(confidence: Floats, right: Flags) -> tuple[Floats, Floats, Floats]:
    """(M,) distinct confidences falling, and how many answers at least that sure are right, and how many there are."""
    told = np.where(np.isfinite(confidence), confidence, -np.inf).astype(float)
    order = np.argsort(-told, kind="stable")
    ordered, hits = told[order], np.cumsum(right[order], dtype=float)
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])  # of equals
    return ordered[last], hits[last], last + 1.0


def _lower_limit(hits: Floats, total: Floats) -> Floats:
    """One-sided lower limits of shares, total > 0: `leeway.stats.estimation.wilson_lower` for whole arrays."""
    z, share = float(ndtri(LEVEL)), hits / total
    half = z * np.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    lower: Floats = (share + z * z / (2 * total) - half) / (1 + z * z / total)
    return lower
