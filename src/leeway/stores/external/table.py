"""A prediction log that is a table of a database or warehouse: asked in its own SQL, through its own driver."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Executable

from leeway.errors import LeewayError, LogError, in_one_line
from leeway.stores.external.address import LOGINS, LogAddress
from leeway.stores.external.asking import Extent, Relations
from leeway.stores.external.dialects import number_placeholder, translate
from leeway.stores.external.queries import compiled, with_relations
from leeway.stores.external.relation import NUMBER, identifier
from leeway.stores.external.warehouses import WAREHOUSES, Warehouse, bytes_of

AS_OF, MOMENT, FILE = "as of", "moment", "file"  # kinds of positions; of a moment nothing can be read later
GIB = 2**30


class Table:
    """`leeway.stores.external.asking.Keeper`; for one thread."""

    def __init__(self, address: LogAddress, kind: Warehouse | None = None) -> None:
        self.address = address
        self.kind = kind or WAREHOUSES[address.kind]
        self._held: tuple[str, Any] | None = None  # a transaction that sees the table as it was at this position

    @property
    def dialect(self) -> str:
        return self.kind.dialect

    def columns(self) -> Mapping[str, str]:
        names = ("", "", *self.address.table)[-3:]
        query = self.kind.columns.format(*names, whole=identifier(*self.address.table))
        found = {str(name): str(kind) for name, kind, *_ in self._rows(query)}
        if not found:
            raise LogError(
                f"{self.address.text}: there is no table {'.'.join(self.address.table)}, or nobody may read it"
            )
        return found

    def position(self) -> str:
        if self.address.kind == "duckdb":
            return f"{FILE}:{self._file_state()}"
        if self.address.kind == "postgresql":
            return self._hold()
        if not self._keeps_past:
            return f"{MOMENT}:not kept"
        return f"{AS_OF}:{self._snapshot()}"

    def is_kept(self, position: str) -> bool:
        kind, _, value = position.partition(":")
        held = self._held is not None and self._held[0] == position
        return kind == AS_OF or held or (kind == FILE and value == self._file_state())

    def tells_news(self) -> bool:
        return False

    def keeps_past(self) -> bool:
        return self.address.kind not in ("duckdb", "postgresql") and self._keeps_past

    def rows(self, _: Extent) -> int | None:
        return None

    def spans(
        self, _: Collection[str] | None, start: datetime | None, end: datetime | None
    ) -> tuple[list[tuple[datetime, datetime]], Extent | None]:
        return [], Extent(start, end)

    def ask(self, query: Executable, relations: Relations, extent: Extent) -> list[tuple[Any, ...]]:
        return self._rows(*self.statement(query, relations, extent), upto=extent.upto)

    def cost(self, query: Executable, relations: Relations, extent: Extent) -> str:
        if self.address.kind != "bigquery":
            return ""
        text, _ = self.statement(query, relations, extent)
        with self._explained():
            return f"{bytes_of(self.address, text) / GIB:.2f} GiB in BigQuery"

    def statement(self, query: Executable, relations: Relations, extent: Extent) -> tuple[str, list[Any]]:
        """Return what is asked: a text, and the values that are handed over beside it."""
        number: Callable[[str], str] = number_placeholder
        if self.kind.parameters:
            template = NUMBER[self.dialect]
            number = lambda text: template.format(text=text)  # noqa: E731
        body, values = compiled(query)
        text = with_relations(body, relations(identifier(*self.address.table), number))
        if self.kind.parameters:
            return text, values
        kind, _, position = (extent.upto or "").partition(":")
        past = position if kind == AS_OF else None
        return translate(text, values, self.dialect, table=self.address.table, position=past), []

    def close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held[1].close()
        if "_connection" in self.__dict__:
            self.__dict__.pop("_connection").close()

    def _rows(self, text: str, values: list[Any] | None = None, *, upto: str | None = None) -> list[tuple[Any, ...]]:
        with self._explained():
            if self._held is not None and self._held[0] == upto:
                return _all(self._held[1], text, values)
            if self.address.kind == "duckdb":  # held open it would let nobody write
                with self.kind.connect(self.address) as connection:
                    return _all(connection, text, values)
            connection = self._connection
            try:
                return _all(connection, text, values)
            finally:
                if self.address.kind == "postgresql":  # each question begins a transaction
                    connection.rollback()

    @cached_property
    def _connection(self) -> Any:
        return self.kind.connect(self.address)

    def _hold(self) -> str:
        """Begin a transaction that sees the table as it is now, for as long as this process asks at this position."""
        with self._explained():
            if self._held is not None:
                self._held[1].close()
            connection = self.kind.connect(self.address)
            [[now]] = _all(connection, "SELECT clock_timestamp()", None)
        self._held = (f"{MOMENT}:{now.astimezone(UTC).isoformat()}", connection)
        return self._held[0]

    @cached_property
    def _keeps_past(self) -> bool:
        """Whether the table, which may be a view, can be read as it was: asked once."""
        names = ("", "", *self.address.table)[-3:]
        if not self.kind.snapshot:
            return False
        try:
            [[position, *_], *_] = self._rows(self.kind.snapshot.format(*names))
            text = f"SELECT 1 AS one FROM {identifier(*self.address.table)} LIMIT 0"
            self._rows(translate(text, [], self.dialect, table=self.address.table, position=str(position)))
        except (LogError, ValueError):
            return False
        return True

    def _snapshot(self) -> str:
        names = ("", "", *self.address.table)[-3:]
        [[position, *_], *_] = self._rows(self.kind.snapshot.format(*names))
        return str(position)

    def _file_state(self) -> str:
        path = Path(self.address.path)
        if not path.is_file():
            raise LogError(f"{self.address.text}: there is no file {path}")
        state = path.stat()
        return f"{state.st_size}.{state.st_mtime_ns}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except LeewayError:
            raise
        except Exception as error:  # each driver has errors of its own
            login = LOGINS[self.address.kind]
            raise LogError(
                f"{self.address.text} cannot be read: {in_one_line(error)[:500]} (a login comes from {login})"
            ) from error


def _all(connection: Any, text: str, values: list[Any] | None) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    try:
        cursor.execute(text, values) if values else cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()


def as_utc(moment: datetime | None) -> datetime | None:
    """Return a moment as a driver gives it, aware and in UTC: the sessions are in UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
