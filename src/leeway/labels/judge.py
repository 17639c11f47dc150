"""Judges what a file of answers says: which statements can be taken, and why the others cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from leeway.domain.records import Prediction
from leeway.labels.files import class_named, from_cell, unknown_class
from leeway.labels.label_studio import Statement

LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """What one person said about one prediction."""

    model: str
    prediction_id: str
    label: str
    labeler: str
    labelled_at: datetime | None  # aware UTC; None where the file does not say
    place: str  # "line 3" or "task 7"


@dataclass(frozen=True, slots=True)
class Subject:
    """The prediction that a statement is about, or why it is about none."""

    model: str
    prediction_id: str  # as it was written, where it is not known
    classes: Sequence[str] = ()  # of the model
    problem: str = ""
    unpinned: Prediction | None = None  # what the log says of it, where the ledger has not pinned it


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """What could not be taken from a file, and why."""

    place: str
    problem: str


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file of answers, read."""

    answers: tuple[LabelAnswer, ...]
    findings: tuple[LabelProblem, ...]
    unanswered: int  # predictions in the file for which nobody in it gives a label


def judge(statements: Sequence[Statement], subjects: Sequence[Subject], *, labeler: str) -> AnswerFile:
    """Return the answers of statements about these subjects; what cannot be taken becomes a finding, the rest goes in.

    `labeler` is who answered where the file does not say. Answers of several people about one prediction all go in.
    """
    findings: list[LabelProblem] = []
    given: dict[tuple[str, str, str], list[LabelAnswer]] = {}
    for one, subject in zip(statements, subjects, strict=True):
        who, problem = one.labeler or labeler, one.problem or _problem(one, subject)
        if problem:
            findings.append(LabelProblem(one.place, problem))
        elif (label := _class_of(one, subject.classes)) is not None:
            answer = LabelAnswer(subject.model, subject.prediction_id, label, who, one.labelled_at, one.place)
            given.setdefault((answer.model, answer.prediction_id, who), []).append(answer)
    kept = []
    for same in given.values():
        first, other = same[0], next((one for one in same if one.label != same[0].label), None)
        if other is None:
            kept.append(min(same, key=lambda one: one.labelled_at or LAST))
            continue
        said = f"{other.labeler} says {other.label!r} here and {first.label!r} at {first.place}"
        findings.append(
            LabelProblem(other.place, f"prediction {first.prediction_id!r}: {said}; none is taken: leave one")
        )
    asked = [(one, (about.model, about.prediction_id)) for one, about in zip(statements, subjects, strict=True)]
    tried = {key for one, key in asked if one.labels or one.problem}
    return AnswerFile(tuple(kept), tuple(findings), len({key for one, key in asked if one.prediction_id} - tried))


def _problem(one: Statement, subject: Subject) -> str:
    """Why the statement cannot be taken; empty if it can be, or says nothing."""
    if not one.prediction_id.strip():
        return "no prediction_id; copy it from the exported labels.csv"
    if not one.labels:
        return ""
    if subject.problem:
        return subject.problem
    if len(one.labels) > 1:
        return f"{len(one.labels)} classes chosen ({', '.join(map(repr, one.labels))}); choose one"
    return "" if _class_of(one, subject.classes) is not None else unknown_class(one.labels[0], subject.classes)


def _class_of(one: Statement, classes: Sequence[str]) -> str | None:
    """The class that was chosen; None if none was, or another."""
    if not one.labels:
        return None
    return class_named(from_cell(one.labels[0], classes) if one.from_spreadsheet else one.labels[0], classes)
