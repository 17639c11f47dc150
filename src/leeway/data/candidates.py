"""Candidates: original and feedback images as rows of one table, each image once, with the label that holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.data.classes import ClassParams, classes_of
from leeway.data.corrections import Correction
from leeway.data.feedback import read_feedback
from leeway.data.split import SPLITS, TRAINVAL
from leeway.domain.class_names import class_name
from leeway.errors import DataError

ORIGINAL, FEEDBACK = "original", "feedback"  # label sources
CANDIDATE_SCHEMA = pa.schema(
    [
        ("asset", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int32()),
        ("label", pa.string()),
        ("label_source", pa.string()),
        ("split", pa.string()),  # given by the source, or null
        ("group", pa.string()),  # given by the source, or null
        ("slice", pa.string()),
        ("origin", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("reason", pa.string()),  # why it is not to be used, or null
    ]
)
CONFLICT_COLUMNS = ("asset", "label", "label_source", "origin")
RANK = {TRAINVAL: 1, **{split: rank for rank, split in enumerate(SPLITS, 1)}}  # of a given split: the highest holds
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a dataset version may hold."""

    classes: tuple[str, ...]  # (K,) sorted
    rows: pa.Table  # (N,) of CANDIDATE_SCHEMA: originals by origin, then feedback as it came
    conflicts: tuple[Line, ...]  # CONFLICT_COLUMNS
    forms: Mapping[str, str]  # label in another Unicode form, or with outer white space: what it counts as


def find_candidates(
    listing: pa.Table, shards: Path, feedback: Path, *, corrections: Mapping[str, Correction], params: ClassParams
) -> Candidates:
    """Raises DataError for a label of feedback or a correction that is no class, or a name that nothing carries."""
    originals = _originals(listing, shards.name)
    given = _corrected(pa.concat_tables([originals, _returned(feedback)]), corrections)
    classes = classes_of(_labels(originals), _labels(given), params)
    rows = _renamed(given, params)
    _refuse_foreign(rows, classes, corrections, params)
    kept, conflicts = _collapse(rows)
    forms = {one: params.name_now(one) for one in _labels(given) if class_name(one) != one}
    return Candidates(classes, kept, conflicts, forms)


def _originals(listing: pa.Table, folder: str) -> pa.Table:
    usable = listing.filter(pc.is_null(listing["finding"]))
    return _candidate_table(usable, pc.binary_join_element_wise(folder, usable["shard"], "/"), ORIGINAL)


def _returned(folder: Path) -> pa.Table:
    found = read_feedback(folder)
    columns = {name: pa.array([row.get(name) for row in found], CANDIDATE_SCHEMA.field(name).type) for name in COPIED}
    shard = pa.array([f"{folder.name}/{row['shard']}" for row in found], pa.string())
    return _candidate_table(pa.table(columns), shard, FEEDBACK)


COPIED = ("asset", "row", "label", "split", "group", "slice", "origin", "width", "height")


def _candidate_table(found: pa.Table, shard: pa.Array, label_source: str) -> pa.Table:
    made = {
        "shard": shard,
        "label_source": pa.array([label_source] * len(found), pa.string()),
        "reason": pa.nulls(len(found), pa.string()),
    }
    columns = [made[name] if name in made else found[name] for name in CANDIDATE_SCHEMA.names]
    return pa.table(columns, schema=CANDIDATE_SCHEMA)


def _corrected(rows: pa.Table, corrections: Mapping[str, Correction]) -> pa.Table:
    """A correction decides for every copy of its image."""
    if not corrections:
        return rows
    labels, reasons = rows["label"].to_pylist(), rows["reason"].to_pylist()
    for number, asset in enumerate(rows["asset"].to_pylist()):
        correction = corrections.get(asset)
        if correction is not None and correction.label is None:
            reasons[number] = f"left out by {correction.labeler}"
        elif correction is not None:
            labels[number] = correction.label
    return _replaced(_replaced(rows, "label", labels), "reason", reasons)


def _renamed(rows: pa.Table, params: ClassParams) -> pa.Table:
    now = {label: params.name_now(label) for label in _labels(rows)}
    names = rows["label"].combine_chunks().dictionary_encode()
    renamed = pa.array([now[label] for label in names.dictionary.to_pylist()], pa.string()).take(names.indices)
    retired = pc.is_in(renamed, pa.array(params.retire, pa.string()))
    told = pc.binary_join_element_wise("class ", renamed, " is retired", "")
    reasons = pc.coalesce(rows["reason"].combine_chunks(), pc.if_else(retired, told, None))
    return _replaced(_replaced(rows, "label", renamed), "reason", reasons)


def _refuse_foreign(
    rows: pa.Table, classes: tuple[str, ...], corrections: Mapping[str, Correction], params: ClassParams
) -> None:
    known = pa.array([*classes, *params.retire], pa.string())
    foreign = rows.filter(pc.invert(pc.is_in(rows["label"], known))).slice(0, 1).to_pylist()
    for row in foreign:
        correction = corrections.get(row["asset"])
        place = "a correction" if correction is not None else row["shard"]
        raise DataError(
            f"{place}: label '{row['label']}' of {row['origin']} is not a class; classes: {', '.join(classes)}; "
            "add images of the class to data.source in params.yaml, or name it in data.classes.add or .rename there"
        )


def _collapse(rows: pa.Table) -> tuple[pa.Table, tuple[Line, ...]]:
    """Each asset once, and the labels that contradict each other.

    Originals decide over feedback. Where the deciding labels differ, the asset is left out; otherwise the first stands,
    in the split that a source gave to any copy (test over val over train).
    """
    assets, labels = _codes(rows["asset"]), _codes(rows["label"])
    count = int(assets.max(initial=-1)) + 1
    original = pc.equal(rows["label_source"], ORIGINAL).to_numpy()
    has_original = np.bincount(assets[original], minlength=count) > 0
    deciding = np.flatnonzero(original | ~has_original[assets])
    torn = _differ(assets[deciding], labels[deciding], count)
    first = deciding[np.unique(assets[deciding], return_index=True)[1]]
    conflicts = np.flatnonzero(_differ(assets, labels, count)[assets])
    conflicts = conflicts[np.argsort(assets[conflicts], kind="stable")]
    lines = rows.select(CONFLICT_COLUMNS).take(conflicts).to_pylist()
    kept = np.sort(first[~torn[assets[first]]])
    table = _replaced(rows.take(kept), "split", _highest(rows["split"], assets, kept, count))
    return table, tuple(tuple(line[name] for name in CONFLICT_COLUMNS) for line in lines)


def _differ(groups: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """(count,) whether the values within a group are not all the same."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    return (low < high) & (high >= 0)


def _highest(splits: pa.ChunkedArray, assets: np.ndarray, kept: np.ndarray, count: int) -> list[str | None]:
    """The given split of each kept row: the highest of its copies', else its own."""
    given = splits.to_pylist()
    ranks = np.array([RANK.get(split or "", 0) for split in given])
    best = np.zeros(count, np.int64)
    np.maximum.at(best, assets, ranks)
    by_rank = dict(enumerate((None, *SPLITS)))
    return [given[row] if ranks[row] == best[assets[row]] else by_rank[int(best[assets[row]])] for row in kept]


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) int64: the same number for the same text, in order of first appearance."""
    codes: np.ndarray = column.combine_chunks().dictionary_encode().indices.to_numpy()
    return codes.astype(np.int64)


def _labels(rows: pa.Table) -> list[str]:
    labels: list[str] = pc.unique(rows["label"]).to_pylist()
    return labels


def _replaced(rows: pa.Table, name: str, values: object) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(place), pa.array(values, pa.string()))
