"""Pictures: every figure of an evaluation as a PNG."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from leeway import durable
from leeway.evaluation.answers import Answered
from leeway.evaluation.curves import confidence_figure, reliability_figure, risk_coverage_figure, training_figure
from leeway.evaluation.mistakes import mistakes_figure
from leeway.evaluation.plots import classes_figure, confusion_figure
from leeway.evaluation.record import Evaluation
from leeway.evaluation.robustness_plot import robustness_figure

DOTS_PER_INCH = 150


def draw_figures(evaluation: Evaluation, answered: Answered) -> dict[str, Figure]:
    """By name; what was not measured is not drawn."""
    report, contents = evaluation.report, evaluation.contents
    figures = {
        "confusion": confusion_figure(report),
        "classes": classes_figure(report),
        "reliability": reliability_figure(report),
        "confidence": confidence_figure(answered.confidence, answered.right, threshold=contents.review_threshold),
        "risk_coverage": risk_coverage_figure(evaluation.risk, threshold=contents.review_threshold),
        "mistakes": mistakes_figure(evaluation.mistakes),
    }
    if evaluation.trials:
        figures["robustness"] = robustness_figure(evaluation.trials)
    if history := contents.training.get("history"):
        figures["training"] = training_figure(history)
    return figures


def save_pictures(figures: Mapping[str, Figure], folder: Path) -> dict[str, Path]:
    """Writes `name`.png for each into `folder`, in place of what it held."""
    with durable.replacing_folder(folder) as new:
        for name, figure in figures.items():
            figure.savefig(new / f"{name}.png", dpi=DOTS_PER_INCH)
    return {name: folder / f"{name}.png" for name in figures}
