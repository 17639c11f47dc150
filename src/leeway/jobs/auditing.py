"""Auditing: a dataset version as a screen of numbers and a page of pictures."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from leeway.bundle.resize import decode
from leeway.curation.audit import Audit, audit
from leeway.data.corrections import read_corrections
from leeway.data.manifest import Manifest, read_manifest
from leeway.data.pixels import encoded_images
from leeway.data.split import SPLITS
from leeway.domain.text import counted
from leeway.errors import LeewayError, TrainingError
from leeway.jobs.hiding import hide_reports
from leeway.pages.data import AugmentedImage, SampleImage, write_audit_page
from leeway.paramsfile import load_section
from leeway.workspace import Workspace

SEED = 7  # of what is shown: the same dataset gives the same page
SHOWN_CLASSES = 100  # with pictures: as many as a page of some megabytes holds
LISTED_CLASSES = 20  # on the screen
SHOWN_IMAGES = {"train": 6, "val": 3, "test": 3}  # of each class
PREVIEWED = 8  # images, each of another class while there are enough
DRAWS = 9  # of each
LOOKED_THROUGH = 1_000  # images, for those of different classes
log = logging.getLogger("leeway.jobs.auditing")


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found, and its page."""

    found: Audit
    page: Path


def audit_dataset(workspace: Workspace) -> Audited:
    """The current dataset version in numbers; draws reports/data_audit.html. Raises LeewayError."""
    data, page = workspace.folder / "data", workspace.reports / "data_audit.html"
    manifest = read_manifest(data / "dataset")
    corrected = {asset for asset, one in read_corrections(workspace.feedback).items() if one.label is not None}
    found = audit(manifest, corrected=corrected)
    rng = np.random.default_rng(SEED)
    samples = _samples(manifest, found, data, rng)
    try:
        preview: Sequence[AugmentedImage] | str = _preview(manifest, workspace.folder, rng)
    except LeewayError as error:
        log.warning("no preview of the augmentation: %s", error)
        preview = f"Not drawn: {error}"
    hide_reports(workspace)
    write_audit_page(page, found, samples=samples, preview=preview)
    return Audited(found, page)


def screen(audited: Audited) -> str:
    """What people read: splits, classes with the fewest test images, findings, warnings."""
    return "\n".join(_lines(audited.found, audited.page))


def _lines(found: Audit, page: Path) -> Iterator[str]:
    sources = ", ".join(f"{count:,} {name}" for name, count in found.sources.items())
    splits = ", ".join(f"{split} {count:,}" for split, count in found.splits.items())
    yield f"dataset    {found.digest[:12]}: {counted(found.images, 'image')} in {counted(len(found.classes), 'class')}"
    yield f"splits     {splits}"
    yield from (f"held out   {count:,} {reason}" for reason, count in found.held_out.items())
    yield f"labels     {sources}"
    if found.sizes:
        smallest, median, largest = (
            f"{width} x {height}" for width, height in (found.sizes.smallest, found.sizes.median, found.sizes.largest)
        )
        spread = f"{smallest} to {largest}, median {median}; {found.sizes.square:.0%} square"
        yield f"sizes      {spread if found.sizes.distinct > 1 else f'all {median}'} (pixels)"
    largest_group = f", the largest of {found.groups.largest}" if found.groups.count else ""
    images = counted(found.groups.images, "image")
    yield f"groups     {found.groups.count:,} of alike images, {images} in them{largest_group}"
    yield f"conflicts  {found.conflicts:,}; leaks {found.leaks:,}"
    yield from (f"finding    {one.count:,} {one.kind}, such as {one.example}" for one in found.findings)
    yield from _class_lines(found)
    yield from (f"! {one}" for one in found.warnings)
    yield f"page       {page}"


def _class_lines(found: Audit) -> Iterator[str]:
    """The classes with the fewest test images first; as many as a screen holds."""
    shown = sorted(found.classes, key=lambda one: (one.images["test"], one.name))[:LISTED_CLASSES]
    width = max(len("class"), *(len(one.name) for one in shown))
    yield f"{'class':{width}}  {'train':>7} {'val':>7} {'test':>7}   a recall of 90% would be known as"
    for one in shown:
        counts = " ".join(f"{one.images[split]:7,}" for split in SPLITS)
        yield f"{one.name:{width}}  {counts}   {one.recall_low:.0%} to {one.recall_high:.0%}"
    if len(found.classes) > len(shown):
        yield f"and {counted(len(found.classes) - len(shown), 'class')} with more test images"


def _samples(manifest: Manifest, found: Audit, data: Path, rng: np.random.Generator) -> dict[str, list[SampleImage]]:
    """Of each shown class, in the order of the class list, some images of each split."""
    scarce = sorted(found.classes, key=lambda one: (one.images["test"], one.name))[:SHOWN_CLASSES]
    shown = {one.name for one in scarce}
    labels, drawn = manifest.labels, []
    for index, name in enumerate(manifest.classes):
        for split in SPLITS if name in shown else ():
            rows = manifest.rows(split)
            rows = rows[labels[rows] == index]
            drawn += [(name, split, int(row)) for row in rng.permutation(rows)[: SHOWN_IMAGES[split]]]
    contents = encoded_images(manifest, data, [row for _, _, row in drawn])
    origins = manifest.table["origin"]
    samples: dict[str, list[SampleImage]] = {name: [] for name in manifest.classes if name in shown}
    for (name, split, row), content in zip(drawn, contents, strict=True):
        samples[name].append(SampleImage(origins[row].as_py(), split, content))
    return samples


def _preview(manifest: Manifest, workspace: Path, rng: np.random.Generator) -> list[AugmentedImage]:
    """Training images as train.augmentation draws them. Raises LeewayError where the params or torch are missing."""
    if find_spec("torch") is None:
        raise TrainingError("augmentation needs torch: pip install 'leeway[train]'")
    from leeway.training.params import TrainParams

    params = load_section(workspace / "params.yaml", "train", TrainParams)
    from leeway.training.augmentation import draw_variants
    from leeway.training.preprocessing import preprocessing

    rule = preprocessing(params).rule
    rows = _varied(manifest, rng)
    pixels = np.stack([rule.apply(decode(one)) for one in encoded_images(manifest, workspace / "data", rows)])
    variants = draw_variants(pixels, params.augmentation.resolved(), draws=DRAWS, seed=SEED)
    labels, origins = manifest.table["label"], manifest.table["origin"]
    return [
        AugmentedImage(labels[row].as_py(), origins[row].as_py(), plain, drawn)
        for row, plain, drawn in zip(map(int, rows), pixels, variants, strict=True)
    ]


def _varied(manifest: Manifest, rng: np.random.Generator) -> np.ndarray:
    """Rows of PREVIEWED training images, one of each class before a second of any."""
    rows = rng.permutation(manifest.rows("train"))[:LOOKED_THROUGH]
    labels = manifest.labels[rows].tolist()
    turn = [labels[:place].count(label) for place, label in enumerate(labels)]
    return np.sort(rows[np.argsort(turn, kind="stable")][:PREVIEWED])
