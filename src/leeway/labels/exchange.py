"""Labelling without a server: what waits for people as a folder of tasks, and their answers back from a file."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leeway.domain.records import DRAWN, VOLUNTEERED, Label, RecordedLabels
from leeway.domain.stores import Ledger
from leeway.epoch import Epoch
from leeway.errors import RefusedError
from leeway.labels.files import Task, export_tasks, read_statements
from leeway.labels.images import LeftOut, left_out_text, read_images
from leeway.labels.judge import AnswerFile, LabelAnswer, judge
from leeway.labels.resolution import Models, resolve
from leeway.labels.summary import corrections_text


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a folder of label tasks."""

    tasks: int
    left_out: tuple[LeftOut, ...]  # whose image is not to be had: nobody could say what it shows


def export_labels(epoch: Epoch, folder: Path, *, show_answer: bool) -> Exported:
    """Write what people are asked to label of this model into a new folder.

    A prediction whose image is gone, empty or no image is left out and listed; one that came without an image is
    asked about by its id. Raises RefusedError if nobody is asked anything, or no image that is asked about can be
    read; WorkspaceError for a folder that cannot be filled.
    """
    queue = epoch.ledger.label_queue(epoch.model)
    if not queue:
        raise RefusedError(
            f"nobody is asked to label anything of '{epoch.model}': `leeway monitor` plans what is to be labelled"
        )
    read, left_out = read_images([one for _, one in queue if one.image], epoch.images)
    images: dict[str, bytes | None] = {one.id: content for one, content in read}
    images |= {one.id: None for _, one in queue if not one.image}
    if not images:
        raise RefusedError(
            f"'{epoch.model}': nothing can be exported: {left_out_text(left_out, of=len(queue))}; put the images back "
            "where they were, or ingest the log anew from where its images lie now"
        )
    tasks = [
        Task(plan, one.model, one.id, images[one.id], one.predicted_class, one.confidence, one.slice)
        for plan, one in queue
        if one.id in images
    ]
    export_tasks(folder, tasks, classes=epoch.version.reference.classes, show_answer=show_answer)
    return Exported(len(tasks), tuple(left_out))


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
    new = f"{recorded.new} new labels{f', of them {corrected}' if corrected else ''}"
    return f"{new}, {recorded.known} known, {read.unanswered} unanswered, {len(read.findings)} refused"


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
        )
        for one in answers
    ]
