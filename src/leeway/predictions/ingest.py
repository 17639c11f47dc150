"""Ingests prediction logs: of models that Leeway neither trained nor serves."""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.data.image_files import ImageFolder
from leeway.domain.records import NAMED_BY_LOG, WATCHED, ModelVersion, PredictionColumns, Recorded
from leeway.domain.stores import Ledger, PredictionLog
from leeway.domain.text import counted, name_text
from leeway.errors import ConflictError, DataError
from leeway.predictions.formats.files import read_predictions
from leeway.predictions.formats.shapes import BadRow, Batch
from leeway.predictions.nights import UTC, count_nights

DIGEST = re.compile("[0-9a-f]{64}")
REGISTERED = re.compile(r"(?:version|v)?[ _-]?(\d{1,9})", re.IGNORECASE)  # as a service names a version of the registry
BEYOND = 1_000_000  # above every version of a registry: of versions that a log names and nobody registered
FEWEST_LABELS = 20  # of which one at least names a class of the model
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
    elsewhere: str = ""  # another model whose log holds most of its ids: is it the log of that one?
    outside: Counter[str] = field(default_factory=Counter)  # truths outside the class list: errors of the model
    census: bool = False  # every row is labelled: they measure with draw probability 1
    nights: Counter[tuple[int, date]] = field(default_factory=Counter)  # rows of the file by version and night
    begun: list[str] = field(default_factory=list)  # model_versions that were not known before
    spoiled: bool = False  # every row that could be taken is labelled, but some were refused: no census

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
    zone: ZoneInfo = UTC,
    strict: bool = False,
    progress: Callable[[int], object] = int,
) -> Ingested:
    """Records the rows of one file; rows that cannot be taken are told with their line, and the rest goes in.

    A row of more than an hour after `now`, or of 10 years before it, cannot be. Nights are counted in `zone`.
    A second ingest of the same file adds nothing. `strict` takes all rows or none. A `model_version` that is not known
    yet becomes a version of its own, with the reference of the last. Raises DataError for a file that is no prediction
    log, or with `strict` for a bad row; ConflictError with `strict` for a changed one.
    """
    versions = ledger.versions(model)  # of a model that is released here, `7`, `v7` and `version 7` are its version 7
    if not versions:
        raise DataError(f"no model '{model}' is watched; `leeway watch init {model} --reference FILE` begins it")
    classes = versions[-1].reference.classes
    labelled, whole = _is_labelled(path, columns, classes, now)
    census = labelled and whole
    unnamed = _unnamed(log, ledger, versions)  # of rows that name no version, whatever others the file brings
    if strict:
        _refuse_bad_rows(path, columns, classes, now)
    begun: list[str] = []

    def batches(told: Ingested) -> Iterator[tuple[int, PredictionColumns]]:
        for place, batch in enumerate(_read(path, columns, classes, now)):
            if strict and batch.bad:  # an image that is gone since the first look
                raise _refusal(path, batch.bad)
            told.bad += batch.bad
            foreign = _foreign(batch.table["predicted_class"], classes)
            told.outside.update(_foreign(batch.table["label"], classes))
            if place == 0:
                _refuse_another_model(path, batch, foreign, classes)
                _refuse_another_truth(path, batch, told.outside, classes)
                told.elsewhere = _known_elsewhere(log, model, batch)
            told.foreign.update(foreign)
            for name, table in _by_name(batch):
                version = unnamed if name is None else _version(versions, name)
                told.nights.update({(version, night): rows for night, rows in count_nights(table, zone).items()})
                yield version, replace(_columns(table, census=census), version_stated=name is not None)
            progress(batch.table.num_rows)

    while True:
        told = Ingested(path, census=census, spoiled=labelled and not census, begun=begun)
        try:
            told.recorded = log.record(model, batches(told), received_at=now, strict=strict or census)
            return told
        except ConflictError:  # rows or labels are recorded otherwise
            if strict:
                raise
            census = False
        except _NewVersionError as new:  # rare: the ledger learns it first, and the file begins again
            versions = _with_version(ledger, model, new.name)
            begun.append(new.name)


class _NewVersionError(Exception):
    """A log names a version that is not known yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unnamed(log: PredictionLog, ledger: Ledger, versions: Sequence[ModelVersion]) -> int:
    """The version that serves; where nothing is released, the last one in use."""
    serving = [one.version for one in ledger.serving_periods(versions[-1].model) if one.ended_at is None]
    registered = [one for one in versions if not one.watched_only]
    return serving[0] if serving else _in_use(log, registered or versions)[-1].version


def _in_use(log: PredictionLog, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """The versions but for those that a log named of which nothing went in."""
    return [one for one in versions if not one.named_by_log or log.first_at(one) is not None] or list(versions)


def _with_version(ledger: Ledger, model: str, name: str) -> list[ModelVersion]:
    """The model's versions with the one of this name; of two that make one at once the second finds the first's."""
    while True:
        versions = ledger.versions(model)
        if any(one.bundle_digest == f"{WATCHED}{name}" for one in versions):
            return versions
        registered = [one for one in versions if not one.watched_only]
        last, digest = (registered or versions)[-1], f"{WATCHED}{name}"
        number = max(versions[-1].version, BEYOND if registered else 0) + 1
        with suppress(ConflictError):
            ledger.record_model(replace(last, version=number, bundle_digest=digest, dataset_digest=NAMED_BY_LOG))
            logger.info("%s: model_version %s is new, with the reference of the last", model, name_text(name))


def _known_elsewhere(log: PredictionLog, model: str, batch: Batch) -> str:
    """Return the model whose log holds most of the first ids of the file; empty if none does."""
    ids = batch.table["prediction_id"].slice(0, COMPARED_IDS).to_pylist()
    others = log.elsewhere(model, ids)
    name = max(others, key=lambda other: others[other], default="")
    return name if name and others[name] > len(ids) / 2 else ""


def _read(path: Path, columns: Mapping[str, str], classes: Sequence[str], now: datetime) -> Iterator[Batch]:
    """The rows of the file, without those whose image is no image file below the file's folder."""
    images = ImageFolder(path.parent)
    for batch in read_predictions(path, columns=columns, classes=classes, now=now):
        yield batch if _empty(batch.table["image"]) else _with_images(batch, images)


def _with_images(batch: Batch, images: ImageFolder) -> Batch:
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


def _foreign(names: pa.ChunkedArray, classes: Sequence[str]) -> Counter[str]:
    """Names outside the class list, each with its number."""
    counts = pc.value_counts(names.drop_null()).to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts if one["values"] not in classes})


def _refuse_another_model(path: Path, batch: Batch, foreign: Counter[str], classes: Sequence[str]) -> None:
    """A log that begins without any of the model's classes is of another model, or names them otherwise."""
    if batch.table.num_rows and foreign.total() == batch.table.num_rows:
        theirs = ", ".join(sorted(foreign)[:MOST_NAMED])
        raise DataError(
            f"{path}: no answer is a class of the model: the file names {theirs}; the model's classes are "
            f"{', '.join(classes[:MOST_NAMED])}; is it the log of another model?"
        )


def _refuse_another_truth(path: Path, batch: Batch, outside: Counter[str], classes: Sequence[str]) -> None:
    """A single truth outside the class list is an error of the model; where all are, the file names them otherwise."""
    labels = batch.table.num_rows - batch.table["label"].null_count
    if labels >= FEWEST_LABELS and outside.total() == labels:
        theirs = ", ".join(sorted(outside)[:MOST_NAMED])
        raise DataError(
            f"{path}: no label is a class of the model: the file's first {labels:,} labels name {theirs}; the model's "
            f"classes are {', '.join(classes[:MOST_NAMED])}; give labels by these names, or leave the column out"
        )


def _is_labelled(path: Path, columns: Mapping[str, str], classes: Sequence[str], now: datetime) -> tuple[bool, bool]:
    """Whether every row that can be taken is labelled and none has a draw probability, and whether all can be taken.

    Only both make a census: who is refused may be who is wrong. The file is read once more to know.
    """
    rows, refused = 0, 0
    for batch in _read(path, columns, classes, now):
        table = batch.table
        if table["label"].null_count or table["draw_probability"].null_count < table.num_rows:
            return False, False
        rows, refused = rows + table.num_rows, refused + len(batch.bad)
    return rows > 0, refused == 0


def _refuse_bad_rows(path: Path, columns: Mapping[str, str], classes: Sequence[str], now: datetime) -> None:
    bad = [row for batch in _read(path, columns, classes, now) for row in batch.bad]
    if bad:
        raise _refusal(path, bad)


def _refusal(path: Path, bad: Sequence[BadRow]) -> DataError:
    first = "; ".join(f"line {row.line}: {row.problem}" for row in bad[:3])
    return DataError(f"{path}: {counted(len(bad), 'row')} cannot be taken, and --strict takes all or none: {first}")


def _by_name(batch: Batch) -> Iterator[tuple[str | None, pa.Table]]:
    """(model_version as the log names it, its rows)"""
    names = batch.table["model_version"]
    for name in pc.unique(names).to_pylist():
        same = pc.is_null(names) if name is None else pc.equal(names, pa.scalar(name))
        yield name, batch.table if _empty(names) else batch.table.filter(same)


def _version(versions: Sequence[ModelVersion], name: str) -> int:
    """The version of the registry that is named, or the one that is called so. Raises _NewVersionError without one."""
    number = REGISTERED.fullmatch(name)
    registered = [one.version for one in versions if number and not one.watched_only]
    if number and int(number[1]) in registered:
        return int(number[1])
    known = [one.version for one in versions if one.bundle_digest == f"{WATCHED}{name}"]
    if not known:
        raise _NewVersionError(name)
    return known[0]


def _columns(table: pa.Table, *, census: bool) -> PredictionColumns:
    chances = [1.0] * table.num_rows if census else table["draw_probability"].to_pylist()
    lists = table["probabilities"]
    return PredictionColumns(
        ids=table["prediction_id"].to_pylist(),
        occurred_at=table["occurred_at"].cast(pa.timestamp("us")).cast(pa.string()).to_pylist(),
        predicted=table["predicted_class"].to_pylist(),
        labels=table["label"].to_pylist(),
        draw_probabilities=chances,
        confidence=_given(table["confidence"]),
        second=_given(table["second_class"]),
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
    """A digest of the image store, or the path of an image. Raises DataError if that is not below the log's folder."""
    if name is None or DIGEST.fullmatch(name):
        return name
    path = images.resolve_image(name)
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:  # the store keeps text, and a link may lead to bytes that are none
            raise DataError(f"{name!r} leads to a file whose name is not UTF-8; rename that file") from None
    return path
