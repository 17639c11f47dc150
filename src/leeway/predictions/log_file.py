"""A file of predictions: its rows in batches, with their images looked up, and a digest by which it is known again."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.data.image_files import ImageFolder
from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import DIGEST
from leeway.errors import DataError
from leeway.predictions.formats.files import format_of, read_predictions
from leeway.predictions.formats.folders import folder_values
from leeway.predictions.formats.shapes import BadRow, Batch

READER = 1  # raised when the same bytes are read otherwise: no file is known by its digest then


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file, and all that decides how it is read."""

    path: Path  # where it lies now
    name: str  # what people call it: its path, or the address that it was fetched from
    columns: Mapping[str, str]  # our names to the file's
    classes: Sequence[str]
    now: datetime

    @property
    def is_fetched(self) -> bool:
        """Whether it is a copy of a file that lies elsewhere."""
        return Path(self.name) != self.path

    @property
    def common(self) -> dict[str, str | None]:
        """What the names of its folders say of all rows, by our names."""
        return folder_values(PurePath(self.name), self.columns)

    def batches(self) -> Iterator[Batch]:
        """Yield its rows, without those whose image is no image file below the file's folder."""
        images = ImageFolder(self.path.parent)
        rows = read_predictions(
            self.path, columns=self.columns, classes=self.classes, now=self.now, name=self.name, common=self.common
        )
        for batch in rows:
            named = not is_empty(batch.table["image"])
            yield _with_images(batch, None if self.is_fetched else images) if named else batch

    def digest(self, zone: ZoneInfo) -> str:
        """Return the sha256 of its bytes, of how it is read, and of the zone its nights are counted in."""
        named = [sorted(self.columns.items()), sorted(self.common.items())]
        read = [READER, format_of(self.path), *named, list(self.classes), str(zone)]
        try:
            with self.path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise DataError(f"{self.name}: there is no such file; check the path") from None
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read: {error.strerror}; check the path") from None
        return hashlib.sha256(json.dumps([content, *read]).encode()).hexdigest()


def rows_by_name(batch: Batch) -> Iterator[tuple[str | None, pa.Table]]:
    """Yield each model_version as the log names it, with its rows."""
    names = batch.table["model_version"]
    different = pc.unique(names).to_pylist()
    for name in different:
        same = pc.is_null(names) if name is None else pc.equal(names, pa.scalar(name))
        yield name, batch.table if len(different) == 1 else batch.table.filter(same)


def columns_of(table: pa.Table, *, census: bool) -> PredictionColumns:
    """Return the rows as the log takes them, in Arrow columns; a column of nulls alone is none."""
    given = {name: () if is_empty(table[name]) else table[name] for name in table.column_names}
    return PredictionColumns(
        ids=table["prediction_id"],
        occurred_at=table["occurred_at"],
        predicted=table["predicted_class"],
        labels=given["label"],
        draw_probabilities=pa.repeat(1.0, table.num_rows) if census else given["draw_probability"],
        confidence=given["confidence"],
        second=given["second_class"],
        probabilities=given["probabilities"],
        slices=given["slice"],
        groups=() if is_empty(table["group"]) else pc.coalesce(table["group"], table["prediction_id"]),
        images=() if is_empty(table["image"]) else pc.fill_null(table["image"], ""),
    )


def is_empty(column: Any) -> bool:
    """Return whether a column has no value at all."""
    return bool(column.null_count == len(column))


def _with_images(batch: Batch, images: ImageFolder | None) -> Batch:
    """Puts absolute paths in place of the names; a row whose image is not to be had becomes a bad one.

    Of each file only the beginning is read: to decode every image of a log would take too long.
    """
    paths: list[str | None] = []
    problems: dict[int, str] = {}  # by the row's index
    for index, name in enumerate(batch.table["image"].to_pylist()):
        try:
            paths.append(_image(name, images))
        except DataError as error:
            paths.append(None)
            problems[index] = f"image {error}"
    table = batch.table.set_column(batch.table.column_names.index("image"), "image", pa.array(paths, pa.string()))
    if not problems:
        return replace(batch, table=table)
    good = np.ones(len(batch.lines), bool)
    good[list(problems)] = False
    bad = [*batch.bad, *(BadRow(int(batch.lines[index]), problem) for index, problem in problems.items())]
    ordered = tuple(sorted(bad, key=lambda row: row.line))
    return replace(batch, table=table.filter(pa.array(good)), bad=ordered, lines=batch.lines[good])


def _image(name: str | None, images: ImageFolder | None) -> str | None:
    """A digest of the image store, or the path of an image. Raises DataError if that is not below the log's folder."""
    if name is None or DIGEST.fullmatch(name):
        return name
    if images is None:
        raise DataError(f"{name!r} is looked for beside files only, not in S3; give content hashes, or leave it empty")
    path = images.resolve_image(name)
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:  # the store keeps text, and a link may lead to bytes that are none
            raise DataError(f"{name!r} leads to a file whose name is not UTF-8; rename that file") from None
    return path
