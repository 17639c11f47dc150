"""How often does the gate promote what it should, and what it should not?  Rows of the table in docs/gate.md.

    python benchmarks/gate.py [--rows 1500] [--seed 0]

Each row is an epoch of a champion: challengers come one after another, and each is looked at again with the recent
labels that it waits for, until it is promoted or refused. The rules are those of `leeway.release.rules`; no class is
harmed.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from leeway.domain.records import Cause
from leeway.release.rules import CANNOT_TELL, FAILED, PASSED, Attempt, gain, keeps_the_original, no_gain_asked
from leeway.stats.paired import Pairs


@dataclass(frozen=True, slots=True)
class Row:
    """What is simulated: shares of images that became right and wrong, recent and original."""

    what: str
    challengers: int
    cause: Cause
    recent: tuple[float, float]
    original: tuple[float, float]
    labels: int  # at the first look
    images: int  # of the original test split
    margin: float


ACCURACY, HAND = Cause.ACCURACY, Cause.HAND
ROWS = (
    Row("twelve equal ones, accuracy fell", 12, ACCURACY, (0.1, 0.1), (0.025, 0.025), 41, 540, 0.03),
    Row("the same, 5,000 test images", 12, ACCURACY, (0.2, 0.2), (0.025, 0.025), 20, 5000, 0.03),
    Row("twelve that are 1 point worse, by hand", 12, HAND, (0.025, 0.025), (0.02, 0.03), 20, 540, 0.01),
    Row("twelve that are 3 points worse, by hand", 12, HAND, (0.025, 0.025), (0.02, 0.05), 60, 540, 0.03),
    Row("one that is equal, by hand, margin 1 point", 1, HAND, (0.025, 0.025), (0.01, 0.01), 20, 278, 0.01),
    Row("the same, margin 2 points", 1, HAND, (0.025, 0.025), (0.01, 0.01), 20, 278, 0.02),
    Row("the same, margin 3 points", 1, HAND, (0.025, 0.025), (0.01, 0.01), 20, 278, 0.03),
    Row("29 -> 82 %, first look at 1 label", 1, ACCURACY, (0.59, 0.06), (0.02, 0.02), 1, 278, 0.01),
    Row("29 -> 82 %, first look at 20", 1, ACCURACY, (0.59, 0.06), (0.02, 0.02), 20, 278, 0.01),
    Row("75 -> 96 %, first look at 1", 1, ACCURACY, (0.24, 0.03), (0.02, 0.02), 1, 278, 0.01),
    Row("75 -> 96 %, first look at 41", 1, ACCURACY, (0.24, 0.03), (0.02, 0.02), 41, 278, 0.01),
    Row("75 -> 96 %, first look at 75", 1, ACCURACY, (0.24, 0.03), (0.02, 0.02), 75, 278, 0.01),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print("| epoch | any promoted | recent labels in the end, median |\n|---|---|---|")
    for place, row in enumerate(ROWS):
        rng = np.random.default_rng([chosen.seed, place])
        lived = [live(row, rng) for _ in range(chosen.rows)]
        promoted = sum(passed for passed, _ in lived) / chosen.rows
        print(f"| {row.what} | {promoted:.1%} | {np.median([labels for _, labels in lived]):.0f} |", flush=True)


def live(row: Row, rng: Generator) -> tuple[bool, int]:
    """Whether any challenger of the epoch was promoted, and how many recent labels the last one was judged on."""
    seen = 0
    for number in range(1, row.challengers + 1):
        promoted, seen = judge(row, number, rng)
        if promoted:
            return True, seen
    return False, seen


def judge(row: Row, number: int, rng: Generator) -> tuple[bool, int]:
    """Whether this challenger is promoted in the end, and on how many recent labels that was decided."""
    original = drawn(row.original, row.images, rng)
    attempt, recent, wanted = Attempt(number), Pairs(0, 0, 0), row.labels
    while True:
        more = drawn(row.recent, wanted - recent.total, rng)
        attempt = attempt.next(recent.total) if recent.total else attempt
        recent = Pairs(recent.gained + more.gained, recent.lost + more.lost, wanted)
        fell = row.cause is Cause.ACCURACY
        asked = gain(recent, attempt) if fell else no_gain_asked(recent, attempt, why="a person asked for it")
        kept, _ = keeps_the_original(original, recent, attempt, margin=row.margin, fell=fell)
        outcomes = [asked.outcome, kept.outcome]
        waits = [part.wanted for part in (asked, kept) if part.outcome == CANNOT_TELL]
        if FAILED in outcomes or not all(waits) or outcomes == [PASSED, PASSED]:
            return outcomes == [PASSED, PASSED], recent.total
        wanted = max(*waits, recent.total + 1)


def drawn(shares: tuple[float, float], images: int, rng: Generator) -> Pairs:
    gained, lost, _ = rng.multinomial(images, [*shares, 1 - sum(shares)])
    return Pairs(int(gained), int(lost), images)


if __name__ == "__main__":
    main()
