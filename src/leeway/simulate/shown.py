"""Shown: how often the checks that only show, or ask, say something in simulated years in which nothing has changed.

The model is of 10 classes and 93 % right; its reference is a test split. Production has the chances of the reference
within each true class, but nights differ: by the mix of classes (weekends, Dirichlet(800) days), by images that come in
groups, or by what they look like (Dirichlet days over class x confidence band).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.attribution import AttributionOfShift
from leeway.checks.likeness import Likeness
from leeway.checks.registry import Evidence
from leeway.domain.records import CheckResult, ReferenceCounts, WindowCounts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASSES = 10
RIGHT = 0.93
NAMES = tuple(f"class {number}" for number in range(CLASSES))
BANDS = (1 / 3, 2 / 3)  # edges: confidence is in thirds here
BANDS_WHEN = {True: (0.30, 0.35, 0.35), False: (0.70, 0.22, 0.08)}  # of right and wrong answers
FIRST = date(2025, 1, 1)


@dataclass(frozen=True, slots=True)
class Nights:
    """What production is like while nothing changes."""

    predictions: int
    reference: int = 2100  # items of the test split
    mix: float = 800.0  # concentration of the days' class mixes; 0: every day alike
    weekend: float = 0.0  # by how much two classes are more frequent on two days of seven, 0 to 1
    looks: float = 0.0  # concentration of the days over class x band; 0: images look alike on every day
    group: int = 1  # images that are alike, which nothing says
    unsure: float = 0.0  # share of the answers that production is less sure of than the test split, 0 to 1


def findings(nights: Nights, years: int, *, days: int, rng: Generator, images: bool = True) -> dict[str, Ints]:
    """(years,) nights of each year on which `images` are said to look different, and on which a night `asks`."""
    found = [_live(nights, days, rng, images=images) for _ in range(years)]
    return {name: np.array([one[name] for one in found]) for name in ("images", "asks")}


def given_class(unsure: float = 0.0) -> Floats:
    """(K, 3K) chances of the cells within each true class, `unsure` of the sure answers moved to the lowest band."""
    chances = np.zeros((CLASSES, CLASSES, 3))
    for truth in range(CLASSES):
        for said in range(CLASSES):
            bands = np.array(BANDS_WHEN[truth == said])
            sure = bands[1:].sum()
            moved = np.array([bands[0] + min(unsure, sure), *(bands[1:] * (1 - min(unsure / sure, 1.0)))])
            share = RIGHT if truth == said else (1 - RIGHT) * (4 if said == (truth + 1) % CLASSES else 1) / 12
            chances[truth, said] = share * moved
    return chances.reshape(CLASSES, 3 * CLASSES)


def reference_of(size: int, rng: Generator) -> ReferenceCounts:
    """A test split of so many items, every class alike."""
    joint = np.stack([rng.multinomial(size // CLASSES, row) for row in given_class()])
    cells = [(truth, cell // 3, cell % 3, int(joint[truth, cell])) for truth, cell in np.argwhere(joint).tolist()]
    right = sum(count for truth, said, _, count in cells if truth == said)
    counts = joint.sum(axis=0).reshape(CLASSES, 3)
    return ReferenceCounts(NAMES, BANDS, _triples(counts), right, int(joint.sum()), cells=tuple(cells))


def _live(nights: Nights, days: int, rng: Generator, *, images: bool) -> dict[str, int]:
    reference = reference_of(nights.reference, rng)
    earlier: list[WindowCounts] = []
    differ, asked = 0, set[date]()
    for cells in _cells(nights, days, rng):
        window = WindowCounts("m", 1, FIRST + timedelta(days=len(earlier)), NAMES, _triples(cells.reshape(CLASSES, 3)))
        evidence = Evidence(window, reference, earlier=tuple(earlier[:60]), fired=frozenset(asked))
        if images:
            differ += _says(AttributionOfShift(), evidence, rng).details.get("verdict") == "images look different"
        if len(earlier) < 40 and _says(Likeness(), evidence, rng).details.get("asks"):
            asked.add(window.night)
        earlier.append(window)
    return {"images": differ, "asks": len(asked)}


def _says(check: AttributionOfShift | Likeness, evidence: Evidence, rng: Generator) -> CheckResult:
    return check.run(evidence, None, alpha=0.0, rng=rng)


def _cells(nights: Nights, days: int, rng: Generator) -> Sequence[Ints]:
    """(3K,) counts of each day."""
    chances, made = given_class(nights.unsure), []
    for day in range(days):
        mix = np.full(CLASSES, 1 / CLASSES)
        mix[:2] *= 1 + nights.weekend * (day % 7 >= 5)
        mix /= mix.sum()
        mix = rng.dirichlet(nights.mix * mix) if nights.mix else mix
        shares = mix @ chances
        shares = rng.dirichlet(nights.looks * shares) if nights.looks else shares
        made.append(rng.multinomial(nights.predictions // nights.group, shares) * nights.group)
    return made


def _triples(counts: Ints) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(low), int(middle), int(high)) for low, middle, high in counts)
