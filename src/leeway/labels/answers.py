"""Answers: which labels are in, which of them measure, and which train the next version."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

from leeway.checks.policy import Policy
from leeway.checks.waits import Burst
from leeway.checks.windows import night_of
from leeway.domain.records import (
    DRAWN,
    ERRORS,
    GATE,
    MEASURE,
    Decision,
    Label,
    LabelledDraw,
    LabelPlan,
    Prediction,
    RecordedLabels,
)
from leeway.domain.stores import Ledger, PredictionLog
from leeway.epoch import Epoch
from leeway.labels.coverage import covers, rows_of
from leeway.labels.groups import given_labels, grouped
from leeway.labels.plan import given_plan, is_gate_group

MOST_GIVEN = 100_000  # labels that came with the log and are trained on: more of them are a uniform sample


# Closing


def close_labels(epoch: Epoch) -> list[LabelPlan]:
    """Close the plans that have all their answers, or whose time is over; return those that closed now.

    What a plan measures are the labels that are in then. What is answered later is measured by a late plan. A
    contradiction that no second person has come for by then is an error.
    """
    closed = []
    for plan in epoch.history.plans:
        if plan.closed_at is not None:
            continue
        if is_complete(plan, epoch.ledger.labelled_draws(plan.id)) or epoch.as_of >= closes_at(plan, epoch.policy):
            epoch.history.close_plan(plan, closed_at=epoch.as_of)
            closed.append(plan)
    return closed


def close_overdue(epoch: Epoch) -> list[LabelPlan]:
    """Close every plan of the model whose time is over; return those that closed now.

    Also of versions and epochs that no later night looks at: nobody is asked for ever.
    """
    plans = [plan for plan, _ in epoch.ledger.unanswered(epoch.model, since=epoch.as_of) if plan.closed_at is None]
    over = [one for one in plans if epoch.as_of >= closes_at(one, epoch.policy)]
    for plan in over:
        epoch.history.close_plan(plan, closed_at=epoch.as_of)
    return over


def is_complete(plan: LabelPlan, answered: Sequence[LabelledDraw]) -> bool:
    """Whether all that a plan asked for is in: an answer to each draw, and the second opinions that it wants."""
    return len(answered) == plan.asked and not second_wanted(plan, answered)


def second_wanted(plan: LabelPlan, answered: Sequence[LabelledDraw]) -> list[LabelledDraw]:
    """Return the answered draws of an open plan that wait for a second person."""
    if plan.second_opinion != ERRORS or plan.closed_at is not None:
        return []
    return [one for one in answered if one.draw.purpose == MEASURE and one.wrong and not one.seconded]


def burst_of(epoch: Epoch, alarm: Decision) -> Burst:
    """Return how far people have come with the plans of the alarm's nights, and when the last of them closes."""
    plans = [one for one in epoch.history.plans if one.night >= alarm.night and one.is_nightly]
    nights = sorted({one.night for one in plans})[: epoch.policy.labels.burst_nights]
    asked = [one for one in plans if one.night in nights]
    images, answered = set[str](), set[str]()
    for plan in asked:
        draws = epoch.ledger.labelled_draws(plan.id)
        waiting = {one.draw.prediction_id for one in second_wanted(plan, draws)}
        labelled = {one.draw.prediction_id for one in draws}
        answered |= labelled - waiting
        images |= labelled | {one.draw.prediction_id for one in epoch.ledger.unanswered_draws(plan.id)}
    closes = max((one.closed_at or closes_at(one, epoch.policy) for one in asked), default=epoch.as_of)
    return Burst(len(nights), len(images), len(answered), closes)


def closes_at(plan: LabelPlan, policy: Policy) -> datetime:
    """Return when an open plan closes, answered or not."""
    return plan.made_at + timedelta(days=policy.labels.answer_days)


def take_given_labels(epoch: Epoch, *, until: date) -> list[LabelPlan]:
    """Make plans of labels that came with a draw probability, for nights up to `until`, each label once.

    A night is measured by one source: its draws that are not closed yet count no more then
    (`history.History.labels`), and where people's answers were taken, such labels train and measure nothing. Labels of
    a night that came with the log before are a late plan's (`labels.late.take_late_truth`).
    Labels that claim to be a census and leave rows of the night out measure nothing (`labels.coverage.covers`).
    """
    known, taken = {plan.night for plan in epoch.history.plans if plan.given or _is_answered(epoch, plan)}, []
    positions = {one.night: one.position for one in epoch.history.windows}
    since, _ = epoch.bounds(epoch.first_night)
    while (first := epoch.log.first_given(epoch.version, since)) is not None:
        night = epoch.night_of(first)
        if night > until:
            break
        _, since = epoch.bounds(night)
        if night in known:
            continue
        position = epoch.log.position(epoch.model)
        rows = positions.get(night) or position  # what came after the night was counted is late, and no part of it
        given = given_labels(epoch, night, between=(None, position), rows_upto=rows)
        if not given.tallies or not covers(given.tallies, rows_of(epoch, night, upto=rows)):
            continue
        plan, design = given_plan(epoch, night, epoch.history.cells(night, upto=rows), given.tallies)
        design = replace(design, position=position, parts=grouped(design.parts, given))
        if epoch.history.record_plan(plan, design):
            taken.append(plan)
    return taken


def _is_answered(epoch: Epoch, plan: LabelPlan) -> bool:
    """Whether the plan is closed with answers that measure."""
    return plan.asked > 0 and plan.closed_at is not None and epoch.history.labels([plan])[0].labels > 0


def take_given_answers(log: PredictionLog, ledger: Ledger, model: str) -> RecordedLabels:
    """Copy what came with the log for predictions that people are asked about: nobody needs to answer them any more.

    Of those that people were asked about and did not answer in time, too: that measures, late. Where the image of one
    lies now is learnt. Done after every ingest, and by the nightly job again, since no transaction spans both stores.
    """
    waiting = {one.id: one for _, one in ledger.label_queue(model)}
    moved = [one for one in log.by_ids(model, waiting) if one.image != waiting[one.id].image]
    ledger.pin(moved)
    given = log.given_by_ids(model, {*waiting, *ledger.missed(model)})
    return ledger.record_labels([replace(one, kind=DRAWN) for one in given])


# Training on them


def training_labels(epoch: Epoch, *, since: date | None) -> list[tuple[Label, Prediction]]:
    """Return the labels that may train, those that people gave before those that came with the log.

    With `since`: of this version's nights from then on. Never those of the gate's groups, and none that names a class
    the version does not have, unless `data.classes` renames it to one or adds it (`Epoch.class_rule`).
    """
    share, version = epoch.policy.promotion.gate_share, epoch.version
    names = version.reference.classes
    may_train = cache(lambda label: epoch.class_rule.trains(label, names))
    labels = {
        prediction.id: (label, prediction)
        for label, prediction in (*_given_labels(epoch, since), *epoch.ledger.labels(version.model))
        if may_train(label.label)
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

    Of earlier epochs of this version, too: they are no evidence, but images that two bundles can answer. What nobody
    could name compares nothing.
    """
    plans = [
        one for one in epoch.ledger.plans(epoch.model, epoch.version.version) if since is None or one.night >= since
    ]
    answered = [one for plan in plans for one in epoch.ledger.labelled_draws(plan.id) if one.draw.purpose == GATE]
    answered = [one for one in answered if one.same_truth]
    return list({one.group: one for one in reversed(answered)}.values())
