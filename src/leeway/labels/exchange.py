"""Labelling without a server: what waits for people as a folder of tasks, and their answers back from a file."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from leeway.domain.ports import ImageStore, Store
from leeway.domain.records import Label, Prediction
from leeway.errors import DataError, RefusedError
from leeway.labels.files import Answers, Task, export_tasks, read_answers
from leeway.workspace import Workspace

log = logging.getLogger("leeway.labels.exchange")


@dataclass
class KnownPredictions:
    """The predictions of a model as a collection of ids; each is looked up when it is asked for."""

    store: Store
    model: str
    _found: dict[str, bool] = field(default_factory=dict)

    def __contains__(self, one: object) -> bool:
        if not isinstance(one, str):
            return False
        if one not in self._found:
            self._found[one] = any(found.model == self.model for found in self.store.predictions_by_id([one]))
        return self._found[one]

    def __iter__(self) -> Iterator[str]:
        return iter(one for one, known in self._found.items() if known)

    def __len__(self) -> int:
        return sum(self._found.values())


def export_labels(workspace: Workspace, model: str, folder: Path, *, show_answer: bool) -> int:
    """Writes what people are asked to label into a new folder; gives how many tasks.

    Raises RefusedError if nobody is asked anything, WorkspaceError for a folder that cannot be filled.
    """
    queue = workspace.store.label_queue(model)
    if not queue:
        raise RefusedError(
            f"nobody is asked to label anything of '{model}': `leeway monitor` plans what is to be labelled"
        )
    tasks = [
        Task(plan, one.id, _content(one, workspace.images), one.predicted_class, one.confidence, one.slice)
        for plan, one in queue
    ]
    export_tasks(folder, tasks, classes=workspace.classes_of(model), show_answer=show_answer)
    return len(tasks)


def import_labels(
    workspace: Workspace, model: str, path: Path, *, labeler: str, now: datetime
) -> tuple[int, int, Answers]:
    """(new labels, known ones, the file as it was read). Each is tied to the draws of its prediction by the id.

    Raises DataError for a file that cannot be read.
    """
    known = KnownPredictions(workspace.store, model)
    read = read_answers(path, classes=workspace.classes_of(model), known=known, labeler=labeler)
    labels = [Label(one.prediction_id, one.label, one.labeler, one.labelled_at or now) for one in read.answers]
    new = workspace.store.record_labels(labels)
    return new, len(labels) - new, read


def _content(prediction: Prediction, images: ImageStore) -> bytes | None:
    """None, and a line in the log, where the image is not to be had."""
    try:
        return images.read(prediction.image) if prediction.image else None
    except DataError as error:
        log.warning("%s: its image cannot be read: %s", prediction.id, error)
        return None
