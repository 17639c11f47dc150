"""Manifest: which files the prediction log is made of, in the ledger's database. What it does not name is not there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, true, update

from leeway.stores.database import Database
from leeway.stores.log_tables import log_heads, log_parts, log_segments

PREDICTIONS, LABELS, CHANCES, MOVES = "predictions", "labels", "chances", "moves"  # kinds of parts
BEFORE = ""  # the segment that stands in the ledger's own database: what a workspace held before there were parts


@dataclass(frozen=True, slots=True)
class LogPart:
    """A Parquet file of one model's rows, which never changes."""

    file: str  # its name in the folder of parts
    kind: str
    model: str
    version: int | None  # None where rows of several versions may stand
    rows: int
    bytes: int
    sha256: str
    first_at: datetime | None  # when its predictions occurred; None in `moves`
    last_at: datetime | None
    received_at: datetime
    labelled: int = 0  # rows with a label that came with the log
    first_given_at: datetime | None = None  # the first of those with a draw probability
    segment: str | None = None  # from which it was rolled: its rows then have numbers of their own
    seq: int = 0  # in the order of committing

    @property
    def truth(self) -> bool:
        """Whether labels stand in it."""
        return self.kind in (LABELS, CHANCES) or self.labelled > 0


@dataclass(frozen=True, slots=True)
class Window:
    """Predictions of one model that are asked for: start <= occurred_at < end, of one version or of all."""

    model: str
    version: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    def touches(self, part: LogPart) -> bool:
        """Whether predictions of this window may stand in the part."""
        return (
            part.first_at is not None
            and part.last_at is not None
            and (self.version is None or part.version in (None, self.version))
            and (self.start is None or part.last_at >= self.start)
            and (self.end is None or part.first_at < self.end)
        )

    def holds(self, part: LogPart) -> bool:
        """Whether all rows of the part belong to it."""
        return (
            self.touches(part)
            and (self.version is None or part.version == self.version)
            and (self.start is None or part.first_at >= self.start)  # type: ignore[operator]
            and (self.end is None or part.last_at < self.end)  # type: ignore[operator]
        )


@dataclass(frozen=True, slots=True)
class Position:
    """A moment of one model's log: the last part, and how far each segment had come that was live."""

    part: int = 0
    segments: Mapping[str, int] | None = None

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read what `text()` wrote; a number alone is of the tables that a workspace had before."""
        if text.isdigit():
            return cls(0, {BEFORE: int(text)})
        first, *rest = text.split("|")
        return cls(
            int(first.removeprefix("part ")), {name: int(seq) for name, _, seq in (one.rpartition("=") for one in rest)}
        )

    def text(self) -> str:
        return "|".join(
            [f"part {self.part}", *(f"{name}={seq}" for name, seq in sorted((self.segments or {}).items()))]
        )

    def limit(self, part: LogPart) -> int | None:
        """The largest number of the part's rows that was there by then; None for all of them, 0 for none."""
        if part.seq <= self.part:
            return None
        return (self.segments or {}).get(part.segment, 0) if part.segment is not None else 0


class LogManifest:
    """The tables of parts and segments."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Hold the only right to record, in this process and all others, until the end."""
        with self.database.transaction(writes=True) as connection:
            yield connection

    def read(
        self, model: str, connection: Connection | None = None, *, window: Window | None = None
    ) -> tuple[list[LogPart], list[str]]:
        """Return (the model's parts in order, the names of the live segments), as of one moment.

        With `window` only parts that rows of it may stand in, and those that say where images lie.
        """
        if connection is None:
            with self.database.transaction() as connection:
                return self.read(model, connection, window=window)
        own = and_(log_parts.c.model == model, true() if window is None else _touches(window))
        rows = connection.execute(select(*COLUMNS).where(own).order_by(log_parts.c.seq))
        segments = list(connection.scalars(select(log_segments.c.file).order_by(log_segments.c.file)))
        has_rows = log_heads.c.seq > 0  # a model of which all was forgotten has a horizon alone
        is_before = connection.scalar(select(log_heads.c.model).where(has_rows).limit(1)) is not None
        return [LogPart(*row) for row in rows], [BEFORE] * is_before + segments

    def closed(self, today: date) -> list[str]:
        """Return the segments of received days before this one, in order."""
        query = select(log_segments.c.file).where(log_segments.c.received_day < today).order_by(log_segments.c.file)
        with self.database.transaction() as connection:
            return list(connection.scalars(query))

    def files(self) -> set[str]:
        """Return the names of all parts."""
        with self.database.transaction() as connection:
            return set(connection.scalars(select(log_parts.c.file)))

    def rolled(self) -> set[str]:
        """Return the segments whose rows stand in parts now, and not in the segment any more."""
        with self.database.transaction() as connection:
            names = set(connection.scalars(select(log_parts.c.segment).where(log_parts.c.segment.is_not(None))))
            return names - set(connection.scalars(select(log_segments.c.file)))

    def models(self) -> list[str]:
        with self.database.transaction() as connection:
            return list(connection.scalars(select(log_parts.c.model).distinct().order_by(log_parts.c.model)))

    def end(self, model: str) -> int:
        """Return the number of the model's last part."""
        query = select(func.max(log_parts.c.seq)).where(log_parts.c.model == model)
        return int(self.database.scalar(query) or 0)

    def edge(self, window: Window, *, first: bool) -> datetime | None:
        """Return when the model's version first, or last, predicted, of all its parts."""
        edge = func.min(log_parts.c.first_at) if first else func.max(log_parts.c.last_at)
        own = (log_parts.c.model == window.model, log_parts.c.version == window.version)
        moment: datetime | None = self.database.scalar(select(edge).where(*own, log_parts.c.kind == PREDICTIONS))
        return moment

    def labelled(self) -> dict[str, int]:
        """Return how many labels came with the log of each model, in parts."""
        query = select(log_parts.c.model, func.sum(log_parts.c.labelled)).group_by(log_parts.c.model)
        return {model: int(number) for model, number in self.database.all(query)}


COLUMNS = [log_parts.c[one.name] for one in fields(LogPart)]


def _touches(window: Window) -> ColumnElement[bool]:
    """Whether predictions of the window may stand in a part, or no moments are kept of it."""
    parts = log_parts.c
    bounds = [] if window.version is None else [or_(parts.version == window.version, parts.version.is_(None))]
    bounds += [] if window.start is None else [parts.last_at >= window.start]
    bounds += [] if window.end is None else [parts.first_at < window.end]
    return or_(parts.first_at.is_(None), and_(*bounds, true()))


def add_parts(connection: Connection, parts: Sequence[LogPart]) -> None:
    """Let the log consist of these parts, too."""
    if parts:
        connection.execute(insert(log_parts), [_values(part) for part in parts])


def replace_part(connection: Connection, old: LogPart, new: LogPart | None) -> None:
    """Let another file, or none, stand for the part: what is in it was there before."""
    this = log_parts.c.seq == old.seq
    connection.execute(update(log_parts).where(this).values(_values(new)) if new else delete(log_parts).where(this))


def add_segment(connection: Connection, name: str, day: date) -> None:
    connection.execute(insert(log_segments), {"file": name, "received_day": day})


def drop_segment(connection: Connection, name: str) -> None:
    connection.execute(delete(log_segments).where(log_segments.c.file == name))


def _values(part: LogPart) -> dict[str, Any]:
    return {one.name: getattr(part, one.name) for one in fields(part) if one.name != "seq"}
