"""Ingests prediction logs: of models that Leeway neither trained nor serves."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.compute as pc

from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import DIGEST
from leeway.domain.records import ModelVersion
from leeway.domain.stores import Ledger, PredictionLog
from leeway.domain.text import counted
from leeway.errors import ConflictError, DataError
from leeway.predictions.formats.shapes import Batch
from leeway.predictions.ingested import Ingested, recalled, report_of
from leeway.predictions.log_file import LogFile, columns_of, is_empty, rows_by_name
from leeway.predictions.nights import UTC, count_nights
from leeway.predictions.versions import NewVersionError, unnamed_version, version_called, with_version

FEWEST_LABELS = 20  # of which one at least names a class of the model
MOST_NAMED = 20  # classes in an error
COMPARED_IDS = 200  # of a file, that are looked for among other models' predictions


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
    name: str = "",
) -> Ingested:
    """Records the rows of one file; rows that cannot be taken are told with their line, and the rest goes in.

    A row of more than an hour after `now`, or of 10 years before it, cannot be. Nights are counted in `zone`.
    A second ingest of the same file adds nothing; if nothing of it was refused, it is known by its sha256 and not even
    read. `strict` takes all rows or none. A `model_version` that is not known yet becomes a version of its own, with
    the reference of the last. `name`: what the file is called, if not by its path. Raises DataError for a file that is
    no prediction log, or with `strict` for a bad row; ConflictError with `strict` for a changed one.
    """
    versions = watched_versions(ledger, model)  # of a model that is released here, `v7` and `7` are its version 7
    file = LogFile(path, name or str(path), columns, versions[-1].reference.classes, now)
    digest = file.digest(zone)
    if (report := log.known_source(model, digest)) is not None:
        return recalled(file.name, report)
    done = _take(log, ledger, _Reading(file, versions, strict=strict, zone=zone, progress=progress))
    if done.is_whole:
        log.remember_source(model, digest, report_of(done, now), now=now)
    return done


def watched_versions(ledger: Ledger, model: str) -> list[ModelVersion]:
    """Return the versions of a model. Raises DataError if there are none."""
    if versions := ledger.versions(model):
        return versions
    raise DataError(f"no model '{model}' is watched; `leeway watch init {model} --reference FILE` begins it")


class _NoCensusError(Exception):
    """A file that began with labelled rows alone goes on otherwise."""


class _BadRowsError(Exception):
    """A row cannot be taken, and all are wanted or none."""


@dataclass(slots=True)
class _Reading:
    """One reading of a file into the log. What disproves an assumption ends it, and another one begins."""

    file: LogFile
    versions: Sequence[ModelVersion]
    strict: bool
    zone: ZoneInfo
    progress: Callable[[int], object]
    unnamed: int = 0  # version of rows that name none, whatever others the file brings
    may_be_census: bool = True
    done: Ingested = field(init=False)
    labelled: bool = field(init=False)  # so far every row that could be taken is, and none has a draw probability
    left: Iterator[Batch] = field(init=False)

    def begin(self, log: PredictionLog) -> Iterator[tuple[int, PredictionColumns]]:
        """Look at the first rows, assume a census if they are one, and return all rows as the log takes them."""
        self.done, self.labelled, self.left = Ingested(self.file.name), True, self.file.batches()
        first = next(batch for batch in self.left if len(batch.lines) or batch.bad)
        foreign, outside = self._strange(first)
        _refuse_another_model(self.file, first, foreign)
        _refuse_another_truth(self.file, first, outside)
        self.done.elsewhere = _known_elsewhere(log, self.versions[-1].model, first)
        self.done.census = self.may_be_census and _is_labelled(first) and not first.bad
        return self._rows(chain([first], self.left))

    def refused_rows(self) -> DataError:
        """Return what --strict says of the file, read to its end."""
        bad = [*self.done.bad, *(row for batch in self.left for row in batch.bad)]
        shown = "; ".join(f"line {row.line}: {row.problem}" for row in bad[:3])
        rows = counted(len(bad), "row")
        return DataError(f"{self.file.name}: {rows} cannot be taken, and --strict takes all or none: {shown}")

    def _rows(self, batches: Iterator[Batch]) -> Iterator[tuple[int, PredictionColumns]]:
        for batch in batches:
            self._note(batch)
            for name, table in rows_by_name(batch):
                version = self.unnamed if name is None else version_called(self.versions, name)
                nights = count_nights(table, self.zone)
                self.done.nights.update({(version, night): rows for night, rows in nights.items()})
                yield version, replace(columns_of(table, census=self.done.census), version_stated=name is not None)
            self.progress(batch.table.num_rows)
        self.done.spoiled = self.labelled and not self.done.census

    def _note(self, batch: Batch) -> None:
        """Count what is odd. Raises for what disproves that all rows can be taken, or that all are labelled."""
        self.done.bad += batch.bad
        if self.strict and batch.bad:
            raise _BadRowsError
        self.labelled = self.labelled and _is_labelled(batch)
        if self.done.census and (batch.bad or not self.labelled):  # who is refused may be who is wrong
            raise _NoCensusError
        foreign, outside = self._strange(batch)
        self.done.foreign.update(foreign)
        self.done.outside.update(outside)
        self.done.with_images = self.done.with_images or _names_files(batch)

    def _strange(self, batch: Batch) -> tuple[Counter[str], Counter[str]]:
        """(answers, labels) outside the class list, each with its number."""
        classes = self.file.classes
        return _foreign(batch, "predicted_class", classes), _foreign(batch, "label", classes)


def _take(log: PredictionLog, ledger: Ledger, reading: _Reading) -> Ingested:
    model, begun = reading.versions[-1].model, []
    reading.unnamed = unnamed_version(log, ledger, reading.versions)
    while True:
        rows = reading.begin(log)
        done, strict = reading.done, reading.strict or reading.done.census
        try:
            done.recorded = log.record(model, rows, received_at=reading.file.now, strict=strict)
        except _BadRowsError:
            raise reading.refused_rows() from None
        except _NoCensusError:
            reading.may_be_census = False
        except ConflictError:  # rows or labels are recorded otherwise
            if reading.strict:
                raise
            reading.may_be_census = False
        except NewVersionError as new:  # rare: the ledger learns it first, and the file begins again
            reading.versions = with_version(ledger, model, new.name)
            begun.append(new.name)
        else:
            done.begun = begun
            done.horizon = log.horizon(model) if done.recorded.too_old else None
            return done


def _is_labelled(batch: Batch) -> bool:
    """Whether every row is labelled, and none has a draw probability."""
    table = batch.table
    return not table["label"].null_count and is_empty(table["draw_probability"])


def _names_files(batch: Batch) -> bool:
    images = batch.table["image"].drop_null()
    return bool(pc.any(pc.invert(pc.match_substring_regex(images, f"^{DIGEST.pattern}$"))).as_py())


def _known_elsewhere(log: PredictionLog, model: str, batch: Batch) -> str:
    """Return the model whose log holds most of the first ids of the file; empty if none does."""
    ids = batch.table["prediction_id"].slice(0, COMPARED_IDS).to_pylist()
    others = log.elsewhere(model, ids)
    name = max(others, key=lambda other: others[other], default="")
    return name if name and others[name] > len(ids) / 2 else ""


def _foreign(batch: Batch, column: str, classes: Sequence[str]) -> Counter[str]:
    """Names outside the class list, each with its number."""
    counts = pc.value_counts(batch.table[column].drop_null()).to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts if one["values"] not in classes})


def _refuse_another_model(file: LogFile, batch: Batch, foreign: Counter[str]) -> None:
    """A log that begins without any of the model's classes is of another model, or names them otherwise."""
    if batch.table.num_rows and foreign.total() == batch.table.num_rows:
        theirs = ", ".join(sorted(foreign)[:MOST_NAMED])
        raise DataError(
            f"{file.name}: no answer is a class of the model: the file names {theirs}; the model's classes are "
            f"{', '.join(file.classes[:MOST_NAMED])}; is it the log of another model?"
        )


def _refuse_another_truth(file: LogFile, batch: Batch, outside: Counter[str]) -> None:
    """A single truth outside the class list is an error of the model; where all are, the file names them otherwise."""
    labels = batch.table.num_rows - batch.table["label"].null_count
    if labels >= FEWEST_LABELS and outside.total() == labels:
        theirs, classes = ", ".join(sorted(outside)[:MOST_NAMED]), ", ".join(file.classes[:MOST_NAMED])
        raise DataError(
            f"{file.name}: no label is a class of the model: the file's first {labels:,} labels name {theirs}; "
            f"the model's classes are {classes}; give labels by these names, or leave the column out"
        )
