"""Bets: what the draws of a night say about an error rate, of all answers or of a part of them, in an e-detector."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.checks.estimates import usable_draws
from leeway.domain.records import NightLabels
from leeway.stats import edetector
from leeway.stats.allocation import CONTROL_LIMIT
from leeway.stats.edetector import clustering_of, design_effect

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALL = "all"  # the part that is the whole night
CHANCES = "given"  # among the parts: labels, smallest chance on any night so far, the one of all or 0, 1
LEAST_ANSWERED = 0.7  # share of a stratum's draws below which nothing is called quiet
FEWEST_DRAWS = 10  # of a stratum, before its answered share says anything
UNKNOWN_VARIANCE = 0.4  # of a planned draw, in plans of releases that kept none: about what the default design has


@dataclass(frozen=True, slots=True)
class NightDraws:
    """All draws of a night as arrays (n,), those that nobody answered included, which are not wrong and weigh 0."""

    wrong: Flags
    answered: Flags
    probability: Floats  # q_i
    answer_rate: Floats  # r_h
    guess: Floats
    truth: NDArray[np.object_]  # None where it is not known
    answer: NDArray[np.object_]
    slice: NDArray[np.object_]
    group: NDArray[np.int64]
    count: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NightBet:
    """A night's factor for each bet, and what it says of how nights differ."""

    factor: Floats  # (4,) ln f
    draws: float  # independent ones that count as much
    mean: float  # of X: an unbiased estimate of the error rate
    variance: float  # of X of a draw, as a multiple of e (1 - e): of the design, or what given labels show


def draws_of_night(night: NightLabels) -> NightDraws:
    """Return the night's draws as arrays. Raises ValueError for numbers that no design gives."""
    answered = usable_draws([night])
    if answered and not 0 <= night.mean_guess <= 1:
        raise ValueError(f"the plan of {night.night} has mean guess {night.mean_guess}")
    everything = [one for _, one in answered] + list(night.unanswered)
    known, size = np.arange(len(everything)) < len(answered), len(answered)
    groups = [one.group or one.draw.prediction_id or one.draw.id for one in everything]
    return NightDraws(
        wrong=np.array([one.wrong for _, one in answered] + [False] * (len(everything) - size), dtype=bool),
        answered=known,
        probability=np.array([one.draw.probability for one in everything], dtype=float),
        answer_rate=np.array([night.answer_rates.get(one.draw.stratum, 1.0) for one in everything], dtype=float),
        guess=np.array([one.draw.guess for one in everything], dtype=float),
        truth=np.array(
            [one.label if one.same_truth else None for _, one in answered] + [None] * (len(everything) - size),
            dtype=object,
        ),
        answer=np.array([one.predicted_class for one in everything], dtype=object),
        slice=np.array([one.slice for one in everything], dtype=object),
        group=np.unique(groups, return_inverse=True)[1] if groups else np.empty(0, dtype=np.int64),
        count=np.array([one.count for _, one in answered] + [1] * (len(everything) - size), dtype=np.int64),
    )


def charged(night: NightLabels, error_limit: float, *, label_error: float) -> float:
    """Return the error limit of the night's labels: a share `label_error` of them is wrong, and counts as errors.

    e0 + nu (1 - r2) + r2 nu^2, r2 the share of the contradictions before the night that a second person answered, too.
    """
    seconded = night.seconded
    return min(error_limit + label_error * (1 - seconded) + seconded * label_error**2, 0.999)


def bet_on(
    night: NightLabels,
    draws: NightDraws,
    inside: Flags,
    *,
    part: str,
    error_limit: float,
    spread: float | None,
    stake: float = 1.0,
) -> NightBet:
    """Return what the draws `inside` (n,) of `part` (`all`, `class cat`, `slice door`) say about its error rate.

    spread: sd of the error rates of nights; None: nothing is assumed of it. A part without an answer has factor 1.
    """
    if not draws.answered[inside].any():
        return NightBet(np.zeros(len(edetector.DROPS)), 0.0, 0.0, 1.0)
    bet: dict[str, Any] = {"error_limit": error_limit, "spread": spread, "stake": stake}
    if night.given:
        return _given_bet(night, draws, inside, part=part, **bet)
    return _drawn_bet(night, draws, inside, part=part, **bet)


def _drawn_bet(
    night: NightLabels,
    draws: NightDraws,
    inside: Flags,
    *,
    part: str,
    error_limit: float,
    spread: float | None,
    stake: float,
) -> NightBet:
    items, drawn, mean_guess, variance = numbers_of(night, part)
    weights = drawn / (max(items, 1) * draws.probability[inside] * draws.answer_rate[inside])
    guesses = np.minimum(draws.guess[inside], CONTROL_LIMIT / weights)
    if part == ALL and (draws.guess > guesses * (1 + 1e-9)).any():
        worst = float((draws.guess * weights).max())
        raise ValueError(f"a draw of {night.night} has weight x guess {worst:.3g}; no design goes over {CONTROL_LIMIT}")
    wrong, weights, n = draws.wrong[inside], weights * draws.answered[inside], int(inside.sum())
    bet: dict[str, Any] = {"weights": weights, "guesses": guesses, "mean_guess": mean_guess, "error_limit": error_limit}
    excess, clustering = edetector.excesses(wrong, **bet), clustering_of(draws.group[inside])
    mean = float(excess.mean()) + error_limit
    if spread is None:
        factor = edetector.any_spread_factor(excess.mean(), mean_guess=mean_guess, error_limit=error_limit)
        return NightBet(factor, n / clustering, mean, variance)
    deflation = design_effect(
        draws=n,
        clustering=clustering,
        spread=spread,
        variance=variance * error_limit * (1 - error_limit),
        counted_before=night.counted_before,
    )
    factor = edetector.night_factor(wrong, **bet, deflation=deflation, stake=stake)
    return NightBet(factor, n / clustering, mean, variance)


def _given_bet(
    night: NightLabels,
    draws: NightDraws,
    inside: Flags,
    *,
    part: str,
    error_limit: float,
    spread: float | None,
    stake: float,
) -> NightBet:
    wrong, count = draws.wrong[inside], draws.count[inside]
    fractions = fractions_of(night, draws)[inside]
    mean, squares = float(count @ (fractions * wrong) / (count @ fractions)), float(count @ fractions**2)
    effective, apart = float(count @ fractions) ** 2 / squares, float(count @ (fractions * (wrong - mean)) ** 2)
    variance = apart / squares / (mean * (1 - mean)) if 0 < mean < 1 else 1.0
    clustering, shared, clustering_before = alike_in(night, part)
    effective = max(effective / clustering, 1.0)
    if spread is None:
        factor = edetector.any_spread_factor(np.asarray(mean - error_limit), mean_guess=0.0, error_limit=error_limit)
        return NightBet(factor, effective, mean, variance)
    deflation = design_effect(
        draws=int(count.sum()),
        clustering=clustering,
        spread=spread,
        variance=error_limit * (1 - error_limit),
        counted_before=night.counted_before,
        shared=shared,
        clustering_before=clustering_before,
    )
    factor = edetector.given_factor(
        wrong, fractions=fractions, error_limit=error_limit, deflation=deflation, stake=stake, counts=count
    )
    return NightBet(factor, effective, mean, variance)


def fractions_of(night: NightLabels, draws: NightDraws) -> Floats:
    """(n,) f_i = p_min / p_i of labels that came with the log, each with its chance p_i, at most 1.

    p_min is the smallest chance on any night so far, not of the labels that happened to come tonight: it would be
    larger on nights without the rarest kind, and the kinds that err most would weigh most then. A plan of a release
    that kept no chances has that of the night.
    """
    labels, least, same, _ = night.parts.get(CHANCES, (0, 0.0, 0.0, 1.0))
    chance: Floats = np.full(len(draws.wrong), same) if same else draws.probability * (labels or 1)
    return np.minimum(1.0, (least or chance.min(initial=1.0)) / chance)


def alike_in(night: NightLabels, part: str) -> tuple[float, float, float]:
    """Return clustering, what is shared with the labels before, and their clustering, of a part of given labels.

    See `leeway.labels.groups.grouped`; 1, 0, 1 where no two are of one group.
    """
    clustering, shared, before = (*night.parts.get(part, ())[4:7],) or (1.0, 0.0, 1.0)
    return float(clustering), float(shared), float(before)


def numbers_of(night: NightLabels, part: str) -> tuple[int, float, float, float]:
    """Return (items, chance of a draw, mean guess, variance of a draw) of this part of the night."""
    known = [*night.parts.get(part, (night.predictions, 1.0, night.mean_guess) if part == ALL else (0, 0.0, 0.0))]
    items, drawn, mean_guess, variance = (*known, UNKNOWN_VARIANCE)[:4]
    return int(items), float(drawn), float(mean_guess), float(variance)


def answered_shares(nights: Sequence[NightLabels], *, late: bool = False) -> dict[str, tuple[int, int]]:
    """Return (answered, drawn) of each stratum: in time, or with `late` up to now.

    A night of which nobody answered anything was not looked at.
    """
    came_late = [(one.night, draw) for one in nights if one.late and late for draw in one.draws]
    late_nights = {night for night, _ in came_late}
    own = [one for one in nights if not one.given and not one.late]
    plans = [one for one in own if one.draws or one.night in late_nights]
    planned = {one.night for one in plans}
    answered = Counter(one.draw.stratum for plan in plans for one in plan.draws)
    drawn = answered + Counter(one.draw.stratum for plan in plans for one in plan.unanswered)
    answered += Counter(one.draw.stratum for night, one in came_late if night in planned)
    return {stratum: (answered[stratum], total) for stratum, total in drawn.items()}


def too_few_answers(nights: Sequence[NightLabels]) -> str:
    """Say that nobody answered anything of these nights, or where fewer than 70 % of a stratum; empty if nowhere."""
    if not any(one.draws for one in nights):
        return "no label of the last nights is there: without any, nothing is called quiet"
    shares = answered_shares(nights, late=True)
    low = {
        name: pair for name, pair in shares.items() if pair[1] >= FEWEST_DRAWS and pair[0] < LEAST_ANSWERED * pair[1]
    }
    if not low:
        return ""
    answered, drawn = min(low.values(), key=lambda pair: pair[0] / pair[1])
    return (
        f"{answered} of {drawn} draws of one kind are answered; under {LEAST_ANSWERED:.0%} nothing is called quiet: "
        "answer them, those that are hard to tell too"
    )
