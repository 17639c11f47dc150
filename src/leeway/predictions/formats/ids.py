"""Finds ids that come twice in a prediction log, by 64-bit hashes of ids and contents."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from leeway.domain.identity import mixed
from leeway.predictions.formats.shapes import TIME, Batch, Rows, shown

_LONGEST_HASHED = 256  # bytes of a text that are hashed as they are


class SeenIds:
    """Hashes of the ids so far, and of the rows they came with, each in sorted runs that grow."""

    def __init__(self) -> None:
        self.ids: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []

    def sift(self, batch: Batch) -> Batch:
        """Without the rows whose id was there: the same row again is dropped, one with other content is bad."""
        if not len(batch.lines):
            return batch
        ids = _text_hash(batch.table["prediction_id"].combine_chunks())
        rows = _row_hash(batch.table, ids)
        ordered = np.sort(ids)
        if not (ordered[1:] == ordered[:-1]).any() and not _isin_runs(self.ids, ordered).any():
            _add_run(self.ids, ordered)
            _add_run(self.rows, np.sort(rows))
            return batch
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
        late = runs.pop()
        runs[-1] = np.sort(np.concatenate([runs[-1], late]), kind="stable")  # merges what is sorted


def _row_hash(table: pa.Table, ids: np.ndarray) -> np.ndarray:
    """(N,) uint64 of the whole rows."""
    state = ids
    for name in table.column_names[1:]:
        column = table[name].combine_chunks()
        if column.null_count == len(column):
            state = mixed(state)
        elif column.type == pa.string():
            state = mixed(state ^ _text_hash(column))
        elif pa.types.is_list(column.type):
            state = mixed(state ^ _list_hash(column))
        else:
            bits = column.cast(pa.int64()) if column.type == TIME else column
            values = bits.fill_null(-1).to_numpy(zero_copy_only=False)  # -1 is no share
            state = mixed(state ^ (values + 0).view(np.uint64))  # no -0.0
    return state


def _list_hash(column: pa.ListArray) -> np.ndarray:
    lengths = column.value_lengths().fill_null(0).to_numpy()
    ends = np.append(0, np.cumsum(lengths))
    values = column.flatten().to_numpy(zero_copy_only=False) + 0
    place = (np.arange(len(values)) - np.repeat(ends[:-1], lengths)).astype(np.uint64)
    sums = np.append(np.uint64(0), np.cumsum(mixed(values.view(np.uint64) ^ mixed(place)), dtype=np.uint64))
    hashes: np.ndarray = sums[ends[1:]] - sums[ends[:-1]]
    return hashes


def _text_hash(column: pa.Array) -> np.ndarray:
    """(N,) uint64 of the bytes of each text, eight at a time."""
    text = column.fill_null("\0")
    sizes = pc.binary_length(text).to_numpy()
    if (long := sizes > _LONGEST_HASHED).any():
        digests = [hashlib.sha256(row.as_buffer()).hexdigest() for row in text.filter(pa.array(long))]
        text = pc.replace_with_mask(text, pa.array(long), pa.array(digests, pa.string()))
    words = -(-int(min(sizes.max(initial=1), _LONGEST_HASHED)) // 8)
    padded = pc.ascii_rpad(text, 8 * words)
    values = np.frombuffer(padded.buffers()[2] or b"", np.uint64, len(text) * words).reshape(-1, words)
    state = mixed(sizes.astype(np.uint64))
    for place, word in enumerate(values.T):  # what a longer text beside it is padded with does not count
        state = np.where(sizes > 8 * place, mixed(state ^ word), state)
    return state
