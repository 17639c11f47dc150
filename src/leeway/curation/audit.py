"""Audits a dataset version: balance, findings, groups, conflicts, leaks, sizes in numbers, and what to worry about."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from leeway.data.candidates import CONFLICT_COLUMNS
from leeway.data.manifest import Manifest
from leeway.data.split import SPLITS
from leeway.domain.class_names import alike, class_name, label_in, quoted
from leeway.stats.estimation import wilson_interval

FEW_TEST_IMAGES = 100  # below, a class's recall is known to +- 6 points at best, where it is 90 %
RECALL = 0.9  # at which the interval of a small class is stated
MOST_IMBALANCE = 10  # images of the largest class for each of the smallest: further apart, that is ignored cheaply
MOST_ALIKE = 0.05  # of the images held out as near-duplicates: more, and the limit is too wide for these data
NEAR = "near-duplicate of an image in another split"
NAMED = 5  # classes, files or groups in one sentence


@dataclass(frozen=True, slots=True)
class ClassBalance:
    """One class in numbers of images."""

    name: str
    images: Mapping[str, int]  # in each split, without those that are held out
    held_out: int
    test_groups: int  # images of one group fail together: so many independent test images there are at least
    recall_low: float  # 95 % interval of a recall of 90 % on so many
    recall_high: float

    @property
    def used(self) -> int:
        return sum(self.images.values())

    @property
    def few_tested(self) -> bool:
        return self.test_groups < FEW_TEST_IMAGES


@dataclass(frozen=True, slots=True)
class Found:
    """A kind of finding."""

    kind: str
    count: int
    example: str  # origin and reason of the first


@dataclass(frozen=True, slots=True)
class Groups:
    """Images that stay together because they show the same thing."""

    count: int  # groups of two images or more
    images: int  # in them
    largest: int
    largest_name: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """Pixels of the images as they were gathered."""

    smallest: tuple[int, int]  # width, height; by area
    median: tuple[int, int]  # of the widths, and of the heights
    largest: tuple[int, int]
    distinct: int  # different sizes
    square: float  # share of the images


@dataclass(frozen=True, slots=True)
class Audit:
    """A dataset version in numbers."""

    digest: str
    images: int
    classes: tuple[ClassBalance, ...]
    splits: Mapping[str, int]  # images used in each
    held_out: Mapping[str, int]  # images that are used nowhere, by the reason
    sources: Mapping[str, int]  # images by where their label comes from: original, feedback, correction
    findings: tuple[Found, ...]  # most frequent first
    groups: Groups
    conflicts: int  # images whose labels contradict each other
    leaks: int  # pairs of alike images on two sides of a split
    sizes: Sizes | None  # None where the manifest tells none
    renamed: Mapping[str, str]  # class name in the source: its name now
    warnings: tuple[str, ...]


def audit(manifest: Manifest, *, corrected: Collection[str] = ()) -> Audit:
    """What there is to know about a dataset version before one trusts a number that was measured on it.

    `corrected`: the assets whose label a correction decides.
    """
    classes = _balance(manifest)
    found = Audit(
        digest=manifest.digest,
        images=len(manifest.table),
        classes=classes,
        splits={split: sum(one.images[split] for one in classes) for split in SPLITS},
        held_out=_counted(map(_kind, manifest.table["reason"].drop_null().to_pylist())),
        sources=_sources(manifest, corrected),
        findings=_findings(manifest),
        groups=_groups(manifest),
        conflicts=len({line[CONFLICT_COLUMNS.index("asset")] for line in manifest.conflicts}),
        leaks=len(manifest.leaks),
        sizes=_sizes(manifest),
        renamed=manifest.renamed,
        warnings=(),
    )
    return replace(found, warnings=_warnings(found))


def _balance(manifest: Manifest) -> tuple[ClassBalance, ...]:
    labels, size = manifest.labels, len(manifest.classes)
    used = {split: np.bincount(labels[manifest.rows(split)], minlength=size) for split in SPLITS}
    spare = np.bincount(labels[labels >= 0], minlength=size) - sum(used.values())  # -1: of a retired class
    tested = manifest.rows("test")
    pairs = set(zip(labels[tested].tolist(), manifest.table["group"].take(tested).to_pylist(), strict=True))
    groups = Counter(label for label, _ in pairs)
    return tuple(
        ClassBalance(
            name,
            {split: int(used[split][index]) for split in SPLITS},
            int(spare[index]),
            groups[index],
            *wilson_interval(RECALL * groups[index], groups[index]),
        )
        for index, name in enumerate(manifest.classes)
    )


def _kind(reason: str) -> str:
    """Without the names of single images."""
    return NEAR if reason.startswith("near-duplicate of ") else reason


def _sources(manifest: Manifest, corrected: Collection[str]) -> dict[str, int]:
    pairs = zip(manifest.table["asset"].to_pylist(), manifest.table["label_source"].to_pylist(), strict=True)
    return _counted("correction" if asset in corrected else source for asset, source in pairs)


def _findings(manifest: Manifest) -> tuple[Found, ...]:
    """Of lines that begin with origin, finding and reason."""
    counts = _counted(line[1] for line in manifest.findings)
    first = {line[1]: f"{line[0]}: {line[2]}" for line in reversed(manifest.findings)}
    return tuple(Found(kind, count, first[kind]) for kind, count in counts.items())


def _groups(manifest: Manifest) -> Groups:
    counts = Counter(manifest.table["group"].to_pylist())
    shared = {name: count for name, count in counts.items() if count > 1}
    name = max(shared, key=lambda one: (shared[one], one), default="")
    return Groups(len(shared), sum(shared.values()), shared.get(name, 0), name)


def _sizes(manifest: Manifest) -> Sizes | None:
    """Of the rows whose size is known."""
    known = manifest.table.select(["width", "height"]).drop_null()
    if not len(known):
        return None
    width, height = (known[name].to_numpy().astype(np.int64) for name in ("width", "height"))
    by_area = np.lexsort((width, width * height))
    return Sizes(
        smallest=(int(width[by_area[0]]), int(height[by_area[0]])),
        median=(round(float(np.median(width))), round(float(np.median(height)))),
        largest=(int(width[by_area[-1]]), int(height[by_area[-1]])),
        distinct=len(np.unique(np.stack([width, height]), axis=1).T),
        square=float((width == height).mean()),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    """Most frequent first."""
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))


def _warnings(found: Audit) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    told = [
        _missing(found.classes),
        _empty_names(found.classes),
        _alike_names(found.classes),
        _forms(found.renamed),
        _leaking(found),
        _few_tested(found.classes),
        _imbalanced(found.classes),
        _alike(found),
        _conflicting(found),
    ]
    return tuple(one for one in told if one)


def _missing(classes: Sequence[ClassBalance]) -> str:
    absent = [f"'{one.name}' in {split}" for one in classes for split in SPLITS if not one.images[split]]
    return f"without any image: {_some(absent)}; add images of them, or take the class away" if absent else ""


def _empty_names(classes: Sequence[ClassBalance]) -> str:
    empty = [repr(one.name) for one in classes if label_in(one.name) is None]
    if not empty:
        return ""
    return f"classes whose name reads as no label in a table: {_some(empty)}; rename them (data.classes.rename)"


def _alike_names(classes: Sequence[ClassBalance]) -> str:
    pairs = alike(one.name for one in classes)
    if not pairs:
        return ""
    return (
        f"classes whose names are alike: {_some([quoted(names) for names in pairs])}; if they are one, merge them with "
        "data.classes.rename in params.yaml"
    )


def _forms(renamed: Mapping[str, str]) -> str:
    forms = {old: new for old, new in renamed.items() if class_name(old) != old}
    told = [f"{old!a} counts as {new!a}" for old, new in sorted(forms.items())]
    return f"labels in another Unicode form, or with white space around them: {_some(told)}" if told else ""


def _leaking(found: Audit) -> str:
    if not found.leaks:
        return ""
    return f"images that look like one in another split: {found.leaks:,}; test figures are too good, see leaks.csv"


def _few_tested(classes: Sequence[ClassBalance]) -> str:
    few = sorted((one for one in classes if one.few_tested and one.test_groups), key=lambda one: one.test_groups)
    if not few:
        return ""
    width = f"{few[0].recall_low:.0%} to {few[0].recall_high:.0%}"
    of = (
        "independent test images (groups)"
        if any(one.test_groups < one.images["test"] for one in few)
        else "test images"
    )
    named = _some([f"'{one.name}' {one.test_groups}" for one in few])
    return (
        f"under {FEW_TEST_IMAGES} {of}: {named}; of '{few[0].name}' a recall of {RECALL:.0%} "
        f"would be known as {width} only, {100 * (few[0].recall_high - few[0].recall_low):.0f} points wide"
    )


def _imbalanced(classes: Sequence[ClassBalance]) -> str:
    by_size = sorted(classes, key=lambda one: one.images["train"])
    least, most = by_size[0], by_size[-1]
    ratio = most.images["train"] / max(least.images["train"], 1)
    if ratio <= MOST_IMBALANCE:
        return ""
    return (
        f"'{most.name}' has {most.images['train']:,} training images, '{least.name}' {least.images['train']:,}: "
        f"{ratio:.0f} to 1; a network may ignore the smaller (params.yaml, train.imbalance)"
    )


def _alike(found: Audit) -> str:
    alike = found.held_out.get(NEAR, 0)
    if alike <= MOST_ALIKE * found.images:
        return ""
    return (
        f"held out as near-duplicates of images in another split: {alike:,} of {found.images:,}; look at some, "
        "and where they are not, lower data.near_duplicates.max_distance in params.yaml"
    )


def _conflicting(found: Audit) -> str:
    if not found.conflicts:
        return ""
    return (
        f"images with labels that contradict each other: {found.conflicts:,}; see conflicts.csv, and settle them with "
        "`leeway data relabel`"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
