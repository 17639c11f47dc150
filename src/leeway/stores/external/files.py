"""A prediction log that is Parquet in a folder or a bucket: DuckDB asks, of the files that a question is about."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Executable

from leeway.domain.text import by_number, counted
from leeway.errors import LogError, StoreError, first_few, in_one_line
from leeway.stores.duck import ask, asking
from leeway.stores.external.address import S3, LogAddress
from leeway.stores.external.asking import Extent, Relations
from leeway.stores.external.objects import Facts, Listing, Object, Objects, overlapping
from leeway.stores.external.relation import NUMBER, quoted

SOURCE = "log_files"
MIB = 2**20
log = logging.getLogger("leeway.log")


class Files:
    """`leeway.stores.external.asking.Keeper`; for one thread. `memory`: where what was seen of the files is kept."""

    dialect = "duckdb"

    def __init__(
        self, address: LogAddress, columns: Mapping[str, str], *, memory: Path | None = None, writing: bool = False
    ) -> None:
        self.address = address
        self._at = columns.get("occurred_at", "occurred_at")
        self._version = columns.get("model_version", "model_version")
        key = f"{address.text} {self._at} {self._version}"
        self.objects = Objects(address, memory, index=self._facts, key=key, writing=writing)
        self._forgetful = memory  # named where files are gone
        self._said: set[str] = set()

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        source = self._relation([self._newest], None, None)
        with self._explained(), asking({SOURCE: source}) as cursor:
            return {row[0]: row[1] for row in cursor.execute(f"DESCRIBE {SOURCE}").fetchall()}

    def columns(self) -> Mapping[str, str]:
        return self._columns

    def position(self) -> str:
        return str(self.objects.look())

    def is_kept(self, position: str) -> bool:
        return position.startswith("objects:")

    def tells_news(self) -> bool:
        return True

    def keeps_past(self) -> bool:
        return True

    def rows(self, extent: Extent) -> int | None:
        return sum(one.facts.rows for one in self.chosen(extent))

    def spans(
        self, names: Collection[str] | None, start: datetime | None, end: datetime | None
    ) -> tuple[list[tuple[datetime, datetime]], Extent | None]:
        found: list[tuple[datetime, datetime]] = []
        unsure: list[str] = []
        for one in overlapping(self.objects.present, start, end):
            for first, last in _spans_of(one.facts, names, versioned=self._version in self._columns):
                if first is None or last is None or (start and first < start) or (end and last >= end):
                    unsure.append(one.path)
                else:
                    found.append((first, last))
        return found, Extent(start, end, only=frozenset(unsure)) if unsure else None

    def ask(self, query: Executable, relations: Relations, extent: Extent) -> list[tuple[Any, ...]]:
        chosen = self.chosen(extent)
        source = self._relation(chosen or [self._newest], extent.start, extent.end, empty=not chosen)
        texts = relations(SOURCE, lambda text: NUMBER["duckdb"].format(text=text))
        with self._explained(), asking({SOURCE: source, **texts}) as cursor:
            return ask(cursor, query)

    def cost(self, _: Executable, __: Relations, extent: Extent) -> str:
        chosen = self.chosen(extent)
        size = sum(one.size for one in chosen) / MIB
        rows = sum(one.facts.rows for one in chosen)
        return f"{counted(len(chosen), 'file')} with {counted(rows, 'row')}: some columns of {size:,.1f} MiB"

    def close(self) -> None:
        """Nothing is held open."""

    def chosen(self, extent: Extent) -> list[Object]:
        """Return the files that a question is about. Raises LogError where one is gone, and its rows with it."""
        inside = overlapping(self.objects.all, extent.start, extent.end)
        upto, after = (
            None if text is None else self.objects.at(Listing.parse(text)) for text in (extent.upto, extent.after)
        )
        present = [one for one in inside if one.gone is None]
        if extent.only is not None:
            return [one for one in present if one.path in extent.only]
        gone = [one for one in inside if one.gone is not None and (upto is None or upto(one))]
        is_night = extent.start is not None and extent.end is not None  # of all there is, old files may well be gone
        instead = self._instead(gone, present, extent.upto or extent.after) if is_night else []
        wanted = [one for one in present if upto is None or upto(one) or one in instead]
        if is_night and gone:
            known = [*gone, *(one for one in present if upto is None or upto(one))]
            self._check_whole(gone, _most_rows(known) - sum(one.facts.rows for one in wanted))
        return [one for one in wanted if after is None or not (after(one) or one in instead)]

    def _instead(self, gone: Sequence[Object], present: Sequence[Object], position: str | None) -> list[Object]:
        """The files that came in place of those that were there at a position and are gone."""
        was_there = None if position is None else self.objects.at(Listing.parse(position), present=True)
        since = min((one.gone for one in gone if one.gone and (was_there is None or was_there(one))), default=None)
        return [] if since is None else [one for one in present if one.seen >= since]

    def _check_whole(self, gone: Sequence[Object], lacking: int) -> None:
        """Raise LogError if the files that came in place of others hold fewer rows."""
        paths = sorted({one.path for one in gone})
        names, are = first_few(paths, 3), by_number(len(paths), "is", "are")
        if lacking > 0:
            raise LogError(
                f"{self.address.text}: {counted(len(paths), 'file')} that had been seen {are} gone or rewritten, and "
                f"{counted(lacking, 'row')} with {by_number(len(paths), 'it', 'them')}: {names}; put back what is "
                f"missing or, if it was meant, delete {self._forgetful} to begin with what is there now"
            )
        if names not in self._said:
            self._said.add(names)
            log.warning(
                "%s: gone or rewritten since it was seen: %s; the files in place of it are read",
                self.address.text,
                names,
            )

    @property
    def _newest(self) -> Object:
        return max(self.objects.present, key=lambda one: (one.modified, one.path))

    def _relation(
        self, chosen: Sequence[Object], start: datetime | None, end: datetime | None, *, empty: bool = False
    ) -> Any:
        """What DuckDB reads: a text, or of a bucket an Arrow dataset. Every column of the newest file is in it."""
        if self.address.kind == S3:
            dataset = self._dataset(chosen)
            return dataset.filter(pc.scalar(False)) if empty else _between(dataset, self._at, start, end)
        newest = self._newest
        text = f"SELECT * FROM {_parquet([one.path for one in chosen])}"
        if empty:
            return f"{text} LIMIT 0"
        return text if newest in chosen else f"{text} UNION ALL BY NAME (FROM {_parquet([newest.path])} LIMIT 0)"

    def _dataset(self, chosen: Sequence[Object]) -> Any:
        from pyarrow import dataset

        settings = {"filesystem": self.objects.filesystem, "format": "parquet", "partitioning": "hive"}
        try:
            schema = dataset.dataset([self._newest.path], **settings).schema
            return dataset.dataset([one.path for one in chosen], schema=schema, **settings)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(self._newest.path, error) from error

    def _facts(self, filesystem: Any, path: str) -> Facts:
        """Read the footer of one file; where rows name their version, that column too."""
        import pyarrow.parquet as pq

        try:
            with filesystem.open_input_file(path) as opened, pq.ParquetFile(opened) as file:
                found = _bounds(file.metadata, self._at)
                if self._version not in file.schema_arrow.names or self._at not in file.schema_arrow.names:
                    return found
                table = file.read(columns=[self._version, self._at])
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(path, error) from error
        return Facts(found.rows, found.first, found.last, _names(table, self._version, self._at))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            raise LogError(f"{self.address.text}: {error}") from error

    def _unreadable(self, path: str, error: Exception) -> LogError:
        return LogError(
            f"{self.address.text}: {path} cannot be read as Parquet: {in_one_line(error)[:300]}; mend it or remove it"
        )


def _most_rows(files: Sequence[Object]) -> int:
    """The most rows that were there at once before one of these files went: each rewriting replaces what it found."""
    return max(
        sum(one.facts.rows for one in files if one.seen < gone and (one.gone is None or one.gone >= gone))
        for gone in {one.gone for one in files if one.gone is not None}
    )


def _spans_of(
    facts: Facts, names: Collection[str] | None, *, versioned: bool
) -> list[tuple[datetime | None, datetime | None]]:
    """What a file says of the rows with these names; (None, None): only its rows say it."""
    if names is not None and not versioned:
        return [(facts.first, facts.last)] if "" in names else []
    if names is None or not facts.names:
        return [(None, None)]
    return [span[:2] for name, span in facts.names.items() if name in names]


def _parquet(paths: Sequence[str]) -> str:
    return f"read_parquet([{', '.join(map(quoted, paths))}], union_by_name = true, hive_partitioning = true)"


def _between(dataset: Any, column: str, start: datetime | None, end: datetime | None) -> Any:
    """The dataset without row groups of other times: Arrow then fetches none of them."""
    if column not in dataset.schema.names or not pa.types.is_timestamp(dataset.schema.field(column).type):
        return dataset
    at, kind = pc.field(column), dataset.schema.field(column).type
    if kind.tz is None:
        return dataset
    bounds = [] if start is None else [at >= pa.scalar(start, kind)]
    bounds += [] if end is None else [at < pa.scalar(end, kind)]
    for bound in bounds:
        dataset = dataset.filter(bound)
    return dataset


def _bounds(metadata: Any, column: str) -> Facts:
    """Rows, first and last moment by the statistics of all row groups; None where one has none."""
    lows: list[Any] = []
    highs: list[Any] = []
    places = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path == column]
    for group in range(metadata.num_row_groups):
        for at in places:
            known = metadata.row_group(group).column(at).statistics
            if known is None or not known.has_min_max or not isinstance(known.min, datetime):
                return Facts(metadata.num_rows, None, None)
            lows.append(_utc(known.min))
            highs.append(_utc(known.max))
    return Facts(metadata.num_rows, min(lows, default=None), max(highs, default=None))


def _names(table: pa.Table, name: str, at: str) -> dict[str, tuple[datetime, datetime, int]]:
    if not pa.types.is_timestamp(table[at].type):
        return {}
    texts = pc.fill_null(table[name].cast(pa.string()), "")
    grouped = (
        pa.table({"name": texts, "at": table[at]})
        .group_by("name")
        .aggregate([("at", "min"), ("at", "max"), ("at", "count")])
    )
    rows = grouped.to_pylist()
    return {row["name"]: (_utc(row["at_min"]), _utc(row["at_max"]), row["at_count"]) for row in rows if row["at_min"]}


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
