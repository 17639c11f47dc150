"""Answers: which labels are in, which of them measure, and which train the next version."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from leeway.checks.policy import Policy
from leeway.checks.windows import night_of
from leeway.data.feedback import FeedbackImage, read_feedback, write_feedback_shard
from leeway.domain.records import DRAWN, GATE, Decision, Label, LabelledDraw, LabelPlan, Prediction, RecordedLabels
from leeway.domain.stores import ImageStore, Ledger, PredictionLog
from leeway.epoch import Epoch
from leeway.labels.plan import given_plan, is_gate_group

MOST_GIVEN = 100_000  # labels that came with the log and are trained on: more of them are a uniform sample
LABELLING_HOURS = 20  # an open plan closes this long after it was made: the working day of those who label


# Closing


def close_labels(epoch: Epoch) -> list[LabelPlan]:
    """Close the plans whose draws are all answered, or whose time is over; return those that closed now."""
    closed = []
    for plan in epoch.history.plans:
        if plan.closed_at is not None:
            continue
        complete = len(epoch.ledger.labelled_draws(plan.id)) == plan.asked
        if complete or epoch.as_of - plan.made_at >= timedelta(hours=LABELLING_HOURS):
            epoch.history.close_plan(plan, closed_at=epoch.as_of)
            closed.append(plan)
    return closed


def take_given_labels(epoch: Epoch, *, until: date) -> list[LabelPlan]:
    """Make plans of labels that came with a draw probability, for nights up to `until`, each night once.

    A night is measured once: its draws that are not closed yet count no more then (`epoch.History.labels`); where
    people's answers were taken, and for a night whose plan was made before, such labels train and measure nothing.
    """
    known, taken = {plan.night for plan in epoch.history.plans if plan.given or _is_answered(epoch, plan)}, []
    since, _ = epoch.bounds(epoch.first_night)
    while (first := epoch.log.first_given(epoch.version, since)) is not None:
        night = night_of(first, epoch.policy.zone)
        if night > until:
            break
        start, since = epoch.bounds(night)
        if night in known:
            continue
        position = epoch.log.position(epoch.model)
        tallies = epoch.log.given_tallies(epoch.version, start, since, upto=position)
        plan, design = given_plan(epoch, night, epoch.history.cells(night, upto=position), tallies)
        if epoch.history.record_plan(plan, replace(design, position=position)):
            taken.append(plan)
    return taken


def _is_answered(epoch: Epoch, plan: LabelPlan) -> bool:
    """Whether the plan is closed with answers that measure."""
    return plan.asked > 0 and plan.closed_at is not None and epoch.history.labels([plan])[0].labels > 0


def take_given_answers(log: PredictionLog, ledger: Ledger, model: str) -> RecordedLabels:
    """Copy what came with the log for predictions that people are asked about: nobody needs to answer them any more.

    Where the image of one lies now is learnt, too. Done after every ingest, and by the nightly job again, since no
    transaction spans both stores.
    """
    waiting = {one.id: one for _, one in ledger.label_queue(model)}
    moved = [one for one in log.by_ids(model, waiting) if one.image != waiting[one.id].image]
    ledger.pin(moved)
    return ledger.record_labels([replace(one, kind=DRAWN) for one in log.given_by_ids(model, waiting)])


# Training on them


def training_labels(epoch: Epoch, *, since: date | None) -> list[tuple[Label, Prediction]]:
    """Return the labels that may train, those that people gave before those that came with the log.

    With `since`: of this version's nights from then on. Never those of the gate's groups, and none that names a class
    the version does not have.
    """
    share, version = epoch.policy.promotion.gate_share, epoch.version
    labels = {
        prediction.id: (label, prediction)
        for label, prediction in (*_given_labels(epoch, since), *epoch.ledger.labels(version.model))
        if label.label in version.reference.classes
        and not is_gate_group(prediction.group, gate_share=share)
        and (
            since is None
            or (prediction.version == version.version and night_of(prediction.occurred_at, epoch.policy.zone) >= since)
        )
    }
    return list(labels.values())


def _given_labels(epoch: Epoch, since: date | None) -> list[tuple[Label, Prediction]]:
    versions = [epoch.version] if since else epoch.ledger.versions(epoch.model)
    start = epoch.bounds(since)[0] if since else None
    return [pair for one in versions for pair in epoch.log.given(one, start, None, MOST_GIVEN, stream="page")]


def labels_since(alarm: Decision | None, policy: Policy) -> date | None:
    """Return the first night whose labels train after this alarm: the world may have changed before it was noticed."""
    return None if alarm is None else alarm.night - timedelta(days=policy.retrain.label_nights)


def gate_labels(epoch: Epoch, *, since: date | None) -> list[LabelledDraw]:
    """Return the answered draws that were made for the gate since this night, one of each group.

    Of earlier epochs of this version, too: they are no evidence, but images that two bundles can answer.
    """
    plans = [
        one for one in epoch.ledger.plans(epoch.model, epoch.version.version) if since is None or one.night >= since
    ]
    answered = [one for plan in plans for one in epoch.ledger.labelled_draws(plan.id) if one.draw.purpose == GATE]
    return list({one.group: one for one in reversed(answered)}.values())


def add_feedback(
    labels: Sequence[tuple[Label, Prediction]], images: ImageStore, *, folder: Path, name: str
) -> Path | None:
    """Write one more shard into `folder` with the labelled images that no shard there has yet; None without any.

    A shard of this name that is there already, from a run that was cut short, is returned unchanged.
    """
    path = folder / f"{name}.parquet"
    if path.exists():
        return path
    stored = {row["origin"] for row in read_feedback(folder)}
    new = [
        FeedbackImage(
            content=images.read(prediction.image),
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
