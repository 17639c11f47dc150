"""Label tasks as a folder, answers back from a CSV or a Label Studio export: labelling without any server.

Cells are protected as leeway.data.spreadsheet says. Reading takes that back, so an id is the same again; an id whose
apostrophe a spreadsheet swallowed is found too.
"""

import csv
import hashlib
import io
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leeway import durable
from leeway.data import spreadsheet
from leeway.domain.text import counted
from leeway.errors import DataError, WorkspaceError
from leeway.labels.label_studio import HOW_TO, Question, Statement, read_export, write_project
from leeway.labels.words import offered

COLUMNS = ("plan_id", "model", "prediction_id", "image", "label", "labeler")
ANSWER_COLUMNS = ("predicted_class", "confidence")
NEEDED = ("prediction_id", "label")
SHOWN = 12  # names in an error
SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ".png"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), ".webp"),
    (re.compile(rb"GIF8[79]a"), ".gif"),
    (re.compile(rb"II\*\0|MM\0\*"), ".tif"),
    (re.compile(rb"BM"), ".bmp"),
)
WITH_PICTURES = "The column image names the picture, in the folder images."
NO_PICTURES = """No image came with these predictions: look each up where the model runs, by its
     prediction_id. (A column image in the log brings them here: docs/logs.md of leeway.)"""
README = """\
Label tasks of leeway: {images}

Say for each image what it shows: one of the classes below, or that it is none. What stays without a label, or has the
label skip, is not answered, and asked again.

In a spreadsheet
  1. Open labels.csv. {pictures}
  2. Write one of the classes below, as it stands there, into the column label and, where none stands there, your
     name into labeler. Change no other column; an apostrophe before an id belongs there.
  3. Save it as CSV in UTF-8 (in Excel: "CSV UTF-8"). Commas and semicolons are both fine.

{label_studio}
Hand back
  leeway labels import FILE        (FILE: labels.csv, or what Label Studio exported)
{until}
Classes
{classes}

Where none can be named
{words}
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A prediction that people are asked about."""

    plan_id: str
    model: str
    prediction_id: str
    image: bytes | None  # encoded; None where it was not kept
    predicted_class: str
    confidence: float | None
    slice: str | None
    labeler: str = ""  # who is asked: the answer comes back in this name


def export_tasks(
    folder: Path, tasks: Sequence[Task], *, classes: Sequence[str], show_answer: bool = False, until: str = ""
) -> None:
    """Writes the tasks into a new or empty folder; a prediction that stands twice is asked about once.

    What the model answered goes into the files only with `show_answer`: whoever sees it agrees with it too often.
    `until`: until when answers are in time, which the README there says.
    Raises WorkspaceError, with nothing written, if the folder holds something or cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise WorkspaceError(f"{folder} is not an empty folder; name a new one: leeway labels export DIR")
        folder = folder.resolve()
        with durable.replacing_folder(folder) as made:
            _fill(
                made,
                list({(task.model, task.prediction_id): task for task in tasks}.values()),
                classes,
                show_answer,
                until,
            )
    except (OSError, UnicodeEncodeError) as error:
        raise WorkspaceError(f"{folder}: the label tasks cannot be written ({error}); name another folder") from error


def _fill(folder: Path, tasks: Sequence[Task], classes: Sequence[str], show_answer: bool, until: str) -> None:
    durable.hide_from_git(folder)  # customers' photos
    (folder / "images").mkdir()
    questions = []
    for number, task in enumerate(tasks, 1):
        image = ""
        if task.image is not None:
            image = _image_name(task.image, task.prediction_id, number, len(tasks))
            (folder / image).write_bytes(task.image)
        answer = (task.predicted_class, task.confidence) if show_answer else None
        questions.append(Question(image, task.model, task.prediction_id, task.plan_id, answer, task.labeler))
    columns = (*COLUMNS, *ANSWER_COLUMNS) if show_answer else COLUMNS
    ids = ("plan_id", "model", "prediction_id", "labeler")
    spreadsheet.write_file(folder / "labels.csv", columns, map(_row, questions), ids=ids, mark=True)
    write_project(folder, questions, classes)
    names = "\n".join(f"  {spreadsheet.to_cell(' '.join(name.split()), typed=True)}" for name in classes)
    words = "\n".join(f"  {word}" for word in (*offered(classes), "(nothing: it is asked again)"))
    last = f"  {until}\n" if until else ""
    kept = any(one.image for one in questions)
    readme = README.format(
        images=counted(len(tasks), "image"),
        classes=names,
        words=words,
        label_studio=HOW_TO,
        until=last,
        pictures=WITH_PICTURES if kept else NO_PICTURES,
    )
    (folder / "README.txt").write_text(readme, encoding="utf-8")


def _row(question: Question) -> list[str]:
    cells = [question.plan_id, question.model, question.prediction_id, question.image, "", question.labeler]
    if question.answer is not None:
        name, confidence = question.answer
        cells += [name, "" if confidence is None else f"{confidence:.4f}"]
    return cells


def _name_in(cell: str) -> str:
    return spreadsheet.from_cell(cell).strip()


def _image_name(content: bytes, prediction_id: str, number: int, count: int) -> str:
    """Relative path that shows nothing of the id, and that every file system takes."""
    digest = hashlib.sha256(prediction_id.encode()).hexdigest()
    extension = next((name for signature, name in SIGNATURES if signature.match(content)), ".img")
    return f"images/{number:0{max(4, len(str(count)))}}-{digest[:12]}{extension}"


def from_cell(cell: str, allowed: Container[str]) -> str:
    """What the cell stands for, if that is allowed; else the cell as it is."""
    return next((text for text in readings(cell) if text in allowed), cell)


def readings(cell: str) -> tuple[str, ...]:
    """Return what the cell may stand for, the likeliest first: a spreadsheet may have taken or given an apostrophe."""
    plain = spreadsheet.from_cell(cell)
    return tuple(dict.fromkeys((plain, cell, plain.strip(), cell.strip())))


def read_statements(path: Path) -> list[Statement]:
    """Return what a CSV or a Label Studio export says, unjudged. Raises DataError if it cannot be read as a whole."""
    text = _read_text(path)
    exported = path.suffix.lower() == ".json" or text.lstrip().startswith(("[", "{"))
    return read_export(text, path) if exported else list(_read_csv(text, path))


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give labels.csv or a JSON export") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f'{path}: line {line} is not UTF-8 text; save it as "CSV UTF-8", or export JSON') from error
    if "\0" in text:
        raise DataError(f'{path}: not a text file; save it as "CSV UTF-8", or export JSON from Label Studio')
    if not text.strip():
        raise DataError(f"{path}: empty; give labels.csv as it was exported and filled in, or a JSON export")
    return text


def _columns(text: str, path: Path) -> tuple[list[str], str]:
    """Names of the columns, and what separates them."""
    found = {separator: _first_row(text, separator) for separator in ",;"}
    for separator, names in found.items():
        if set(NEEDED) <= set(names):
            if len(set(names)) < len(names):
                raise DataError(f"{path}: a column stands twice ({', '.join(names)}); keep one of each name")
            return names, separator
    names = [name[:40] for name in max(found.values(), key=len)[:SHOWN]]
    raise DataError(
        f"{path}: columns found: {', '.join(names) or 'none'}; {' and '.join(NEEDED)} are needed, "
        "in the first line, separated by commas or semicolons: keep the first line of the exported labels.csv"
    )


def _first_row(text: str, separator: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))]
    except csv.Error:
        return []


def _read_csv(text: str, path: Path) -> Iterator[Statement]:
    columns, separator = _columns(text, path)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(rows)
        line = rows.line_num + 1  # where a row starts: a cell may run over several lines
        for row in rows:
            place, line = f"line {line}", rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(columns):
                fields = counted(len(row), "field")
                problem = f"{fields}, {len(columns)} in the first line; quote a field that holds {separator!r}"
                yield Statement(place, "", (), "", problem=problem)
                continue
            cells = dict(zip(columns, row, strict=True))
            labels = (cells["label"],) if cells["label"].strip() else ()
            said = Statement(place, cells["prediction_id"], labels, _name_in(cells.get("labeler", "")))
            yield replace(said, model=cells.get("model", ""), from_spreadsheet=True)
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}; is a quote missing? Save it as CSV again") from error
