"""Interval: a number with the 95 % interval around it."""

from dataclasses import dataclass

from leeway.stats.estimation import wilson_interval


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and its 95 % interval: low <= value <= high."""

    value: float
    low: float
    high: float


def share(count: float, total: float) -> Interval:
    """count / total with its 95 % Wilson interval; total > 0. Counts may be effective ones."""
    low, high = wilson_interval(count, total)
    return Interval(count / total, float(low), float(high))
