"""Enrols a model that is known from files only: its reference, and whether its floors can be kept at all."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.bundle.reference import count_answers
from leeway.checks.accuracy import Accuracy
from leeway.checks.policy import Policy
from leeway.domain.records import WATCHED, ModelVersion, ReferenceCounts
from leeway.domain.stores import Ledger
from leeway.errors import DataError, ParamsError
from leeway.predictions.formats.files import read_predictions


def read_reference(path: Path, *, columns: Mapping[str, str], production: bool = True) -> ReferenceCounts:
    """What a model answered on items whose truth is known, from a prediction log with labels.

    Its classes are those that labels and answers name, in alphabetical order. `production`: whether its class mix is
    that of production; drift is then held against it, otherwise against the first nights. Raises DataError for a file
    that is no prediction log, has a row that cannot be taken, or no label at all.
    """
    batches = list(read_predictions(path, columns=columns))
    bad = [row for batch in batches for row in batch.bad]
    if bad:
        told = "; ".join(f"line {row.line}: {row.problem}" for row in bad[:3])
        raise DataError(f"{path}: {len(bad)} rows of the reference cannot be taken; mend or remove them: {told}")
    table = pa.concat_tables([batch.table for batch in batches])
    if table["label"].null_count == table.num_rows:
        raise DataError(
            f"{path}: none of {table.num_rows:,} rows has a label; a reference says how good the model is: give a "
            "column label, or name it with --columns label=their_name"
        )
    said = pc.unique(table["predicted_class"]).to_pylist()
    classes = sorted({*said, *(one for one in pc.unique(table["label"]).to_pylist() if one is not None)})
    known = pa.array(classes)
    confidence = None if table["confidence"].null_count else table["confidence"].to_numpy()
    return count_answers(
        classes,
        pc.index_in(table["predicted_class"], known).to_numpy(),
        truth=pc.fill_null(pc.index_in(table["label"], known), -1).to_numpy().astype(np.int64),
        confidence=confidence,
        production=production,
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
