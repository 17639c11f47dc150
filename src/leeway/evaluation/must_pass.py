"""Must-pass set: images that a release has to get right, kept in a folder with a list of what they show."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leeway.bundle.predictor import Predictor
from leeway.data.image_files import ImageFolder, read_image
from leeway.domain.class_names import class_name, class_names
from leeway.errors import DataError, in_one_line

LIST = "must_pass.csv"
COLUMNS = ("path", "label")
IMAGES_AT_ONCE = 512  # decoded images held in memory


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row of the list with its image."""

    path: str  # as the list has it: relative to the list's folder
    label: str
    content: bytes  # the encoded image

    @property
    def asset(self) -> str:
        """The image's id in a dataset version."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Required:
    """An image of the set, and what the bundle calls it."""

    path: str
    label: str
    answer: str
    confidence: float
    trained_on: bool  # the same file is among the images that the model was trained on

    @property
    def right(self) -> bool:
        return self.answer == self.label and bool(np.isfinite(self.confidence))


def read_must_pass(
    folder: Path, *, classes: Collection[str], renamed: Mapping[str, str] | None = None
) -> tuple[Wanted, ...]:
    """The rows of must_pass.csv in `folder`, with their images; none if there is no such file.

    A label that was `renamed` (old name -> name now) is taken by its name now. Raises DataError for
    a file that is no CSV, and with the line for another header, a label that is no class, a path listed twice, and an
    image that is missing, cannot be decoded or does not lie in the folder or below.
    """
    path = folder / LIST
    if not os.path.lexists(path):  # a broken link is a set that cannot be read
        return ()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames is None or not {*COLUMNS} <= {*rows.fieldnames}:
                named = ", ".join(rows.fieldnames or ["none"])
                raise DataError(f"{path}: columns {named}; expected {', '.join(COLUMNS)}")
            images = ImageFolder(folder)
            found = [_wanted(row, f"{path}, line {rows.line_num}", images, classes, renamed or {}) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({in_one_line(error)}); save it as CSV in UTF-8") from error
    twice = [name for name, count in Counter(os.path.normpath(one.path) for one in found).items() if count > 1]
    if twice:
        raise DataError(f"{path}: listed more than once: {', '.join(twice)}; keep one row each")
    return tuple(found)


def answer_required(
    predictor: Predictor, wanted: Sequence[Wanted], *, trained_on: Collection[str]
) -> tuple[Required, ...]:
    """What the bundle says about each image, in order; `trained_on` are the assets of the train and val splits."""
    answered: list[Required] = []
    for start in range(0, len(wanted), IMAGES_AT_ONCE):
        chunk = wanted[start : start + IMAGES_AT_ONCE]
        answers = predictor.predict([one.content for one in chunk])
        for one, index, confidence in zip(chunk, answers.indices, answers.confidence, strict=True):
            name = predictor.contents.classes[int(index)]
            answered.append(Required(one.path, one.label, name, float(confidence), one.asset in trained_on))
    return tuple(answered)


def _wanted(
    row: Mapping[str | None, str | None],
    place: str,
    images: ImageFolder,
    classes: Collection[str],
    renamed: Mapping[str, str],
) -> Wanted:
    path, label = (row.get(column) or "" for column in COLUMNS)
    if not path or not label or None in row:
        raise DataError(f"{place}: {', '.join(map(str, row.values()))}: expected a path and a label")
    names, label = class_names(tuple(sorted(classes))), class_name(label)
    label = renamed.get(label, label)
    known = names.known(label)
    if known is None:
        meant = names.meant(label)
        raise DataError(
            f"{place}: label '{label}' is not a class of the dataset; "
            + (f"did you mean '{meant}'? " if meant else "")
            + f"classes: {', '.join(names.names)}"
        )
    try:
        content = read_image(images.resolve_file(path))
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    return Wanted(path, known, content)
