"""Mistakes: the wrong answers that were given with most confidence, to be looked at."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from leeway.bundle.resize import decode
from leeway.data.manifest import Manifest
from leeway.data.pixels import encoded_images
from leeway.evaluation.answers import Answered
from leeway.evaluation.plots import shown

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]
MOST = 24  # on a sheet: six columns of four
COLUMNS = 6
SIDE = 128  # pixels of a thumbnail's longer side


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong answer."""

    origin: str
    truth: str
    answer: str
    confidence: float
    thumbnail: bytes  # PNG, at most SIDE pixels a side


def most_confident_mistakes(
    truth: Indices, predicted: Indices, confidence: Floats, *, most: int = MOST
) -> NDArray[np.int64]:
    """Positions of wrong answers among (N,), the surest first; images without an answer are none."""
    wrong = np.flatnonzero((predicted != truth) & (predicted >= 0))
    order: NDArray[np.int64] = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    return order


def find_mistakes(answered: Answered, manifest: Manifest, data: Path) -> tuple[Mistake, ...]:
    """The most confident of them, with thumbnails; `data`: the folder of the shards."""
    places = most_confident_mistakes(answered.truth, answered.predicted, answered.confidence)
    names, origins = manifest.classes, answered.column(manifest, "origin")
    images = encoded_images(manifest, data, answered.rows[places])
    return tuple(
        Mistake(
            origin=origins[place],
            truth=names[answered.truth[place]],
            answer=names[answered.predicted[place]],
            confidence=float(answered.confidence[place]),
            thumbnail=thumbnail(image),
        )
        for place, image in zip(places.tolist(), images, strict=True)
    )


def thumbnail(content: bytes, *, side: int = SIDE) -> bytes:
    """PNG of an encoded image with its shape kept; small ones are enlarged by whole steps, so that pixels are seen."""
    image = decode(content).convert("RGB")
    image.thumbnail((side, side))
    enlarged = max(side // max(image.size), 1)
    stored = io.BytesIO()
    image.resize((image.width * enlarged, image.height * enlarged), Image.Resampling.NEAREST).save(stored, "PNG")
    return stored.getvalue()


def mistakes_figure(mistakes: Sequence[Mistake]) -> Figure:
    """A contact sheet: each image with what it is, what it was called, and how surely."""
    rows = max(-(-len(mistakes) // COLUMNS), 1)
    figure = Figure(figsize=(1.75 * COLUMNS, 2.2 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, one in zip(panels, mistakes, strict=False):
        axes.imshow(Image.open(io.BytesIO(one.thumbnail)))
        axes.set_title(f"is {shown(one.truth)}\ncalled {shown(one.answer)}, {one.confidence:.0%}", fontsize=8)
    told = "The most confident wrong answers" if mistakes else "No test image was answered wrongly"
    figure.suptitle(told, fontsize=12)
    return figure
