"""Asks DuckDB the questions that are written for the databases: one query text for all engines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Executable
from sqlalchemy.dialects import postgresql

from leeway.domain.identity import BITS
from leeway.errors import StoreError, in_one_line

MEMORY = "256MB"  # beyond it DuckDB sorts and joins on disk
DIALECT = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1)
def engine() -> Any:
    """Return the DuckDB of this process, in memory: it keeps nothing."""
    import duckdb

    made = duckdb.connect(config={"memory_limit": MEMORY, "preserve_insertion_order": False})
    made.execute("SET GLOBAL TimeZone = 'UTC'")  # as an option of connect it comes before the time zones are loaded
    return made


@contextmanager
def asking(relations: Mapping[str, Any]) -> Iterator[Any]:
    """Give a cursor that sees these relations by name: SQL texts, or Arrow tables. Raises StoreError in one line."""
    import duckdb

    with closing(engine().cursor()) as cursor:
        try:
            for name, relation in relations.items():
                if isinstance(relation, str):
                    cursor.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {relation}')
                else:
                    cursor.register(name, relation)
            yield cursor
        except duckdb.Error as error:
            raise EngineError(f"the prediction log cannot be read: {in_one_line(error)}") from error


class EngineError(StoreError):
    """DuckDB did not answer: a file that it reads is damaged, or was taken away meanwhile."""


def ask(cursor: Any, query: Executable) -> list[tuple[Any, ...]]:
    """Return the rows of a query that is built for the databases; times are aware UTC."""
    compiled = query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    values = [compiled.params[name] for name in compiled.positiontup]
    columns = as_table(cursor, str(compiled), values).columns
    return list(zip(*map(_values, columns), strict=True))


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.to_pylist()
    first = next((one for one in values if one is not None), None)
    return [one and one.replace(tzinfo=UTC) for one in values] if isinstance(first, datetime) else values


def as_table(cursor: Any, text: str, values: Sequence[Any] = ()) -> Any:
    """Return the answer to a question in DuckDB's own SQL as a pyarrow.Table."""
    return cursor.sql(text, params=list(values)).to_arrow_table()


def permanent_numbers(ids: Any, secret: str) -> NDArray[np.int64]:
    """Return (N,) `domain.identity.permanent_number` of each id, an Arrow array of texts: 5 times as fast as a loop."""
    import pyarrow as pa

    digests = "SELECT (md5_number($1 || id) & 18446744073709551615)::UBIGINT AS number FROM ids"
    with asking({"ids": pa.table({"id": ids})}) as cursor:
        cursor.execute("SET SESSION preserve_insertion_order = true")
        numbers = as_table(cursor, digests, [secret])["number"].to_numpy()
    first: NDArray[np.int64] = (numbers.byteswap() >> np.uint64(64 - BITS)).astype(np.int64)  # md5's own order
    return first
