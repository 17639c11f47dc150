"""What became of labels, as facts: the answers of `leeway labels`."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from leeway.cli.label_schemas import (
    AnswerFileFacts,
    BadAnswerFacts,
    ClosedNightFacts,
    ConflictFacts,
    LabelledModelFacts,
    LabelPlanFacts,
    LabelQueueFacts,
    OpenNightFacts,
    OpinionFacts,
)
from leeway.domain.records import NONE_OF_THESE, UNSURE, LabelPlan, RecordedLabels
from leeway.domain.stores import Ledger
from leeway.epoch import Epoch
from leeway.labels import judge
from leeway.labels.answers import closes_at
from leeway.labels.queue import LabelQueue, find_queue


def answer_file(path: Path, recorded: RecordedLabels, read: judge.AnswerFile) -> AnswerFileFacts:
    """Return what became of a file of answers."""
    said = Counter(given.answer for given in read.answers)
    return AnswerFileFacts(
        file=path,
        new=recorded.new,
        known=recorded.known,
        corrected=recorded.corrected,
        measured=recorded.measured,
        unanswered=read.unanswered,
        skipped=read.skipped,
        unsure=said[UNSURE],
        none_of_these=said[NONE_OF_THESE],
        refused=[BadAnswerFacts(place=finding.place, problem=finding.problem) for finding in read.findings],
    )


def labelled_model(epoch: Epoch, ids: Collection[str], outside: Counter[tuple[str, str]]) -> LabelledModelFacts:
    """Return where a model stands after labels of these predictions; `outside`: (model, name) of no class."""
    return LabelledModelFacts(
        model=epoch.model,
        nights=[_plan(epoch, plan) for plan in epoch.ledger.plans_with(epoch.model, ids)],
        waiting=queue_facts(find_queue(epoch)),
        unasked=len(set(ids)) - len(epoch.ledger.drawn(epoch.model, ids)),
        conflicts=conflicts(epoch.ledger, epoch.model),
        outside={name: count for (model, name), count in outside.items() if model == epoch.model},
    )


def queue_facts(queue: LabelQueue) -> LabelQueueFacts:
    """Return what waits for people, and what closed of late without an answer."""
    return LabelQueueFacts(
        images=queue.images,
        second_opinions=queue.second_opinions,
        unreadable=queue.unreadable,
        nights=[
            OpenNightFacts(
                night=each.night,
                version=each.version,
                images=each.images,
                second_opinions=each.second_opinions,
                closes_at=each.closes_at,
            )
            for each in queue.open_nights
        ],
        closed_unanswered=[
            ClosedNightFacts(night=each.night, version=each.version, images=each.images, closed_at=each.closed_at)
            for each in queue.closed_nights
        ],
    )


def conflicts(ledger: Ledger, model: str) -> list[ConflictFacts]:
    """Return the predictions that people call different things."""
    return [
        ConflictFacts(
            prediction_id=labels[0].prediction_id,
            labels=[
                OpinionFacts(labeler=label.labeler, label=label.said, labelled_at=label.labelled_at) for label in labels
            ],
        )
        for labels in ledger.conflicts(model)
    ]


def _plan(epoch: Epoch, plan: LabelPlan) -> LabelPlanFacts:
    return LabelPlanFacts(
        night=plan.night,
        version=plan.version,
        asked=plan.asked,
        answered=len(epoch.ledger.labelled_draws(plan.id)),
        open_until=None if plan.closed_at else closes_at(plan, epoch.policy),
        closed_at=plan.closed_at,
    )
