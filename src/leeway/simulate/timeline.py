"""Draws a story as one picture: accuracy as it was and as it was estimated, drift, alarm and promotion."""

from pathlib import Path

from leeway.simulate.story import Story

TRUE, ESTIMATED, DRIFT, ALARM, PROMOTION, GREY = "#1b2a41", "#2a7fba", "#6b7a8f", "#c8372d", "#2e8b57", "#8a8f98"


def draw_timeline(story: Story, path: Path, *, tolerance: float) -> None:
    """A PNG of 12 x 6.75 inches; `tolerance` is the policy's, of total variation."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(12, 6.75), sharex=True, height_ratios=[2.4, 1], layout="constrained"
    )
    _draw_accuracy(upper, story)
    _draw_drift(lower, story, tolerance=tolerance)
    _draw_events(upper, lower, story)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
        axes.set_axisbelow(True)
    lower.set_xlabel("night")
    lower.set_xlim(0.3, story.nights + 0.7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _draw_accuracy(axes, story: Story) -> None:  # type: ignore[no-untyped-def]
    percent = [(night.number, night.accuracy * 100) for night in story.lived]
    axes.plot(*zip(*percent, strict=True), color=TRUE, linewidth=1.8, label="true accuracy (the monitor cannot see it)")
    seen = _estimates(story)
    for version in sorted({one[0] for one in seen}):  # a new version begins anew: no line leads over to it
        nights, values, lows, highs = zip(*[one[1:] for one in seen if one[0] == version], strict=True)
        label = "estimated from labels, 95 % interval" if version == seen[0][0] else None
        axes.fill_between(nights, lows, highs, color=ESTIMATED, alpha=0.18, linewidth=0)
        axes.plot(nights, values, color=ESTIMATED, linewidth=1.4, marker="o", markersize=3, label=label)
    floors = [
        result.details["floor"] for results in story.results.values() for result in results if "floor" in result.details
    ]
    if floors:
        axes.axhline(floors[-1] * 100, color=GREY, linestyle="--", linewidth=1, label="accuracy floor")
    axes.set_ylabel("accuracy, %")
    axes.set_title(_headline(story), loc="left", fontsize=15, fontweight="bold", pad=30)
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _draw_drift(axes, story: Story, *, tolerance: float) -> None:  # type: ignore[no-untyped-def]
    for number, results in story.results.items():
        for result in results:
            if result.check == "prediction_drift" and result.effect is not None:
                colour = ALARM if "prediction_drift" in story.fired(number) else DRIFT
                axes.bar(number, result.effect * 100, color=colour, width=0.75)
    axes.axhline(tolerance * 100, color=GREY, linestyle="--", linewidth=1)
    axes.set_ylabel("drift: total\nvariation, %")
    axes.bar([0], [0], color=DRIFT, label="quiet")
    axes.bar([0], [0], color=ALARM, label="fired (exact chi-square, over the dashed tolerance)")
    axes.legend(loc="upper right", frameon=False, fontsize=9)


def _draw_events(upper, lower, story: Story) -> None:  # type: ignore[no-untyped-def]
    events = [(story.drift_night, "camera tilted", GREY)]
    events += [(number, "alarm", ALARM) for number in story.alarms]
    if story.promoted_night is not None:
        events.append((story.promoted_night, f"version {story.promoted_version} promoted", PROMOTION))
    drawn = [(night - 0.5, text, colour) for night, text, colour in events if night is not None]
    for place, (night, text, colour) in enumerate(drawn):
        for axes in (upper, lower):
            axes.axvline(night, color=colour, linewidth=1.4)
        # events may lie a night apart: the labels stand on lines of their own
        upper.annotate(
            text, (night, 1), xycoords=("data", "axes fraction"), xytext=(3, 3 + 11 * (len(drawn) - 1 - place)),
            textcoords="offset points", color=colour, fontsize=10, fontweight="bold",
        )  # fmt: skip


def _estimates(story: Story) -> list[tuple[int, int, float, float, float]]:
    """(version, night, value, low, high), in percent."""
    versions = {night.number: night.version for night in story.lived}
    found = []
    for number, results in story.results.items():
        for result in results:
            seen = result.details.get("accuracy") if result.check == "accuracy" else None
            if seen:
                found.append((versions[number], number, *(seen[name] * 100 for name in ("value", "low", "high"))))
    return found


def _headline(story: Story) -> str:
    told = story.summary()
    if story.promoted_night is None or told["accuracy_recovered"] is None:
        return f"{story.nights} nights of a digit classifier"
    before, drifted, after = (told[f"accuracy_{name}"] * 100 for name in ("before", "drifted", "recovered"))
    return f"{before:.0f} % right, then {drifted:.0f} %, then {after:.0f} % again: nobody touched it"
