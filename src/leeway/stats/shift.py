"""Explain a shift: has the mix of classes changed, or do images look different? And accuracy without any label.

>>> joint = np.array([[90, 10], [20, 80]])  # a reference: items by true class and answer
>>> attribute(np.array([480, 520]), joint, rng=np.random.default_rng(0)).shares.round(2).tolist()
[0.4, 0.6]
>>> guesses = isotonic_guesses(np.array([40, 9, 1]), np.array([100, 100, 100]))  # errors in three confidence bins
>>> [round(calibrated_accuracy(np.array(night), guesses), 3) for night in ([100, 100, 100], [300, 100, 100])]
[0.833, 0.741]
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Counts = NDArray[np.integer]
Floats = NDArray[np.float64]

LOOKS_DIFFERENT = 0.01  # p up to which a changed class mix alone does not explain the counts
STEPS = 300  # of the EM algorithm, at most
SETTLED = 1e-6
DRAWS = 199
PROMISED_ITEMS = 10


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which shares of true classes explain a night's answers best, and whether they explain them."""

    shares: Floats  # (K,) of the true classes, fitted
    statistic: float
    df: int
    p: float  # that the answers differ this much while only the class mix has changed

    @property
    def images_differ(self) -> bool:
        return self.p <= LOOKS_DIFFERENT


def attribute(counts: Counts, joint: Counts, *, rng: Generator) -> Attribution:
    """Fits label shares to the night's cells; counts (J,), joint (K, J) reference items by true class and cell.

    Cells are predicted class x confidence band, J = 3K. Under a pure change of class mix N_j has the distribution
    sum_y w_y P(j|y), P from the reference (each class smoothed by one item of the overall mix); w by EM (Saerens,
    Latinne, Decaestecker 2002; as in Lipton et al., arXiv 1802.03916). X2 = sum (N_j - m_j)^2 / (m_j + n^2 sum_y w_y^2
    P(1 - P) / n_y), m_j = n sum_y w_y P(j|y), allows for the reference being a sample; df = J - K. Its tail is found by
    drawing both samples anew from the fit 199 times: the chi-square tail rejects 11 % where 1 % is meant with 100
    reference items of each of 10 classes, and more with fewer. 100 classes take a second, and memory grows with K^2.
    Classes without reference items are left out. Confident concept shift (the same answers, now wrong) leaves no trace.
    """
    known = joint.sum(axis=1) > 0
    kept, n = joint[known], int(counts.sum())
    fitted, df = np.zeros(len(joint)), max(int((joint.sum(axis=0) + counts > 0).sum()) - len(kept), 1)
    if not n or not len(kept):
        return Attribution(fitted, 0.0, df, 1.0)
    shares, statistic, given = _fit(counts[None], kept[None])
    fitted[known] = shares[0]
    rows = zip(kept.sum(axis=1), given[0], strict=True)
    again = np.stack([rng.multinomial(size, row, size=DRAWS) for size, row in rows], axis=1)
    _, drawn, _ = _fit(rng.multinomial(n, shares[0] @ given[0], size=DRAWS), again)
    p = (1 + int((drawn >= statistic[0]).sum())) / (DRAWS + 1)
    return Attribution(fitted, float(statistic[0]), df, p)


def _fit(counts: Counts, joint: Counts) -> tuple[Floats, Floats, Floats]:
    """(B, K) label shares, (B,) X2 and (B, K, J) P(j|y) of B nights (B, J) with their references (B, K, J)."""
    sizes, n = joint.sum(axis=2), counts.sum(axis=1)[:, None]
    overall = joint.sum(axis=1) + counts
    given = (joint + (overall / overall.sum(axis=1)[:, None])[:, None, :]) / (sizes + 1)[:, :, None]
    shares = _label_shares(counts, given)
    mean = n * np.einsum("bk,bkj->bj", shares, given)
    variance = mean + n**2 * np.einsum("bk,bkj->bj", shares**2 / sizes, given * (1 - given))
    statistic = np.where(variance > 0, (counts - mean) ** 2 / np.maximum(variance, 1e-12), 0.0).sum(axis=1)
    return shares, statistic, given


def _label_shares(counts: Counts, given: Floats) -> Floats:
    """(B, K) w that maximises sum_j N_j log sum_y w_y P(j|y); counts (B, J), given (B, K, J)."""
    shares = np.full(given.shape[:2], 1 / given.shape[1])
    total = counts.sum(axis=1)[:, None]
    for _ in range(STEPS):
        mixture = np.maximum(np.einsum("bk,bkj->bj", shares, given), 1e-300)
        new: Floats = shares * np.einsum("bkj,bj->bk", given, counts / mixture) / total
        if np.abs(new - shares).max() < SETTLED:
            return new
        shares = new
    return shares


def prior_corrected_accuracy(shares: Floats, joint_correct: Counts, totals: Counts) -> float:
    """Accuracy if only the class mix has moved to `shares`: sum_y w_y recall_y. All (K,); totals by true class."""
    recall = joint_correct / np.maximum(totals, 1)
    return float(shares @ recall / max(float(shares[totals > 0].sum()), 1e-12))


def isotonic_guesses(wrong: Counts, total: Counts, *, promised: Floats | None = None) -> Floats:
    """(B,) chance of an error in each confidence bin, falling from bin to bin; wrong, total (B,), lowest bin first.

    Isotonic regression on the reference labels (Ayer et al. 1955). One item of the overall error rate is added to each
    bin: one without an error in a few items is not free of them. With promised (B,), the error rate that the confidence
    itself promises, ten such items are added instead: a model without an error on its reference still is less sure of
    some answers than of others, and bins that the reference never reached have nothing else to go by.
    """
    from scipy.optimize import isotonic_regression  # loads slowly: a command that computes nothing needs none of it

    rate = (wrong.sum() + 0.5) / (total.sum() + 1)
    added, of = (rate, 1) if promised is None else (promised, PROMISED_ITEMS)
    smoothed = (wrong + of * added) / (total + of)
    fitted: Floats = isotonic_regression(smoothed, weights=total + of * 1e-3, increasing=False).x
    return np.clip(fitted, 0.0, 1.0)


def calibrated_accuracy(histogram: Counts, guesses: Floats) -> float:
    """Accuracy that the confidences promise: 1 - mean guess; both (B,). NaN without predictions.

    CBPE (NannyML), with isotonic calibration. Assumes that an answer given with this confidence is as often right as it
    was on the reference: it sees covariate and label shift, and is blind to a changed meaning of the classes.
    """
    total = int(histogram.sum())
    return 1 - float(histogram @ guesses) / total if total else float("nan")


def thresholded_accuracy(histogram: Counts, reference: Counts, *, accuracy: float) -> float:
    """Share of predictions over the confidence that a share `accuracy` of the reference exceeded; (B,) histograms.

    ATC (Garg et al. 2022, arXiv 2201.04234), linear inside the bin of the threshold. NaN
    without predictions.
    """
    if not histogram.sum() or not reference.sum():
        return float("nan")
    below = (1 - accuracy) * reference.sum()  # reference items under the threshold
    edges = np.concatenate([[0], np.cumsum(reference)])
    place = min(int(np.searchsorted(edges, below, side="right")) - 1, len(reference) - 1)
    inside = (below - edges[place]) / reference[place] if reference[place] else 0.0
    under = histogram[:place].sum() + min(inside, 1.0) * histogram[place]
    return 1 - float(under) / float(histogram.sum())
