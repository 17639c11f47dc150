"""Finds ids that come twice in a prediction log, by 64-bit hashes of ids and contents."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from leeway.domain.arrow import whole
from leeway.domain.identity import mixed, name_hash, text_hash
from leeway.predictions.formats.shapes import TIME, Batch, Rows, shown, sums_of_rows

OF_A_ROW = ("group", "image")  # texts that are of one row or few; the others are names that come again


class SeenIds:
    """Hashes of the ids so far, in sorted runs that grow, and of the rows they came with.

    The latter are sorted when an id comes again, which in most files none does.
    """

    def __init__(self) -> None:
        self.ids: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []
        self._unsorted: list[np.ndarray] = []

    def sift(self, batch: Batch) -> Batch:
        """Without the rows whose id was there: the same row again is dropped, one with other content is bad."""
        if not len(batch.lines):
            return batch
        ids = text_hash(whole(batch.table["prediction_id"]))
        rows = _row_hash(batch.table, ids)
        ordered = np.sort(ids)
        if not (ordered[1:] == ordered[:-1]).any() and not _isin_runs(self.ids, ordered).any():
            _add_run(self.ids, ordered)
            self._unsorted.append(rows)
            return batch
        while self._unsorted:
            _add_run(self.rows, np.sort(self._unsorted.pop()))
        known = _isin_runs(self.ids, ids)
        _, first, place = np.unique(ids, return_index=True, return_inverse=True)
        before = first[place]  # (N,) the first row of the same id
        fresh = ~known & (before == np.arange(len(ids)))
        same = np.where(known, _isin_runs(self.rows, rows), rows == rows[before])
        _add_run(self.ids, np.sort(ids[fresh]))
        _add_run(self.rows, np.sort(rows[fresh]))
        sifted = Rows(batch.lines, batch.bad)
        names = batch.table["prediction_id"]
        sifted.refuse(
            ~fresh & ~same,
            lambda row: f"prediction_id {shown(names, row)} came before with other content; give each row its own id",
        )
        return Batch(batch.table.filter(pa.array(fresh)), sifted.ordered(), batch.lines[fresh], batch.emptied)


def _isin_runs(runs: Sequence[np.ndarray], hashes: np.ndarray) -> np.ndarray:
    found = np.zeros(len(hashes), bool)
    for run in runs:
        found |= run[np.minimum(np.searchsorted(run, hashes), len(run) - 1)] == hashes
    return found


def _add_run(runs: list[np.ndarray], ordered: np.ndarray) -> None:
    """Runs of like size are merged, so that there are few: adding N rows costs N log N in all."""
    if len(ordered):
        runs.append(ordered)
    while len(runs) > 1 and len(runs[-2]) <= 2 * len(runs[-1]):
        merged = np.concatenate([runs.pop(), runs.pop()])
        merged.sort(kind="stable")  # merges what is sorted
        runs.append(merged)


def _row_hash(table: pa.Table, ids: np.ndarray) -> np.ndarray:
    """(N,) uint64 of the whole rows."""
    state = ids
    for name in table.column_names[1:]:
        column = whole(table[name])
        if column.null_count == len(column):
            state = mixed(state)
        elif column.type == pa.string():
            state = mixed(state ^ (text_hash if name in OF_A_ROW else name_hash)(column))
        elif pa.types.is_list(column.type):
            state = mixed(state ^ _list_hash(column))
        else:
            bits = column.cast(pa.int64()) if column.type == TIME else column
            values = bits.fill_null(-1).to_numpy(zero_copy_only=False)  # -1 is no share
            state = mixed(state ^ (values + 0).view(np.uint64))  # no -0.0
    return state


def _list_hash(column: pa.ListArray) -> np.ndarray:
    lengths = column.value_lengths().fill_null(0).to_numpy()
    values = column.flatten().to_numpy(zero_copy_only=False) + 0
    ends = np.append(0, np.cumsum(lengths))
    place = (np.arange(len(values)) - np.repeat(ends[:-1], lengths)).astype(np.uint64)
    return sums_of_rows(mixed(values.view(np.uint64) ^ mixed(place)), lengths)
