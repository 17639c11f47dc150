"""Embeddings: of a sample of each night's images, made by the version's own bundle, and kept for later nights."""

import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway import durable
from leeway.bundle.embedder import Embedder
from leeway.domain.records import Prediction, WindowCounts
from leeway.domain.stores import ImageStore
from leeway.domain.text import counted
from leeway.epoch import Epoch
from leeway.errors import DataError, in_one_line

FEWEST = 30  # images of a night without which it says nothing
LARGEST = 60_000.0  # what half precision can hold
log = logging.getLogger("leeway.images")


@dataclass(frozen=True, slots=True)
class NightEmbeddings:
    """What is kept of one night; a night after the reference keeps its mean alone."""

    position: str  # of the log, from which the night was counted: another one, another sample
    ids: tuple[str, ...]  # predictions
    mean: NDArray[np.float32]  # (E,)
    images: NDArray[np.float16] | None  # (n, E)
    unreadable: int = 0


def embed_night(epoch: Epoch, window: WindowCounts, embedder: Embedder, *, size: int) -> NightEmbeddings:
    """Embed a uniform sample of the night's images, each image once. Raises DataError where too few are had."""
    bounds = epoch.bounds(window.night)
    sample = epoch.log.sample(epoch.version, *bounds, size, stream="images", upto=window.position)
    found = list({one.image: one for one in sample if one.image}.values())
    _enough(len(found), f"of {counted(len(sample), 'prediction')} drawn have an image")
    embed = embedder.of(epoch.version)
    read = [(one.id, content) for one in found if (content := _content(one, epoch.images)) is not None]
    _enough(len(read), f"of {counted(len(found), 'image')} drawn can be read")
    made = np.asarray(embed([content for _, content in read]))
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(made).all(axis=1))
    _enough(int(finite.sum()), f"of {counted(len(read), 'embedding')} are finite")
    half = np.clip(made[finite], -LARGEST, LARGEST).astype(np.float16)
    ids = tuple(name for (name, _), usable in zip(read, finite, strict=True) if usable)
    mean = half.astype(np.float32).mean(axis=0)
    return NightEmbeddings(str(window.position), ids, mean, half, unreadable=len(found) - len(ids))


def write_embeddings(path: Path, found: NightEmbeddings) -> None:
    arrays: dict[str, Any] = {
        "position": np.array(found.position),
        "mean": found.mean,
        "unreadable": np.array(found.unreadable),
    }
    if found.images is not None:
        arrays |= {"images": found.images, "ids": np.array(found.ids)}
    with durable.replacing_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read_embeddings(path: Path) -> NightEmbeddings | None:
    """Return what is kept of the night; None where nothing is, or nothing that can be read."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return NightEmbeddings(
                position=str(kept["position"]),
                ids=tuple(kept["ids"].tolist()) if "ids" in kept else (),
                mean=kept["mean"],
                images=kept.get("images"),
                unreadable=int(kept["unreadable"]),
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s: cannot be read, the night counts as never embedded: %s", path, in_one_line(error))
        return None


def _content(prediction: Prediction, images: ImageStore) -> bytes | None:
    try:
        return images.read(prediction.image) if prediction.image else None
    except Exception as error:  # of whatever image store
        log.info("%s: its image cannot be read: %s", prediction.id, in_one_line(error))
        return None


def _enough(number: int, told: str) -> None:
    if number < FEWEST:
        raise DataError(f"{number} {told}; {FEWEST} are needed")
