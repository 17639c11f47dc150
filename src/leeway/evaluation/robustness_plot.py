"""Plot of robustness: accuracy by strength, a panel for each corruption. A figure without pyplot's state."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leeway.evaluation.plots import BLUE, GREY, PERCENT, draw_shares
from leeway.evaluation.robustness import ATTACK, CORRUPTIONS, Trial

COLUMNS = 3


def robustness_figure(trials: Sequence[Trial]) -> Figure:
    """From the clean images on the left to the strongest corruption, with 95 % intervals. trials as `robustness`
    gives them."""
    clean = trials[0]
    rows = -(-len(CORRUPTIONS) // COLUMNS)
    figure = Figure(figsize=(3.1 * COLUMNS, 2.5 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    for axes, name in zip(panels.ravel(), CORRUPTIONS, strict=False):
        _draw(axes, [clean, *(one for one in trials if one.corruption == name)], name)
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy")
    told = [f"{clean.accuracy.value:.1%} right of {clean.images:,} clean test images"]
    told += [f"{one.accuracy.value:.1%} after an attack of {one.amount}" for one in trials if one.corruption == ATTACK]
    figure.suptitle("; ".join(told), fontsize=12)
    return figure


def _draw(axes: Axes, trials: Sequence[Trial], name: str) -> None:
    places = list(range(len(trials)))
    axes.axhline(trials[0].accuracy.value, color=GREY, linestyle="--", linewidth=1)
    axes.plot(places, [one.accuracy.value for one in trials], color=BLUE, linewidth=1.2)
    shares = [one.accuracy for one in trials]
    draw_shares(axes, places, shares, vertical=True, color=BLUE, marker="o", label="with 95 % interval")
    axes.set_title(name, fontsize=10)
    axes.set_xticks(places, ["clean", *(one.amount for one in trials[1:])], fontsize=8)
    axes.set_xlabel(trials[-1].measure, fontsize=8)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(-0.3, len(trials) - 0.7)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.grid(axis="y", color="#E3E3E3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
