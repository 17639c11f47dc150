"""Bets on each class and slice: what the draws of a night say of precisions, recalls and slices, in e-detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.checks.bets import ALL, NightDraws, alike_in, bet_on, charged, draws_of_night, fractions_of
from leeway.checks.night_cap import shared
from leeway.domain.records import NightLabels
from leeway.stats import recall
from leeway.stats.allocation import limited
from leeway.stats.edetector import clustering_of
from leeway.stats.spread import SHARE_OF_LIMIT

Floats = NDArray[np.float64]

RECALL_SPREAD = 0.15  # sd of the nights' recalls that is no news, as a share of the limit
MOST_CHARGED = 0.9  # error limit of a recall, wrong labels charged, from which nothing can be said


@dataclass(frozen=True, slots=True)
class ClassLimits:
    """What the classes are held against."""

    classes: tuple[str, ...]
    limits: Mapping[str, float]  # error limit by detector: `precision cat`, `recall cat`, `slice door`
    precision: Floats  # (K,) of each class on the reference
    label_error: float = 0.0  # share of the labels that are wrong


def class_wealth(
    state: Mapping[str, Any], closed: Sequence[NightLabels], held: ClassLimits, *, today: date
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Return log M of the four bets of every detector after these labels, and what nights have added, see `night_cap`.

    Each night begins a bet, and labels of it that come late go on with it. Raises ValueError for unusable draws.
    """
    wealth: dict[str, Floats] = dict(state["log_wealth"])
    added: dict[str, float] = dict(state["added"])
    for night in sorted(closed, key=lambda one: (one.night, one.counted_before)):
        factors = class_factors(night, held)
        if not factors:
            continue
        factors, added = shared(factors, night, added, today=today)
        for name, log_m in wealth.items():
            factor = factors.get(name, 0.0)
            wealth[name] = log_m + factor if night.counted_before else np.logaddexp(0.0, log_m) + factor
    return wealth, added


def class_factors(night: NightLabels, held: ClassLimits) -> dict[str, Floats]:
    """Return the (4,) log factors of the detectors that this night says something of; the others' is 0.

    A recall whose limit cannot be told from wrong labels is left out, see `deaf`. Raises ValueError for draws whose
    numbers no design gives.
    """
    draws = draws_of_night(night)
    if not draws.answered.any():
        return {}
    found = _recalls(night, draws, held)
    for way, names in (("precision", draws.answer), ("slice", draws.slice)):
        for name in sorted({one for one in names[draws.answered].tolist() if one is not None}):
            detector, part = f"{way} {name}", f"slice {name}" if way == "slice" else f"class {name}"
            if detector not in held.limits or not night.parts.get(part, (0,))[0]:
                continue
            limit = charged(night, held.limits[detector], label_error=held.label_error)
            spread = SHARE_OF_LIMIT * held.limits[detector]
            bet = bet_on(night, draws, names == name, part=part, error_limit=limit, spread=spread)
            found[detector] = bet.factor
    return found


def deaf(night: NightLabels, held: ClassLimits) -> list[str]:
    """Return the recalls of which nothing can be said: wrong labels alone would make 90 % of the class seem missed."""
    limits, _, _ = _charged_limits(night, held)
    return [f"recall {name}" for name, limit in zip(held.classes, limits, strict=True) if limit >= MOST_CHARGED]


def _charged_limits(night: NightLabels, held: ClassLimits) -> tuple[Floats, Floats, recall.RecallDesign]:
    """(K,) error limits of the recalls with wrong labels charged, shares of the classes at their floors, the design."""
    limits = np.array([held.limits[f"recall {name}"] for name in held.classes])
    design = _design(night, held.classes)
    share = np.minimum(design.share(error_limit=limits, precision=held.precision), 1.0)
    noise = recall.recall_noise(held.label_error, share=share, classes=len(held.classes), seconded=night.seconded)
    return limits + noise, share, design


def _design(night: NightLabels, classes: Sequence[str]) -> recall.RecallDesign:
    answered = np.array([[*night.parts.get(f"class {name}", (0, 0.0, 0.0))][:3] for name in classes], dtype=float)
    second = np.array([[*night.parts.get(f"second {name}", (0, 0.0))][:2] for name in classes], dtype=float)
    draws = [(one.draw.stratum, one.count) for one in night.draws] + [(one.draw.stratum, 1) for one in night.unanswered]
    counts = sum(count for _, count in draws)
    rate = sum(count * night.answer_rates.get(stratum, 1.0) for stratum, count in draws) / max(counts, 1)
    size = max(night.predictions, 1)
    return recall.RecallDesign(
        predictions=size,
        answered=answered[:, 0] / size,
        answered_drawn=answered[:, 1],
        mean_control=answered[:, 2],
        second=second[:, 0] / size,
        second_drawn=second[:, 1],
        answer_rate=rate or 1.0,
    )


def _recalls(night: NightLabels, draws: NightDraws, held: ClassLimits) -> dict[str, Floats]:
    """(4,) by detector. A draw that says nothing of a class still counts for it: as the mean of its control variate."""
    limits, share, design = _charged_limits(night, held)
    said = set(draws.answer.tolist())
    unplanned = [name in said and not night.parts.get(f"class {name}") for name in held.classes]  # in old plans
    heard = (limits < MOST_CHARGED) & ~np.array(unplanned, dtype=bool)
    limits, base = np.minimum(limits, MOST_CHARGED), np.array([held.limits[f"recall {name}"] for name in held.classes])
    if night.given:
        bets = recall.given_bets(error_limit=limits, share=share)
    else:
        bets = recall.recall_bets(design, error_limit=limits, precision=held.precision)
    n = int(draws.count.sum())
    alike, shared, before = alike_in(night, ALL) if night.given else (clustering_of(draws.group), 0.0, 1.0)
    spread = recall.recall_spread(
        bets,
        draws=n,
        share=share,
        spread=RECALL_SPREAD * base,
        alike=alike,
        counted_before=night.counted_before,
        shared=shared,
        alike_before=before,
    )
    nothing = np.zeros(len(limits)) if night.given else design.mean_excess(limits)
    plain = recall.recall_log_product(nothing[:, None], bets, multiplicity=np.array([[n]]), spread=spread)
    found = {f"recall {name}": plain[at] for at, name in enumerate(held.classes) if heard[at]}
    places = {name: at for at, name in enumerate(held.classes)}
    for name in sorted({*draws.truth[draws.answered].tolist(), *draws.answer[draws.answered].tolist()} - {None}):
        at = places.get(name)
        if at is None or not heard[at]:
            continue
        told = draws.answered & ((draws.truth == name) | (draws.answer == name))
        excess = _excess(night, draws, told, name=name, limit=float(limits[at]), nothing=float(nothing[at]))
        own = recall.RecallBets(bets.lam[at], bets.loss[at])
        counts = np.append(draws.count[told], n - draws.count[told].sum())
        found[f"recall {name}"] = recall.recall_log_product(
            np.append(excess, nothing[at]), own, multiplicity=counts, spread=spread[at]
        )
    return found


def _excess(
    night: NightLabels, draws: NightDraws, told: NDArray[np.bool_], *, name: str, limit: float, nothing: float
) -> Floats:
    """(m,) X of the draws that say something of the class."""
    wrong, belongs, said = draws.wrong[told], draws.truth[told] == name, draws.answer[told] == name
    probability = draws.probability[told]
    if night.given:
        found: Floats = fractions_of(night, draws)[told] * (belongs * (wrong - limit))
        return found
    items, drawn = [*night.parts.get(f"class {name}", (0, 0.0))][:2]
    weights = 1 / (max(night.predictions, 1) * probability * draws.answer_rate[told])
    control = limited(draws.guess[told], weights=weights * night.predictions * drawn / max(items, 1))
    return recall.recall_excess(
        wrong,
        belongs=belongs,
        answered=said,
        weights=weights,
        control=control,
        mean_excess=np.asarray(nothing),
        error_limit=limit,
    )
