"""Leans a night's draws to where evidence gathers: to suspected classes, slices and second answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leeway.domain.records import Cell

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TO_SECOND, TO_ANSWERED = 5 / 6, 1 / 6  # of the draws that lean to a recall: its misses are among the second answers
FEWEST_LEANING = 0.05  # of the leaning draws: below it a night is not told apart by second answers


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What earlier nights say of classes and slices: share of the evidence of each, and how far it has come."""

    shares: Mapping[str, float] = field(default_factory=dict)  # `precision cat`, `recall cat`, `slice door` -> share
    strength: float = 0.0  # 0: none, 1: at the alarm's threshold

    @property
    def second_classes(self) -> list[str]:
        """Classes that may be missed: what has them second is drawn from by itself."""
        shares = self.shares.items() if self.strength >= FEWEST_LEANING else ()
        return sorted(
            name.removeprefix("recall ")
            for name, share in shares
            if name.startswith("recall ") and share * self.strength >= FEWEST_LEANING
        )


def lean(
    shares: Mapping[str, float | Floats], sizes: NDArray[np.int64], members: Mapping[str, Flags]
) -> tuple[Floats, Floats]:
    """Return (..., C) the appeal of each item, and (...) the part of the leaning draws that follows it.

    A suspect's share is spread evenly over its items: of `precision cat` over what is answered `cat` (`class cat` in
    `members`), of `slice door` over that slice, of `recall cat` over what has `cat` second (`second cat`) and, a sixth,
    over what is answered so. Where second answers are not known, what is missed may be anywhere: nothing leans to it.
    A share may be an array (...), of many years.
    """
    known = {name: np.asarray(share, dtype=float) for name, share in shares.items()}
    suspected = np.asarray(sum(known.values(), np.zeros(())), dtype=float)
    appeal = np.zeros((*suspected.shape, len(sizes)))
    for name, share in known.items():
        for part, weight in _parts(name, sizes, members):
            inside = members.get(part)
            items = 0 if inside is None else int(sizes[inside].sum())
            if items:
                appeal[..., inside] += (weight * share / items)[..., None]
    return appeal, (appeal * sizes).sum(axis=-1) / np.where(suspected > 0, suspected, 1.0)


def members_of(cells: Sequence[Cell]) -> dict[str, NDArray[np.bool_]]:
    """Return which cells belong to each class, slice, and second class that the cells are told apart by."""
    said = np.array([one.predicted_class for one in cells], dtype=object)
    where = np.array([one.slice for one in cells], dtype=object)
    classes = {f"class {name}": said == name for name in sorted(set(said.tolist()))}
    second = np.array([one.second for one in cells], dtype=object)
    seconds = {f"second {name}": second == name for name in sorted({one for one in second.tolist() if one})}
    return (
        classes | seconds | {f"slice {name}": where == name for name in sorted({one for one in where.tolist() if one})}
    )


def _parts(suspect: str, sizes: NDArray[np.int64], members: Mapping[str, Flags]) -> list[tuple[str, float]]:
    way, _, name = suspect.partition(" ")
    if way != "recall":
        return [(f"slice {name}" if way == "slice" else f"class {name}", 1.0)]
    second = members.get(f"second {name}")
    known = second is not None and sizes[second].any()
    return [(f"second {name}", TO_SECOND), (f"class {name}", TO_ANSWERED)] if known else []
