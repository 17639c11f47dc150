"""Forgetting in columns: a part of which nothing remains goes, one of which some remains is written anew in its place.

The new files are safely there first, then one transaction names them instead of the old ones, then those are unlinked.
Killed before that transaction, a reader sees what was there before; after it, what remains; what lies in the folder
without being named, nobody reads, and `orphans` removes it. A live segment has a transaction of its own.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Select, Table, and_, delete, func, select, update

from leeway.domain.forgetting import Forgotten
from leeway.domain.identity import permanent_number
from leeway.domain.records import utc_text
from leeway.errors import StoreError
from leeway.stores.columnar.horizon import move_horizon
from leeway.stores.columnar.manifest import BEFORE, CHANCES, MOVES, PREDICTIONS, LogManifest, LogPart, Window
from leeway.stores.columnar.naming import Naming, naming
from leeway.stores.columnar.parts import TIME, PartWriter, Staged, check_present, rows_of
from leeway.stores.columnar.relation import LogContents, predictions_relation
from leeway.stores.columnar.segments import Segments
from leeway.stores.duck import as_table, asking
from leeway.stores.log_tables import given_labels, log_heads, predictions
from leeway.stores.rows import batches
from leeway.stores.sources import forget_sources

TRIES = 5  # to find the log as it was before the rows that stay were written


@dataclass(frozen=True, slots=True)
class Doomed:
    """Rows that are to go: those that occurred before a moment, or those with one of these ids."""

    before: datetime | None = None
    ids: Sequence[str] = ()

    def touches(self, part: LogPart) -> bool:
        """Whether rows of the part may be among them, as far as the manifest knows."""
        return bool(self.ids) or (self.before is not None and part.first_at is not None and part.first_at < self.before)

    def keeps(self, table: pa.Table) -> pa.Array:
        """Return (N,) which rows of a part stay."""
        if self.before is not None:
            return pc.greater_equal(table["occurred_at"], pa.scalar(self.before, TIME))
        return pc.invert(pc.is_in(table["id"], pa.array(self.ids, pa.string())))

    def terms(self, table: Table) -> Iterator[Any]:
        """Give conditions, some ids at a time, which together hold for the rows of a segment."""
        if self.before is not None:
            yield table.c.occurred_at < self.before
        yield from (table.c.id.in_(some) for some in batches(self.ids))

    def numbers(self, model: str) -> Iterator[Select[Any]]:
        """Give queries that together count the predictions of a segment."""
        for term in self.terms(predictions):
            yield select(func.count()).select_from(predictions).where(predictions.c.model == model, term)


class Removal:
    """Removes rows of one model."""

    def __init__(self, manifest: LogManifest, segments: Segments, parts: Path, model: str, *, secret: str) -> None:
        self.manifest, self.segments, self.parts, self.model, self.secret = manifest, segments, parts, model, secret

    def before(self, moment: datetime) -> Forgotten:
        """See `leeway.domain.forgetting.Forgetting.forget`."""
        utc_text(moment)  # raises for one without a zone
        with self.manifest.writing() as connection:  # from now on such rows are refused: none comes meanwhile
            horizon = move_horizon(connection, self.model, moment)
        return self._forget(Doomed(before=horizon))

    def ids(self, ids: Iterable[str]) -> Forgotten:
        """See `leeway.domain.forgetting.Forgetting.forget_ids`."""
        return self._forget(Doomed(ids=sorted(set(ids))))

    def _forget(self, doomed: Doomed) -> Forgotten:
        """Write what stays beside what is there, without a lock; alone with the log, put it in its place."""
        for _ in range(TRIES):
            parts, names = self.manifest.read(self.model)
            written = self._written_anew(parts, names, doomed)
            try:
                with naming(self.manifest, self.parts) as (connection, name_part):
                    now, names = self.manifest.read(self.model, connection)
                    come = [part for part in now if part not in parts]
                    if set(written) <= {part.file for part in now} and not self._touched(come, doomed):
                        live = [self._of_segment(connection, name, doomed) for name in names]
                        removed = self._replace(name_part, now, written, live)
                        break
            finally:
                _discard(written.values())
        else:
            raise StoreError(f"the prediction log of {self.model} is being rewritten all the time; try again later")
        for file in written:
            (self.parts / file).unlink(missing_ok=True)
        return removed

    def _replace(
        self,
        name_part: Naming,
        parts: Sequence[LogPart],
        written: Mapping[str, Staged | None],
        live: Sequence[Forgotten],
    ) -> Forgotten:
        removed = Forgotten(sum(one.rows for one in live), sum(one.labels for one in live))
        firsts = [one.first_at for one in live]
        for part in parts:
            staged = written.get(part.file)
            stays = staged.part if staged else None if part.file in written else part
            if stays is not part:
                name_part.instead_of(part, staged)
                removed = _less(removed, part, stays)
            firsts += [stays.first_at] if stays and stays.kind == PREDICTIONS else []
        forget_sources(name_part.connection, self.model)
        return replace(removed, first_at=min((one for one in firsts if one is not None), default=None))

    def _touched(self, parts: Sequence[LogPart], doomed: Doomed) -> list[LogPart]:
        """The parts that hold such rows."""
        found = [part for part in parts if part.kind != MOVES and doomed.touches(part)]
        if doomed.ids and found:
            held = self._holding(found, doomed.ids)
            found = [part for part in found if part.file in held]
        return found

    def _holding(self, parts: Sequence[LogPart], ids: Collection[str]) -> set[str]:
        """Return the files of these parts that have one of the ids; found by `u`, which is quick to compare."""
        numbers = pa.table({"u": pa.array([permanent_number(one, self.secret) for one in ids], pa.int64())})
        paths = ", ".join(_text(check_present(self.parts, part)) for part in parts)
        query = f"SELECT DISTINCT filename FROM read_parquet([{paths}], filename = true, union_by_name = true)"
        with asking({"doomed": numbers}) as cursor:
            found = as_table(cursor, f"{query} WHERE u IN (SELECT u FROM doomed)")
        return {Path(name).name for name in found["filename"].to_pylist()}

    def _written_anew(self, parts: Sequence[LogPart], names: Sequence[str], doomed: Doomed) -> dict[str, Staged | None]:
        """Return by file what is to stand for a part of which rows go: None if nothing of it stays."""
        made: dict[str, Staged | None] = {}
        try:
            for part in self._touched(parts, doomed):
                self._add(made, part, self._kept(part, doomed))
            for part in [part for part in parts if part.kind == MOVES]:
                self._add(made, part, [self._moves_kept(part, parts, names, doomed)])
        except BaseException:
            _discard(made.values())
            raise
        return made

    def _kept(self, part: LogPart, doomed: Doomed) -> Iterator[pa.Table]:
        if doomed.before is not None and part.last_at is not None and part.last_at < doomed.before:
            return
        for table in rows_of(check_present(self.parts, part)):
            yield table.filter(doomed.keeps(table))

    def _moves_kept(self, part: LogPart, parts: Sequence[LogPart], names: Sequence[str], doomed: Doomed) -> pa.Table:
        """The moves of predictions that stay; a move bears no time of its own."""
        live = {name: self.segments.open(name) for name in names}
        contents = LogContents(self.parts, [one for one in parts if one.kind == PREDICTIONS], live, self.secret)
        relations = predictions_relation(contents, Window(self.model, start=doomed.before))
        stay = "p.id NOT IN (SELECT id FROM doomed)"
        if doomed.before is not None:
            stay = f"p.occurred_at >= '{utc_text(doomed.before)}+00'::TIMESTAMPTZ"
        query = (
            f"SELECT * FROM read_parquet({_text(check_present(self.parts, part))}) AS m "
            f"SEMI JOIN (SELECT u, id FROM predictions AS p WHERE {stay}) AS s ON m.u = s.u AND m.id = s.id"
        )
        with asking(relations | {"doomed": pa.table({"id": pa.array(doomed.ids, pa.string())})}) as cursor:
            return as_table(cursor, query)

    def _add(self, made: dict[str, Staged | None], part: LogPart, tables: Iterable[pa.Table]) -> None:
        """Write these rows for the part's place, if any are missing: its number and theirs stay, as do positions."""
        writer = PartWriter(self.parts, part.kind, self.model, part.version, part.received_at)
        try:
            for table in tables:
                writer.write(table)
            staged = writer.finish(segment=part.segment)
        except BaseException:
            writer.discard()
            raise
        if staged is None:
            made[part.file] = None
        elif staged.part.rows == part.rows:
            _discard([staged])
        else:
            labelled = 0 if part.kind == CHANCES else staged.part.labelled
            made[part.file] = replace(staged, part=replace(staged.part, labelled=labelled))

    def _of_segment(self, manifest: Connection, name: str, doomed: Doomed) -> Forgotten:
        database = self.segments.open(name)
        with database.transaction() as connection:
            rows = sum(connection.scalar(query) or 0 for query in doomed.numbers(self.model))
            first = connection.scalar(
                select(func.min(predictions.c.occurred_at)).where(predictions.c.model == self.model)
            )
        if not rows:
            return Forgotten(first_at=first)
        if name == BEFORE:
            return delete_rows(manifest, self.model, doomed)
        with self.segments.alone(name) as own, own.transaction(writes=True) as connection:
            return delete_rows(connection, self.model, doomed)


def delete_rows(connection: Connection, model: str, doomed: Doomed) -> Forgotten:
    """Delete a model's rows from a segment's tables."""
    removed = dict[str, int]()
    for table in (given_labels, predictions):
        own = table.c.model == model
        removed[table.name] = sum(
            connection.execute(delete(table).where(and_(own, term))).rowcount for term in doomed.terms(table)
        )
    less = log_heads.c.given - removed[given_labels.name]
    connection.execute(update(log_heads).where(log_heads.c.model == model).values(given=less))
    first = connection.scalar(select(func.min(predictions.c.occurred_at)).where(predictions.c.model == model))
    return Forgotten(removed[predictions.name], removed[given_labels.name], first)


def _less(removed: Forgotten, old: LogPart, new: LogPart | None) -> Forgotten:
    rows = old.rows - (new.rows if new else 0) if old.kind == PREDICTIONS else 0
    labels = old.labelled - (new.labelled if new else 0)
    return replace(removed, rows=removed.rows + rows, labels=removed.labels + labels)


def _discard(written: Iterable[Staged | None]) -> None:
    """Leave no hidden file behind; one that was moved to its place is not there any more."""
    for staged in written:
        if staged is not None:
            staged.path.unlink(missing_ok=True)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
