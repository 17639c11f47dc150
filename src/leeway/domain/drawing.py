"""Drawing: a night of the prediction log counted in cells, and predictions drawn from them, as a Protocol."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from leeway.domain.records import Cell, Copies, ModelVersion, Pick, Prediction


class Drawing(Protocol):
    """A part of the prediction log. A window is start <= occurred_at < end, of one version."""

    def cells(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        upto: str | None = None,
        second: Collection[str] = (),
    ) -> list[Cell]:
        """Count a night by class, confidence bin and slice, in the database; in order of class, slice, bin.

        With `second` what has one of these classes second is a cell of its own; that takes a look at each row.
        """

    def pick(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        picks: Sequence[Pick],
        *,
        stream: str,
        upto: str | None,
        second: Collection[str] = (),
    ) -> list[Prediction]:
        """Return the picked predictions in the order of `picks`; one beyond its cell's end is left out.

        `second`: the classes by which the cells were told apart.
        """

    def sample(
        self, version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, upto: str | None = None
    ) -> list[Prediction]:
        """Return the first k of the window in the order of the stream: a uniform sample without replacement."""

    def copies(
        self,
        version: ModelVersion,
        start: datetime,
        end: datetime,
        *,
        images: Collection[str],
        groups: Collection[str],
        upto: str | None = None,
    ) -> list[Copies]:
        """Count what shares one of these images, or else one of these groups, in order of name, class and bin.

        That takes a look at each row of the window.
        """
