"""Estimates for people: accuracy, recall and precision of served predictions, from the labels of some nights."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leeway.checks.yardstick import class_truth
from leeway.domain.records import LabelledDraw, NightLabels, ReferenceCounts
from leeway.domain.text import counted
from leeway.stats.drift import chi_square
from leeway.stats.estimation import FEWEST, Estimate, post_stratified_error, prediction_powered_error, weighted_share

Floats = NDArray[np.float64]
NAMED = 5  # truths outside the class list in a sentence
MIX_LABELS, MIX_MOVED, MIX_P = 50, 0.10, 0.01


@dataclass(frozen=True, slots=True)
class Draws:
    """Labelled draws of some nights as arrays (n,)."""

    wrong: NDArray[np.bool_]
    weights: Floats  # 1 / (N q_i r_h), r_h the answered share of the draws of its stratum
    guesses: Floats
    count: NDArray[np.int64]  # like draws counted together
    truth: NDArray[np.object_]  # None where it is not known
    answer: NDArray[np.object_]
    slice: NDArray[np.object_]
    probability: Floats

    def __len__(self) -> int:
        return int(self.count.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEstimates:
    """How one class fares, with 95 % intervals; None below 10 labels."""

    recall: Estimate | None
    precision: Estimate | None
    false_positive_rate: Estimate | None = None
    labels: int


def draws_of(nights: Sequence[NightLabels]) -> Draws:
    """Raises ValueError for a draw without a usable probability or guess."""
    pairs, asked = usable_draws(nights), _asked_for_an_answer(nights)
    return Draws(
        wrong=np.array([one.wrong for _, one in pairs], dtype=bool),
        weights=np.array([asked.get(one.draw.stratum, 1.0) / (size * one.draw.probability) for size, one in pairs]),
        guesses=np.array([one.draw.guess for _, one in pairs]),
        count=np.array([one.count for _, one in pairs], dtype=np.int64),
        truth=np.array([one.label if one.same_truth else None for _, one in pairs], dtype=object),
        answer=np.array([one.predicted_class for _, one in pairs], dtype=object),
        slice=np.array([one.slice for _, one in pairs], dtype=object),
        probability=np.array([one.draw.probability for _, one in pairs]),
    )


def accuracy_estimate(nights: Sequence[NightLabels], *, level: float = 0.95) -> Estimate | None:
    """Share of right answers among all predictions of these nights, with its interval; None below 10 labels.

    Post-stratified by the strata of the draws; where every draw is uniform and answered, and ten of either kind are
    labelled, powered by the guesses instead (STATISTICS.md, check 6). A night counts by its number of labels. Draws
    that nobody answered are taken to be like the answered ones of their stratum.
    Raises ValueError for a draw without a usable probability or guess.
    """
    draws = draws_of(nights)
    if not len(draws):
        return None
    either = min(int(draws.wrong.sum()), int((~draws.wrong).sum()))
    uniform = np.allclose(draws.weights, 1) and (draws.count == 1).all()
    if uniform and either >= FEWEST and np.ptp(draws.guesses) > 0:
        return _right(_uniform_error(nights, draws, level=level))
    shares = _shares(nights)
    codes = {name: code for code, name in enumerate(sorted(shares))}
    error = post_stratified_error(
        draws.wrong,
        weights=draws.weights,
        guesses=draws.guesses,
        strata=np.array([codes[one.draw.stratum] for night in nights for one in night.draws]),
        shares=np.array([shares[name] for name in sorted(shares)]),
        multiplicity=draws.count,
        level=level,
    )
    return _right(error)


def _uniform_error(nights: Sequence[NightLabels], draws: Draws, *, level: float) -> Estimate | None:
    """The variance of the guess over all predictions is that of the sample, which is uniform."""
    return prediction_powered_error(
        draws.wrong,
        guesses=draws.guesses,
        mean_guess=sum(one.mean_guess * one.labels for one in nights) / len(draws),
        guess_variance=float(draws.guesses.var()),
        predictions=sum({one.night: one.predictions for one in nights}.values()),  # a night may have late labels, too
        level=level,
    )


def _right(error: Estimate | None) -> Estimate | None:
    return None if error is None else Estimate(1 - error.value, 1 - error.high, 1 - error.low, error.labels)


def class_estimates(nights: Sequence[NightLabels], classes: Sequence[str]) -> dict[str, ClassEstimates]:
    """Recall, precision and false-positive rate of each class; a draw whose truth is not known counts for precision.

    Raises ValueError for a draw without a usable probability or guess.
    """
    draws, found = draws_of(nights), {}
    for name in classes:
        is_class, says_class = draws.truth == name, draws.answer == name
        is_another = ~is_class & (draws.truth != None)  # noqa: E711
        found[name] = ClassEstimates(
            recall=_share(draws, ~draws.wrong, among=is_class),
            precision=_share(draws, ~draws.wrong, among=says_class),
            false_positive_rate=_share(draws, says_class, among=is_another),
            labels=int(draws.count[is_class].sum()),
        )
    return found


def slice_estimates(nights: Sequence[NightLabels]) -> dict[str, Estimate | None]:
    """Accuracy of each slice that is labelled, with its interval, None below 10 labels; in order of name."""
    draws = draws_of(nights)
    names = sorted({one for one in draws.slice.tolist() if one is not None})
    return {name: _share(draws, ~draws.wrong, among=draws.slice == name) for name in names}


def _share(draws: Draws, hits: NDArray[np.bool_], *, among: NDArray[np.bool_]) -> Estimate | None:
    return weighted_share(hits[among], weights=draws.weights[among], multiplicity=draws.count[among])


def class_weights(nights: Sequence[NightLabels], reference: ReferenceCounts) -> dict[str, float]:
    """Weight of each class in a retraining, if the class mix of labelled data has moved; empty if that is not shown.

    Moved: total variation over .10 and chi-square p under .01 against the reference, at the effective number of labels.
    Weights are in inverse proportion to the mix of production (half a label added to each class), with mean 1.
    """
    try:
        draws = draws_of(nights)
    except ValueError:
        return {}
    _, true, _ = class_truth(reference)
    weights = draws.weights * draws.count
    mix = np.array([float(weights[draws.truth == name].sum()) for name in reference.classes])
    if not mix.sum() or not true.sum() or len(draws) < MIX_LABELS:
        return {}
    effective = weights.sum() ** 2 / float((draws.weights**2 * draws.count).sum())
    counts = np.rint(mix / mix.sum() * effective).astype(np.int64)
    found = chi_square(true, counts, rng=np.random.default_rng(0))
    if found.tv < MIX_MOVED or found.p >= MIX_P:
        return {}
    shares = (mix / mix.sum() * effective + 0.5) / (effective + 0.5 * len(mix))
    return {name: round(float(one), 3) for name, one in zip(reference.classes, 1 / (shares * len(mix)), strict=True)}


def labels_outside(nights: Sequence[NightLabels], classes: Sequence[str]) -> Counter[str]:
    """Return the truths that are no class of the model, each with its number of labels."""
    found: Counter[str] = Counter()
    for one in (draw for night in nights for draw in night.draws if draw.label not in classes):
        found[one.label] += one.count
    return found


def outside_text(nights: Sequence[NightLabels], classes: Sequence[str]) -> str:
    """Say how many of these labels name no class of the model, and which; empty if none does."""
    counts = labels_outside(nights, classes)
    if not counts:
        return ""
    named = ", ".join(f"{name!r} ({count:,})" for name, count in counts.most_common(NAMED))
    more = f" and {len(counts) - NAMED} more names" if len(counts) > NAMED else ""
    return f"{counts.total():,} of the labels name no class of the model and count as its errors: {named}{more}"


def plain_counts(nights: Sequence[NightLabels]) -> tuple[int, int, str]:
    """(labels, wrong ones, first night that has any, ISO or empty), as they lie there: counted, not weighted."""
    wrong = sum(draw.count for night in nights for draw in night.draws if draw.wrong)
    since = min((night.night.isoformat() for night in nights if night.draws), default="")
    return sum(night.labels for night in nights), wrong, since


def interval(estimate: Estimate) -> str:
    """The estimate in a sentence."""
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"


def _asked_for_an_answer(nights: Sequence[NightLabels]) -> dict[str, float]:
    """Return draws for each answer, by stratum. A night of which nobody answered anything was not looked at."""
    answered: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for night in nights:
        answered.update(one.draw.stratum for one in night.draws)
        if night.draws and not night.counted_before:
            skipped.update(one.draw.stratum for one in night.unanswered)
    return {stratum: 1 + skipped[stratum] / count for stratum, count in answered.items()}


def usable_draws(nights: Sequence[NightLabels]) -> list[tuple[int, LabelledDraw]]:
    """(N of its night, draw) of every draw. Raises ValueError for numbers that no design gives."""
    pairs = [(night.predictions, one) for night in nights for one in night.draws]
    for size, one in pairs:
        if not (size > 0 and 0 < one.draw.probability <= 1 and 0 <= one.draw.guess <= 1):
            raise ValueError(
                f"draw {one.draw.id} has probability {one.draw.probability} and guess {one.draw.guess} "
                f"in a window of {counted(size, 'prediction')}"
            )
    return pairs


def _shares(nights: Sequence[NightLabels]) -> dict[str, float]:
    """Share of the predictions in each stratum, over the nights as their labels weigh them.

    A plan that did not keep its shares gives them by its draws' own weights: unbiased, but with a wider error.
    """
    total: dict[str, float] = {}
    for night in nights:
        shares = dict(night.stratum_shares) or _drawn_shares(night)
        for stratum, share in shares.items():
            total[stratum] = total.get(stratum, 0.0) + share * night.labels
        for one in night.draws:
            total.setdefault(one.draw.stratum, 0.0)
    return total


def _drawn_shares(night: NightLabels) -> dict[str, float]:
    weights: dict[str, float] = {}
    for one in night.draws:
        weights[one.draw.stratum] = weights.get(one.draw.stratum, 0.0) + one.count / one.draw.probability
    return {stratum: weight / sum(weights.values()) for stratum, weight in weights.items()}
