"""Labelling without a server: what waits for people as a folder of tasks, and their answers back from a file."""

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from leeway.domain.records import DRAWN, VOLUNTEERED, Label, Prediction, RecordedLabels
from leeway.domain.stores import ImageStore, Ledger
from leeway.epoch import Epoch
from leeway.errors import DataError, RefusedError
from leeway.labels.files import Task, export_tasks, read_statements
from leeway.labels.judge import AnswerFile, LabelAnswer, judge
from leeway.labels.resolution import Models, resolve

log = logging.getLogger("leeway.labels")


def export_labels(epoch: Epoch, folder: Path, *, show_answer: bool) -> int:
    """Write what people are asked to label of this model into a new folder; return how many tasks.

    Raises RefusedError if nobody is asked anything, WorkspaceError for a folder that cannot be filled.
    """
    queue = epoch.ledger.label_queue(epoch.model)
    if not queue:
        raise RefusedError(
            f"nobody is asked to label anything of '{epoch.model}': `leeway monitor` plans what is to be labelled"
        )
    tasks = [
        Task(plan, one.model, one.id, _content(one, epoch.images), one.predicted_class, one.confidence, one.slice)
        for plan, one in queue
    ]
    export_tasks(folder, tasks, classes=epoch.version.reference.classes, show_answer=show_answer)
    return len(tasks)


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
    corrects = f" ({recorded.corrected} correct an earlier one by the same person, which stays on record)"
    new = f"{recorded.new} new labels{corrects if recorded.corrected else ''}"
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


def _content(prediction: Prediction, images: ImageStore) -> bytes | None:
    """None, and a line in the log, where the image is not to be had."""
    try:
        return images.read(prediction.image) if prediction.image else None
    except DataError as error:
        log.warning("%s: its image cannot be read: %s", prediction.id, error)
        return None
