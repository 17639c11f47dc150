"""Cap: what all label plans of one night add to an e-detector together, so that no single night decides.

A night's labels may come in several plans: its own, and one for each time that some come late. Each plan's factor is
at most 12 by itself (`edetector.CAP`); what it adds is cut to what the plans before it have left of that. It only
lowers, so the bets stay as fair as they were.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil

import numpy as np
from numpy.typing import NDArray

from leeway.domain.records import NightLabels
from leeway.stats.edetector import CAP

Floats = NDArray[np.float64]

REMEMBERED = timedelta(days=56)  # later than that, late labels of a night only speak for the model


def shared(
    factors: Mapping[str, Floats], night: NightLabels, added: Mapping[str, float], *, today: date
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Return a plan's (4,) log factors by detector, cut to what its night has left, and what nights have added.

    added: `2025-03-01 recall cat` -> the most that plans of this night have added to log M of a bet of this detector:
    of nights whose labels may still come, and where it is over 0.
    """
    used = {name: _used(night, added.get(_key(night, name), 0.0), today=today) for name in factors}
    cut = {name: np.minimum(factor, max(CAP - used[name], 0.0)) for name, factor in factors.items()}
    sums = {_key(night, name): ceil(1000 * (used[name] + float(one.max()))) / 1000 for name, one in cut.items()}
    since = (today - REMEMBERED).isoformat()
    after = {**added, **(sums if _may_bring_more(night) else {})}
    return cut, {key: most for key, most in after.items() if most > 0 and key[:10] >= since}


def _key(night: NightLabels, detector: str) -> str:
    return f"{night.night.isoformat()} {detector}"


def _used(night: NightLabels, added: float, *, today: date) -> float:
    if not night.counted_before:
        return 0.0
    return added if night.night >= today - REMEMBERED else CAP


def _may_bring_more(night: NightLabels) -> bool:
    """Whether labels of the night are missing: a plan of late labels does not say how many still are."""
    missing = night.labels < night.predictions if night.given else bool(night.unanswered)
    return missing or night.counted_before > 0
