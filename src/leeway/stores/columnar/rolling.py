"""Rolling: segments of days that are over become parts, in one commit: no row is seen twice, or not at all."""

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError

from leeway import durable
from leeway.domain.text import by_number, counted
from leeway.domain.upkeep import Rolled
from leeway.errors import HeldError, StoreError, first_few
from leeway.stores.columnar.judging import CHANGED, KNOWN, NEW, Judgement, judge
from leeway.stores.columnar.manifest import LogManifest, Window, drop_segment
from leeway.stores.columnar.naming import naming
from leeway.stores.columnar.orphans import remove_orphans
from leeway.stores.columnar.parts import Staged
from leeway.stores.columnar.relation import LogContents, truth_relation
from leeway.stores.columnar.segments import Segments, remove_segment, seal
from leeway.stores.columnar.source import Staging
from leeway.stores.columnar.staging import Desk, Slice, filtered, stage_labels, stage_predictions
from leeway.stores.database import explain
from leeway.stores.duck import as_table, asking
from leeway.stores.log_tables import given_labels, predictions

TRIES = 3  # at a segment of which rows are forgotten meanwhile
log = logging.getLogger("leeway.stores")


@dataclass(slots=True)
class Lot:
    """Hidden files that hold the rows of a segment, or of a slice of it, and what was left out of them."""

    finished: list[Staged] = field(default_factory=list)
    rows: int = 0
    labels: int = 0  # that were read
    known: int = 0
    changed: list[str] = field(default_factory=list)


class Rolling:
    """Rolls the segments of one log."""

    def __init__(self, manifest: LogManifest, segments: Segments, parts: Path, secret: str) -> None:
        self.manifest, self.segments, self.parts, self.secret = manifest, segments, parts, secret

    def roll(self, now: datetime) -> Rolled:
        """Roll the segments of days before this one (UTC). Nothing is done where somebody else is at it."""
        total = Rolled()
        with claimed(self.parts.parent) as is_mine:
            if is_mine:
                for name in self.manifest.closed(now.astimezone(UTC).date()):
                    with suppress(HeldError):  # whoever fills it has not seen that the day is over: the next time, then
                        total += self.roll_segment(name)
                remove_orphans(self.manifest, self.parts, self.segments.folder)
        return total

    def roll_segment(self, name: str) -> Rolled:
        """Roll one segment: it is sealed first, so that nobody adds to it. Begins anew if rows are forgotten in it."""
        with self.segments.alone(name) as database:
            with database.transaction(writes=True) as connection:
                seal(connection)
            try:
                with database.engine.connect() as connection:
                    for _ in range(TRIES):
                        rolled = self._roll(name, connection)
                        if rolled is not None:
                            break
                    else:
                        raise StoreError(f"segment {name} of the prediction log changes all the time; try again")
            except SQLAlchemyError as error:
                raise explain(error, database.engine.url) from error
        self.segments.close(name)
        remove_segment(self.segments.folder, name)
        return rolled

    def _roll(self, name: str, connection: Connection) -> Rolled | None:
        """One try; None if the segment changed meanwhile."""
        before = _changes(connection)
        with ExitStack() as hidden:
            desk = Desk(connection, self.parts, name, self.secret, hidden)
            lots = [self.stage(desk, model, slices) for model, slices in slices_of(connection).items()]
            with naming(self.manifest, self.parts) as (ledger, name_part):
                if name not in self.manifest.read("", ledger)[1]:  # somebody else rolled it
                    return Rolled()
                if _changes(connection) != before:
                    return None
                for lot in lots:
                    for one in lot.finished:
                        name_part(one)
                drop_segment(ledger, name)
        return told(name, lots)

    def stage(self, desk: Desk, model: str, slices: Sequence[Slice]) -> Lot:
        """Write these slices of one model to hidden files, without what stands in the parts already."""
        stagings, numbers, first = list[Staging](), [np.empty(0, np.int64)], 0
        for of in slices:
            if (staged := stage_predictions(desk, of, first)) is not None:
                stagings.append(staged[0])
                numbers.append(staged[1])
                first += len(staged[1])
        labels = stage_labels(desk, model, slices)
        contents = LogContents(self.parts, self.manifest.read(model)[0], {}, self.secret)
        if stagings:
            verdict = judge(contents, model, stagings, np.concatenate(numbers))
        else:  # labels alone, of rows that stand in parts
            verdict = Judgement(np.empty(0, np.uint8), np.empty(0, np.int32))
        lot = Lot(rows=verdict.number(NEW), known=verdict.number(KNOWN), changed=verdict.changed)
        lot.labels = 0 if labels is None else labels.part.labelled
        if lot.rows < first and labels is not None:
            labels = _labels_of_kept(desk, contents, model, stagings, verdict, labels)
        for one in stagings:
            states = verdict.states[one.first : one.first + one.staged.part.rows]
            lot.finished += _given(filtered(desk, one.staged, states == NEW))
        lot.finished += _given(labels)
        return lot


def slices_of(connection: Connection) -> dict[str, list[Slice]]:
    """Model -> its versions in a database that holds predictions."""
    found: dict[str, list[Slice]] = {}
    for model, version in sorted(_versions(connection, predictions) | _versions(connection, given_labels)):
        found.setdefault(model, []).append(Slice(model, version))
    return found


def _versions(connection: Connection, table: Table) -> set[tuple[str, int]]:
    return {(row.model, row.version) for row in connection.execute(select(table.c.model, table.c.version).distinct())}


def told(name: str, lots: Sequence[Lot]) -> Rolled:
    """Sum up, and warn of ids that came with another content than they are recorded with."""
    changed = [one for lot in lots for one in lot.changed]
    if changed:
        are, have = by_number(len(changed), "was", "were"), by_number(len(changed), "id stands", "ids stand")
        log.warning(
            "segment %s: %s left out, since the %s in the log with another content: %s",
            *(name, f"{counted(len(changed), 'prediction')} {are}", have, first_few(changed)),
        )
    return Rolled(1, sum(lot.rows for lot in lots), sum(lot.known for lot in lots), tuple(changed))


def _labels_of_kept(
    desk: Desk, contents: LogContents, model: str, stagings: Sequence[Staging], verdict: Judgement, labels: Staged
) -> Staged | None:
    """The labels without those that are known, and those of predictions whose content is another one."""
    path = str(labels.path).replace("'", "''")
    relations = truth_relation(contents, Window(model)) | {
        "source": " UNION ALL BY NAME ".join(one.sql for one in stagings),
        "states": pa.table({"place": np.arange(len(verdict.states)), "state": verdict.states}),
        "labels": f"SELECT id, file_row_number FROM read_parquet('{path}', file_row_number = true)",
    }
    changed = f"SELECT id FROM source JOIN states USING (place) WHERE state = {CHANGED}"
    query = f"SELECT file_row_number AS at FROM labels WHERE id IN ({changed}) OR id IN (SELECT id FROM given_labels)"
    with asking(relations) as cursor:
        left_out = as_table(cursor, query)["at"].to_numpy()
    kept = np.ones(labels.part.rows, bool)
    kept[left_out] = False
    return filtered(desk, labels, kept)


def _changes(connection: Connection) -> int:
    """A number that differs as soon as another connection has written to the database."""
    connection.rollback()  # ends what is open: it would not see it
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def _given(staged: Staged | None) -> list[Staged]:
    return [] if staged is None else [staged]


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Give whether nobody else rolls this log now; a process that dies gives its claim back."""
    durable.make_folder(folder)
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(file)
