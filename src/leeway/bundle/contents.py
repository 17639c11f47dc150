"""What a bundle contains: a folder that answers like the model it was made from, or is refused.

bundle.json          what everything is, and the sha256 of every other file
graph.onnx           uint8 pixels in; calibrated probabilities, embedding and energy out
weights.safetensors  the network's weights, for the next fine-tuning
golden.json          what the graph answers to the golden images
golden/0.png ...     the golden images, as they were taken in
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from leeway import durable
from leeway.bundle.resize import ResizeRule
from leeway.domain.records import ReferenceCounts
from leeway.errors import BundleError
from leeway.recordfile import parse_record, read_json, read_record

FORMAT_VERSION = 1
INDEX, GRAPH, WEIGHTS, GOLDEN = "bundle.json", "graph.onnx", "weights.safetensors", "golden.json"
ANEW = "fetch the bundle again, or make it anew with `dvc repro`"


@dataclass(frozen=True, slots=True)
class Contents:
    """bundle.json as a record."""

    classes: tuple[str, ...]  # (K,) in the order of the graph's probabilities
    resize: ResizeRule
    backbone: str
    weights: str | None  # enum name of the pretrained weights it began from
    mean: tuple[float, ...]  # of the 0..1 range, one per channel; inside the graph
    std: tuple[float, ...]
    temperature: float  # inside the graph
    dataset_digest: str
    leeway_version: str
    reference: ReferenceCounts
    golden_tolerance: float = 1e-3  # of a probability: other processors round differently, by some 1e-6
    review_threshold: float | None = None  # confidence under which a person should look; None: none was found
    energy_threshold: float | None = None  # energy above which an image is strange
    training: Mapping[str, Any] = field(default_factory=dict)  # how: history of the epochs, warnings, ...
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 of every other file, by its path in the folder


@dataclass(frozen=True, slots=True)
class Golden:
    """An encoded image, and what the graph answered to it when the bundle was made."""

    content: bytes
    predicted_class: str
    probabilities: tuple[float, ...]  # (K,)


@dataclass(frozen=True, slots=True)
class _GoldenAnswer:
    file: str  # path in the bundle
    predicted_class: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _GoldenAnswers:
    """golden.json as a record."""

    classes: tuple[str, ...]
    images: tuple[_GoldenAnswer, ...]


def write_bundle(
    folder: Path,
    contents: Contents,
    *,
    graph: bytes,
    weights: Mapping[str, NDArray[Any]],
    golden: Sequence[Golden],
) -> str:
    """Writes the bundle beside `folder`, checks it, moves it there, and gives its digest.

    `contents.files` is filled in here. Whatever goes wrong, `folder` is either as it was or complete.
    """
    with durable.replacing_folder(folder) as new:
        (new / GRAPH).write_bytes(graph)
        # safetensors writes the memory as it lies, so each array has to lie in order
        ordered = {name: np.asarray(array, order="C") for name, array in weights.items()}
        (new / WEIGHTS).write_bytes(safetensors.numpy.save(ordered))
        _write_golden(new, contents.classes, golden)
        (new / INDEX).write_text(_as_json(replace(contents, files=_digests(new))), encoding="utf-8")
        verify_bundle(new)
    return bundle_digest(folder)


def read_contents(folder: Path) -> Contents:
    """bundle.json, without a look at the other files. Raises BundleError."""
    path = folder / INDEX
    content = read_json(path, error=BundleError, hint="is this the folder of a bundle?")
    if isinstance(content, dict) and content.pop("format_version", None) != FORMAT_VERSION:
        raise BundleError(f"{path}: of another format; this leeway reads format {FORMAT_VERSION}: update leeway")
    contents = parse_record(content, Contents, where=str(path), error=BundleError, hint=ANEW)
    if len(set(contents.classes)) < max(2, len(contents.classes)):
        raise BundleError(f"{path}: classes {', '.join(contents.classes)}: expected two or more, each once")
    return contents


def verify_bundle(folder: Path) -> Contents:
    """The contents, once every file has its sha256 and none is missing or too many. Raises BundleError."""
    contents = read_contents(folder)
    found = _digests(folder)
    for name in sorted(contents.files.keys() | found.keys() | {GRAPH, WEIGHTS, GOLDEN}):
        if name not in found:
            raise BundleError(f"{folder / name}: is missing from the bundle; fetch or make the bundle anew")
        if name not in contents.files:
            raise BundleError(f"{folder / name}: does not belong to the bundle ({INDEX} does not list it); remove it")
        if found[name] != contents.files[name]:
            told = f"sha256 {found[name][:12]}..., {INDEX} says {contents.files[name][:12]}..."
            raise BundleError(f"{folder / name}: was changed: {told}; fetch or make the bundle anew")
    return contents


def bundle_digest(folder: Path) -> str:
    """sha256 of bundle.json, which holds the sha256 of all else: the bundle's id."""
    try:
        return hashlib.sha256((folder / INDEX).read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"{folder / INDEX}: {error.strerror}; is this the folder of a bundle?") from error


def read_golden(folder: Path, contents: Contents) -> tuple[Golden, ...]:
    """The golden images and their answers. BundleError if they were made with another class list."""
    answers = read_record(folder / GOLDEN, _GoldenAnswers, error=BundleError, hint=ANEW)
    classes = answers.classes
    if classes != contents.classes or any(len(image.probabilities) != len(classes) for image in answers.images):
        raise BundleError(
            f"{folder / INDEX}: classes {', '.join(contents.classes)}; but the golden images were answered with "
            f"{', '.join(classes)}: the list was changed after the bundle was made"
        )
    try:
        return tuple(
            Golden((folder / image.file).read_bytes(), image.predicted_class, image.probabilities)
            for image in answers.images
        )
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}; {ANEW}") from error


def _write_golden(folder: Path, classes: Sequence[str], golden: Sequence[Golden]) -> None:
    (folder / "golden").mkdir()
    images = []
    for number, image in enumerate(golden):
        with Image.open(io.BytesIO(image.content)) as opened:
            name = f"golden/{number}.{str(opened.format).lower()}"
        (folder / name).write_bytes(image.content)
        images.append({"file": name, "predicted_class": image.predicted_class, "probabilities": image.probabilities})
    (folder / GOLDEN).write_text(json.dumps({"classes": classes, "images": images}, indent=1), encoding="utf-8")


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file but bundle.json, by its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() and path != folder / INDEX)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_json(contents: Contents) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, **asdict(contents)}, indent=1, ensure_ascii=False) + "\n"
