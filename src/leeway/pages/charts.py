"""Charts of a night's page as geometry: what the template draws as SVG, in the units of its view box."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from leeway.domain.night_view import AccuracyPoint, ConfidenceBins, EvidencePath
from leeway.domain.records import Action
from leeway.domain.text import counted
from leeway.pages.words import number_text, power_text

SYMBOLS = {
    Action.NOTHING: "–",
    Action.MORE_LABELS: "✎",
    Action.RETRAIN: "↻",
    Action.STAND_DOWN: "✓",
    Action.ALERT: "!",
}
LOWEST_POWER, POWERS_OVER = -3, 8  # of M: what lies beyond is drawn at the edge, and told
MOST_DOTS = 120  # nights; of more only the line is drawn


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    kind: str  # CSS class
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(slots=True)
class Chart:
    """A frame with axes, and what is drawn in it."""

    width: int
    height: int
    title: str
    left: int = 46
    right: int = 14
    top: int = 18
    bottom: int = 24
    x_ticks: list[Tick] = field(default_factory=list)
    y_ticks: list[Tick] = field(default_factory=list)
    areas: list[str] = field(default_factory=list)  # points of polygons
    lines: list[tuple[str, str]] = field(default_factory=list)  # (CSS class, points)
    dots: list[Dot] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    marks: list[tuple[float, str, str]] = field(default_factory=list)  # (x, symbol, title)
    notes: list[tuple[float, float, str, str]] = field(default_factory=list)  # (x, y, CSS class, text); ends at x

    @property
    def right_edge(self) -> int:
        return self.width - self.right

    @property
    def floor(self) -> int:
        """y of the bottom of the frame."""
        return self.height - self.bottom

    def y(self, share: float) -> float:
        """Of a height from 0 (bottom) to 1 (top)."""
        return round(self.floor - min(max(share, 0.0), 1.0) * (self.floor - self.top), 1)


def evidence_chart(path: EvidencePath, actions: Mapping[date, Action]) -> Chart | None:
    """log M over the nights, against the threshold; None where no night has both."""
    known = [(one.night, one.value, one.threshold) for one in path.points if one.value and one.threshold]
    if not known:
        return None
    chart = Chart(360, 210, f"{path.check}: evidence over the nights, on a log scale")
    x = _nights(chart, [one.night for one in path.points], actions)
    logs = [math.log10(value) for _, value, _ in known]
    limits = [math.log10(limit) for _, _, limit in known]
    low = max(min(-1, math.floor(min(logs))), LOWEST_POWER)
    high = min(math.ceil(max(*logs, *limits) + 0.3), math.ceil(max(limits)) + POWERS_OVER)

    def y(power: float) -> float:
        return chart.y((power - low) / (high - low))

    step = max(1, math.ceil((high - low) / 5))
    chart.y_ticks = [Tick(y(power), power_text(power)) for power in range(low, high + 1) if power % step == 0]
    chart.lines.append(("limit", _steps([(x(night), y(math.log10(limit))) for night, _, limit in known])))
    chart.lines += [
        ("path", _points([(x(one.night), y(math.log10(one.value))) for one in some if one.value]))
        for has_value, some in groupby(path.points, key=lambda one: bool(one.value))
        if has_value
    ]
    for one in path.points if len(path.points) <= MOST_DOTS else path.points[-1:]:
        at = y(math.log10(one.value)) if one.value else chart.floor
        told = f"M = {number_text(one.value)}" if one.value else "no number"
        chart.dots.append(Dot(x(one.night), at, one.status.replace(" ", "-"), f"{one.night}: {told}, {one.status}"))
    if logs[-1] > high:
        beyond = next(night for (night, _, _), log in zip(known, logs, strict=True) if log > high)
        chart.notes.append((x(beyond) - 10, chart.top + 4, "beyond", f"{number_text(known[-1][1])} ↑"))
    return chart


def accuracy_chart(
    points: Sequence[AccuracyPoint], actions: Mapping[date, Action], *, plain_mean: float | None
) -> Chart | None:
    """Estimates with their intervals over the nights, and the floor; None without an estimate."""
    known = [(one.night, one.accuracy) for one in points if one.accuracy]
    if not known:
        return None
    chart = Chart(1080, 250, "accuracy of served predictions over the nights, with 95% intervals and floor")
    x = _nights(chart, [one.night for one in points], actions, ticks=12)
    lows = [one.low for _, one in known] + [one.floor for one in points if one.floor]
    lowest = min(math.floor(min([*lows, *([] if plain_mean is None else [plain_mean])]) * 10 - 0.2) / 10, 0.9)
    lowest = max(lowest, 0.0)

    def y(share: float) -> float:
        return chart.y((share - lowest) / (1 - lowest))

    step = 1 if lowest >= 0.5 else 2
    chart.y_ticks = [Tick(y(tenth / 10), f"{10 * tenth}%") for tenth in range(10, round(lowest * 10) - 1, -step)]
    for _, group in groupby(points, key=lambda one: one.accuracy is not None):
        some = [(x(one.night), one.accuracy) for one in group if one.accuracy]
        if some:
            band = [(at, y(one.high)) for at, one in some] + [(at, y(one.low)) for at, one in reversed(some)]
            chart.areas.append(_points(band))
            chart.lines.append(("path", _points([(at, y(one.value)) for at, one in some])))
    chart.lines.append(("limit", _steps([(x(one.night), y(one.floor)) for one in points if one.floor is not None])))
    for night, one in known if len(known) <= MOST_DOTS else known[-1:]:
        told = f"{night}: {one.value:.1%} ({one.low:.1%} to {one.high:.1%}) from {counted(one.labels, 'label')}"
        chart.dots.append(Dot(x(night), y(one.value), "plain", told))
    if plain_mean is not None:
        at = x(points[-1].night)
        chart.dots.append(Dot(at, y(plain_mean), "struck", f"plain mean of the labels: {plain_mean:.1%}, misleading"))
        chart.notes.append((at - 9, y(plain_mean) + 4, "struck", f"plain mean {plain_mean:.1%}"))
    return chart


def confidence_chart(bins: ConfidenceBins) -> Chart:
    """Share of the predictions in each bin, drawn equally wide; the reference as an outline."""
    chart = Chart(520, 250, "share of predictions in each bin of confidence, tonight and reference", bottom=44)
    current, reference = _shares(bins.current), _shares(bins.reference)
    highest = max([*current, *reference])
    top = next(one for one in (0.04, 0.08, 0.12, 0.16, 0.2, 0.32, 0.4, 0.6, 0.8, 1.0) if one >= min(highest, 1.0))
    width = (chart.right_edge - chart.left) / len(current)
    edges = [*(edge_text(one) for one in bins.edges), "1"]
    for place, share in enumerate(current):
        at, upper = chart.left + place * width, chart.y(share / top)
        told = f"{edges[place - 1] if place else '0'} to {edges[place]}: {share:.1%} tonight"
        told += f", {reference[place]:.1%} of the reference" if reference else ""
        chart.bars.append(Bar(round(at + 1, 1), upper, round(width - 2, 1), round(chart.floor - upper, 1), told))
    if reference:
        corners = [(chart.left + place * width, chart.y(share / top)) for place, share in enumerate(reference)]
        chart.lines.append(("outline", _points([two for x, y in corners for two in ((x, y), (x + width, y))])))
    every = max(1, math.ceil(len(current) / 10))
    chart.x_ticks = [
        Tick(round(chart.left + (place + 1) * width, 1), text)
        for place, text in enumerate(edges)
        if place % every == 0 or place == len(edges) - 1
    ]
    chart.y_ticks = [Tick(chart.y(part / 4), f"{100 * top * part / 4:g}%") for part in range(5)]
    return chart


def edge_text(edge: float) -> str:
    """As few digits as tell it from 1: 0.5, 0.95, 0.9987."""
    digits = 2 if edge < 0.9 else min(1 + math.ceil(-math.log10(max(1 - edge, 1e-6))), 6)
    return f"{edge:.{digits}f}".rstrip("0").rstrip(".")


def _nights(
    chart: Chart, nights: Sequence[date], actions: Mapping[date, Action], *, ticks: int = 5
) -> Callable[[date], float]:
    """The x of a night, with the axis's ticks and the nights on which something was decided."""
    first, last = min(nights), max(nights)
    span = max((last - first).days, 1)
    inner = chart.right_edge - chart.left - 16

    def x(night: date) -> float:
        share = (night - first).days / span if last > first else 0.5
        return round(chart.left + 8 + inner * share, 1)

    step = math.ceil((span + 1) / ticks)
    chart.x_ticks = [Tick(x(one), f"{one.day} {one:%b}") for one in nights if (last - one).days % step == 0]
    shown = [night for night in actions if first <= night <= last]
    chart.marks = [(x(night), SYMBOLS[actions[night]], f"{night}: {actions[night]}") for night in shown]
    return x


def _points(pairs: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _steps(pairs: Sequence[tuple[float, float]]) -> str:
    """A line that runs level until it changes, a little beyond the first and the last."""
    corners = [(pairs[0][0] - 8, pairs[0][1])] if pairs else []
    for x, y in pairs:
        if corners[-1][1] != y:
            corners += [(x, corners[-1][1]), (x, y)]
    return _points([*corners, (pairs[-1][0] + 8, pairs[-1][1])] if pairs else [])


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [one / total for one in counts] if total else []
