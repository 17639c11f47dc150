"""Plots of the classes: confusion matrix, recall and precision. Figures without pyplot's state."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from leeway.domain.text import counted
from leeway.evaluation.intervals import Interval
from leeway.evaluation.metrics import ClassScores, Report

# Okabe and Ito (2008): told apart with every kind of colour vision. Markers differ too, for print in grey.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8C8C8C"
CELL_TEXT_LIMIT = 20  # more classes than this, and a number in each cell is too small to read
CLASSES_PER_COLUMN = 34
PERCENT = PercentFormatter(xmax=1.0, decimals=0)


def confusion_figure(report: Report) -> Figure:
    """Share of each actual class by what it was called; each cell's count where it can be read."""
    counts = np.array(report.confusion)  # (K, K)
    size = len(report.classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.42 * size + 2.6, 5.0, 14.0))
    figure = Figure(figsize=(side + 0.9, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = _readable_ticks(size)
    font = float(np.clip(260 / size, 5.0, 10.0))
    labels = [shown(report.classes[tick]) for tick in ticks]
    cell = max(0.42, 2.8 / size)  # inches; a character takes about a hundredth of an inch for each point of its height
    upright = 0.009 * font * max(map(len, labels)) > cell
    axes.set_xticks(ticks, labels, rotation=90 if upright else 0, fontsize=font)
    axes.set_yticks(ticks, labels, fontsize=font)
    axes.set(xlabel="predicted class", ylabel="actual class")
    axes.spines[:].set_color(GREY)
    if size <= CELL_TEXT_LIMIT:
        _write_counts(axes, counts, shares)
    bar = figure.colorbar(image, ax=axes, format=PERCENT, shrink=0.8)
    bar.set_label("share of the actual class")
    bar.outline.set_visible(False)
    figure.suptitle(f"Accuracy {_told(report.accuracy)} on {counted(report.test_images, 'test image')}", fontsize=12)
    return figure


def classes_figure(report: Report) -> Figure:
    """Recall and precision of each class with their 95 % intervals, the weakest recall on top."""
    ordered = sorted(report.per_class, key=lambda scores: scores.recall.value if scores.recall else 2.0)
    columns = -(-len(ordered) // CLASSES_PER_COLUMN)
    rows = -(-len(ordered) // columns)
    figure = Figure(figsize=(2.4 + 4.6 * columns, 1.6 + 0.3 * max(rows, 4)), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False, sharex=True)[0]
    for number, axes in enumerate(panels):
        _draw_classes(axes, ordered[number * rows : (number + 1) * rows], rows=rows)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle("Recall and precision per class, with 95 % intervals (number of test images)", fontsize=12)
    return figure


def _draw_classes(axes: Axes, scores: Sequence[ClassScores], *, rows: int) -> None:
    places = np.arange(len(scores))
    for offset, shares, color, marker, label in (
        (-0.16, [one.recall for one in scores], BLUE, "o", "recall"),
        (0.16, [one.precision for one in scores], ORANGE, "s", "precision"),
    ):
        draw_shares(axes, places + offset, shares, vertical=False, color=color, marker=marker, label=label)
    axes.set_yticks(places, [f"{shown(one.name)} ({one.support:,})" for one in scores], fontsize=8)
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(right=1.01)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.grid(axis="x", color="#E3E3E3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def draw_shares(
    axes: Axes,
    places: Sequence[float | None] | np.ndarray,
    shares: Sequence[Interval | None],
    *,
    vertical: bool,
    color: str,
    marker: str,
    label: str,
) -> None:
    """A marker for each known share with a whisker to its interval's ends, at its place on the other axis."""
    known = [(place, share) for place, share in zip(places, shares, strict=True) if share is not None]
    at = [place for place, _ in known]
    values = [share.value for _, share in known]
    whiskers = np.array([[s.value - s.low, s.high - s.value] for _, s in known]).reshape(-1, 2).T.clip(0)
    x, y = (at, values) if vertical else (values, at)
    xerr, yerr = (None, whiskers) if vertical else (whiskers, None)
    axes.errorbar(x, y, xerr=xerr, yerr=yerr, fmt=marker, color=color, markersize=4.5, elinewidth=1.3, label=label)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        ink = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=ink, fontsize=8)


def _readable_ticks(size: int) -> np.ndarray:
    """Every class up to 100; beyond, evenly chosen ones."""
    return np.arange(0, size, -(-size // 100))


def shown(name: str) -> str:
    """A class name as it fits on an axis; a dollar sign would start a formula."""
    short = name if len(name) <= 24 else f"{name[:22]}…"
    return short.replace("$", r"\$")


def _told(share: Interval) -> str:
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"
