"""The prediction log in columns: parts for the past, segments for today, asked together."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import Forgotten
from leeway.domain.records import (
    Recorded,
    utc_text,
)
from leeway.domain.upkeep import LogProblem, Rolled
from leeway.errors import StoreError
from leeway.stores import sources
from leeway.stores.columnar.checking import check_log
from leeway.stores.columnar.counting import ColumnarCounting
from leeway.stores.columnar.drawing import ColumnarDrawing
from leeway.stores.columnar.forgetting import Removal
from leeway.stores.columnar.horizon import horizon_of
from leeway.stores.columnar.looking import NEVER
from leeway.stores.columnar.manifest import LogPart, Position, Window
from leeway.stores.columnar.recording import Recording
from leeway.stores.columnar.relation import LogContents
from leeway.stores.columnar.rolling import Rolling
from leeway.stores.columnar.source import Source
from leeway.stores.columnar.truth import ColumnarTruth
from leeway.stores.database import Database


class ColumnarLog(ColumnarDrawing, ColumnarCounting, ColumnarTruth):
    """`leeway.domain.stores.PredictionLog` in Parquet and SQLite files. May be shared by threads. Raises StoreError."""

    def __init__(
        self, database: Database, folder: Path, *, secret: str, small: int, lock_timeout_seconds: float = 30.0
    ) -> None:
        super().__init__(database, folder, secret=secret, lock_timeout_seconds=lock_timeout_seconds)
        self.rolling = Rolling(self.manifest, self.segments, self.parts, secret)
        self._small = small

    def record(
        self,
        model: str,
        batches: Iterable[tuple[int, PredictionColumns]],
        *,
        received_at: datetime,
        strict: bool = False,
    ) -> Recorded:
        utc_text(received_at)  # raises for one without a zone
        source = Source(self.parts, model, received_at, self._secret)
        try:
            return Recording(self.manifest, self.segments, self.parts, source, small=self._small).record(
                batches, strict=strict
            )
        except OSError as error:
            raise StoreError(f"the prediction log cannot be written ({error}); nothing of this was written") from error

    def position(self, model: str) -> str:
        def read(contents: LogContents) -> str:
            segments = {name: seq for name, (seq, _) in self._heads(contents, model).items()}
            return Position(self.manifest.end(model), segments).text()

        return self._looking(Window(model, None, NEVER, NEVER), read)

    def known_source(self, model: str, digest: str) -> Mapping[str, Any] | None:
        return sources.known_source(self.manifest.database, model, digest)

    def remember_source(self, model: str, digest: str, report: Mapping[str, Any], *, now: datetime) -> None:
        sources.remember_source(self.manifest.database, model, digest, report, now=now)

    # Retention

    def horizon(self, model: str) -> datetime | None:
        with self.manifest.database.transaction() as connection:
            return horizon_of(connection, model)

    def bytes_before(self, model: str, moment: datetime) -> int:
        """Return the room on the disk that goes with what occurred before this moment: of a part by its time."""
        return sum(round(part.bytes * _share_before(part, moment)) for part in self.manifest.read(model)[0])

    def forget(self, model: str, *, before: datetime) -> Forgotten:
        return self._removal(model).before(before)

    def forget_ids(self, model: str, ids: Iterable[str]) -> Forgotten:
        return self._removal(model).ids(ids)

    def _removal(self, model: str) -> Removal:
        return Removal(self.manifest, self.segments, self.parts, model, secret=self._secret)

    # Its files

    def roll(self, now: datetime) -> Rolled:
        return self.rolling.roll(now)

    def check(self, model: str | None = None, *, quick: bool = False) -> list[LogProblem]:
        return check_log(self.manifest, self.parts, self.segments, model, quick=quick)


def _share_before(part: LogPart, moment: datetime) -> float:
    if part.first_at is None or part.last_at is None or part.first_at >= moment:
        return 0.0
    return min(1.0, (moment - part.first_at) / max(part.last_at - part.first_at, timedelta(microseconds=1)))
