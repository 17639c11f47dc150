"""Made nights: windows and labelled plans for the tests of checks and decisions."""

from datetime import date, timedelta

import numpy as np

from leeway.domain.records import Draw, LabelledDraw, NightLabels, ReferenceCounts, WindowCounts

FIRST = date(2025, 3, 1)
CLASSES = ("cat", "dog", "ship")


def night(number: int) -> date:
    return FIRST + timedelta(days=number)


def reference(*, correct: int = 524, total: int = 540, classes: tuple[str, ...] = CLASSES) -> ReferenceCounts:
    return ReferenceCounts(classes, (0.5, 0.9), tuple((total // len(classes), 0, 0) for _ in classes), correct, total)


def window(
    number: int, counts: tuple[int, ...] = (100, 100, 100), *, classes: tuple[str, ...] = CLASSES, foreign: int = 0
) -> WindowCounts:
    return WindowCounts(
        model="m",
        version=1,
        night=night(number),
        classes=classes,
        counts=tuple((count, 0, 0) for count in counts),
        foreign=foreign,
    )


def labels(
    number: int, *, wrong: int, right: int, guess: float = 0.05, predictions: int = 300, truth: str = "cat"
) -> NightLabels:
    """A plan with uniform draws; what is wrong was called a dog."""
    draws = tuple(
        LabelledDraw(
            Draw(f"{number}-{i}", f"plan-{number}", "m", f"p{i}", "measure", "2", 1 / predictions, guess),
            night(number),
            "dog" if i < wrong else truth,
            truth,
            f"g{i}",
            f"i{i}",
        )
        for i in range(wrong + right)
    )
    mean = guess if not np.isnan(guess) else 0.05
    parts = {f"class {name}": (predictions // 3, 1 / 3, mean, 1.0) for name in CLASSES}
    parts["all"] = (predictions, 1.0, mean, 1.0)
    return NightLabels(night(number), predictions, mean, draws, {"2": 1.0}, parts)
