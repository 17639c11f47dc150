"""Feedback: what people are asked to label, which answers are in, and which of them train the next version."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from leeway.checks.policy import Policy
from leeway.checks.windows import night_bounds, night_of
from leeway.data.shards import FeedbackImage, read_feedback, write_feedback_shard
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
    Tally,
)
from leeway.labels.plan import GATE, MEASURE, given_plan, is_gate_group

LABELLING_HOURS = 20  # an open plan closes this long after it was made: the working day of those who label


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


def take_given_labels(
    store: Store, champion: ModelVersion, policy: Policy, *, until: date, now: datetime
) -> list[LabelPlan]:
    """Plans made of labels that came with a draw probability, for nights up to `until`, each night once.

    Such labels that come for a night after its plan was made train, and measure nothing.
    """
    taken = []
    while (first := store.first_given(champion.model, champion.version)) is not None:
        night = night_of(first, policy.zone)
        if night > until:
            break
        start, end = night_bounds(night, policy.zone)
        tallies = store.given_tallies(champion.model, champion.version, start, end)
        plan = given_plan(champion, store.cells(champion, start, end), tallies, night=night, now=now)
        if store.record_given(plan, start=start, end=end):
            taken.append(plan)
    return taken


def night_labels(store: Store, plan: LabelPlan) -> NightLabels:
    """The plan's answered draws that measure."""
    labelled = store.labelled_draws(plan.id) if plan.draws else []
    answered = tuple(one for one in labelled if one.draw.purpose == MEASURE)
    given = tuple(_counted(plan, one, place) for place, one in enumerate(plan.given))
    return NightLabels(
        plan.night,
        plan.predictions,
        plan.mean_guess,
        answered + given,
        plan.stratum_shares,
        plan.parts,
        plan.uniform_share,
    )


def _counted(plan: LabelPlan, tally: Tally, place: int) -> LabelledDraw:
    draw = Draw(f"{plan.id}/{place}", plan.id, "", MEASURE, "0", tally.probability, 0.0)
    return LabelledDraw(draw, plan.night, tally.predicted_class, tally.label, "", "", tally.slice, tally.count)


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
