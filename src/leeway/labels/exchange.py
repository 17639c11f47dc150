"""Labelling without a server: what waits for people as a folder of tasks, and their answers back from a file."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leeway.domain.answers import may_second
from leeway.domain.counting import person
from leeway.domain.records import DRAWN, NONE_OF_THESE, UNNAMED, UNSURE, VOLUNTEERED, Label, RecordedLabels
from leeway.domain.stores import Ledger
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.errors import RefusedError
from leeway.labels.files import Task, export_tasks, read_statements
from leeway.labels.images import LeftOut, left_out_text, read_images
from leeway.labels.judge import AnswerFile, LabelAnswer, judge
from leeway.labels.queue import LabelQueue, closed_text, deadline_text, find_queue
from leeway.labels.resolution import Models, resolve
from leeway.labels.summary import corrections_text


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a folder of label tasks."""

    tasks: int
    left_out: tuple[LeftOut, ...]  # whose image is not to be had: nobody could say what it shows
    after: tuple[str, ...] = ()  # people whose answers are asked for a second time, by somebody else
    queue: LabelQueue | None = None  # what waits, until when, and what closed unanswered


def export_labels(epoch: Epoch, folder: Path, *, show_answer: bool, labeler: str = "") -> Exported:
    """Write what people are asked to label of this model into a new folder.

    What waits for a second person stands among the others if the `labeler`, who will answer, is known, and is not the
    first one; nothing in the folder tells which it is.
    A prediction whose image is gone, empty or no image is left out and listed; one that came without an image is
    asked about by its id. Raises RefusedError if nobody is asked anything, or no image that is asked about can be
    read; WorkspaceError for a folder that cannot be filled.
    """
    who = "" if person(labeler) == UNNAMED else labeler.strip()
    queue = epoch.ledger.label_queue(epoch.model, labeler=who)
    if not queue:
        raise RefusedError(_nothing(epoch, who))
    read, left_out = read_images([one for _, one in queue if one.image], epoch.images)
    images: dict[str, bytes | None] = {one.id: content for one, content in read}
    images |= {one.id: None for _, one in queue if not one.image}
    if not images:
        raise RefusedError(
            f"'{epoch.model}': nothing can be exported: {left_out_text(left_out, of=len(queue))}; put the images back "
            "where they were, or ingest the log anew from where its images lie now"
        )
    waiting = find_queue(epoch, shown=lambda one: one.id in images)
    tasks = [
        Task(plan, one.model, one.id, images[one.id], one.predicted_class, one.confidence, one.slice, who)
        for plan, one in queue
        if one.id in images
    ]
    classes, until = epoch.version.reference.classes, deadline_text(waiting)
    export_tasks(folder, tasks, classes=classes, show_answer=show_answer, until=until)
    second = epoch.ledger.second_opinions(epoch.model) if who else []
    asked = {task.prediction_id for task in tasks}
    after = {first.labeler for _, one, first in second if one.id in asked and may_second(first, who)}
    return Exported(len(tasks), tuple(left_out), tuple(sorted(after)), waiting)


def import_labels(path: Path, models: Models, *, labeler: str, now: datetime) -> tuple[RecordedLabels, AnswerFile]:
    """Record a file of answers, of one model or several; return what became of them, and the file as it was read.

    All its labels are recorded in one transaction; what they label is pinned first. `labeler` answered, and `now`,
    where the file does not say. Raises DataError for a file that cannot be read.
    """
    statements = read_statements(path)
    subjects = resolve(statements, models)
    read = judge(statements, subjects, labeler=labeler)
    answered = {(one.model, one.prediction_id) for one in read.answers}
    unpinned = {(one.model, one.prediction_id): one.unpinned for one in subjects if one.unpinned is not None}
    models.ledger.pin([unpinned[key] for key in sorted(answered & unpinned.keys())])
    return models.ledger.record_labels(_labels(read.answers, models.ledger, now)), read


def import_text(recorded: RecordedLabels, read: AnswerFile) -> str:
    """Return what became of a file, in one line."""
    corrected = corrections_text(recorded.corrected, recorded.measured)
    new = f"{counted(recorded.new, 'new label')}{f', of them {corrected}' if corrected else ''}"
    skipped = f" ({read.skipped} skipped)" if read.skipped else ""
    counts = [(sum(one.answer == word for one in read.answers), word) for word in (UNSURE, NONE_OF_THESE)]
    none = " and ".join(f"{count} `{word}`" for count, word in counts if count)
    text = f"{new}, {recorded.known} known, {read.unanswered} unanswered{skipped}, {len(read.findings)} refused"
    return f"{text}; {none} in the file" if none else text


def _nothing(epoch: Epoch, labeler: str) -> str:
    """Say why there is nothing to export, and what to do."""
    text = f"nobody is asked to label anything of '{epoch.model}'"
    queue = find_queue(epoch)
    closed = f"; {told}" if (told := closed_text(queue)) else ""
    waiting = queue.second_opinions
    if not waiting:
        return f"{text}: `leeway monitor` asks for labels of each night, once it is over{closed}"
    who = f"{labeler} is asked" if labeler else "nobody who does not say their name is asked"
    opinions = "a label waits" if waiting == 1 else f"{waiting} labels wait"
    return (
        f"{who} to label nothing of '{epoch.model}': {opinions} for a second person, who says who they are "
        f"(`leeway labels export DIR --labeler NAME`) and is not the one who gave the label{closed}"
    )


def _labels(answers: Iterable[LabelAnswer], ledger: Ledger, now: datetime) -> list[Label]:
    ids: dict[str, list[str]] = {}
    for one in answers:
        ids.setdefault(one.model, []).append(one.prediction_id)
    drawn = {(model, one) for model, labelled in ids.items() for one in ledger.drawn(model, labelled)}
    return [
        Label(
            one.model,
            one.prediction_id,
            one.label,
            one.labeler,
            one.labelled_at or now,
            DRAWN if (one.model, one.prediction_id) in drawn else VOLUNTEERED,
            one.answer,
        )
        for one in answers
    ]
