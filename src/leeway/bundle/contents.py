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
from leeway.domain.records import ReferenceCounts, reference_from
from leeway.errors import BundleError

FORMAT_VERSION = 1
INDEX, GRAPH, WEIGHTS, GOLDEN = "bundle.json", "graph.onnx", "weights.safetensors", "golden.json"


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
    told = _read_json(path)
    try:
        if told.pop("format_version") != FORMAT_VERSION:
            raise BundleError(f"{path}: of another format; this leeway reads format {FORMAT_VERSION}: update leeway")
        contents = _from_json(told)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path}: not a bundle's index: {error!r}; make the bundle anew with `dvc repro`") from error
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
    told = _read_json(folder / GOLDEN)
    try:
        classes, images = tuple(told["classes"]), [_read_image(folder, row) for row in told["images"]]
    except (KeyError, TypeError, OSError) as error:
        raise BundleError(
            f"{folder / GOLDEN}: not answers to golden images: {error!r}; make the bundle anew"
        ) from error
    if classes != contents.classes or any(len(image.probabilities) != len(classes) for image in images):
        raise BundleError(
            f"{folder / INDEX}: classes {', '.join(contents.classes)}; but the golden images were answered with "
            f"{', '.join(map(str, classes))}: the list was changed after the bundle was made"
        )
    return tuple(images)


def _write_golden(folder: Path, classes: Sequence[str], golden: Sequence[Golden]) -> None:
    (folder / "golden").mkdir()
    images = []
    for number, image in enumerate(golden):
        with Image.open(io.BytesIO(image.content)) as opened:
            name = f"golden/{number}.{str(opened.format).lower()}"
        (folder / name).write_bytes(image.content)
        images.append({"file": name, "predicted_class": image.predicted_class, "probabilities": image.probabilities})
    (folder / GOLDEN).write_text(json.dumps({"classes": classes, "images": images}, indent=1), encoding="utf-8")


def _read_image(folder: Path, row: Mapping[str, Any]) -> Golden:
    return Golden((folder / row["file"]).read_bytes(), row["predicted_class"], tuple(row["probabilities"]))


def _digests(folder: Path) -> dict[str, str]:
    """sha256 of every file but bundle.json, by its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() and path != folder / INDEX)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_json(contents: Contents) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, **asdict(contents)}, indent=1, ensure_ascii=False) + "\n"


def _from_json(told: dict[str, Any]) -> Contents:
    reference = told.pop("reference")
    resize = ResizeRule(**told.pop("resize"))
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    return Contents(
        **fields,
        resize=resize,
        reference=reference_from(reference),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}; is this the folder of a bundle?") from error
    except ValueError as error:
        raise BundleError(f"{path}: not JSON: {error}; fetch or make the bundle anew") from error
    if not isinstance(told, dict):
        raise BundleError(f"{path}: expected an object, got {type(told).__name__}; fetch or make the bundle anew")
    return told
