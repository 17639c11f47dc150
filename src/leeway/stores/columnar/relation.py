"""Relations: what DuckDB sees as `predictions` and `given_labels`, of one model, window and position."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from leeway.stores.columnar.manifest import CHANCES, MOVES, PREDICTIONS, LogPart, Position, Window
from leeway.stores.columnar.parts import SCHEMA, TRUTH, check_present
from leeway.stores.columnar.segments import live_rows
from leeway.stores.database import Database
from leeway.stores.duck import permanent_numbers


@dataclass(frozen=True, slots=True)
class LogContents:
    """What one model's log is made of, at one moment."""

    folder: Path  # of the parts
    parts: Sequence[LogPart]
    segments: Mapping[str, Database]
    secret: str
    horizon: datetime | None = None  # where a source is judged: older rows are refused

    def of_parts(self, parts: Sequence[LogPart]) -> "LogContents":
        """Return these parts alone."""
        return replace(self, parts=parts, segments={})

    def of(self, *kinds: str) -> list[LogPart]:
        return [part for part in self.parts if part.kind in kinds]


def predictions_relation(
    contents: LogContents, window: Window, *, after: Position | None = None, upto: Position | None = None
) -> dict[str, Any]:
    """Return `predictions`, and what it is made of, by name."""
    parts = [part for part in contents.of(PREDICTIONS) if window.touches(part)]
    live = _live(contents, window, after, upto, truth=False)
    moves = moves_text(contents)
    source = _union(contents.folder, parts, "live_predictions", after, upto)
    image = "coalesce(image, '')"
    if moves:
        source, image = f"({source}) LEFT JOIN ({moves}) USING (id)", "coalesce(moved, image, '')"
    else:
        source = f"({source})"
    columns = ", ".join(f'"{one.name}"' for one in SCHEMA if one.name not in ("group", "image", "probabilities"))
    text = (
        f'SELECT {_text(window.model)} AS model, {columns}, coalesce("group", id) AS "group", {image} AS image, '
        f"coalesce(probabilities, []) AS probabilities FROM {source}"
    )
    return {"live_predictions": live, "predictions": text}


def truth_relation(
    contents: LogContents,
    window: Window,
    *,
    after: Position | None = None,
    upto: Position | None = None,
    rows_upto: Position | None = None,
) -> dict[str, Any]:
    """Return `given_labels`, and what it is made of: between two positions, of rows that were there at a third."""
    inside = [part for part in contents.parts if part.truth and window.touches(part)]
    own = [part for part in inside if part.kind == PREDICTIONS and (rows_upto is None or rows_upto.limit(part) != 0)]
    later = [part for part in inside if part.kind != PREDICTIONS]
    live = _live(contents, window, after, upto, truth=True)
    text = f"{_union(contents.folder, own, None, after, upto)} UNION ALL BY NAME "
    others = _union(contents.folder, later, "live_labels", after, upto)
    relations: dict[str, Any] = {"live_labels": live}
    if rows_upto is not None and rows_upto != upto:
        rows = predictions_relation(contents, window, upto=rows_upto)
        relations |= {"live_rows": rows["live_predictions"]}
        there = rows["predictions"].replace("live_predictions", "live_rows")
        others = f"SELECT l.* FROM ({others}) AS l SEMI JOIN ({there}) AS p USING (id)"
    chances = [part for part in contents.of(CHANCES) if window.touches(part)]
    stated = ""
    if chances:  # stated later: the label measures from then on
        known = f"SELECT id FROM ({_union(contents.folder, chances, None, None, None)})"
        stated = f" AND (draw_probability IS NOT NULL OR id NOT IN ({known}))"
    columns = ", ".join(f'"{one.name}"' for one in TRUTH)
    text = f"SELECT {_text(window.model)} AS model, {columns} FROM ({text} ({others})) WHERE label IS NOT NULL{stated}"
    return relations | {"given_labels": text}


def _live(
    contents: LogContents, window: Window, after: Position | None, upto: Position | None, *, truth: bool
) -> pa.Table:
    """The rows of the live segments that are asked for."""
    tables: list[pa.Table] = []
    for name, database in contents.segments.items():
        first = 0 if after is None else (after.segments or {}).get(name, 0)
        last = None if upto is None else (upto.segments or {}).get(name, 0)
        if last is None or last > first:
            with database.transaction() as connection:
                tables += live_rows(connection, window, after=first, upto=last, truth=truth)
    table = pa.concat_tables([(TRUTH if truth else SCHEMA).empty_table(), *tables])
    if truth and table.num_rows:  # segments do not keep it beside their labels
        numbers = permanent_numbers(table["id"], contents.secret)
        table = table.set_column(table.column_names.index("u"), "u", pa.array(numbers))
    return table


def _union(
    folder: Path, parts: Iterable[LogPart], live: str | None, after: Position | None, upto: Position | None
) -> str:
    """The rows of these parts between two positions, and those of the live segments; every column is there."""
    whole, cut = list[str](), list[str]()
    for part in parts:
        first = 0 if after is None else after.limit(part)
        last = None if upto is None else upto.limit(part)
        if first is None or last == 0:  # all of it was there before, or nothing of it was there yet
            continue
        path = _text(str(check_present(folder, part)))
        if first == 0 and last is None:
            whole.append(path)
            continue
        bounds = [*([f"seq > {first}"] if first else []), *([f"seq <= {last}"] if last is not None else [])]
        cut.append(f"SELECT * FROM read_parquet({path}) WHERE {' AND '.join(bounds)}")
    nothing = ", ".join(f'NULL::{_type(one)} AS "{one.name}"' for one in SCHEMA)
    sources = [f"SELECT {nothing} WHERE false", *cut]
    sources += [f"SELECT * FROM read_parquet([{', '.join(whole)}], union_by_name = true)"] if whole else []
    sources += [f"SELECT * FROM {live}"] if live else []
    return " UNION ALL BY NAME ".join(sources)


def moves_text(contents: LogContents) -> str:
    """Return (id, moved): where images lie that lay elsewhere before; empty if none has moved."""
    files = [
        f"SELECT id, image, {part.seq} AS seq FROM read_parquet({_text(str(check_present(contents.folder, part)))})"
        for part in contents.of(MOVES)
    ]
    every = " UNION ALL ".join(files)
    return f"SELECT id, max_by(image, seq) AS moved FROM ({every}) GROUP BY id" if files else ""


def _type(field: pa.Field) -> str:
    kinds = {pa.string(): "VARCHAR", pa.int32(): "INTEGER", pa.int64(): "BIGINT", pa.float64(): "DOUBLE"}
    return kinds.get(field.type, "DOUBLE[]" if pa.types.is_list(field.type) else "TIMESTAMPTZ")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
