"""Saliency sheet: where the network looked, in right and wrong answers of each class, so that a shortcut is seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from leeway.evaluation.plots import GREY, ORANGE, shown

Pixels = NDArray[np.uint8]  # (B, H, W, C)
Maps = NDArray[np.float32]  # (B, H, W), 0 to 1
Indices = NDArray[np.int64]
EACH = 2  # right and wrong answers of a class: one image alone may be a freak
MOST_CLASSES = 10  # on one sheet, those answered worst: 40 maps are read in a minute, and made in one for ResNet-18
VEIL = 0.25  # how bright the places stay that do not matter: the image has to be recognised under its map


def answers_to_look_into(
    truth: Indices, predicted: Indices, confidence: NDArray[np.floating[Any]], *, most_classes: int = MOST_CLASSES
) -> Indices:
    """Positions among (N,) of what a sheet shows: EACH right and EACH wrong answers of a class, the surest first.

    Of many classes those with the lowest recall. Answers that are not finite (-1) are left out.
    """
    answered = (predicted >= 0) & np.isfinite(confidence)
    classes = np.unique(truth)
    recall = np.array([(predicted[truth == k] == k).mean() for k in classes])
    worst = np.sort(classes[np.argsort(recall, kind="stable")][:most_classes])
    surest_first = np.argsort(-confidence, kind="stable")
    found: list[int] = []
    for k in worst:
        for right in (True, False):
            wanted = surest_first[(answered & (truth == k) & ((predicted == truth) == right))[surest_first]]
            found += wanted[:EACH].tolist()
    return np.array(found, dtype=np.int64)


def saliency_figure(
    pixels: Pixels, maps: Maps, *, truth: Indices, predicted: Indices, classes: Sequence[str]
) -> Figure:
    """A row for each class: right answers to the left, wrong ones to the right, each image beside its map.

    pixels as the model took them, and what `where_it_looks` gave for the answers in `predicted`; truth and predicted
    (B,) in the order of `answers_to_look_into`.
    """
    rows = np.unique(truth)
    height, width = pixels.shape[1:3]
    tall = float(np.clip(height / width, 0.5, 2.0))
    figure = Figure(figsize=(10.6, 1.25 * tall * max(len(rows), 1) + 0.9), layout="constrained")
    panels = figure.subplots(max(len(rows), 1), 4 * EACH, squeeze=False)
    for axes in panels.ravel():
        axes.axis("off")
    for line, k in zip(panels, rows, strict=False):
        line[0].axis("on")
        line[0].set(xticks=[], yticks=[])
        line[0].spines[:].set_visible(False)
        line[0].set_ylabel(shown(classes[k]), fontsize=8, rotation=0, ha="right", va="center")
        for place, right in ((0, True), (2 * EACH, False)):
            for number in np.flatnonzero((truth == k) & ((predicted == truth) == right))[:EACH]:
                _draw(line[place : place + 2], pixels[number], maps[number])
                if not right:
                    called = shown(classes[predicted[number]])
                    line[place].set_title(f"called {called}", fontsize=7, color=ORANGE, pad=2)
                place += 2
        if not ((truth == k) & (predicted != truth)).any():
            line[2 * EACH].text(0, 0.5, "no wrong answer", fontsize=8, color=GREY, va="center")
    told = "right answers to the left, wrong ones to the right"
    figure.suptitle(f"Where it looks: bright places decided the answer ({told})", fontsize=11)
    return figure


def _draw(pair: Sequence[Axes], image: Pixels, matter: NDArray[np.float32]) -> None:
    """The image, and beside it the same in grey under its map."""
    colours = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    pair[0].imshow(colours)
    grey = colours.mean(axis=2, keepdims=True) / 255
    heat = colormaps["inferno"](np.sqrt(matter))[:, :, :3]  # the root, since squared gradients fall off steeply
    pair[1].imshow(np.clip(VEIL * grey + (1 - VEIL) * heat, 0, 1))
