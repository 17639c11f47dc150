"""Draws a story as one picture: accuracy as it was and as it was estimated, drift, alarm and promotion."""

from pathlib import Path
from typing import TYPE_CHECKING

from leeway.checks.accuracy import Accuracy, AccuracyDetails
from leeway.checks.drift import PredictionDrift
from leeway.checks.registry import details_of
from leeway.domain.records import CheckResult
from leeway.simulate.story import Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUE, ESTIMATED, DRIFT, ALARM, PROMOTION, GREY = "#1b2a41", "#2a7fba", "#9aa5b1", "#c8372d", "#2e8b57", "#7d848c"


def draw_timeline(story: Story, path: Path) -> None:
    """A PNG of 1,800 x 1,010 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.75), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.4, 1])
    figure.suptitle(_headline(story), x=0.012, ha="left", fontsize=16, fontweight="bold")
    _draw_accuracy(upper, story)
    _draw_drift(lower, story)
    _draw_events(upper, lower, story)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
        axes.set_axisbelow(True)
    lower.set_xlabel("night")
    lower.set_xlim(0.3, story.nights + 0.7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _draw_accuracy(axes: "Axes", story: Story) -> None:
    seen = _estimates(story)
    for version in sorted({one[0] for one in seen}):  # a new version begins anew: no line leads over to it
        nights, values, lows, highs = zip(*[one[1:] for one in seen if one[0] == version], strict=True)
        label = "estimated from a person's labels, with its 95 % interval" if version == seen[0][0] else None
        axes.fill_between(nights, lows, highs, color=ESTIMATED, alpha=0.2, linewidth=0)
        axes.plot(nights, values, color=ESTIMATED, linewidth=1.4, marker="o", markersize=3, label=label)
    nights = [night.number for night in story.lived]
    true = [night.accuracy * 100 for night in story.lived]
    axes.plot(nights, true, color=TRUE, linewidth=1.8, label="true accuracy, which the monitor cannot see")
    details = [details_of(result, AccuracyDetails) for _, result in _of(story, Accuracy.name)]
    floors = [one.floor for one in details if one]
    if floors:
        axes.axhline(floors[0] * 100, color=GREY, linestyle="--", linewidth=1, label="accuracy floor of version 1")
    axes.set_ylabel("accuracy, %")
    axes.legend(loc="lower right", framealpha=0.9, edgecolor="none", fontsize=9)


def _draw_drift(axes: "Axes", story: Story) -> None:
    axes.bar([0], [0], color=DRIFT, label="drift check quiet")
    axes.bar([0], [0], color=ALARM, label="fired: the e-value is over its threshold")
    for number, result in _of(story, PredictionDrift.name):
        if result.effect is not None:
            fired = PredictionDrift.name in story.fired(number)
            axes.bar(number, result.effect * 100, color=ALARM if fired else DRIFT, width=0.75)
    axes.set_ylabel("classes moved\n(total variation), %")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.45)  # room for the legend
    axes.legend(loc="upper left", framealpha=0.9, edgecolor="none", fontsize=9)


def _draw_events(upper: "Axes", lower: "Axes", story: Story) -> None:
    events = [(story.drift_night, "the camera is tilted", GREY)]
    events += [(number + 1, "alarm", ALARM) for number in story.alarms]  # raised on the morning after
    events += [(night, f"version {version} promoted", PROMOTION) for version, night in story.promotions]
    drawn = sorted((night, text, colour) for night, text, colour in events if night is not None)
    line = 0
    for place, (night, text, colour) in enumerate(drawn):
        for axes in (upper, lower):
            axes.axvline(night - 0.5, color=colour, linewidth=1.4)
        close = place > 0 and night - drawn[place - 1][0] < 0.15 * story.nights
        line = (line + 1) % 3 if close else 0  # names of events that lie close together stand under each other
        upper.annotate(
            text,
            (night - 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, 32 - 13 * line),
            textcoords="offset points",
            color=colour,
            fontsize=10,
            fontweight="bold",
        )


def _of(story: Story, check: str) -> list[tuple[int, CheckResult]]:
    return [(number, one) for number, results in story.results.items() for one in results if one.check == check]


def _estimates(story: Story) -> list[tuple[int, int, float, float, float]]:
    """(version, night, value, low, high), in percent."""
    versions = {night.number: night.version for night in story.lived}
    seen = [(number, details_of(result, AccuracyDetails)) for number, result in _of(story, Accuracy.name)]
    return [
        (versions[number], number, known.value * 100, known.low * 100, known.high * 100)
        for number, details in seen
        if details and (known := details.accuracy)
    ]


def _headline(story: Story) -> str:
    told = story.summary()
    if told["accuracy_recovered"] is None:
        return f"{story.nights} nights of a digit classifier, {told['accuracy_before'] * 100:.1f} % right"
    before, drifted, after = (told[f"accuracy_{name}"] * 100 for name in ("before", "drifted", "recovered"))
    return f"A digit classifier: {before:.1f} % right, then {drifted:.1f} %, then {after:.1f} % again"
