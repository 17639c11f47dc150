"""Curves: reliability, confidence, risk against coverage, and the epochs of the training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from leeway.evaluation.metrics import Report
from leeway.evaluation.plots import BLUE, GREY, ORANGE, PERCENT, draw_shares
from leeway.evaluation.reliability import ReliabilityBin
from leeway.evaluation.selective import RiskCoverage

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
POINTS = 2000  # of a curve: more cannot be seen


def reliability_figure(report: Report) -> Figure:
    """Accuracy against confidence, with and without the temperature, over a histogram of the served confidence."""
    figure = Figure(figsize=(6.0, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="as sure as right")
    plain, served = report.uncalibrated, report.calibrated
    raw = [(one.confidence, one.accuracy.value) for one in plain.bins if one.accuracy] if plain else []
    upper.plot(
        [x for x, _ in raw],
        [y for _, y in raw],
        "s",
        color=GREY,
        markersize=4.5,
        fillstyle="none",
        label="without temperature",
    )
    filled = [one for one in served.bins if one.count] if served else []
    draw_shares(
        upper,
        [one.confidence for one in filled],
        [one.accuracy for one in filled],
        vertical=True,
        color=BLUE,
        marker="o",
        label="as served, 95 % interval",
    )
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.02, 1.02))
    upper.yaxis.set_major_formatter(PERCENT)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    _draw_histogram(lower, served.bins if served else ())
    title = "Calibration: no answer to judge"
    if served and plain:
        before, after = 100 * plain.error.value, 100 * served.error.value
        title = f"Calibration error {after:.1f} points ({before:.1f} without temperature)"
    figure.suptitle(title, fontsize=12)
    _open(upper, lower)
    return figure


def confidence_figure(confidence: Floats, right: Flags, *, threshold: float | None) -> Figure:
    """How sure the right and the wrong answers were, (N,) each; they lie far apart if confidence tells anything."""
    known = np.isfinite(confidence)
    figure = Figure(figsize=(6.0, 4.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    for axes, kind, color, name in (
        (panels[0], known & right, BLUE, "right"),
        (panels[1], known & ~right, ORANGE, "wrong"),
    ):
        axes.hist(confidence[kind], bins=np.linspace(0, 1, 41).tolist(), color=color, edgecolor="white", linewidth=0.4)
        axes.set(ylabel="images")
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_title(f"{name} answers: {int(kind.sum()):,}", loc="left", fontsize=10)
        if threshold is not None:
            axes.axvline(threshold, color="black", linestyle="--", linewidth=1)
    panels[1].set(xlabel="confidence" if threshold is None else "confidence (dashed: review threshold)", xlim=(0, 1))
    panels[1].xaxis.set_major_formatter(PERCENT)
    _open(*panels)
    return figure


def risk_coverage_figure(curve: RiskCoverage, *, threshold: float | None) -> Figure:
    """Share of wrong answers among those that stand, as a person looks at fewer of them."""
    figure = Figure(figsize=(6.0, 4.4), layout="constrained")
    axes = figure.subplots()
    some = np.unique(np.linspace(0, max(len(curve.risk) - 1, 0), POINTS).astype(int))[: len(curve.risk)]
    axes.plot(curve.coverage[some], curve.risk[some], color=BLUE, drawstyle="steps-pre")
    standing = np.flatnonzero(curve.confidence >= threshold) if threshold is not None else np.empty(0, int)
    if len(standing):
        last = standing[-1]
        axes.plot(
            curve.coverage[last], curve.risk[last], "o", color=ORANGE, clip_on=False, label=f"threshold {threshold:.3f}"
        )
        axes.legend(loc="upper left", frameon=False)
    axes.set(xlabel="coverage: share of answers that stand, surest first", ylabel="risk: share of these that is wrong")
    axes.set(xlim=(0, 1.01), ylim=(0, max(1.15 * float(curve.risk.max(initial=0)), 0.01)))
    axes.xaxis.set_major_formatter(PERCENT)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=1))
    axes.grid(color="#E3E3E3", linewidth=0.8)
    figure.suptitle(f"Area under the curve {curve.area:.3g}", fontsize=12)
    _open(axes)
    return figure


def training_figure(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses, validation accuracy and learning rate of each epoch, as the bundle keeps them."""
    figure = Figure(figsize=(6.0, 6.6), layout="constrained")
    losses, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3, 2, 1])
    _draw_history(losses, history, "train_loss", color=GREY, label="training")
    _draw_history(losses, history, "val_loss", color=BLUE, label="validation")
    losses.set(ylabel="loss")
    losses.legend(frameon=False)
    _draw_history(accuracy, history, "val_accuracy", color=BLUE, label="validation")
    accuracy.set(ylabel="val. accuracy")
    accuracy.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    _draw_history(rate, history, "lr", color=GREY, label="rate")
    rate.set(ylabel="rate", xlabel="epoch")
    rate.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (losses, accuracy, rate):
        axes.grid(color="#E3E3E3", linewidth=0.8)
    _open(losses, accuracy, rate)
    return figure


def _draw_history(axes: Axes, history: Sequence[Mapping[str, Any]], key: str, *, color: str, label: str) -> None:
    told = [(one["epoch"], one[key]) for one in history if one.get(key) is not None]
    axes.plot([epoch for epoch, _ in told], [value for _, value in told], "o-", color=color, markersize=3, label=label)


def _draw_histogram(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    axes.bar(
        [one.low for one in bins],
        [one.count for one in bins],
        width=[one.high - one.low for one in bins],
        align="edge",
        color=BLUE,
        edgecolor="white",
        linewidth=0.8,
    )
    axes.set(xlabel="confidence", ylabel="images")
    axes.xaxis.set_major_formatter(PERCENT)


def _open(*panels: Axes) -> None:
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
