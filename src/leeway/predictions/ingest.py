"""Ingests prediction logs: of models that Leeway neither trained nor serves."""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.data.image_files import ImageFolder
from leeway.domain.records import NAMED_BY_LOG, WATCHED, ModelVersion, PredictionColumns, Recorded
from leeway.domain.stores import Ledger, PredictionLog
from leeway.errors import ConflictError, DataError
from leeway.predictions.formats.files import read_predictions
from leeway.predictions.formats.shapes import TIME, BadRow, Batch

DIGEST = re.compile("[0-9a-f]{64}")
MOST_NAMED = 20  # classes in an error
COMPARED_IDS = 200  # of a file, that are looked for among other models' predictions
logger = logging.getLogger("leeway.ingest")


@dataclass(slots=True)
class Ingested:
    """What became of one file."""

    path: Path
    recorded: Recorded = field(default_factory=Recorded)
    bad: list[BadRow] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)  # answers outside the model's class list: a night's finding
    ahead: int = 0  # times in the future
    elsewhere: str = ""  # another model whose log holds most of its ids: is it the log of that one?
    census: bool = False  # every row is labelled: they measure with draw probability 1

    @property
    def refused(self) -> bool:
        """Whether no row of the file could be taken, and none was known."""
        return not (self.recorded.new or self.recorded.known) and bool(self.bad or self.recorded.changed)


def ingest(
    log: PredictionLog,
    ledger: Ledger,
    model: str,
    path: Path,
    *,
    columns: Mapping[str, str],
    now: datetime,
    strict: bool = False,
    progress: Callable[[int], object] = int,
) -> Ingested:
    """Records the rows of one file; rows that cannot be taken are told with their line, and the rest goes in.

    A second ingest of the same file adds nothing. `strict` takes all rows or none. A `model_version` that is not known
    yet becomes a version of its own, with the reference of the last. Raises DataError for a file that is no prediction
    log, or with `strict` for a bad row; ConflictError with `strict` for a changed one.
    """
    versions = ledger.versions(model)
    if not versions:
        raise DataError(f"no model '{model}' is watched; `leeway watch init {model} --reference FILE` begins it")
    classes = versions[-1].reference.classes
    census = _is_census(path, columns, classes)
    unnamed = _in_use(log, versions)[-1].version  # of rows that name no version, whatever others the file brings
    if strict:
        _refuse_bad_rows(path, columns, classes)

    def batches(told: Ingested) -> Iterator[tuple[int, PredictionColumns]]:
        for place, batch in enumerate(_read(path, columns, classes)):
            if strict and batch.bad:  # an image that is gone since the first look
                raise _refusal(path, batch.bad)
            told.bad += batch.bad
            foreign = _foreign(batch.table, classes)
            if place == 0:
                _refuse_another_model(path, batch, foreign, classes)
                told.elsewhere = _known_elsewhere(log, model, batch)
            told.foreign.update(foreign)
            told.ahead += pc.sum(pc.greater(batch.table["occurred_at"], pa.scalar(now, TIME))).as_py() or 0
            for name, table in _by_name(batch):
                version = unnamed if name is None else _version(versions, name)
                yield version, replace(_columns(table, census=census), version_stated=name is not None)
            progress(batch.table.num_rows)

    while True:
        told = Ingested(path, census=census)
        try:
            told.recorded = log.record(model, batches(told), received_at=now, strict=strict)
            return told
        except _NewVersionError as new:  # rare: the ledger learns it first, and the file begins again
            versions = _with_version(ledger, model, new.name)


class _NewVersionError(Exception):
    """A log names a version that is not known yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _in_use(log: PredictionLog, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """The versions but for those that a log named of which nothing went in."""
    return [one for one in versions if not one.named_by_log or log.first_at(one) is not None] or list(versions)


def _with_version(ledger: Ledger, model: str, name: str) -> list[ModelVersion]:
    """The model's versions with the one of this name; of two that make one at once the second finds the first's."""
    while True:
        versions = ledger.versions(model)
        if any(one.bundle_digest == f"{WATCHED}{name}" for one in versions):
            return versions
        last, digest = versions[-1], f"{WATCHED}{name}"
        with suppress(ConflictError):
            ledger.record_model(
                replace(last, version=last.version + 1, bundle_digest=digest, dataset_digest=NAMED_BY_LOG)
            )
            logger.info("%s: model_version %s is new: a new epoch, with the reference of the last", model, name)


def _known_elsewhere(log: PredictionLog, model: str, batch: Batch) -> str:
    """Return the model whose log holds most of the first ids of the file; empty if none does."""
    ids = batch.table["prediction_id"].slice(0, COMPARED_IDS).to_pylist()
    others = log.elsewhere(model, ids)
    name = max(others, key=lambda other: others[other], default="")
    return name if name and others[name] > len(ids) / 2 else ""


def _read(path: Path, columns: Mapping[str, str], classes: Sequence[str]) -> Iterator[Batch]:
    """The rows of the file, without those whose image is no file below the file's folder."""
    images = ImageFolder(path.parent)
    for batch in read_predictions(path, columns=columns, classes=classes):
        yield batch if _empty(batch.table["image"]) else _with_images(batch, images)


def _with_images(batch: Batch, images: ImageFolder) -> Batch:
    """Puts absolute paths in place of the names; a row whose image is not to be had becomes a bad one.

    Only what the file system says of a name is checked: to decode every image of a log would take too long.
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
        return Batch(table, batch.bad, batch.lines)
    good = np.ones(len(batch.lines), bool)
    good[list(problems)] = False
    bad = [*batch.bad, *(BadRow(int(batch.lines[index]), problem) for index, problem in problems.items())]
    return Batch(table.filter(pa.array(good)), tuple(sorted(bad, key=lambda row: row.line)), batch.lines[good])


def _foreign(table: pa.Table, classes: Sequence[str]) -> Counter[str]:
    """Answers outside the class list, each with its number."""
    counts = pc.value_counts(table["predicted_class"]).to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts if one["values"] not in classes})


def _refuse_another_model(path: Path, batch: Batch, foreign: Counter[str], classes: Sequence[str]) -> None:
    """A log that begins without any of the model's classes is of another model, or names them otherwise."""
    if batch.table.num_rows and foreign.total() == batch.table.num_rows:
        theirs = ", ".join(sorted(foreign)[:MOST_NAMED])
        raise DataError(
            f"{path}: no answer is a class of the model: the file names {theirs}; the model's classes are "
            f"{', '.join(classes[:MOST_NAMED])}; is it the log of another model?"
        )


def _is_census(path: Path, columns: Mapping[str, str], classes: Sequence[str]) -> bool:
    """Whether every row is labelled and none has a draw probability; the file is read once more to know."""
    rows = 0
    for batch in read_predictions(path, columns=columns, classes=classes):
        table = batch.table
        if table["label"].null_count or table["draw_probability"].null_count < table.num_rows:
            return False
        rows += table.num_rows
    return rows > 0


def _refuse_bad_rows(path: Path, columns: Mapping[str, str], classes: Sequence[str]) -> None:
    bad = [row for batch in _read(path, columns, classes) for row in batch.bad]
    if bad:
        raise _refusal(path, bad)


def _refusal(path: Path, bad: Sequence[BadRow]) -> DataError:
    first = "; ".join(f"line {row.line}: {row.problem}" for row in bad[:3])
    return DataError(f"{path}: {len(bad)} rows cannot be taken, and --strict takes all or none: {first}")


def _by_name(batch: Batch) -> Iterator[tuple[str | None, pa.Table]]:
    """(model_version as the log names it, its rows)"""
    names = batch.table["model_version"]
    for name in pc.unique(names).to_pylist():
        same = pc.is_null(names) if name is None else pc.equal(names, pa.scalar(name))
        yield name, batch.table if _empty(names) else batch.table.filter(same)


def _version(versions: Sequence[ModelVersion], name: str) -> int:
    """Raises _NewVersionError for one that is not known."""
    known = [one.version for one in versions if one.bundle_digest == f"{WATCHED}{name}"]
    if not known:
        raise _NewVersionError(name)
    return known[0]


def _columns(table: pa.Table, *, census: bool) -> PredictionColumns:
    moments = table["occurred_at"].cast(pa.timestamp("us")).cast(pa.string())
    chances = [1.0] * table.num_rows if census else table["draw_probability"].to_pylist()
    lists = table["probabilities"]
    return PredictionColumns(
        ids=table["prediction_id"].to_pylist(),
        occurred_at=moments.to_pylist(),
        predicted=table["predicted_class"].to_pylist(),
        labels=table["label"].to_pylist(),
        draw_probabilities=chances,
        confidence=_given(table["confidence"]),
        probabilities=() if _empty(lists) else [json.dumps(one or []) for one in lists.to_pylist()],
        slices=_given(table["slice"]),
        groups=() if _empty(table["group"]) else pc.coalesce(table["group"], table["prediction_id"]).to_pylist(),
        images=() if _empty(table["image"]) else [one or "" for one in table["image"].to_pylist()],
    )


def _given(column: Any) -> list[Any]:
    return [] if _empty(column) else column.to_pylist()


def _empty(column: Any) -> bool:
    return bool(column.null_count == len(column))


def _image(name: str | None, images: ImageFolder) -> str | None:
    """A digest of the image store, or the path of a file. Raises DataError if that is not below the log's folder."""
    if name is None or DIGEST.fullmatch(name):
        return name
    path = images.resolve_file(name)
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:  # the store keeps text, and a link may lead to bytes that are none
            raise DataError(f"{name!r} leads to a file whose name is not UTF-8; rename that file") from None
    return path
