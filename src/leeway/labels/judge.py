"""Judges what a file of answers says: which statements can be taken, and why the others cannot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from leeway.domain.class_names import class_names, label_in
from leeway.domain.records import NAMED, Prediction
from leeway.labels.files import readings
from leeway.labels.label_studio import NO_TEXT, Statement
from leeway.labels.words import SKIPPED, answer_in

LONGEST = 200  # characters of a name that no class has
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LabelAnswer:
    """What one person said about one prediction."""

    model: str
    prediction_id: str
    label: str  # "" where the answer is no name
    labeler: str
    labelled_at: datetime | None  # aware UTC; None where the file does not say
    place: str  # "line 3" or "task 7"
    answer: str = NAMED  # or the words of one that is none

    @property
    def said(self) -> str:
        """The name, or in words that it is none."""
        return self.label or self.answer


@dataclass(frozen=True, slots=True)
class Subject:
    """The prediction that a statement is about, or why it is about none."""

    model: str
    prediction_id: str  # as it was written, where it is not known
    classes: tuple[str, ...] = ()  # of the model
    accepted: tuple[str, ...] = ()  # names beside them that `data.classes` adds or renames
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
    # (model, name) of labels that were taken and name no class of the model
    outside: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: int = 0  # of the unanswered: those that somebody skipped


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
        elif _is_answered(one, subject):
            label, answered = _class_of(one, subject) or "", _answer_of(one, subject)
            answer = LabelAnswer(
                subject.model,
                subject.prediction_id,
                label if answered == NAMED else "",
                who,
                one.labelled_at,
                one.place,
                answered,
            )
            given.setdefault((answer.model, answer.prediction_id, who), []).append(answer)
    kept = []
    for same in given.values():
        first, other = same[0], next((one for one in same if one.said != same[0].said), None)
        if other is None:
            kept.append(min(same, key=lambda one: one.labelled_at or LAST))
            continue
        said = f"{other.labeler} says {other.said!r} here and {first.said!r} at {first.place}"
        findings.append(
            LabelProblem(other.place, f"prediction {first.prediction_id!r}: {said}; none is taken: leave one")
        )
    pairs = [(one, about) for one, about in zip(statements, subjects, strict=True) if one.prediction_id]
    asked = {(about.model, about.prediction_id) for _, about in pairs}
    tried = {(about.model, about.prediction_id) for one, about in pairs if one.problem or _is_answered(one, about)}
    skipped = {(about.model, about.prediction_id) for one, about in pairs if _answer_of(one, about) == SKIPPED} - tried
    named = {about.model: {*about.classes, *about.accepted} for about in subjects if about.classes}
    naming = [one for one in kept if one.answer == NAMED]
    outside = Counter((one.model, one.label) for one in naming if one.label not in named[one.model])
    return AnswerFile(tuple(kept), tuple(findings), len(asked - tried), outside, len(skipped))


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
    label = _class_of(one, subject)
    taken = label is None or _answer_of(one, subject) != NAMED or _is_taken(label, subject)
    return "" if taken else class_names(subject.classes).unknown(label or "")


def _is_answered(one: Statement, subject: Subject) -> bool:
    return _answer_of(one, subject) not in ("", SKIPPED)


def _answer_of(one: Statement, subject: Subject) -> str:
    """Which answer the statement is, as `answer_in` says; SKIPPED, or empty for none at all."""
    if one.skipped:
        return SKIPPED
    label = _class_of(one, subject)
    return "" if label is None else answer_in(label, class_names((*subject.classes, *subject.accepted)))


def _class_of(one: Statement, subject: Subject) -> str | None:
    """The name that was chosen, as the class list or `data.classes` has it; None if none was."""
    names = class_names((*subject.classes, *subject.accepted))
    for text in one.labels[:1]:
        meant = readings(text) if one.from_spreadsheet else (text,)
        label = label_in(next((name for name in meant if name in names), meant[0]), names)
        return None if label is None else names.known(label) or label
    return None


def _is_taken(label: str, subject: Subject) -> bool:
    """A class, a name that `data.classes` has, or one of its own: none that only slips from these, and a word."""
    names = class_names((*subject.classes, *subject.accepted))
    if label in names:
        return True
    is_word = len(label) <= LONGEST and not NO_TEXT.search(label) and any(map(str.isalnum, label))
    return is_word and names.meant(label) is None
