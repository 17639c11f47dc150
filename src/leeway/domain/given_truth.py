"""Truth that came with the prediction log, as a Protocol."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from leeway.domain.records import Label, ModelVersion, Prediction, Tally


class GivenTruth(Protocol):
    """A part of the prediction log: labels that a source brought with its rows, or later. See `PredictionLog`."""

    def first_given(self, version: ModelVersion, since: datetime | None) -> datetime | None:
        """Return when the first prediction from `since` on occurred whose label came with a draw probability."""

    def given_tallies(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        after: str | None = None,
        upto: str | None = None,
        rows_upto: str | None = None,
    ) -> list[Tally]:
        """Count a window's labels that came with a draw probability, in the database.

        Those that came between two positions, of predictions that were there at `rows_upto`.
        """

    def given_alike(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        after: str | None = None,
        upto: str | None = None,
        rows_upto: str | None = None,
    ) -> dict[str, float]:
        """Return how alike the labels are that `given_tallies` counts: `all`, `class cat`, `slice door` -> sum w_i w_j.

        Over all pairs i, j of two labels of one group in this part, w = 1 / draw probability; parts without a pair are
        left out. A census of n rows in groups of k has n (k - 1).
        """

    def given(
        self, version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
    ) -> list[tuple[Label, Prediction]]:
        """Return the first k labels of a window that came with the log, in the order of the stream."""

    def given_by_ids(self, model: str, ids: Iterable[str]) -> list[Label]:
        """Return the labels that came with the log for these ids, in order of id."""

    def given_counts(self) -> dict[str, int]:
        """Return how many labels came with the log of each model; models without one are left out."""
