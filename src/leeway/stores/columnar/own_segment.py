"""Own segment: the SQLite file of a day that one process alone fills, some predictions in each transaction."""

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from leeway import durable
from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import too_old_text
from leeway.domain.identity import content_hashes, permanent_number
from leeway.domain.records import Prediction, utc_text
from leeway.errors import ConflictError, StoreError
from leeway.stores.columnar.manifest import LogManifest, add_segment
from leeway.stores.columnar.segments import TABLES, MissingSegmentError, Segments
from leeway.stores.columnar.write_ahead import connect_writer, held
from leeway.stores.database import Database
from leeway.stores.log_tables import log_heads, predictions
from leeway.stores.rows import values_of
from leeway.stores.schema import metadata

Judgement = bool | ConflictError  # whether a row was new; or why it was refused
Known = dict[tuple[str, str], int | None]  # (model, id) -> `h`

# Compiled by SQLAlchemy for every group, they would take longer than the disk.
COLUMNS = [one.name for one in predictions.columns if one.name != "seq"]
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
INSERT = f"INSERT INTO predictions ({NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"
HASHES = "SELECT model, id, h FROM predictions WHERE model = ? AND id IN ({})"
MOVE_HEAD = (
    "INSERT INTO log_heads (model, seq, given) VALUES (?, (SELECT max(seq) FROM predictions), 0) "
    "ON CONFLICT (model) DO UPDATE SET seq = excluded.seq"
)


@dataclass(frozen=True, slots=True)
class Coming:
    """A prediction as it is going to be stored."""

    prediction: Prediction
    h: int
    values: tuple[Any, ...]  # of COLUMNS

    @classmethod
    def of(cls, prediction: Prediction, received_at: datetime, secret: str) -> "Coming":
        """Raises StoreError for what cannot be stored: a time without a zone, a number that is not finite."""
        columns = PredictionColumns.of([prediction])
        h = int(content_hashes(prediction.version, columns)[0])
        values = values_of(prediction) | {
            "occurred_at": columns.occurred_at[0],
            "confidence": columns.confidence[0],
            "probabilities": columns.probabilities[0],
            "received_at": utc_text(received_at),
            "u": permanent_number(prediction.id, secret),
            "h": h,
        }
        return cls(prediction, h, tuple(values[name] for name in COLUMNS))

    @property
    def key(self) -> tuple[str, str]:
        return self.prediction.model, self.prediction.id


class OwnSegment:
    """One segment, from the first row of a day to the last. Not to be shared by threads."""

    def __init__(self, manifest: LogManifest, segments: Segments, day: date, *, lock_timeout_seconds: float) -> None:
        self.day, self.name, self._segments = day, f"{day}-{secrets.token_hex(4)}.db", segments
        durable.make_folder(segments.folder)
        path = segments.folder / self.name
        with ExitStack() as opened:
            opened.enter_context(held(path))
            self._database = Database(connect_writer(path, lock_timeout_seconds=lock_timeout_seconds))
            opened.callback(self._database.close)
            metadata.create_all(self._database.engine, tables=TABLES)
            durable.sync(segments.folder)
            with manifest.writing() as connection:  # named before anything is in it: nobody overlooks a row
                add_segment(connection, self.name, day)
                horizons = connection.execute(select(log_heads.c.model, log_heads.c.horizon)).all()
            self._horizons = {model: moment for model, moment in horizons if moment is not None}
            self._opened = opened.pop_all()

    def write(self, group: Sequence[Coming]) -> list[Judgement]:
        """Put what is new into the file, in one transaction that is safely on disk at the end. Raises StoreError."""
        with self._database.transaction(writes=True) as connection:
            known = self._known(connection, group)
            verdicts = list[Judgement]()
            new = list[Coming]()
            for one in group:
                verdict = self._judge(one, known)
                verdicts.append(verdict)
                if verdict is True:
                    new.append(one)
                    known[one.key] = one.h
            if new:
                connection.exec_driver_sql(INSERT, [one.values for one in new])
                connection.exec_driver_sql(MOVE_HEAD, [(model,) for model in {one.prediction.model for one in new}])
        return verdicts

    def checkpoint(self) -> None:
        """Take what is in the write-ahead log over into the file, as far as no reader is at it."""
        with suppress(sqlite3.Error), self._database.engine.connect() as connection:  # what is there stays safe there
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Take the rest over, and let others have the file."""
        self._opened.close()

    def _judge(self, one: Coming, known: Known) -> Judgement:
        horizon = self._horizons.get(one.prediction.model)
        if horizon is not None and one.prediction.occurred_at < horizon:
            return ConflictError(f"prediction {one.prediction.id}: {too_old_text(1, horizon)}")
        if one.key not in known:
            return True
        if known[one.key] == one.h:
            return False
        return ConflictError(
            f"prediction {one.prediction.id} of {one.prediction.model} is recorded with other content; a prediction "
            "never changes: give a new one a new id"
        )

    def _known(self, connection: Connection, group: Sequence[Coming]) -> Known:
        """`h` of those that are in this segment, or in another that is live."""
        ids = dict[str, list[str]]()
        for one in group:
            ids.setdefault(one.prediction.model, []).append(one.prediction.id)
        found = _hashes(connection, ids)
        for path in self._segments.folder.glob("*.db"):
            if path.name != self.name:
                found |= self._known_elsewhere(path, ids)
        return found

    def _known_elsewhere(self, path: Path, ids: Mapping[str, Sequence[str]]) -> Known:
        try:
            with self._segments.open(path.name).transaction() as connection:
                return _hashes(connection, ids)
        except MissingSegmentError:  # rolled meanwhile
            return {}
        except StoreError:
            if path.exists():
                raise
            return {}


def _hashes(connection: Connection, ids: Mapping[str, Sequence[str]]) -> Known:
    found: Known = {}
    for model, some in ids.items():
        query = HASHES.format(", ".join("?" * len(some)))
        found |= {(row[0], row[1]): row[2] for row in connection.exec_driver_sql(query, (model, *some))}
    return found
