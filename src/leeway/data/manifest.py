"""The manifest: which images a dataset version holds, with label and split; its digest is the version's id."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway import durable
from leeway.data import spreadsheet
from leeway.data.assignment import assign_splits, find_arrivals
from leeway.data.candidates import CONFLICT_COLUMNS, FEEDBACK, ORIGINAL, Candidates, find_candidates
from leeway.data.corrections import read_corrections
from leeway.data.leakage import LEAK_COLUMNS, find_leaks
from leeway.data.params import DataParams
from leeway.data.parquet import read_table, write_table
from leeway.data.shards import read_listing
from leeway.data.split import SPLITS
from leeway.errors import DataError

TABLE_SCHEMA = pa.schema(
    [
        ("asset", pa.string()),  # sha256 of the encoded image
        ("shard", pa.string()),  # Parquet file, relative to the workspace's data folder
        ("row", pa.int32()),  # in the shard
        ("label", pa.string()),
        ("label_source", pa.string()),
        ("split", pa.string()),  # train, val or test; held_out where the source or the shares say so
        ("group", pa.string()),
        ("slice", pa.string()),
        ("held_out", pa.bool_()),  # used nowhere
        ("reason", pa.string()),  # why it is held out
        ("origin", pa.string()),
        ("width", pa.int32()),  # pixels, upright; null for feedback of an earlier version
        ("height", pa.int32()),
    ]
)
FINDING_COLUMNS = ("origin", "finding", "reason")
LISTS = {"findings": FINDING_COLUMNS, "conflicts": CONFLICT_COLUMNS, "leaks": LEAK_COLUMNS}
DIGESTED = ("asset", "label", "split", "label_source", "group", "held_out")
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dataset version."""

    digest: str
    classes: tuple[str, ...]  # (K,) sorted
    table: pa.Table  # (N,) rows of TABLE_SCHEMA: original by origin, then feedback as it came
    findings: tuple[Line, ...] = ()  # FINDING_COLUMNS: files left out (Finding), and remarks on files that are used
    conflicts: tuple[Line, ...] = ()  # CONFLICT_COLUMNS: labels of one image that contradict each other
    leaks: tuple[Line, ...] = ()  # LEAK_COLUMNS: images of one split that are found in another; none by construction
    renamed: Mapping[str, str] = field(default_factory=dict)  # class name that images were labelled with: its name now

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 indices into `classes`; -1 for a class that is retired, whose images are held out."""
        indices = pc.fill_null(pc.index_in(self.table["label"], pa.array(self.classes)), -1)
        return np.asarray(indices.to_numpy(), dtype=np.int64)

    def rows(self, split: str, label_source: str | None = None) -> np.ndarray:
        """(n,) int64 numbers of the rows in a split, in order, without those held out."""
        wanted = pc.and_not(pc.equal(self.table["split"], split), self.table["held_out"])
        if label_source is not None:
            wanted = pc.and_(wanted, pc.equal(self.table["label_source"], label_source))
        return np.flatnonzero(wanted.to_numpy())

    def counts(self, label_source: str) -> dict[str, dict[str, int]]:
        """Images of each class in each split, without those held out."""
        labels, size = self.labels, len(self.classes)
        per_split = {split: np.bincount(labels[self.rows(split, label_source)], minlength=size) for split in SPLITS}
        return {split: dict(zip(self.classes, found.tolist(), strict=True)) for split, found in per_split.items()}


def build_manifest(shards: Path, feedback: Path, params: DataParams) -> Manifest:
    """What the gathered images and the feedback shards make together; the folder `feedback` need not exist.

    Raises DataError if a label is no class, or a split is left without an original image.
    """
    listing, max_distance = read_listing(shards), params.near_duplicates.max_distance
    corrections = read_corrections(feedback)
    found = find_candidates(listing, shards, feedback, corrections=corrections, params=params.classes)
    arrivals = find_arrivals(shards, feedback, max_distance=max_distance)
    groups, splits, reasons = assign_splits(found.rows, arrivals, params.split, added=params.classes.add)
    table = _table(found, groups, splits, reasons)
    manifest = Manifest(
        digest=_digest(found.classes, table),
        classes=found.classes,
        table=table,
        findings=_findings(listing),
        conflicts=found.conflicts,
        leaks=find_leaks(table, arrivals.thumbnails, max_distance=max_distance),
        renamed={**params.classes.rename, **found.forms},
    )
    _refuse_empty(manifest)
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """manifest.parquet, dataset.json and the lists as CSV, in place of what `folder` held."""
    summary = {
        "digest": manifest.digest,
        "classes": manifest.classes,
        "renamed": dict(manifest.renamed),
        "images": len(manifest.table),
        **{source: manifest.counts(source) for source in (ORIGINAL, FEEDBACK)},
        "held_out": pc.sum(manifest.table["held_out"]).as_py(),
        **{name: len(getattr(manifest, name)) for name in LISTS},
    }
    with durable.replacing_folder(folder) as staging:
        write_table(manifest.table, staging / "manifest.parquet")
        durable.write_text(staging / "dataset.json", json.dumps(summary, indent=2) + "\n")
        for name, columns in LISTS.items():
            spreadsheet.write_file(staging / f"{name}.csv", columns, getattr(manifest, name))


def read_manifest(folder: Path) -> Manifest:
    """The manifest that `write_manifest` put there. Raises DataError if it is missing or does not fit its digest."""
    try:
        summary = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        digest, classes, renamed = summary["digest"], tuple(summary["classes"]), summary["renamed"]
    except (OSError, ValueError, KeyError):
        raise DataError(f"{folder}: no dataset version; run `dvc repro prepare`, or `dvc checkout`") from None
    table = read_table(folder / "manifest.parquet")
    if table.schema != TABLE_SCHEMA or _digest(classes, table) != digest:
        raise DataError(f"{folder}: manifest.parquet is not the one dataset.json describes; restore it: `dvc checkout`")
    findings, conflicts, leaks = (
        tuple(map(tuple, spreadsheet.read_file(folder / f"{name}.csv")[1:])) for name in LISTS
    )
    return Manifest(digest, classes, table, findings, conflicts, leaks, renamed)


def _table(found: Candidates, groups: Sequence[str], splits: Sequence[str], reasons: Sequence[str | None]) -> pa.Table:
    decided = {
        "group": pa.array(groups, pa.string()),
        "split": pa.array(splits, pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "held_out": pa.array([reason is not None for reason in reasons], pa.bool_()),
    }
    columns = [decided[name] if name in decided else found.rows[name] for name in TABLE_SCHEMA.names]
    return pa.table(columns, schema=TABLE_SCHEMA)


def _findings(listing: pa.Table) -> tuple[Line, ...]:
    told = pc.or_(pc.is_valid(listing["finding"]), pc.greater(pc.list_value_length(listing["remarks"]), 0))
    lines: list[Line] = []
    for row in listing.filter(told).to_pylist():
        if row["finding"] is not None:
            lines.append((row["origin"], row["finding"], row["reason"]))
        lines += [(row["origin"], *remark.split(": ", 1)) for remark in row["remarks"]]
    return tuple(lines)


def _refuse_empty(manifest: Manifest) -> None:
    for split in SPLITS:
        if not len(manifest.rows(split, ORIGINAL)):
            sizes = np.unique(manifest.table["group"].to_numpy(), return_counts=True)[1]
            raise DataError(
                f"no image falls into the {split} split, of {len(manifest.table)} images in all (the largest group of "
                f"images that belong together has {sizes.max(initial=0)}); add images, or change data.split, "
                "data.near_duplicates or the splits that the source gives (params.yaml)"
            )


def _digest(classes: Sequence[str], table: pa.Table) -> str:
    """sha256 over the classes and what decides about training; not over origins or places in shards."""
    rows = table.select(DIGESTED).sort_by("asset")
    columns = [rows[name].to_pylist() for name in DIGESTED]
    return hashlib.sha256(json.dumps([list(classes), columns]).encode()).hexdigest()
