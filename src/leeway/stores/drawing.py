"""Drawing: finds the first predictions of each cell in a stream, by asking a database for what lies below a limit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from leeway.domain.identity import WHOLE, stream_limit
from leeway.domain.records import Cell, Pick
from leeway.stores import log_queries

WHOLE_CELL = 50  # predictions of a cell below which all are looked at
WANTED = [one.name for one in log_queries.wanted.columns]
Key = tuple[Any, ...]  # by which a database finds a prediction
CellKey = tuple[str, int, str | None, str | None]
# (rows of `wanted_cells`, the largest limit by bin) -> rows of `log_queries.first_of_cells`
Below = Callable[[Sequence[tuple[Any, ...]], Mapping[int, int]], Iterable[Sequence[Any]]]


def cells_in_order(found: Iterable[Sequence[Any]]) -> list[Cell]:
    """Return rows of `log_queries.cells` by class, slice, bin and second class; what is of no slice stands first."""
    key = log_queries.slice_key
    cells = (Cell(*row) for row in found)
    return sorted(cells, key=lambda one: (one.predicted_class, key(one.slice), one.bin, key(one.second)))


def first_picked(picks: Sequence[Pick], below: Below) -> list[Key]:
    """Return the keys of the picked predictions, in the order of `picks`; one beyond its cell's end is left out."""
    farthest: dict[CellKey, Pick] = {}  # pick of each cell
    for one in picks:
        cell = _cell(one)
        farthest[cell] = max(one, farthest.get(cell, one), key=lambda pick: pick.rank)
    keys = _first_of_cells(farthest, below)
    return [key for one in picks for key in keys[_cell(one)][one.rank : one.rank + 1]]


def _first_of_cells(farthest: Mapping[CellKey, Pick], below: Below) -> dict[CellKey, list[Key]]:
    """Return the keys of as many predictions of each cell as are wanted, in the order of the stream.

    Looks below a limit that is nearly always high enough, and again below twice that where it was not.
    """
    found: dict[CellKey, list[Key]] = {}
    missing, factor = dict(farthest), 1
    while missing:
        limits = {cell: _limit(one, factor) for cell, one in missing.items()}
        key = log_queries.slice_key
        cells = [(cell[0], cell[1], key(cell[2]), key(cell[3]), limits[cell]) for cell in missing]
        pairs: dict[CellKey, list[tuple[int, Key]]] = {cell: [] for cell in missing}
        most: dict[int, int] = {}
        for (_, place, *_), limit in limits.items():
            most[place] = max(limit, most.get(place, 0))
        for *first, name, place, of_slice, second, order in below(cells, most):
            pairs[name, place, of_slice, second].append((order, tuple(first)))
        found |= {cell: [first for _, first in sorted(some)] for cell, some in pairs.items()}
        missing = {cell: one for cell, one in missing.items() if len(found[cell]) <= one.rank and limits[cell] < WHOLE}
        factor *= 2
    return found


def _cell(pick: Pick) -> CellKey:
    return pick.predicted_class, pick.bin, pick.slice, pick.second


def _limit(farthest: Pick, factor: int) -> int:
    if farthest.among <= WHOLE_CELL:
        return WHOLE
    return min(WHOLE, factor * stream_limit(farthest.rank + 1, farthest.among))
