"""Speaks Label Studio's files: tasks and labelling interface out, exported annotations back in.

Nothing here needs Label Studio installed. Model answers (`predictions` of a task) are never read as human ones.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from leeway.errors import DataError
from leeway.labels.words import offered

CONTROL = "choice"  # name of the Choices; in a JSON-MIN export it is the key of the answer
FLAT_KEYS = (CONTROL, "label")
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # what JSON can write and no database takes
SHOWN_KEYS = 12  # of what a file holds, in an error
HOW_TO = """\
In Label Studio
  1. Start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to
     the full path of this folder.
  2. In a new project paste label_studio.xml as the code of the labeling interface; under Cloud Storage add a source
     storage "Local files" with the full path of the folder images, and do not sync it.
  3. Import label_studio.json, label (Skip what you do not want to answer), and export as JSON or JSON-MIN.
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file says at one place, before anyone has judged it."""

    place: str  # "line 3" or "task 7"
    prediction_id: str  # empty: the file names none
    labels: tuple[str, ...]  # as written; none: not answered
    labeler: str  # empty: the file names none
    labelled_at: datetime | None = None  # aware UTC
    problem: str = ""  # why it cannot be read further
    model: str = ""  # empty: the file names none
    from_spreadsheet: bool = False  # its texts are cells, as `leeway.data.spreadsheet` protects them
    skipped: bool = False  # a person saw it and said nothing


@dataclass(frozen=True, slots=True)
class Question:
    """A task to import into Label Studio; `answer` (class, confidence) becomes a pre-annotation."""

    image: str  # path inside the folder
    model: str
    prediction_id: str
    plan_id: str
    answer: tuple[str, float | None] | None
    labeler: str = ""  # who is asked, where that is known

    def content(self) -> dict[str, Any]:
        """As Label Studio imports it."""
        data = {name: getattr(self, name) for name in ("image", "model", "prediction_id", "plan_id")}
        data |= {"labeler": self.labeler} if self.labeler else {}
        if self.answer is None:
            return {"data": data}
        name, confidence = self.answer
        chosen = {"from_name": CONTROL, "to_name": "image", "type": "choices", "value": {"choices": [name]}}
        score = {} if confidence is None else {"score": confidence}
        return {"data": data, "predictions": [{"model_version": "leeway", **score, "result": [chosen]}]}


def write_project(folder: Path, questions: Sequence[Question], classes: Sequence[str]) -> None:
    """label_studio.json and label_studio.xml. Raises DataError for a class name that XML cannot hold."""
    text = json.dumps([one.content() for one in questions], ensure_ascii=False, indent=1)
    (folder / "label_studio.json").write_text(text, encoding="utf-8")
    (folder / "label_studio.xml").write_text(_labeling_config(classes), encoding="utf-8")


def _labeling_config(classes: Sequence[str]) -> str:
    """The labelling interface: the image and one choice among the classes and the words for none of them.

    The tasks hold paths inside the exported folder, which hold on any machine; the interface puts Label Studio's
    address of local files before them.
    """
    return "\n".join(
        [
            "<View>",
            '  <Image name="image" value="/data/local-files/?d=$image"/>',
            f'  <Choices name="{CONTROL}" toName="image" choice="single-radio" required="true">',
            *(f"    <Choice {_choice_attributes(name)}/>" for name in (*classes, *offered(classes))),
            "  </Choices>",
            "</View>",
            "",
        ]
    )


def _choice_attributes(name: str) -> str:
    if found := NOT_IN_XML.search(name):
        raise DataError(
            f"class {name!r} holds the character {found[0]!r}, which Label Studio's XML cannot; "
            "class names are printable text: rename it in the data set"
        )
    if "$" not in name:
        return f"value={quoteattr(name)}"
    # Label Studio would put a task's field in place of $word; the alias is what it exports, untouched.
    return f"value={quoteattr(name.replace('$', '＄'))} alias={quoteattr(name)}"


def read_export(text: str, path: Path) -> list[Statement]:
    """What a JSON or JSON-MIN export says, one statement per annotation, one without labels where there is none.

    A task that was exported for a person is answered by that person, whatever the account is called.
    Raises DataError if it is neither.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not complete JSON ({error}); export it from Label Studio again") from error
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        raise DataError(f"{path}: not a list of tasks; export JSON or JSON-MIN from Label Studio and give that file")
    _expect_keys(content, path)
    return [
        replace(found, model=_text(fields.get("model")), labeler=_labeler(fields.get("labeler")) or found.labeler)
        for number, task in enumerate(content, 1)
        for fields in [_fields(task)]
        for found in _statements(task, number)
    ]


def _is_full(task: dict[str, Any]) -> bool:
    return "annotations" in task or isinstance(task.get("data"), dict)


def _fields(task: dict[str, Any]) -> dict[str, Any]:
    """What was imported with the task, where the two kinds of export keep it."""
    data = task.get("data") if _is_full(task) else task
    return data if isinstance(data, dict) else {}


def _expect_keys(tasks: Sequence[dict[str, Any]], path: Path) -> None:
    found = sorted({key for task in tasks for key in _fields(task)})
    shown = ", ".join(found[:SHOWN_KEYS]) + (", ..." if len(found) > SHOWN_KEYS else "") or "none"
    if tasks and "prediction_id" not in found:
        raise DataError(
            f"{path}: no task has a prediction_id (fields found: {shown}); "
            "import label_studio.json into Label Studio, not the images by themselves"
        )
    if tasks and not any(_is_full(task) for task in tasks) and not set(FLAT_KEYS) & set(found):
        raise DataError(
            f"{path}: no task has an answer under {' or '.join(FLAT_KEYS)} (fields found: {shown}); "
            "export JSON from Label Studio, or use the interface of label_studio.xml"
        )


def _statements(task: dict[str, Any], number: int) -> Iterator[Statement]:
    place = f"task {task.get('id', number)}"
    prediction_id = _text(_fields(task).get("prediction_id"))
    if not _is_full(task):
        value = next((task[key] for key in FLAT_KEYS if key in task), None)
        labels = _choices([value])
        problem = "" if labels is not None else f"{value!r} is not one choice; use the interface of label_studio.xml"
        who, when = _labeler(task.get("annotator")), _instant(task.get("created_at"))
        yield Statement(place, prediction_id, labels or (), who, when, problem)
        return
    annotations = task.get("annotations") or []
    for annotation in annotations if isinstance(annotations, list) else [annotations]:
        yield _annotated(place, prediction_id, annotation)
    if not annotations:
        yield Statement(place, prediction_id, (), "")


def _annotated(place: str, prediction_id: str, annotation: object) -> Statement:
    if not isinstance(annotation, dict):
        problem = f"an annotation is {annotation!r}, not an object; export the project as JSON again"
        return Statement(place, prediction_id, (), "", problem=problem)
    who, when = _labeler(annotation.get("completed_by")), _instant(annotation.get("created_at"))
    results = annotation.get("result") or []
    if annotation.get("was_cancelled") or not results:
        skipped = bool(annotation.get("was_cancelled"))
        return Statement(place, prediction_id, (), who, when, skipped=skipped)
    listed = results if isinstance(results, list) else []
    values = [one.get("value") for one in listed if isinstance(one, dict)]
    chosen = [value for value in values if isinstance(value, dict) and "choices" in value]
    labels = _choices(chosen)
    if not labels:
        problem = "the annotation holds no choice; use the interface of label_studio.xml"
        return Statement(place, prediction_id, (), who, when, problem)
    return Statement(place, prediction_id, labels, who, when)


def _choices(values: Iterable[object]) -> tuple[str, ...] | None:
    """The different names chosen: a text, a list of texts, or either under "choices". None if it is anything else."""
    chosen: list[str] = []
    for value in values:
        inner = value.get("choices") if isinstance(value, dict) and "choices" in value else value
        for name in inner if isinstance(inner, list) else [] if inner is None else [inner]:
            if not isinstance(name, str):
                return None
            chosen += [name] if name.strip() else []
    return tuple(dict.fromkeys(chosen))


def _labeler(value: object) -> str:
    """An e-mail address where the export has one, else the number of the user."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("username") or value.get("id")
    return NO_TEXT.sub("", _text(value)).strip()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _instant(value: object) -> datetime | None:
    """Label Studio writes UTC, with or without saying so."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
