"""Relabelling: likely label errors as a list to fill in, and what people wrote as corrections of the dataset."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leeway.bundle.predictor import Predictor
from leeway.curation.label_errors import LabelError, judged_classes, label_errors
from leeway.curation.relabel_file import read_new_labels, write_label_errors
from leeway.data.corrections import Correction, is_corrections, read_corrections, write_corrections
from leeway.data.feedback import read_feedback
from leeway.data.manifest import Manifest, read_manifest
from leeway.data.pixels import encoded_images, pixel_array
from leeway.data.shards import read_listing
from leeway.data.split import SPLITS
from leeway.jobs.hiding import hide_reports
from leeway.pages.data import write_label_error_page
from leeway.workspace import Workspace

IMAGES_AT_ONCE = 1_024  # held in memory; the rest of them stays in the pixel cache's file
PICTURED = 300  # errors on the page; the list has all of them
log = logging.getLogger("leeway.jobs.relabelling")


@dataclass(frozen=True, slots=True)
class Listed:
    """What was looked through for label errors, and where the list is."""

    images: int
    errors: tuple[LabelError, ...]  # the likely ones first
    table: Path
    page: Path


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What a filled-in list changed."""

    changed: tuple[tuple[str, str | None, str | None], ...]  # (origin, label before, label now); None: left out
    known: int  # rows that say what holds already
    empty: int  # rows whose new_label is
    shard: Path | None  # None: nothing new


def list_label_errors(workspace: Workspace) -> Listed:
    """Label errors among all used images, by what the last `dvc repro` trained; in reports/. Raises LeewayError."""
    data, reports = workspace.folder / "data", workspace.reports
    manifest = read_manifest(data / "dataset")
    predictor = Predictor.load(workspace.folder / "models" / "bundle", threads=os.cpu_count() or 1)
    rows = np.sort(np.concatenate([manifest.rows(split) for split in SPLITS]))
    log.info("label errors: embedding %d images", len(rows))
    pixels = pixel_array(manifest, data, predictor.contents.resize, workspace.folder / ".leeway" / "cache")
    chunks = [rows[start : start + IMAGES_AT_ONCE] for start in range(0, len(rows), IMAGES_AT_ONCE)]
    embeddings = np.concatenate([predictor.predict_pixels(pixels[chunk]).embedding for chunk in chunks])
    errors = label_errors(manifest, rows, embeddings)
    place = {asset: row for row, asset in enumerate(manifest.table["asset"].to_pylist())}
    pictures = encoded_images(manifest, data, [place[one.asset] for one in errors[:PICTURED]])
    listed = Listed(len(rows), tuple(errors), reports / "label_errors.csv", reports / "label_errors.html")
    hide_reports(workspace)
    write_label_errors(listed.table, errors)
    write_label_error_page(
        listed.page, errors, images=pictures, digest=manifest.digest, not_judged=_not_judged(manifest, rows)
    )
    return listed


def relabel(workspace: Workspace, path: Path, *, labeler: str) -> Relabelled:
    """Takes a filled-in list as corrections under DVC; what it says already holds adds nothing. Raises LeewayError."""
    manifest, held = read_manifest(workspace.folder / "data" / "dataset"), read_corrections(workspace.feedback)
    origins = _origins(workspace)
    read = read_new_labels(path, classes=manifest.classes, origins=origins)
    before: dict[str, str | None] = dict(
        zip(manifest.table["asset"].to_pylist(), manifest.table["label"].to_pylist(), strict=True)
    )
    before |= {asset: manifest.renamed.get(one.label or "", one.label) for asset, one in held.items()}
    new = {  # an image whose labels contradict each other has none yet
        asset: label for asset, label in read.labels.items() if asset not in before or before[asset] != label
    }
    shard = _add(workspace, [Correction(asset, label, labeler) for asset, label in sorted(new.items())])
    first = {asset: origin for origin, asset in reversed(origins.items())}
    changed = tuple((first[asset], before.get(asset), label) for asset, label in new.items())
    return Relabelled(changed, len(read.labels) - len(new), read.empty, shard)


def _add(workspace: Workspace, corrections: Sequence[Correction]) -> Path | None:
    """As one more file beside the feedback shards, under DVC; so is one that an interrupted run left without."""
    shard = write_corrections(workspace.feedback, corrections) if corrections else None
    for path in sorted(workspace.feedback.glob("*.parquet")):
        if is_corrections(path) and not path.with_name(f"{path.name}.dvc").exists():
            workspace.repository.add(path)
    return shard


def _origins(workspace: Workspace) -> dict[str, str]:
    """Asset of every image that was gathered or came back from production, by its origin."""
    gathered = read_listing(workspace.folder / "data" / "shards").to_pylist()
    usable = [row for row in gathered if row["finding"] is None]
    return {row["origin"]: row["asset"] for row in [*usable, *read_feedback(workspace.feedback)]}


def _not_judged(manifest: Manifest, rows: np.ndarray) -> list[str]:
    judged = set(judged_classes(manifest.labels[rows], manifest.table["group"].take(rows).to_pylist()))
    return [name for index, name in enumerate(manifest.classes) if index not in judged]
