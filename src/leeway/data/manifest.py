"""The manifest: which images a dataset version holds, with label and split; its digest is the version's id."""

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from leeway.data.params import DataParams
from leeway.data.shards import Row, read_feedback, read_listing, read_table, replace_folder, staged
from leeway.data.split import SPLITS, SplitShares, split_of
from leeway.errors import DataError

ORIGINAL, FEEDBACK = "original", "feedback"  # label sources
TABLE_SCHEMA = pa.schema(
    [
        ("asset", pa.string()),  # sha256 of the encoded image
        ("shard", pa.string()),  # Parquet file, relative to the workspace's data folder
        ("row", pa.int32()),  # in the shard
        ("label", pa.string()),
        ("label_source", pa.string()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("slice", pa.string()),
        ("held_out", pa.bool_()),  # feedback of a group that is tested on: used nowhere
        ("origin", pa.string()),
    ]
)
FINDING_COLUMNS = ("origin", "finding", "reason")
CONFLICT_COLUMNS = ("asset", "label", "label_source", "origin")
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A dataset version."""

    digest: str
    classes: tuple[str, ...]  # (K,) sorted
    table: pa.Table  # (N,) rows of TABLE_SCHEMA: original by origin, then feedback by shard and row
    findings: tuple[Line, ...] = ()  # FINDING_COLUMNS: files left out, and remarks on files that were not
    conflicts: tuple[Line, ...] = ()  # CONFLICT_COLUMNS: labels of one image that contradict each other

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 indices into `classes`."""
        indices: np.ndarray = pc.index_in(self.table["label"], pa.array(self.classes)).to_numpy()
        return indices.astype(np.int64)

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

    def gaps(self) -> list[tuple[str, str]]:
        """(class, split) pairs without an original image."""
        counts = self.counts(ORIGINAL)
        return [(name, split) for split in SPLITS for name, found in counts[split].items() if not found]


def build_manifest(shards: Path, feedback: Path, params: DataParams) -> Manifest:
    """What the gathered images and the feedback shards make together; the folder `feedback` need not exist.

    Raises DataError if a feedback label is not a class, or a split is left without an original image.
    """
    listed = read_listing(shards).to_pylist()
    originals = [_candidate(row, shards, ORIGINAL) for row in listed if row["finding"] is None]
    classes = tuple(sorted({row["label"] for row in originals}))
    returned = [_candidate(row, feedback, FEEDBACK) for row in read_feedback(feedback)]
    _refuse_foreign(returned, classes)
    kept, conflicts = _collapse([*originals, *returned])
    _assign_splits(kept, params.split)
    table = pa.Table.from_pylist(kept, TABLE_SCHEMA)
    findings = tuple((row["origin"], row["finding"] or "remark", row["reason"]) for row in listed if row["reason"])
    manifest = Manifest(_digest(classes, table), classes, table, findings, conflicts)
    _refuse_empty(manifest)
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """manifest.parquet, dataset.json, findings.csv and conflicts.csv, in place of what `folder` held."""
    summary = {
        "digest": manifest.digest,
        "classes": manifest.classes,
        "images": len(manifest.table),
        **{source: manifest.counts(source) for source in (ORIGINAL, FEEDBACK)},
        "held_out": pc.sum(manifest.table["held_out"]).as_py(),
        "findings": len(manifest.findings),
        "conflicts": len(manifest.conflicts),
    }
    with staged(folder) as staging:
        pq.write_table(manifest.table, staging / "manifest.parquet")
        (staging / "dataset.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        _write_lines(staging / "findings.csv", FINDING_COLUMNS, manifest.findings)
        _write_lines(staging / "conflicts.csv", CONFLICT_COLUMNS, manifest.conflicts)
        replace_folder(staging, folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest that `write_manifest` put there. Raises DataError if it is missing or does not fit its digest."""
    try:
        summary = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        digest, classes = summary["digest"], tuple(summary["classes"])
    except (OSError, ValueError, KeyError):
        raise DataError(f"{folder}: no dataset version; run `dvc repro prepare`, or `dvc checkout`") from None
    table = read_table(folder / "manifest.parquet")
    if table.schema != TABLE_SCHEMA or _digest(classes, table) != digest:
        raise DataError(f"{folder}: manifest.parquet is not the one dataset.json describes; restore it: `dvc checkout`")
    findings, conflicts = _read_lines(folder / "findings.csv"), _read_lines(folder / "conflicts.csv")
    return Manifest(digest, classes, table, findings, conflicts)


def _candidate(row: Row, folder: Path, label_source: str) -> Row:
    """A row of a listing or a feedback shard as a row of the table, still without its split."""
    return {
        **{name: row[name] for name in ("asset", "row", "label", "slice", "origin")},
        **{
            "shard": f"{folder.name}/{row['shard']}",
            "label_source": label_source,
            "group": row["group"] or row["asset"],
        },
    }


def _refuse_foreign(returned: Sequence[Row], classes: Sequence[str]) -> None:
    for row in returned:
        if row["label"] not in classes:
            raise DataError(
                f"{row['shard']}: label '{row['label']}' of {row['origin']} is not a class; classes: "
                f"{', '.join(classes)} (data.source in params.yaml); add images of the class there, or remove the shard"
            )


def _collapse(rows: Sequence[Row]) -> tuple[list[Row], tuple[Line, ...]]:
    """Each asset once, and the labels that contradict each other.

    Originals decide over feedback. Where the deciding labels differ, the asset is left out; otherwise the first stands.
    """
    alike: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        alike[row["asset"]].append(row)
    kept: list[Row] = []
    conflicts: list[Line] = []
    for copies in alike.values():
        deciding = [row for row in copies if row["label_source"] == ORIGINAL] or copies
        if len({row["label"] for row in deciding}) == 1:
            kept.append(deciding[0])
        if len({row["label"] for row in copies}) > 1:
            conflicts += [tuple(row[name] for name in CONFLICT_COLUMNS) for row in copies]
    return kept, tuple(conflicts)


def _assign_splits(rows: Sequence[Row], shares: SplitShares) -> None:
    """Originals by the hash of their group; feedback beside the originals of its group, otherwise by hash too.

    The test split stays original: feedback that hashes into it goes to train, and feedback of a group that is tested
    on is held out.
    """
    familiar = {row["group"] for row in rows if row["label_source"] == ORIGINAL}
    for row in rows:
        split = split_of(row["group"], shares)
        tested = split == "test" and row["group"] in familiar
        row["split"] = "train" if split == "test" and not tested else split
        row["held_out"] = tested and row["label_source"] == FEEDBACK


def _refuse_empty(manifest: Manifest) -> None:
    for split in SPLITS:
        if not len(manifest.rows(split, ORIGINAL)):
            raise DataError(
                f"no image falls into the {split} split, of {len(manifest.table)} images in all; add images, "
                f"or change data.split in params.yaml"
            )


def _digest(classes: Sequence[str], table: pa.Table) -> str:
    """sha256 over the classes and what decides about training; not over origins or places in shards."""
    names = ("asset", "label", "split", "label_source", "group", "held_out")
    rows = sorted(zip(*(table[name].to_pylist() for name in names), strict=True))
    return hashlib.sha256(json.dumps([list(classes), rows]).encode()).hexdigest()


def _write_lines(path: Path, columns: Line, lines: Iterable[Line]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *lines])


def _read_lines(path: Path) -> tuple[Line, ...]:
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(tuple(line) for line in csv.reader(file))[1:]
