"""Leakage: audits a finished dataset version for images of one split that are found in another."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import pyarrow as pa
import pyarrow.compute as pc

from leeway.data.near_duplicates import pairs_among

LEAK_COLUMNS = ("kind", "origin", "split", "other_origin", "other_split")
Line = tuple[str, ...]


def find_leaks(
    table: pa.Table, thumbnails: Mapping[str, bytes | None], *, max_distance: float | None
) -> tuple[Line, ...]:
    """LEAK_COLUMNS: every image in use that is the same as, near to, or of one group with an image of another split.

    It looks at the finished table alone, not at how it was made. `thumbnails` by asset; max_distance None: near ones
    are not looked for. Of the same image or group, one pair of images stands for each pair of splits.
    """
    used = table.filter(pc.invert(table["held_out"]))
    origins, splits = used["origin"].to_pylist(), used["split"].to_pylist()
    found = [
        *(("same image", *pair) for pair in _shared(used["asset"].to_pylist(), splits)),
        *(("same group", *pair) for pair in _shared(used["group"].to_pylist(), splits)),
        *(("near-duplicate", *pair) for pair in _near(used["asset"].to_pylist(), splits, thumbnails, max_distance)),
    ]
    return tuple((kind, origins[one], splits[one], origins[other], splits[other]) for kind, one, other in found)


def _shared(keys: Sequence[str], splits: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of rows with one key in two splits: the first of each split."""
    first: dict[str, dict[str, int]] = defaultdict(dict)
    for row, (key, split) in enumerate(zip(keys, splits, strict=True)):
        first[key].setdefault(split, row)
    return [pair for rows in first.values() if len(rows) > 1 for pair in combinations(rows.values(), 2)]


def _near(
    assets: Sequence[str], splits: Sequence[str], thumbnails: Mapping[str, bytes | None], max_distance: float | None
) -> list[tuple[int, int]]:
    pairs = pairs_among([thumbnails.get(asset) for asset in assets], max_distance=max_distance)
    return [(one, other) for one, other in pairs.tolist() if splits[one] != splits[other]]
