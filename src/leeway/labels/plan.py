"""Plans: which predictions of a night people are asked to label, drawn so that their answers measure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.accuracy import Accuracy
from leeway.checks.bets import ALL, CHANCES
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.policy import Policy
from leeway.data.split import uniform_number
from leeway.domain.records import (
    GATE,
    MEASURE,
    Cell,
    Draw,
    LabelPlan,
    Pick,
    PlanDesign,
    Prediction,
    ReferenceCounts,
    Tally,
)
from leeway.epoch import Epoch
from leeway.labels.answering import answer_rates, seconded_share
from leeway.labels.chances import chances_of
from leeway.labels.leaning import Suspicion, lean, members_of
from leeway.stats.allocation import GUESS_CUTS, Allocation, allocate, guesses_at

GATE_SLACK = 3  # predictions looked at for each gate draw, beyond what the gate's share asks for on average
SLICE = "slice"
UNKNOWN_GUESS = 0.5  # where nothing is known of an answer's confidence


def chance(key: str) -> Generator:
    """A generator seeded by this text: a step that is run again draws what it drew."""
    return np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))


def is_gate_group(group: str, *, gate_share: float) -> bool:
    """Whether images of this group are labelled for the gate alone and never trained on: decided by its name, for ever.

    The hash is another than the one that decides the split, so that the two choices are independent.
    """
    return uniform_number(f"gate/{group}") < gate_share


def plan_labels(epoch: Epoch, night: date, *, suspicion: Suspicion, waited_for: int = 0) -> LabelPlan:
    """Draw what people are asked to label of `night`: `per_night` draws, and after an alarm its part of the burst.

    Half of the burst is drawn by the plan, half uniformly among the gate's groups, where `gate_per_night` are drawn
    every night and at least `waited_for`, by a challenger. Returns an empty plan for a night that came labelled.
    Idempotent: an existing plan is returned unchanged.
    """
    version, policy = epoch.version, epoch.policy
    plan_id = f"{version.model}/{version.version}/{night.isoformat()}"
    known = {plan.id: plan for plan in epoch.history.plans}
    if plan_id in known:
        return known[plan_id]
    window = next((one for one in epoch.history.windows if one.night == night), None)
    position = window.position if window else None
    start, end = epoch.bounds(night)
    second = suspicion.second_classes
    cells = epoch.history.cells(night, upto=position)
    if second:  # what has one of these classes second is drawn from by itself
        cells = epoch.log.cells(version, start, end, upto=position, second=second)
    total = sum(one.count for one in cells)
    came_labelled = f"{plan_id}/given" in known
    measure, gate = (0, 0) if came_labelled else _draws_wanted(epoch, night, total)
    gate = gate if came_labelled else max(gate, waited_for)
    rng = chance(f"plan/{plan_id}")
    rates = answer_rates(epoch, night)
    design = design_of(cells, version.reference, policy, suspicion, rates)
    picks = _picks(cells, design, draws=measure, rng=rng)
    wanted = [pick for _, pick in picks]
    found = epoch.log.pick(version, start, end, wanted, stream="plan", upto=position, second=second)
    drawn = tuple(
        Draw(
            id=f"{plan_id}/{place}",
            plan_id=plan_id,
            model=version.model,
            prediction_id=one.id,
            purpose=MEASURE,
            stratum=str(design.stratum[cell]),
            probability=float(design.probability[cell]),
            guess=float(design.control[cell]),
        )
        for place, ((cell, _), one) in enumerate(zip(picks, found, strict=False))
    )
    candidates = _gate_candidates(epoch, night, draws=gate, predictions=total, upto=position)
    taken = epoch.ledger.groups_drawn(version.model, version.version, purpose=GATE) if candidates else set()
    chosen = _gate_chosen(candidates, taken, draws=gate)
    draws = drawn + _gate_draws(plan_id, chosen, among=len(candidates))
    plan = LabelPlan(plan_id, version.model, version.version, night, epoch.as_of, asked=len(draws))
    plan = replace(plan, second_opinion=policy.labels.second_opinion)
    drawn_by = PlanDesign(
        predictions=total,
        mean_guess=float(design.mean_control),
        stratum_shares={str(stratum): float(share) for stratum, share in enumerate(design.shares)},
        parts=parts_of(cells, design, limits_of(policy, version.reference)),
        uniform_share=policy.labels.uniform_share,
        position=position,
        answer_rates=rates,
        seconded=seconded_share(epoch, night),
    )
    epoch.history.record_plan(plan, drawn_by, draws, list({one.id: one for one in (*found, *chosen)}.values()))
    return plan


def given_plan(
    epoch: Epoch, night: date, cells: Sequence[Cell], tallies: Sequence[Tally]
) -> tuple[LabelPlan, PlanDesign]:
    """Return labels that came with the probability of being chosen (a census: 1), as a plan that is closed already.

    With one probability on all nights so far they are a uniform sample, of weight 1. Otherwise item i of m counts with
    m / (N p_i).
    The guess is taken as 0: whoever chose them did not know ours.
    """
    chances, total = chances_of(epoch, tallies), sum(one.count for one in cells)
    labels, uniform = chances[0], chances[2] > 0
    given = tuple(
        Tally(
            one.predicted_class,
            one.label,
            one.slice,
            min(1 / total if uniform else one.probability / labels, 1.0),
            one.count,
        )
        for one in tallies
    )
    version, now = epoch.version, epoch.as_of
    plan_id = f"{version.model}/{version.version}/{night.isoformat()}/given"
    plan = LabelPlan(plan_id, version.model, version.version, night, now, asked=0, given=len(given), closed_at=now)
    return plan, PlanDesign(
        predictions=total,
        mean_guess=0.0,
        stratum_shares={"0": 1.0},
        parts={**_given_parts(cells, given, uniform=uniform), CHANCES: chances},
        uniform_share=min(min(total * one.probability for one in given), 1.0),
        given=given,
    )


def design_of(
    cells: Sequence[Cell],
    reference: ReferenceCounts,
    policy: Policy,
    suspicion: Suspicion,
    rates: Mapping[str, float] = MappingProxyType({}),
) -> Allocation:
    """The night's sampling design over its cells. `rates`: answered share of each stratum before, where it is known."""
    sizes = np.array([one.count for one in cells], dtype=np.int64)
    guesses, strata = _guesses(cells, reference)
    appeal, part = lean(suspicion.shares, sizes, members_of(cells))
    number = 1 + max(len(GUESS_CUTS), int(strata.max(initial=0)) if strata is not None else 0)
    return allocate(
        guesses,
        uniform_share=policy.labels.uniform_share,
        sizes=sizes,
        strata=strata,
        suspicion=appeal,
        lean=policy.labels.lean * suspicion.strength * float(part),
        answer_rates=np.array([rates.get(str(stratum), 1.0) for stratum in range(number)]),
    )


def limits_of(policy: Policy, reference: ReferenceCounts) -> dict[str, float]:
    """`all`, `class cat`, `slice` -> the error rate from which a detector of it wants to alarm."""
    classes, everything = policy.check(ClassAccuracy), 1 - policy.check(Accuracy).effective_floor(reference)
    return {ALL: everything, SLICE: classes.slice_limit(reference)} | {
        f"class {name}": limit for name, limit in classes.precision_limits(reference).items()
    }


def parts_of(
    cells: Sequence[Cell], design: Allocation, limits: Mapping[str, float]
) -> dict[str, tuple[int, float, float, float]]:
    """`all`, `class cat`, `slice door` -> items, chance of a draw, mean guess, variance: what its detector is given."""
    found = {}
    for name, inside in ({ALL: np.ones(len(cells), dtype=bool)} | members_of(cells)).items():
        limit = limits.get(SLICE if name.startswith(SLICE) else name)
        likely = None if limit is None else guesses_at(design.guesses[inside], design.sizes[inside], limit=limit)
        part = design.part(inside, likely=likely)
        found[name] = (part.items, float(part.drawn), float(part.mean_control), float(part.variance))
    return found


def draw_counts(policy: Policy, predictions: int, *, place: int | None, beside: int = 0) -> tuple[int, int]:
    """(draws that measure, the burst's for the gate) of a night: the burst comes on top, spread over its nights.

    `place`: which plan it is since the alarm, from 0; None without one. `beside`: predictions of the model's other
    versions that night, which share its labels in proportion, each at least one.
    """
    labels, wanted = policy.labels, policy.labels.wanted(predictions)
    if beside and predictions and isinstance(labels.per_night, int):
        wanted = min(wanted, max(1, round(wanted * predictions / (predictions + beside))))
    if place is None or place >= labels.burst_nights:
        return wanted, 0
    tonight = labels.burst_on_alarm // labels.burst_nights + (place < labels.burst_on_alarm % labels.burst_nights)
    return wanted + tonight - tonight // 2, tonight // 2


def _draws_wanted(epoch: Epoch, night: date, predictions: int) -> tuple[int, int]:
    """Return (draws that measure, draws for the gate) of this night, an open alarm's burst included."""
    alarm = epoch.alarm(night)
    since_alarm = [one for one in epoch.history.plans if alarm and one.night >= alarm.night and one.is_nightly]
    place, beside = len(since_alarm) if alarm else None, sum(epoch.beside(night).values())
    measure, gate = draw_counts(epoch.policy, predictions, place=place, beside=beside)
    if epoch.version.watched_only or epoch.is_beside:  # nothing is released after it: all that people answer measures
        return measure + gate, 0
    return measure, gate + epoch.policy.promotion.gate_per_night


def _guesses(cells: Sequence[Cell], reference: ReferenceCounts) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    """(C,) guess of an error in each cell, and its stratum where confidence does not give it: the predicted class."""
    if not reference.with_confidence:
        names = {name: place for place, name in enumerate(reference.classes)}
        strata = np.array([names.get(one.predicted_class, len(names)) for one in cells], dtype=np.int64)
        return np.full(len(cells), 1 - reference.accuracy if reference.total else UNKNOWN_GUESS), strata
    # where no truth was known to fit a guess to: 1 - the confidence in the middle of the bin
    by_bin = reference.guesses or [1 - (low + high) / 2 for low, high in pairwise((0.0, *reference.bin_edges, 1.0))]
    return np.array([UNKNOWN_GUESS if one.bin < 0 else by_bin[one.bin] for one in cells]), None


def _given_parts(
    cells: Sequence[Cell], given: Sequence[Tally], *, uniform: bool
) -> dict[str, tuple[int, float, float, float]]:
    labels, total = sum(one.count for one in given), sum(one.count for one in cells)
    found = {ALL: (total, 1.0, 0.0, 1.0)}
    for name, inside in members_of(cells).items():
        items = sum(one.count for one, belongs in zip(cells, inside.tolist(), strict=True) if belongs)
        kind, _, part = name.partition(" ")
        fell = sum(one.count for one in given if (one.slice if kind == "slice" else one.predicted_class) == part)
        found[name] = (items, items / total if uniform else fell / labels, 0.0, 1.0)
    return found


def _picks(cells: Sequence[Cell], design: Allocation, *, draws: int, rng: Generator) -> list[tuple[int, Pick]]:
    """(cell, the prediction drawn uniformly inside it) of each draw.

    Ranks are drawn with replacement, so that one prediction may be drawn twice; the j-th of a cell's different ranks
    is then the j-th of the cell in the order of the stream, which is a uniform order.
    """
    drawn = [(place, int(rng.integers(cells[place].count))) for place in design.draw(draws, rng).tolist()]
    ranks: dict[int, dict[int, int]] = {}
    for place, rank in drawn:
        own = ranks.setdefault(place, {})
        own.setdefault(rank, len(own))
    return [(place, _pick(cells[place], ranks[place][rank])) for place, rank in drawn]


def _pick(cell: Cell, rank: int) -> Pick:
    return Pick(cell.predicted_class, cell.bin, cell.slice, rank, among=cell.count, second=cell.second)


def _gate_candidates(epoch: Epoch, night: date, *, draws: int, predictions: int, upto: str | None) -> list[Prediction]:
    """Return predictions of the gate's groups in random order, from a uniform sample large enough to hold them."""
    share = epoch.policy.promotion.gate_share
    if not draws or not share or not predictions:
        return []
    looked_at = min(predictions, round(GATE_SLACK * draws / share))
    found = epoch.log.sample(epoch.version, *epoch.bounds(night), looked_at, stream="gate", upto=upto)
    return [one for one in found if is_gate_group(one.group, gate_share=share)]


def _gate_chosen(candidates: Sequence[Prediction], taken: set[str], *, draws: int) -> list[Prediction]:
    """Choose uniformly, without replacement, one of each group that was not taken before: McNemar needs independence.

    Fewer than `draws` where the night has fewer such groups.
    """
    one_of_each: dict[str, Prediction] = {}
    for one in candidates:
        if one.group not in taken:
            one_of_each.setdefault(one.group, one)
    return list(one_of_each.values())[:draws]


def _gate_draws(plan_id: str, chosen: Sequence[Prediction], *, among: int) -> tuple[Draw, ...]:
    return tuple(
        Draw(
            id=f"{plan_id}/gate/{place}",
            plan_id=plan_id,
            model=one.model,
            prediction_id=one.id,
            purpose=GATE,
            stratum=GATE,
            probability=1 / among,
            guess=0.0,
        )
        for place, one in enumerate(chosen)
    )
