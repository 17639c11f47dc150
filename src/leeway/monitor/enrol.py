"""Enrols a model that is known from files only: its reference, and whether its floors can be kept at all."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.bundle.reference import count_answers
from leeway.checks.accuracy import Accuracy
from leeway.checks.policy import Policy
from leeway.domain.class_names import alike, quoted
from leeway.domain.records import NAMED_BY_LOG, WATCHED, ModelVersion, ReferenceCounts
from leeway.domain.stores import Ledger
from leeway.domain.text import counted
from leeway.errors import ConflictError, DataError, ParamsError
from leeway.predictions.formats.files import read_predictions


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """What a reference says, and what people should know of its labels."""

    counts: ReferenceCounts
    rows: int
    emptied: int  # labels such as `nan`, which stand for none
    alike: tuple[tuple[str, ...], ...]  # classes that the model answers whose names are alike


def read_reference(path: Path, *, columns: Mapping[str, str], production: bool = True) -> ReferenceCounts:
    """Return the counts of a reference, as `read_reference_file` reads it."""
    return read_reference_file(path, columns=columns, production=production).counts


def read_reference_file(path: Path, *, columns: Mapping[str, str], production: bool = True) -> ReferenceFile:
    """What a model answered on items whose truth is known, from a prediction log with labels.

    Its classes are those that labels and answers name, in alphabetical order. `production`: whether its class mix is
    that of production; drift is then held against it, otherwise against the first nights. Raises DataError for a file
    that is no prediction log, has a row that cannot be taken, no label at all, or a label that is alike to an answer.
    """
    batches = list(read_predictions(path, columns=columns))
    bad = [row for batch in batches for row in batch.bad]
    if bad:
        told = "; ".join(f"line {row.line}: {row.problem}" for row in bad[:3])
        raise DataError(
            f"{path}: {counted(len(bad), 'row')} of the reference cannot be taken; mend or remove them: {told}"
        )
    table = pa.concat_tables([batch.table for batch in batches])
    if table["label"].null_count == table.num_rows:
        raise DataError(
            f"{path}: none of {counted(table.num_rows, 'row')} has a label; a reference says how good the model is: "
            "give a column label, or name it with --columns label=their_name"
        )
    said = pc.unique(table["predicted_class"]).to_pylist()
    classes = sorted({*said, *(one for one in pc.unique(table["label"]).to_pylist() if one is not None)})
    pairs = alike(classes)
    _refuse_variants(path, pairs, said)
    known = pa.array(classes)
    confidence = None if table["confidence"].null_count else table["confidence"].to_numpy()
    counts = count_answers(
        classes,
        pc.index_in(table["predicted_class"], known).to_numpy(),
        truth=pc.fill_null(pc.index_in(table["label"], known), -1).to_numpy().astype(np.int64),
        confidence=confidence,
        production=production,
    )
    return ReferenceFile(counts, table.num_rows, sum(batch.emptied for batch in batches), tuple(pairs))


def _refuse_variants(path: Path, pairs: Sequence[tuple[str, ...]], said: Sequence[str]) -> None:
    """Two alike names are two classes only where the model answers with both."""
    torn = [names for names in pairs if not set(names) <= set(said)]
    if torn:
        told = "; ".join(quoted(names) for names in torn[:3])
        raise DataError(
            f"{path}: labels and answers name one class in two ways: {told}; write it as the model's answers in "
            "production do, or as its list of classes has it"
        )


def enrol(
    ledger: Ledger, model: str, reference: ReferenceCounts, policy: Policy, *, name: str | None = None
) -> ModelVersion:
    """The model's version with this reference: a new one, and a new epoch, unless it is the reference it has.

    `name`: what the logs call it in `model_version`. Raises ParamsError for floors that the model did not reach on its
    own reference, and DataError where the model is one that Leeway trained.
    """
    impossible = policy.check(Accuracy).impossible_floor(reference)
    if impossible:
        raise ParamsError(f"{model}: {impossible}")
    digest = f"{WATCHED}{name or hashlib.sha256(repr(reference).encode()).hexdigest()[:16]}"
    versions = ledger.versions(model)
    trained = [one.version for one in versions if not one.watched_only]
    if trained:
        raise DataError(
            f"'{model}' is a model that this workspace trained (version {trained[-1]}); choose another name"
        )
    same = [one for one in versions if one.reference == reference and (name is None or one.bundle_digest == digest)]
    if same:
        return same[-1]
    made = ModelVersion(model, len(versions) + 1, digest, "", reference)
    ledger.record_model(made)
    return made


def enrol_named(ledger: Ledger, model: str, name: str) -> ModelVersion:
    """Return the version that a log calls so: a new one, with the reference of the last, unless it is known.

    Of two that enrol it at once the second gets the first's.
    """
    digest = f"{WATCHED}{name}"
    while True:
        versions = ledger.versions(model)
        known = [one for one in versions if one.bundle_digest == digest]
        if known:
            return known[0]
        last = versions[-1]
        with suppress(ConflictError):
            made = replace(last, version=last.version + 1, bundle_digest=digest, dataset_digest=NAMED_BY_LOG)
            ledger.record_model(made)
