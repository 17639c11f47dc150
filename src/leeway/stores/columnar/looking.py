"""Looking: a question to the files of the log, answered of one moment, whatever is rolled or pruned meanwhile."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from leeway.domain.identity import permanent_number
from leeway.domain.records import (
    ModelVersion,
    Prediction,
    utc_text,
)
from leeway.errors import StoreError
from leeway.stores.columnar.checking import damage_named
from leeway.stores.columnar.manifest import BEFORE, LogManifest, LogPart, Window
from leeway.stores.columnar.relation import LogContents
from leeway.stores.columnar.segments import Segments, heads
from leeway.stores.database import Database, Snapshot
from leeway.stores.duck import ask
from leeway.stores.log_tables import predictions
from leeway.stores.prediction_log import SqlPredictionLog
from leeway.stores.rows import PREDICTION, prediction_from

LOOKS = 20  # at a log whose files were replaced while it was looked at
T = TypeVar("T")
NEVER = datetime.max.replace(tzinfo=UTC)  # when nothing was predicted


class Looking:
    """The files of one workspace's log. May be shared by threads. Raises StoreError."""

    def __init__(self, database: Database, folder: Path, *, secret: str, lock_timeout_seconds: float) -> None:
        self.manifest, self.parts = LogManifest(database), folder / "parts"
        self.segments = Segments(folder / "live", database, lock_timeout_seconds=lock_timeout_seconds)
        self._secret = secret

    @property
    def secret(self) -> str:
        """What its permanent numbers are made with."""
        return self._secret

    def close(self) -> None:
        self.segments.close()

    def _looking(self, window: Window, read: Callable[[LogContents], T]) -> T:
        """Return what `read` finds of the window; anew where a file was rolled or pruned meanwhile."""
        for _ in range(LOOKS):
            with ExitStack() as held:
                connection = held.enter_context(self.manifest.database.transaction())
                parts, names = self.manifest.read(window.model, connection, window=window)
                if BEFORE not in names:
                    held.close()
                try:
                    return read(self._contents(parts, names, connection))
                except StoreError as error:
                    lost = error
            if (parts, names) == self.manifest.read(window.model, window=window):  # no file was: it is lost
                break
        raise damage_named(self.parts, parts, lost) from lost

    def _contents(self, parts: Sequence[LogPart], names: Sequence[str], connection: Connection) -> LogContents:
        """What the log is made of; rows in the ledger's own database are read as of the manifest's moment."""
        self.segments.keep(names)
        segments = {name: Snapshot(connection) if name == BEFORE else self.segments.open(name) for name in names}
        return LogContents(self.parts, parts, segments, self._secret)

    def _live(self, contents: LogContents) -> list[tuple[str, SqlPredictionLog]]:
        return [(name, SqlPredictionLog(database, secret=self._secret)) for name, database in contents.segments.items()]

    def _live_by_ids(self, contents: LogContents, model: str, ids: Sequence[str]) -> dict[str, Prediction]:
        return {one.id: one for _, log in self._live(contents) for one in log.by_ids(model, ids)}

    def _has_truth(self, contents: LogContents, model: str) -> bool:
        """Whether labels that came with the log may stand in it."""
        return any(part.truth for part in contents.parts) or any(
            given for _, given in self._heads(contents, model).values()
        )

    def _heads(self, contents: LogContents, model: str) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for name, database in contents.segments.items():
            with database.transaction() as connection:
                head = heads(connection).get(model)
            if head is not None:
                found[name] = head
        return found

    def _models(self) -> list[str]:
        found = set(self.manifest.models())
        for name in self.manifest.read("")[1]:
            with self.segments.open(name).transaction() as connection:
                found |= set(heads(connection))
        return sorted(found)


def window_of(version: ModelVersion, start: datetime | None, end: datetime | None) -> Window:
    for moment in (start, end):
        if moment is not None:
            utc_text(moment)  # raises for one without a zone
    return Window(version.model, version.version, start, end)


def with_ids(cursor: Any, names: Sequence[str], secret: str) -> list[Prediction]:
    """Return the predictions with these ids, in their order; found by their numbers, which are quick to compare."""
    numbers = [permanent_number(name, secret) for name in names]
    query = select(*PREDICTION).where(predictions.c.u.in_(numbers))
    found = {one.id: one for one in map(prediction_from, ask(cursor, query) if names else [])}
    return [found[name] for name in names if name in found]
