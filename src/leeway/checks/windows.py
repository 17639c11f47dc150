"""Nights: when they begin and end, which are due, which of them are the reference."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from leeway.checks.yardstick import bands_of_bins
from leeway.domain.records import Cell, ModelVersion, WindowCounts

MIDDLE = 1  # band of an answer without a confidence


def night_bounds(night: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end, UTC, of the local calendar day `night`: 23 to 25 hours long where clocks change."""
    return _midnight(night, zone), _midnight(night + timedelta(days=1), zone)


def night_of(moment: datetime, zone: ZoneInfo) -> date:
    """The night in whose window this aware moment falls."""
    return moment.astimezone(zone).date()


def drift_reference(
    earlier: Iterable[WindowCounts], fired: Collection[date], *, nights: int, min_predictions: int
) -> tuple[WindowCounts, ...]:
    """The first `nights` windows of the epoch, in order, that are large enough and on which no check fired.

    Shorter while they are not complete. `earlier`: closed windows of this model version before tonight, in order.
    """
    quiet = (one for one in earlier if one.distinct >= max(min_predictions, 1) and one.night not in fired)
    return tuple(islice(quiet, nights))


def count_window(version: ModelVersion, night: date, cells: Iterable[Cell]) -> WindowCounts:
    """The night's counts by class and band, and by confidence bin and slice, from the cells the database counted."""
    reference = version.reference
    bands, places = bands_of_bins(reference), {name: place for place, name in enumerate(reference.classes)}
    counts = [[0, 0, 0] for _ in places]
    histogram = [0] * len(bands)
    slices: dict[str, int] = {}
    foreign = unknown = 0
    for one in cells:
        unknown += one.count * (one.bin < 0)
        if one.slice:
            slices[one.slice] = slices.get(one.slice, 0) + one.count
        if one.predicted_class not in places:
            foreign += one.count
            continue
        counts[places[one.predicted_class]][MIDDLE if one.bin < 0 else bands[one.bin]] += one.count
        if one.bin >= 0:
            histogram[one.bin] += one.count
    return WindowCounts(
        model=version.model,
        version=version.version,
        night=night,
        classes=reference.classes,
        counts=tuple((low, middle, high) for low, middle, high in counts),
        foreign=foreign,
        histogram=tuple(histogram),
        without_confidence=unknown,
        slices=dict(sorted(slices.items())),
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone).astimezone(UTC)
