"""Checklist: what has to be true of a bundle before its numbers mean anything; each item passes, fails or is unknown.

An item that fails stops a release. One that is unknown does not: it says what was not measured, and why.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from leeway import durable
from leeway.bundle.contents import Contents
from leeway.bundle.resize import ResizeRule
from leeway.data.manifest import Manifest
from leeway.domain.text import by_number, counted
from leeway.errors import LeewayError, first_few
from leeway.evaluation.must_pass import Required
from leeway.recordfile import parse_record
from leeway.stats.estimation import wilson_interval

Outcome = Literal["pass", "fail", "unknown"]
PARITY = 1e-4  # of a probability: as far as torch and onnxruntime may differ on golden images
FEW_IMAGES = 100  # of a class: under it a recall of 90 % is known to no better than +-6 points
NORMALISATION = ("params.yaml: train.mean ", "params.yaml: train.std ")  # as training's warnings begin
PREPROCESSING = (*NORMALISATION, *(f"params.yaml: train.{key} " for key in ("image_size", "fit", "interpolation")))
SAME_NUMBER = 1e-3  # of a mean or std: 0.485 and 0.4850 are one, 0.485 and 0.5 are not


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One line of the checklist."""

    name: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """Every item, and the bundle that they are about."""

    bundle_digest: str
    items: tuple[ChecklistItem, ...]
    guarded: tuple[str, ...] = ()  # classes of which the must-pass set has an image

    @property
    def failed(self) -> tuple[ChecklistItem, ...]:
        return tuple(item for item in self.items if item.outcome == "fail")

    def to_json(self, *, longest: int | None = None) -> dict[str, Any]:
        """As plain values; no reason longer than `longest` characters, for places that take only so many."""
        items = [asdict(item) for item in self.items]
        return {
            "bundle_digest": self.bundle_digest,
            "items": [one | {"reason": one["reason"][:longest]} for one in items],
            "guarded": list(self.guarded),
        }


class Published(Protocol):
    """The preprocessing that pretrained weights were made with."""

    @property
    def rule(self) -> ResizeRule: ...
    @property
    def mean(self) -> Sequence[float]: ...
    @property
    def std(self) -> Sequence[float]: ...


def write_checklist(checklist: Checklist, path: Path) -> None:
    """As JSON; the folder is made if need be."""
    durable.write_text(path, json.dumps(checklist.to_json(), indent=1, ensure_ascii=False) + "\n")


def read_checklist(path: Path) -> Checklist | None:
    """What `write_checklist` put there; None if there is no such file, or it holds something else."""
    try:
        return checklist_from(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def checklist_from(text: str) -> Checklist | None:
    """The same from JSON text; None if it is none: the gate then cannot tell, and says how to get one."""
    try:
        return parse_record(json.loads(text), Checklist, where="checklist", error=LeewayError, hint="")
    except (ValueError, LeewayError):
        return None


def fill_checklist(
    bundle_digest: str,
    contents: Contents,
    manifest: Manifest,
    *,
    published: Published | None,
    latency_ms: float | None,
    latency_budget_ms: float | None,
    outputs: int,
    agreement: ChecklistItem,
    required: Sequence[Required],
) -> Checklist:
    """Every item, about a bundle and the dataset version it was made from; what each argument is says its item below.

    `agreement` comes from `bundle_agrees`, since only who has the network can say.
    """
    labels = manifest.labels
    tested = np.bincount(labels[manifest.rows("test")], minlength=len(manifest.classes)).tolist()
    items = (
        weights_loaded(contents.training, majority_share=majority_share(labels[manifest.rows("val")])),
        preprocessing_matches(contents, published),
        no_leakage(manifest.leaks),
        latency_within(latency_ms, budget=latency_budget_ms),
        head_matches(contents, manifest.classes, outputs=outputs),
        agreement,
        images_per_class(dict(zip(manifest.classes, tested, strict=True))),
        all_required_right(required),
    )
    return Checklist(bundle_digest, items, tuple(sorted({one.label for one in required if not one.trained_on})))


def weights_loaded(training: Mapping[str, Any], *, majority_share: float | None) -> ChecklistItem:
    """Whether the first epoch already answered better than naming the largest class always would.

    `training` is Contents.training; `majority_share` the largest class's share of the validation split, None if it is
    empty. Weights that were loaded wrongly start at chance. From scratch there are none, and a slow start is no fault.
    """
    name = "weights loaded"
    start, first = training.get("start"), training.get("first_epoch_accuracy")
    if first is None or majority_share is None:
        return ChecklistItem(name, "unknown", "the bundle does not say what its first epoch reached; train it anew")
    seen = f"validation accuracy {first:.1%} after the first epoch, {majority_share:.1%} by always naming one class"
    if first > majority_share:
        return ChecklistItem(name, "pass", f"{seen}; started from {start}")
    if start == "scratch":
        return ChecklistItem(name, "unknown", f"{seen}; started from scratch, so that no weights were there to load")
    return ChecklistItem(
        name, "fail", f"{seen}: the weights ({start}) were not loaded, or train.learning_rate destroyed them"
    )


def preprocessing_matches(contents: Contents, published: Published | None) -> ChecklistItem:
    """Whether the graph normalises as its pretrained weights expect (`published`; None where there are none).

    Another mean or std fails: nobody wants it. Another size, cut or interpolation is a choice that people make, and
    stays unknown: only the test figures can say what it cost.
    """
    name = "preprocessing matches the weights"
    told = [str(one) for one in contents.training.get("warnings", ()) if str(one).startswith(PREPROCESSING)]
    grave = [one for one in told if one.startswith(NORMALISATION)]
    if published is not None:
        grave += [
            f"{what} {_numbers(own)} in the bundle, {_numbers(theirs)} with {contents.weights}"
            for what, own, theirs in (("mean", contents.mean, published.mean), ("std", contents.std, published.std))
            if not _alike(own, theirs)
        ]
        if contents.resize != published.rule:
            told.append(f"the bundle's images differ by choice: {_differences(contents.resize, published.rule)}")
    if grave:
        return ChecklistItem(name, "fail", "; ".join(grave))
    if told:
        return ChecklistItem(name, "unknown", "; ".join(told))
    origin = "no published weights, so the preprocessing is the model's own"
    told_match = f"size, cut, interpolation, mean and std are those of {contents.weights}"
    return ChecklistItem(name, "pass", origin if published is None else told_match)


def no_leakage(leaks: Sequence[Sequence[str]]) -> ChecklistItem:
    """`leaks` as Manifest.leaks lists them (LEAK_COLUMNS): images of one split that are found in another."""
    name = "no leakage between splits"
    if not leaks:
        return ChecklistItem(
            name, "pass", "no image of one split was found in another, exactly, nearly or by its group"
        )
    told = [
        f"{kind}: {origin} ({split}) and {other} ({other_split})" for kind, origin, split, other, other_split in leaks
    ]
    listed = first_few(told, by="; ")
    return ChecklistItem(
        name,
        "fail",
        f"{counted(len(leaks), 'image')} {by_number(len(leaks), 'leaks', 'leak')}: {listed} (data/dataset/leaks.csv)",
    )


def latency_within(milliseconds: float | None, *, budget: float | None) -> ChecklistItem:
    """Of one image; the median, since the slowest answers tell more of the machine's other work than of the model."""
    name = "latency of one image"
    if milliseconds is None:
        return ChecklistItem(name, "unknown", "was not measured")
    seen = f"half the answers take under {milliseconds:.3g} ms on one thread"
    if budget is None:
        return ChecklistItem(name, "unknown", f"{seen}; no budget is set (params.yaml, evaluate.latency_budget_ms)")
    told = f"{seen}, budget {budget:g} ms"
    return ChecklistItem(name, "pass" if milliseconds <= budget else "fail", told)


def head_matches(contents: Contents, classes: Sequence[str], *, outputs: int) -> ChecklistItem:
    """`classes` of the dataset, `outputs` probabilities that the graph gives for an image."""
    name = "head matches the classes"
    counted = f"{outputs} probabilities for {len(contents.classes)} classes"
    if outputs != len(contents.classes):
        return ChecklistItem(name, "fail", f"the graph gives {counted}; train anew")
    if contents.classes != tuple(classes):
        return ChecklistItem(
            name, "fail", f"the dataset's classes are others: {_sets_apart(contents.classes, classes)}"
        )
    return ChecklistItem(name, "pass", f"the graph gives {counted}, in the dataset's order")


def bundle_agrees(apart: float | None, *, images: int, why_not: str = "") -> ChecklistItem:
    """`apart`: the largest difference of a probability, graph against the network it came from, on golden images.

    None, with the reason `why_not`, where the network could not be rebuilt.
    """
    name = "bundle agrees with the trained model"
    if apart is None:
        return ChecklistItem(name, "unknown", why_not or "the network was not rebuilt")
    seen = f"on {images} golden images no probability differs by more than {apart:.2g}, {PARITY:g} allowed"
    # a difference that is not a number is no agreement
    return ChecklistItem(name, "pass" if apart <= PARITY else "fail", seen)


def images_per_class(counts: Mapping[str, int]) -> ChecklistItem:
    """`counts`: test images of each class. A class without any fails, since nothing is known about it."""
    name = "test images per class"
    missing = [one for one, count in counts.items() if not count]
    if missing:
        return ChecklistItem(name, "fail", f"no test image of {first_few(missing)}: nothing is known about them")
    least = min(counts, key=lambda one: counts[one])
    low, high = wilson_interval(0.9 * counts[least], counts[least])
    width = f"a recall of 90 % has an interval {100 * (high - low):.0f} points wide there"
    seen = f"{least} has the fewest, {counts[least]}: {width}"
    few = sum(count < FEW_IMAGES for count in counts.values())
    if few:
        return ChecklistItem(name, "unknown", f"{few} of {len(counts)} classes have under {FEW_IMAGES}; {seen}")
    return ChecklistItem(name, "pass", seen)


def all_required_right(required: Sequence[Required]) -> ChecklistItem:
    """Images that a release has to get right, as `answer_required` gives them."""
    name = "must-pass set"
    if not required:
        return ChecklistItem(name, "unknown", "there is none; must_pass/must_pass.csv (path,label) makes one")
    wrong = [f"{one.path} is {one.label}, called {one.answer}" for one in required if not one.right]
    learnt = sum(one.trained_on for one in required)
    note = f"; {learnt} of them the model was trained on, which proves little" if learnt else ""
    if wrong:
        return ChecklistItem(name, "fail", f"{len(wrong)} of {len(required)} wrong: {first_few(wrong, by='; ')}{note}")
    return ChecklistItem(name, "pass", f"all {len(required)} right{note}")


def majority_share(labels: NDArray[np.int64]) -> float | None:
    """The share of the largest class among (N,) class indices; None without any."""
    return float(np.bincount(labels).max() / len(labels)) if len(labels) else None


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=0, atol=SAME_NUMBER))


def _differences(own: ResizeRule, theirs: ResizeRule) -> str:
    # asdict would name every field; a sentence names those that differ
    names = [name for name in own.__slots__ if getattr(own, name) != getattr(theirs, name)]
    return ", ".join(f"{name} ({getattr(own, name)}, theirs {getattr(theirs, name)})" for name in names)


def _sets_apart(own: Sequence[str], dataset: Sequence[str]) -> str:
    only_own, only_there = [sorted({*one} - {*other}) for one, other in ((own, dataset), (dataset, own))]
    if not only_own and not only_there:
        return "the same names in another order"
    return f"only the bundle has {first_few(only_own) or 'none'}, only the dataset {first_few(only_there) or 'none'}"


def _numbers(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:g}" for number in numbers) + ")"
