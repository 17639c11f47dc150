"""CSV: a source that is a list of files with their labels, made by hand or by another program."""

import csv
import os
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Literal

from leeway.data.image_files import ImageFolder, open_file
from leeway.data.items import Item, as_text, file_item
from leeway.data.split import GIVEN_SPLITS
from leeway.domain.class_names import label_in
from leeway.errors import DataError
from leeway.paramsfile import ParamsModel, setting

NEEDED, OPTIONAL = ("path", "label"), ("group", "slice", "split")
Line = dict[str, str]


class CsvSource(ParamsModel):
    """A CSV with the columns path (relative to the CSV) and label; group, slice and split may be there, or be blank.

    Other columns are left alone.
    """

    kind: Literal["csv"] = "csv"
    path: str = setting(
        "the list, relative to the workspace or absolute. Columns: `path` (relative to the list) and `label`; if you "
        "like, `group`, `slice` and `split` (`train`, `val`, `test`, `held_out`, or `trainval`, from which val is cut)",
        min_length=1,
    )

    @property
    def place(self) -> str:
        return f"list '{self.path}'"

    def items(self) -> list[Item]:
        """Raises DataError, with the line's number, for a list that does not say clearly what is where.

        A file that is not there stays in the list: the inspection finds it unreadable.
        """
        path = Path(self.path).expanduser()
        lines, images = self._lines(path), ImageFolder(path.parent)
        items = [self._item(images, number, line) for number, line in lines]
        self._refuse_repetition([item.origin for item in items], [number for number, _ in lines])
        return sorted(items, key=itemgetter(0))

    def _lines(self, path: Path) -> list[tuple[int, Line]]:
        """(number of the line in the file, its columns)"""
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets put a byte-order mark in front
                reader = csv.DictReader(file)
                columns = reader.fieldnames or []
                lines = [(reader.line_num, line) for line in reader]
        except FileNotFoundError:
            raise DataError(
                f"{self.place} does not exist; params.yaml, data.source.path (relative to the workspace)"
            ) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.place} is not a CSV in UTF-8: {error} (params.yaml, data.source.path)") from error
        missing = [name for name in NEEDED if name not in columns]
        if missing:
            raise DataError(
                f"{self.place}: column {', '.join(missing)} is missing; found: {', '.join(columns) or 'nothing'}; "
                f"needed: {', '.join(NEEDED)}; optional: {', '.join(OPTIONAL)}"
            )
        if not lines:
            raise DataError(f"{self.place} has a heading and no line (params.yaml, data.source.path)")
        return lines

    def _item(self, images: ImageFolder, number: int, line: Line) -> Item:
        given = {name: (line.get(name) or "").strip() or None for name in (*NEEDED, *OPTIONAL)}
        path, label, split = given["path"], given["label"], given["split"]
        if path is None or label is None:
            raise DataError(f"{self.place}, line {number}: the {'label' if path else 'path'} is blank")
        if label_in(label) is None:
            raise DataError(f"{self.place}, line {number}: label '{label}' stands for no label; give the image a class")
        if os.path.isabs(path):  # noqa: PTH117 - a Path for each line takes its time
            raise DataError(f"{self.place}, line {number}: '{path}' is absolute; paths are relative to the list")
        if split is not None and split not in GIVEN_SPLITS:
            raise DataError(
                f"{self.place}, line {number}: split '{split}' is unknown; known: {', '.join(GIVEN_SPLITS)}, "
                "or blank, which leaves it to the hash of the group"
            )
        place = os.path.normpath(path)
        try:
            found = images.resolve(place)
        except DataError as error:
            raise DataError(f"{self.place}, line {number}: {error}") from None
        try:
            status = os.lstat(found)
        except OSError:
            status = None
        item = file_item(
            as_text(place.replace(os.sep, "/")),
            label,
            path=found,
            status=status,
            group=given["group"],
            slice=given["slice"],
            split=split,
        )
        return item._replace(read=partial(_content, found))

    def _refuse_repetition(self, origins: Sequence[str], numbers: Sequence[int]) -> None:
        first: dict[str, int] = {}
        for origin, number in zip(origins, numbers, strict=True):
            if origin in first:
                raise DataError(
                    f"{self.place}, line {number}: '{origin}' stands in line {first[origin]} already; "
                    "each image has one line"
                )
            first[origin] = number


def _content(path: str) -> bytes:
    with open_file(path) as file:
        return file.read()
