"""Feedback: what people are asked to label, which answers are in, and which of them train the next version."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.random import Generator

from leeway.checks.policy import Policy
from leeway.checks.windows import night_bounds, night_of
from leeway.data.shards import FeedbackImage, read_feedback, write_feedback_shard
from leeway.data.split import uniform_number
from leeway.domain.ports import ImageStore, Store
from leeway.domain.records import (
    Action,
    Decision,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    ModelVersion,
    NightLabels,
    Prediction,
)
from leeway.stats.allocation import allocate

LABELLING_HOURS = 20  # an open plan closes this long after it was made: the working day of those who label
MEASURE, GATE = "measure", "gate"


def chance(key: str) -> Generator:
    """A generator seeded by this text: a step that is run again draws what it drew."""
    return np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))


def is_gate_group(group: str, *, gate_share: float) -> bool:
    """Whether images of this group are labelled for the gate alone and never trained on: decided by its name, for ever.

    The hash is another than the one that decides the split, so that the two choices are independent.
    """
    return uniform_number(f"gate/{group}") < gate_share


# Closing


def close_labels(store: Store, champion: ModelVersion, *, as_of: datetime) -> list[LabelPlan]:
    """Closes the plans whose draws are all answered, or whose time is over; gives those that closed now."""
    closed = []
    for plan in store.plans(champion.model, champion.version):
        if plan.closed_at is not None:
            continue
        complete = len(store.labelled_draws(plan.id)) == len(plan.draws)
        if complete or as_of - plan.made_at >= timedelta(hours=LABELLING_HOURS):
            store.close_plan(plan.id, closed_at=as_of)
            closed.append(plan)
    return closed


def night_labels(store: Store, plan: LabelPlan) -> NightLabels:
    """The plan's answered draws that measure."""
    answered = tuple(one for one in store.labelled_draws(plan.id) if one.draw.purpose == MEASURE)
    return NightLabels(plan.night, plan.predictions, plan.mean_guess, answered, plan.stratum_shares)


# Planning


def plan_labels(
    store: Store, champion: ModelVersion, policy: Policy, *, night: date, alarm: date | None, now: datetime
) -> LabelPlan:
    """What to label of `night`: `per_night` draws, and after an alarm of night `alarm` its part of the burst on top.

    Half of the burst is drawn by the plan, half uniformly among the gate's groups. Kept once: a plan that is there
    already is the answer.
    """
    plan_id = f"{champion.model}/{champion.version}/{night.isoformat()}"
    known = {plan.id: plan for plan in store.plans(champion.model, champion.version)}
    if plan_id in known:
        return known[plan_id]
    predictions = store.predictions(champion.model, champion.version, *night_bounds(night, policy.zone))
    measure, gate = _draw_counts(policy, night=night, alarm=alarm)
    rng = chance(f"plan/{plan_id}")
    plan = _measuring_plan(plan_id, champion, policy, predictions, draws=measure, night=night, now=now, rng=rng)
    seen = {one.prediction_id for other in known.values() for one in other.draws if one.purpose == GATE}
    taken = {one.group for one in store.predictions_by_id(sorted(seen))}
    chosen = _gate_draws(plan_id, predictions, taken, policy, draws=gate, rng=rng)
    plan = replace(plan, draws=plan.draws + chosen)
    store.record_plan(plan)
    return plan


def _draw_counts(policy: Policy, *, night: date, alarm: date | None) -> tuple[int, int]:
    """(draws that measure, draws for the gate) of this night: the burst comes on top, spread evenly over its nights."""
    labels = policy.labels
    place = (night - alarm).days if alarm is not None else labels.burst_nights
    if not 0 <= place < labels.burst_nights:
        return labels.per_night, 0
    tonight = labels.burst_on_alarm // labels.burst_nights + (place < labels.burst_on_alarm % labels.burst_nights)
    return labels.per_night + tonight - tonight // 2, tonight // 2


def _measuring_plan(
    plan_id: str,
    champion: ModelVersion,
    policy: Policy,
    predictions: Sequence[Prediction],  # sorted by id: the design is then order-free
    *,
    draws: int,
    night: date,
    now: datetime,
    rng: Generator,
) -> LabelPlan:
    guesses = np.array([1 - one.confidence for one in predictions], dtype=float)
    design = allocate(guesses, uniform_share=policy.labels.uniform_share)
    drawn = tuple(
        Draw(
            id=f"{plan_id}/{place}",
            plan_id=plan_id,
            prediction_id=predictions[row].id,
            purpose=MEASURE,
            stratum=str(design.stratum[row]),
            probability=float(design.probability[row]),
            guess=float(design.control[row]),
        )
        for place, row in enumerate(design.draw(draws, rng).tolist())
    )
    return LabelPlan(
        id=plan_id,
        model=champion.model,
        version=champion.version,
        night=night,
        made_at=now,
        predictions=len(predictions),
        mean_guess=design.mean_control,
        draws=drawn,
        stratum_shares={str(stratum): float(share) for stratum, share in enumerate(design.shares)},
    )


def _gate_draws(
    plan_id: str,
    predictions: Sequence[Prediction],
    taken: set[str],
    policy: Policy,
    *,
    draws: int,
    rng: Generator,
) -> tuple[Draw, ...]:
    """Uniform, without replacement, among predictions of the gate's groups, one of each: McNemar needs independence.

    Fewer than `draws` where the night has fewer such groups.
    """
    share = policy.promotion.gate_share
    candidates = [one for one in predictions if is_gate_group(one.group, gate_share=share) and one.group not in taken]
    one_of_each: dict[str, Prediction] = {}
    for place in rng.permutation(len(candidates)).tolist():
        one_of_each.setdefault(candidates[place].group, candidates[place])
    return tuple(
        Draw(
            id=f"{plan_id}/gate/{place}",
            plan_id=plan_id,
            prediction_id=one.id,
            purpose=GATE,
            stratum=GATE,
            probability=1 / len(candidates),
            guess=1 - one.confidence,
        )
        for place, one in enumerate(list(one_of_each.values())[:draws])
    )


# Training on it


def training_labels(
    store: Store, champion: ModelVersion, policy: Policy, *, since: date | None
) -> list[tuple[Label, Prediction]]:
    """Labels that may train. With `since`: of the champion's nights from then on.

    Never those of the gate's groups, and none that names a class the champion does not have.
    """
    share = policy.promotion.gate_share
    return [
        (label, prediction)
        for label, prediction in store.labels(champion.model)
        if label.label in champion.reference.classes
        and not is_gate_group(prediction.group, gate_share=share)
        and (
            since is None
            or (prediction.version == champion.version and night_of(prediction.occurred_at, policy.zone) >= since)
        )
    ]


def alarm_before(decisions: Sequence[Decision], champion: ModelVersion, *, night: date = date.max) -> Decision | None:
    """The last alarm of this version up to `night`."""
    alarms = [one for one in decisions if one.version == champion.version and one.action is Action.MORE_LABELS]
    return max((one for one in alarms if one.night <= night), key=lambda one: one.night, default=None)


def labels_since(alarm: Decision | None, policy: Policy) -> date | None:
    """First night whose labels train after this alarm: the world may have changed before it was noticed."""
    return None if alarm is None else alarm.night - timedelta(days=policy.retrain.label_nights)


def gate_labels(store: Store, champion: ModelVersion, *, since: date | None) -> list[LabelledDraw]:
    """Answered draws that were made for the gate since this night, one of each group."""
    plans = [one for one in store.plans(champion.model, champion.version) if since is None or one.night >= since]
    answered = [one for plan in plans for one in store.labelled_draws(plan.id) if one.draw.purpose == GATE]
    return list({one.group: one for one in reversed(answered)}.values())


def add_feedback(
    labels: Sequence[tuple[Label, Prediction]], images: ImageStore, *, folder: Path, name: str
) -> Path | None:
    """One more shard in `folder` with the labelled images that no shard there has yet; None if there are none.

    A shard of this name that is there already, from a run that was cut short, is the answer.
    """
    path = folder / f"{name}.parquet"
    if path.exists():
        return path
    stored = {row["origin"] for row in read_feedback(folder)}
    new = [
        FeedbackImage(
            content=images.get(prediction.image),
            label=label.label,
            origin=prediction.id,
            labeler=label.labeler,
            group=prediction.group,
            slice=prediction.slice,
        )
        for label, prediction in sorted(labels, key=lambda pair: pair[1].id)
        if prediction.id not in stored
    ]
    if not new:
        return None
    write_feedback_shard(path, new)
    return path
