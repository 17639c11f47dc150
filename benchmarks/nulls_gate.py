"""How often does the gate let a version pass that is no better?  nice python benchmarks/nulls_gate.py --years 500

The rows of the gate in the table of nulls: `release.gate.judge_challenger` over made-up answers of both models.
"""

from collections.abc import Callable

import numpy as np
from nulls import Row, try_out
from numpy.random import Generator
from numpy.typing import NDArray

from leeway.checks.policy import Promotion
from leeway.domain.records import Cause
from leeway.release.gate import Paired, judge_challenger
from leeway.release.rules import Attempt

Ints = NDArray[np.int64]

CLASSES, IMAGES, RECENT, ALPHA = 10, 2000, 75, 0.05
NAMES = tuple(map(str, range(CLASSES)))
WORSE, FELL = Cause.HAND, Cause.ACCURACY  # not worse is enough, or a gain has to be shown


def epochs(name: str, told: str, judge: Callable[[Generator], bool], *, full: int = 1000) -> Row:
    """Return the row of epochs of a champion; `judge` says whether any of an epoch's challengers passes."""

    def first(count: int, rng: Generator) -> Ints:
        return np.array([0 if judge(rng) else -1 for _ in range(count)])

    return Row(name, told, False, first, ALPHA, full)


def answers(rng: Generator, images: int, *, gained: float, lost: float, size: int = 1) -> Paired:
    """Images in groups of this size, each of which changes as a whole; 8 % of them are wrong before and after."""
    group, truth = np.arange(images) // size, rng.integers(CLASSES, size=images)
    kinds = np.array([gained, lost, 0.08, 1 - gained - lost - 0.08])
    change = rng.choice(4, size=int(group[-1]) + 1, p=kinds)[group]
    old, new = np.isin(change, (1, 3)), np.isin(change, (0, 3))
    return Paired(truth, np.where(old, truth, -1), np.where(new, truth, -1), group if size > 1 else None)


def passes(
    rng: Generator, cause: str, *, number: int = 1, points: float = 1.0, recent: tuple[float, float], **made: float
) -> bool:
    size = int(made.pop("size", 1))
    original = answers(rng, IMAGES, gained=made["gained"], lost=made["lost"], size=size)
    found = judge_challenger(
        recent=answers(rng, RECENT, gained=recent[0], lost=recent[1]), original=original, classes=NAMES, cause=cause,
        settings=Promotion(margin_points=points), attempt=Attempt(number),
    )  # fmt: skip
    return found.passed


def one(cause: str, **made: object) -> Callable[[Generator], bool]:
    return lambda rng: passes(rng, cause, **made)  # type: ignore[arg-type]


def twelve(cause: str, **made: object) -> Callable[[Generator], bool]:
    return lambda rng: any(passes(rng, cause, number=number, **made) for number in range(1, 13))  # type: ignore[arg-type]


def one_class_lost(rng: Generator, *, images: int) -> bool:
    """Of a class with so many test images the challenger names none, and gains a little elsewhere."""
    original = answers(rng, IMAGES, gained=0.03, lost=0.005)
    rare = np.zeros(images, dtype=np.int64)
    truth = np.concatenate([np.maximum(original.truth, 1), rare])
    old = np.concatenate([np.where(original.champion >= 0, truth[:IMAGES], -1), rare])
    new = np.concatenate([np.where(original.challenger >= 0, truth[:IMAGES], -1), rare - 1])
    found = judge_challenger(
        recent=None, original=Paired(truth, old, new), classes=NAMES, cause=WORSE, settings=Promotion(margin_points=1.0)
    )
    return found.passed and not found.unguarded


def equal_in_groups(rng: Generator, *, sizes: tuple[int, ...], number: int = 1) -> bool:
    """Recent images in groups of these sizes, half of which change as a whole: a gain has to be shown."""
    sized = np.resize(sizes, 300)
    group = np.repeat(np.arange(300), sized)[:300]
    kinds = np.array([0.1, 0.1, 0.08, 0.72])
    whole, own = rng.choice(4, size=300, p=kinds)[group], rng.choice(4, size=300, p=kinds)
    change = np.where(rng.random(300)[group] < 0.5, whole, own)
    truth = rng.integers(CLASSES, size=300)
    old, new = (np.where(np.isin(change, right), truth, -1) for right in ((1, 3), (0, 3)))
    found = judge_challenger(
        recent=Paired(truth, old, new, group), original=answers(rng, IMAGES, gained=0.02, lost=0.02), classes=NAMES,
        cause=FELL, settings=Promotion(margin_points=3), attempt=Attempt(number),
    )  # fmt: skip
    return found.passed


ALIKE, EVEN = {"gained": 0.02, "lost": 0.02}, (0.1, 0.1)
ROWS = (
    epochs("equal, accuracy fell", "a gain has to be shown", one(FELL, recent=EVEN, **ALIKE)),
    epochs(
        "1 point worse, by hand", "not worse is enough, margin 1 point",
        one(WORSE, recent=(0.02, 0.03), gained=0.015, lost=0.025),
    ),
    epochs("twelve equal, accuracy fell", "one after another", twelve(FELL, recent=EVEN, **ALIKE), full=300),
    epochs(
        "twelve that are 1 point worse, by hand", "one after another",
        twelve(WORSE, recent=(0.02, 0.03), gained=0.015, lost=0.025), full=300,
    ),
    epochs(
        "1 point worse in groups of 5", "by hand, each group lost or gained as a whole",
        one(WORSE, recent=(0.02, 0.03), gained=0.015, lost=0.025, size=5),
    ),
    epochs(
        "1 point worse in groups of 20", "by hand, each group lost or gained as a whole",
        one(WORSE, recent=(0.02, 0.03), gained=0.015, lost=0.025, size=20),
    ),
    epochs(
        "equal, recent in groups of 5", "half of the groups gained or lost as a whole",
        lambda rng: equal_in_groups(rng, sizes=(5,)),
    ),
    epochs(
        "equal, recent in groups of 1, 2 and 20", "half of the groups gained or lost as a whole",
        lambda rng: equal_in_groups(rng, sizes=(1, 1, 2, 20)),
    ),
    *(
        epochs(
            f"one class at 0, {images} images", "the rest gains; passes without a person",
            lambda rng, images=images: one_class_lost(rng, images=images), full=300,
        )
        for images in (2, 6, 20)
    ),
)  # fmt: skip


if __name__ == "__main__":
    try_out(__doc__, ROWS)
