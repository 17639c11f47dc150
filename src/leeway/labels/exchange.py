"""Labelling without a server: what waits for people as a folder of tasks, and their answers back from a file."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from leeway.domain.records import Label, Prediction
from leeway.domain.stores import ImageStore, Store
from leeway.epoch import Epoch
from leeway.errors import DataError, RefusedError
from leeway.labels.files import AnswerFile, Task, export_tasks, read_answers

log = logging.getLogger("leeway.labels")


@dataclass
class KnownPredictions:
    """The ids of a model's predictions, to ask whether one is among them; each is looked up when it is asked for."""

    store: Store
    model: str
    _found: dict[str, bool] = field(default_factory=dict)

    def __contains__(self, one: object) -> bool:
        if not isinstance(one, str):
            return False
        if one not in self._found:
            self._found[one] = any(found.model == self.model for found in self.store.predictions_by_id([one]))
        return self._found[one]


def export_labels(epoch: Epoch, folder: Path, *, show_answer: bool) -> int:
    """Write what people are asked to label of this model into a new folder; return how many tasks.

    Raises RefusedError if nobody is asked anything, WorkspaceError for a folder that cannot be filled.
    """
    queue = epoch.store.label_queue(epoch.model)
    if not queue:
        raise RefusedError(
            f"nobody is asked to label anything of '{epoch.model}': `leeway monitor` plans what is to be labelled"
        )
    tasks = [
        Task(plan, one.id, _content(one, epoch.images), one.predicted_class, one.confidence, one.slice)
        for plan, one in queue
    ]
    export_tasks(folder, tasks, classes=epoch.version.reference.classes, show_answer=show_answer)
    return len(tasks)


def import_labels(epoch: Epoch, path: Path, *, labeler: str) -> tuple[int, int, AnswerFile]:
    """Record a file of answers; return (new labels, known ones, the file as it was read).

    Each is tied to the draws of its prediction by the id. Raises DataError for a file that cannot be read.
    """
    known = KnownPredictions(epoch.store, epoch.model)
    read = read_answers(path, classes=epoch.version.reference.classes, known=known, labeler=labeler)
    labels = [Label(one.prediction_id, one.label, one.labeler, one.labelled_at or epoch.as_of) for one in read.answers]
    new = epoch.store.record_labels(labels)
    return new, len(labels) - new, read


def _content(prediction: Prediction, images: ImageStore) -> bytes | None:
    """None, and a line in the log, where the image is not to be had."""
    try:
        return images.read(prediction.image) if prediction.image else None
    except DataError as error:
        log.warning("%s: its image cannot be read: %s", prediction.id, error)
        return None
