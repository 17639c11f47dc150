"""Assigns each image its group and its split, so that no group crosses a split and no image ever changes its own."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from leeway.data.candidates import FEEDBACK
from leeway.data.feedback import read_feedback, read_feedback_thumbnails
from leeway.data.near_duplicates import leaders, pairs_among
from leeway.data.parquet import read_table
from leeway.data.parts import part_paths
from leeway.data.split import HELD_OUT, SPLITS, TRAINVAL, SplitShares, split_of

RANK = {split: rank for rank, split in enumerate((HELD_OUT, *SPLITS))}  # where two contradict, the higher one stays


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Every image that was ever stored, in the order it came: parts only grow, feedback shards are numbered."""

    thumbnails: Mapping[str, bytes | None]  # by asset, in order; None: too small, or of an earlier version
    leaders: np.ndarray  # (A,) int64: the image whose group each joins as a near-duplicate, or itself
    pairs: np.ndarray  # (P, 2) int64 near-duplicates, by later and then earlier

    def places(self, assets: Iterable[str]) -> np.ndarray:
        """(N,) int64 when each of these assets came."""
        place = {asset: number for number, asset in enumerate(self.thumbnails)}
        return np.array([place[asset] for asset in assets], dtype=np.int64)


@dataclass(slots=True)
class _ManifestRows:
    """The candidates as lists, and what is decided of them."""

    labels: list[str]
    groups: list[str]
    given: list[str | None]  # split
    origins: list[str]
    feedback: list[bool]
    free: list[bool]  # whether nothing but its group's hash says where it belongs
    reasons: list[str | None]  # why it is held out
    splits: list[str] = field(default_factory=list)

    def active(self, row: int) -> bool:
        return self.reasons[row] is None


def find_arrivals(shards: Path, feedback: Path, *, max_distance: float | None) -> Arrivals:
    """Reads the thumbnails in the shards; images that are gone from the listing count, too, and keep their groups.

    Feedback joins feedback only: an original that comes later would otherwise move it to another split.
    """
    seen: dict[str, bytes | None] = {}
    for path in part_paths(shards):
        table = read_table(path, ["asset", "thumbnail"])
        for asset, thumbnail in zip(table["asset"].to_pylist(), table["thumbnail"].to_pylist(), strict=True):
            seen.setdefault(asset, thumbnail)
    gathered = len(seen)
    for row, thumbnail in zip(read_feedback(feedback), read_feedback_thumbnails(feedback), strict=True):
        seen.setdefault(row["asset"], thumbnail)
    pairs = pairs_among(list(seen.values()), max_distance=max_distance)
    alike = pairs[(pairs[:, 0] < gathered) == (pairs[:, 1] < gathered)]
    return Arrivals(seen, leaders(len(seen), alike), pairs)


def assign_splits(
    candidates: pa.Table, arrivals: Arrivals, shares: SplitShares, *, added: Collection[str]
) -> tuple[list[str], list[str], list[str | None]]:
    """(N,) group, split and reason to be held out (None: it is used) of each candidate.

    A split that the source gave decides, otherwise the hash of the group. An image that is near to one that was there
    before joins the group of that; if it is near to images of another split as well, it is held out. Where groups or
    given splits contradict each other, test stays before val before train, and the others are held out. Feedback is
    tested on only if its class is in `added` (nothing else shows it). Feedback beside tested originals is held out, and
    so is feedback near to an original of another split than its own.
    """
    places = arrivals.places(candidates["asset"].to_pylist())
    rows = _rows(candidates, arrivals, places)
    order = np.argsort(places, kind="stable").tolist()
    rows.splits = _claims(rows, order, shares, added)
    _settle_groups(rows)
    _settle_pairs(rows, _row_pairs(arrivals.pairs, places))
    return rows.groups, rows.splits, rows.reasons


def _rows(candidates: pa.Table, arrivals: Arrivals, places: np.ndarray) -> _ManifestRows:
    columns = candidates.to_pydict()
    group_of = dict(zip(places.tolist(), columns["group"], strict=True))
    led_by, assets = arrivals.leaders[places].tolist(), list(arrivals.thumbnails)
    feedback = [source == FEEDBACK for source in columns["label_source"]]
    return _ManifestRows(
        labels=columns["label"],
        groups=[
            own or group_of.get(leader) or assets[leader] for own, leader in zip(columns["group"], led_by, strict=True)
        ],
        given=columns["split"],
        origins=columns["origin"],
        feedback=feedback,
        free=[
            returned or (split is None and group is None)
            for returned, split, group in zip(feedback, columns["split"], columns["group"], strict=True)
        ],
        reasons=columns["reason"],
    )


def _claims(rows: _ManifestRows, order: Sequence[int], shares: SplitShares, added: Collection[str]) -> list[str]:
    """(N,) the split that each row's source, or else its group, claims; rows that claim to be held out are.

    The first original of a group, in order of arrival, speaks for those that follow.
    """
    first: dict[str, int] = {}
    for row in order:
        if not rows.feedback[row]:
            first.setdefault(rows.groups[row], row)
    hashed = {group: split_of(group, shares) for group in set(rows.groups)}
    spared = {group: split_of(group, shares, tested=False) for group, split in hashed.items() if split == "test"}
    claims = []
    for row, group in enumerate(rows.groups):
        leader = first.get(group)
        untested = spared.get(group, hashed[group])
        if leader is None:  # feedback only
            claim = hashed[group] if rows.labels[row] in added else untested
        else:
            given = rows.given[row] or rows.given[leader]
            claim = {None: hashed[group], TRAINVAL: untested}.get(given, given or "")
        claims.append(claim)
        if rows.reasons[row] is None:
            if claim == HELD_OUT:
                rows.reasons[row] = "by the source" if rows.given[row] else "by data.split.held_out"
            elif leader is not None and rows.feedback[row] and claim == "test":
                rows.reasons[row] = "feedback of a group that is tested on"
    return claims


def _settle_groups(rows: _ManifestRows) -> None:
    """Members of a group that claim a lower split than another member are held out."""
    claimed: dict[str, set[str]] = defaultdict(set)
    for row, group in enumerate(rows.groups):
        if rows.active(row):
            claimed[group].add(rows.splits[row])
    highest = {group: max(splits, key=RANK.__getitem__) for group, splits in claimed.items() if len(splits) > 1}
    for row, group in enumerate(rows.groups):
        if group in highest and rows.active(row) and rows.splits[row] != highest[group]:
            rows.reasons[row] = f"its group is in {highest[group]}"


def _settle_pairs(rows: _ManifestRows, pairs: np.ndarray) -> None:
    """Of two near-duplicates in different splits the later yields if it is free to, otherwise the lower split."""
    for earlier, later in pairs.tolist():
        splits = rows.splits[earlier], rows.splits[later]
        if splits[0] == splits[1] or not (rows.active(earlier) and rows.active(later)):
            continue
        yields = later if rows.free[later] or RANK[splits[1]] < RANK[splits[0]] else earlier
        other = earlier if yields == later else later
        rows.reasons[yields] = f"near-duplicate of {rows.origins[other]} in {rows.splits[other]}"


def _row_pairs(pairs: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(Q, 2) the pairs of arrivals as pairs of rows; those of images that are not among the rows are dropped."""
    row_of = np.full(int(max(places.max(initial=0), pairs.max(initial=0))) + 1, -1)
    row_of[places] = np.arange(len(places))
    found: np.ndarray = row_of[pairs].reshape(-1, 2)
    there: np.ndarray = found[(found >= 0).all(axis=1)]
    return there
