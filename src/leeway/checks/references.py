"""References: what drift is held against, the first nights of an epoch or the file that came with a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from leeway.checks.registry import Evidence
from leeway.checks.windows import drift_reference
from leeway.checks.yardstick import distinct_counts
from leeway.domain.records import WindowCounts
from leeway.domain.text import counted
from leeway.stats.edetector import NIGHTS_PER_YEAR
from leeway.stats.reference import Reference, correlation, reference_of

Ints = NDArray[np.int64]
Way = Callable[[Ints], Ints]

LONG = 28  # nights of the second reference
TELLING = 7  # nights that tell how much nights differ, where the reference is not made of nights
FILE = "the reference file"


@dataclass(frozen=True, slots=True)
class Standing:
    """A reference that is complete: its nights (or the one row of the file), and those that are held against it."""

    name: str
    days: Ints  # (D, 3K) counts by class and band
    nights: Ints  # (T, 3K) of this year of the epoch that are held against it, tonight last
    with_bands: bool  # whether all of these nights have confidences
    telling: Ints | None = None  # (D', 3K) nights that tell how much nights differ; None: its own

    @property
    def lacks(self) -> str:
        """What is missing before it can be told how much nights differ; empty where nothing is."""
        known = TELLING if self.telling is None else len(self.telling)
        if known >= TELLING:
            return ""
        return f"{known} of the {TELLING} quiet nights are there that tell how much nights differ by themselves"

    def against(self, *, tolerance: float) -> dict[str, tuple[Reference, Ints]]:
        """Return for classes, and for class x band, the reference and the nights that are held against it."""
        ways: dict[str, Way] = {"classes": by_class}
        if self.with_bands:
            ways["classes and confidence"] = _as_it_is
        return {name: (self._reference(way, tolerance), way(self.nights)) for name, way in ways.items()}

    def _reference(self, way: Way, tolerance: float) -> Reference:
        rho = None if self.telling is None else correlation(way(self.telling))
        return reference_of(way(self.days), tolerance=tolerance, rho=rho)


def standings(evidence: Evidence, *, nights: int, min_predictions: int) -> list[Standing] | str:
    """Return the references of tonight, the first one first, or why there is none.

    Those are the first `nights` quiet nights of the epoch and, once there are so many, its first 28; or the file that
    came with the model. Nights are quiet where no check fired. None that a reference consists of is held against it.
    """
    window = evidence.window
    quiet = drift_reference(evidence.earlier, evidence.fired, nights=max(nights, LONG), min_predictions=min_predictions)
    if evidence.model_reference.production:
        # how much nights differ, about their own mean: also of nights that look unlike the file, or alarmed
        first = drift_reference(evidence.earlier, (), nights=TELLING, min_predictions=min_predictions)
        telling = _cells([one for one in first if set(one.classes) == set(window.classes)], window)
        file = np.array(evidence.model_reference.counts, dtype=np.int64).reshape(1, -1)
        return [_standing(FILE, file, evidence, after=None, telling=telling)]
    telling = _cells([one for one in quiet[:TELLING] if set(one.classes) == set(window.classes)], window)
    if len(quiet) < nights:
        return f"the reference has {len(quiet)} of its {counted(nights, 'night')}"
    if any(set(one.classes) != set(window.classes) for one in quiet[:nights]):
        return "the reference nights have other classes than tonight"
    found = [_of_nights(quiet[:nights], evidence, telling if nights < 2 else None)]
    longer = quiet[:LONG]
    if nights < LONG == len(longer) and all(set(one.classes) == set(window.classes) for one in longer):
        found.append(_of_nights(longer, evidence, None))
    return found


def by_class(cells: Ints) -> Ints:
    """(..., 3K) -> (..., K)"""
    summed: Ints = cells.reshape(*cells.shape[:-1], -1, 3).sum(axis=-1)
    return summed


def _as_it_is(cells: Ints) -> Ints:
    return cells


def _of_nights(quiet: Sequence[WindowCounts], evidence: Evidence, telling: Ints | None) -> Standing:
    after = max(one.night for one in quiet)
    name = f"the first {len(quiet)} nights"
    return _standing(name, _cells(quiet, evidence.window), evidence, after=after, telling=telling)


def _standing(name: str, days: Ints, evidence: Evidence, *, after: date | None, telling: Ints | None) -> Standing:
    nights = _watched(evidence, after=after)
    with_bands = evidence.model_reference.with_confidence and not any(one.without_confidence for one in nights)
    return Standing(name, days, _cells(nights, evidence.window), with_bands, telling)


def _watched(evidence: Evidence, *, after: date | None) -> list[WindowCounts]:
    """Nights of this year of the epoch after that one, tonight last."""
    first = (evidence.earlier[0] if evidence.earlier else evidence.window).night
    year = (evidence.window.night - first).days // NIGHTS_PER_YEAR
    classes = set(evidence.window.classes)
    return [
        one
        for one in [*evidence.earlier, evidence.window]
        if (after is None or one.night > after)
        and (one.night - first).days // NIGHTS_PER_YEAR == year
        and set(one.classes) == classes
    ]


def _cells(nights: Sequence[WindowCounts], window: WindowCounts) -> Ints:
    counts = [distinct_counts(one, window.classes) for one in nights]
    return np.array(counts, dtype=np.int64).reshape(len(counts), 3 * len(window.classes))
