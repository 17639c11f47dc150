"""Questions to a log that lies elsewhere: those of the other logs, and those that need no number of each row."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, and_, case, column, func, literal, select, table, union_all
from sqlalchemy.sql.selectable import CTE

from leeway.domain.records import ModelVersion
from leeway.stores.duck import DIALECT
from leeway.stores.log_queries import cell_terms
from leeway.stores.log_tables import given_labels, predictions
from leeway.stores.log_terms import in_window, order_in

# What is known of a prediction: a log that lies elsewhere has neither probabilities nor measurements.
SHOWN = (*("id", "version", "occurred_at", "image", "predicted_class", "second_class", "confidence", "group", "slice"),)
ROW = [predictions.c[name] for name in SHOWN]
# The log's own columns by our names, before rows that cannot be right are left out.
renamed = table(
    "renamed",
    *map(column, ("id", "occurred_at", "predicted_class", "confidence", "label", "draw_probability", "model_version")),
)
CELLS_AT_ONCE = 200  # that are drawn from in one text


def first_of_cells(
    version: ModelVersion,
    start: datetime,
    end: datetime,
    *,
    stream: str,
    cells: Sequence[tuple[Any, ...]],
    second: Collection[str] = (),
    looked_up: bool = False,
) -> Select[Any]:
    """(class, bin, slice, second, place, prediction) of what lies below the limit of its cell, as `drawing` has cells.

    The cells are part of the text: a temporary table is not to be had everywhere. `looked_up`: DuckDB does not know how
    many rows an Arrow dataset has, and would keep all of a night to join the few cells with; warehouses must join.
    """
    bins, seconds = cell_terms(version, second)
    inside = in_window(predictions, version, start, end)
    rows = select(*ROW, bins, seconds, order_in(stream)).where(inside).subquery("night")
    wanted = _wanted(cells)
    row, cell = rows.c, wanted.c
    same = and_(
        cell.said == row.predicted_class,
        cell.its_bin == row.bin,
        cell.its_slice == func.coalesce("=" + row.slice, ""),
        cell.its_second == (func.coalesce("=" + row.second, "") if second else ""),
    )
    # What no cell of its class, or of its bin, looks at goes first: few rows are left to find their cell.
    most = [case(_largest(cells, at), value=value, else_=0) for at, value in ((0, row.predicted_class), (1, row.bin))]
    key = (row.predicted_class, row.bin, row.slice, row.second, row.place)
    query = select(*[one.label(f"key_{at}") for at, one in enumerate(key)], *[row[name] for name in SHOWN])
    query = query.where(*[row.place < one for one in most])
    if looked_up:
        return query.where(row.place < select(cell.most).where(same).correlate(rows).scalar_subquery())
    return query.join_from(rows, wanted, and_(same, row.place < cell.most))


def _largest(cells: Sequence[tuple[Any, ...]], at: int) -> dict[Any, int]:
    """The largest limit of the cells by their class or their bin."""
    found: dict[Any, int] = {}
    for cell in cells:
        found[cell[at]] = max(cell[-1], found.get(cell[at], 0))
    return found


def _wanted(cells: Sequence[tuple[Any, ...]]) -> CTE:
    names = ("said", "its_bin", "its_slice", "its_second", "most")
    rows = [select(*[literal(value).label(name) for name, value in zip(names, cell, strict=True)]) for cell in cells]
    return union_all(*rows).cte("wanted_cells") if len(rows) > 1 else rows[0].cte("wanted_cells")


def first_of_stream(
    version: ModelVersion, start: datetime, end: datetime, k: int, *, stream: str, below: int | None
) -> Select[Any]:
    """The first k predictions of a window, of those below a limit: few are then put into order."""
    query = select(*ROW).where(in_window(predictions, version, start, end))
    query = query if below is None else query.where(order_in(stream).element < below)
    return query.order_by(order_in(stream).element, predictions.c.id).limit(k)


def with_ids(ids: Collection[str]) -> Select[Any]:
    return select(*ROW).where(predictions.c.id.in_(ids))


def given_in(
    version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
) -> Select[Any]:
    """(label, prediction) of the first k labels of a window."""
    truth: Any = column("label")
    query = select(truth, *ROW).where(in_window(predictions, version, start, end), truth.is_not(None))
    return query.order_by(order_in(stream).element, predictions.c.id).limit(k)


def given_with(ids: Collection[str]) -> Select[Any]:
    return select(given_labels.c.id, given_labels.c.label, given_labels.c.occurred_at).where(given_labels.c.id.in_(ids))


def version_names(since: datetime | None) -> Select[Any]:
    """(name in model_version, first and last row, rows)"""
    at, name = renamed.c.occurred_at, renamed.c.model_version
    query = select(name, func.min(at), func.max(at), func.count()).group_by(name)
    return query if since is None else query.where(at >= since)


def unusable(start: datetime, end: datetime) -> Select[Any]:
    """(rows, without an id, without an answer, confidence or draw probability outside 0 to 1, different ids)"""
    row = renamed.c
    odd = [~one.between(-1e-6, 1 + 1e-6) for one in (row.confidence, row.draw_probability)]
    counts = [_number(row.id.is_(None)), _number(row.predicted_class.is_(None)), *map(_number, odd)]
    query = select(func.count(), *counts, func.count(row.id.distinct())).select_from(renamed)
    return query.where(row.occurred_at >= start, row.occurred_at < end)


def without_time() -> Select[Any]:
    return select(func.count()).select_from(renamed).where(renamed.c.occurred_at.is_(None))


def last_moment() -> Select[Any]:
    return select(func.max(renamed.c.occurred_at))


def answers(start: datetime, end: datetime) -> Select[Any]:
    """(predicted class, rows) of a window, of every version."""
    at = predictions.c.occurred_at
    query = select(predictions.c.predicted_class, func.count()).where(at >= start, at < end)
    return query.group_by(predictions.c.predicted_class)


def _number(condition: Any) -> Any:
    """How many rows fulfil it."""
    return func.sum(case((condition, 1), else_=0))


def compiled(query: Executable) -> tuple[str, list[Any]]:
    """Return PostgreSQL's text of a query, with $1, $2, ... in it, and their values."""
    made = query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    return str(made), [made.params[name] for name in made.positiontup]


def with_relations(text: str, relations: Mapping[str, str]) -> str:
    """Return the query with these relations in front of it: those that it names, or that one of them names."""
    needed = [(name, body) for name, body in relations.items() if name in text or _is_named(name, text, relations)]
    parts = [f"{name} AS (\n{body}\n)" for name, body in needed]
    rest = f",\n{text.removeprefix('WITH ')}" if text.startswith("WITH ") else f"\n{text}"
    return f"WITH {', '.join(parts)}{rest}" if parts else text


def _is_named(name: str, text: str, relations: Mapping[str, str]) -> bool:
    return any(other in text and name in body for other, body in relations.items() if other != name)


def in_parts(cells: Sequence[tuple[Any, ...]]) -> list[Sequence[tuple[Any, ...]]]:
    """Return the cells as many at a time as stand in one text."""
    return [cells[at : at + CELLS_AT_ONCE] for at in range(0, len(cells), CELLS_AT_ONCE)]
