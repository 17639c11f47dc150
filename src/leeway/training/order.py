"""Order: which images make which batch, and with which random draws, as a function of seed and epoch alone.

No generator lives from one epoch to the next, so a run that was killed and resumed sees what it would have seen.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leeway.errors import TrainingError

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Row numbers of the pixel array, by what they are for."""

    original: Rows  # (n,) trained on
    val: Rows  # (v,) chosen by
    feedback: Rows = field(default_factory=lambda: np.empty(0, np.int64))  # (f,) labels from production, trained on


@dataclass(frozen=True, slots=True)
class Order:
    """Batches of row numbers: `feedback_share` of each is feedback.

    An epoch is as long as there are originals, in batches of nearly equal size (none of one image, which batch norm
    refuses). While there is no feedback every original comes once; otherwise feedback takes the place of some. With
    `class_draws` images are drawn with replacement instead, each class as often as its number says.
    """

    rows: TrainingRows
    labels: Rows  # (N,) class of every row
    batch_size: int
    feedback_share: float
    seed: int
    class_draws: NDArray[np.float64] | None = None  # (K,) how often to draw each class, in proportion; None: as it is

    @property
    def batches(self) -> int:
        """In an epoch."""
        return -(-len(self.rows.original) // self.batch_size)

    def epoch(self, number: int) -> list[Rows]:
        """The row numbers of each batch of an epoch."""
        rng = np.random.default_rng([self.seed, number])
        originals = self._drawn(self.rows.original, len(self.rows.original), rng)
        batches = np.array_split(originals, self.batches)
        if not len(self.rows.feedback) or not self.feedback_share:
            return batches
        wanted = [round(self.feedback_share * len(batch)) for batch in batches]
        drawn = np.split(self._drawn(self.rows.feedback, sum(wanted), rng), np.cumsum(wanted)[:-1])
        return [np.concatenate([batch[len(more) :], more]) for batch, more in zip(batches, drawn, strict=True)]

    def _drawn(self, rows: Rows, count: int, rng: np.random.Generator) -> Rows:
        """(count,) of the rows: each equally often, in another order each time round; or by class."""
        if self.class_draws is not None:
            shares = self.class_draws[self.labels[rows]]
            return rng.choice(rows, count, p=shares / shares.sum())
        rounds = -(-count // len(rows))
        return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:count]


def draw_seed(*place: int) -> int:
    """64 bits for the draws at a place (seed, epoch, step, part): near places give unrelated bits."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0])


def split_batch(batch: Rows, *, world: int, rank: int, parts: int) -> list[Rows]:
    """What this of `world` processes takes of a batch, in `parts` steps. Raises TrainingError if any has no image."""
    shares = np.array_split(batch, world * parts)[rank * parts : (rank + 1) * parts]
    if len(shares[-1]) < 1:
        raise TrainingError(
            f"a batch of {len(batch)} images is too small for {world} devices with {parts} steps each; raise "
            "train.batch_size in params.yaml"
        )
    return shares
