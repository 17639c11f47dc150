"""Estimates for people: accuracy, recall and precision of served predictions, from the labels of some nights."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from leeway.domain.records import LabelledDraw, NightLabels
from leeway.stats.estimation import Estimate, post_stratified_error, weighted_share


def accuracy_estimate(nights: Sequence[NightLabels]) -> Estimate | None:
    """Share of right answers among all predictions of these nights, with its 95 % interval; None below 10 labels.

    Post-stratified by the strata of the draws (STATISTICS.md, check 6). A night counts by its number of labels.
    Raises ValueError for a draw without a usable probability or guess.
    """
    pairs = usable_draws(nights)
    if not pairs:
        return None
    shares = _shares(nights)
    codes = {name: code for code, name in enumerate(sorted(shares))}
    error = post_stratified_error(
        np.array([one.wrong for _, one in pairs]),
        weights=_weights(pairs),
        guesses=np.array([one.draw.guess for _, one in pairs]),
        strata=np.array([codes[one.draw.stratum] for _, one in pairs]),
        shares=np.array([shares[name] for name in sorted(shares)]),
    )
    return None if error is None else Estimate(1 - error.value, 1 - error.high, 1 - error.low, error.labels)


def class_estimates(nights: Sequence[NightLabels], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Recall and precision of each class with 95 % intervals, None below 10 labels; JSON-able, in class order.

    Raises ValueError for a draw without a usable probability or guess.
    """
    pairs = usable_draws(nights)
    weights = _weights(pairs)
    hits = np.array([not one.wrong for _, one in pairs], dtype=bool)
    truth = np.array([one.label for _, one in pairs], dtype=object)
    answer = np.array([one.predicted_class for _, one in pairs], dtype=object)
    found = {}
    for name in classes:
        is_class, says_class = truth == name, answer == name
        found[name] = {
            "recall": as_details(weighted_share(hits[is_class], weights=weights[is_class])),
            "precision": as_details(weighted_share(hits[says_class], weights=weights[says_class])),
            "labels": int(is_class.sum()),
        }
    return found


def as_details(estimate: Estimate | None) -> dict[str, Any] | None:
    """The estimate as JSON."""
    return None if estimate is None else asdict(estimate)


def usable_draws(nights: Sequence[NightLabels]) -> list[tuple[int, LabelledDraw]]:
    """(N of its night, draw) of every draw. Raises ValueError for numbers that no design gives."""
    pairs = [(night.predictions, one) for night in nights for one in night.draws]
    for size, one in pairs:
        if not (size > 0 and 0 < one.draw.probability <= 1 and 0 <= one.draw.guess <= 1):
            raise ValueError(
                f"draw {one.draw.id} has probability {one.draw.probability} and guess {one.draw.guess} "
                f"in a window of {size} predictions"
            )
    return pairs


def _weights(pairs: Sequence[tuple[int, LabelledDraw]]) -> np.ndarray:
    return np.array([1 / (size * one.draw.probability) for size, one in pairs])


def _shares(nights: Sequence[NightLabels]) -> dict[str, float]:
    """Share of the predictions in each stratum, over the nights as their labels weigh them.

    A plan that did not keep its shares gives them by its draws' own weights: unbiased, but with a wider error.
    """
    total: dict[str, float] = {}
    for night in nights:
        shares = dict(night.stratum_shares) or _drawn_shares(night)
        for stratum, share in shares.items():
            total[stratum] = total.get(stratum, 0.0) + share * len(night.draws)
        for one in night.draws:
            total.setdefault(one.draw.stratum, 0.0)
    return total


def _drawn_shares(night: NightLabels) -> dict[str, float]:
    weights: dict[str, float] = {}
    for one in night.draws:
        weights[one.draw.stratum] = weights.get(one.draw.stratum, 0.0) + 1 / one.draw.probability
    return {stratum: weight / sum(weights.values()) for stratum, weight in weights.items()}
