"""Chances: with which probability each label that came with the log was chosen, and how small it was on any night."""

from collections.abc import Sequence

from leeway.checks.bets import CHANCES
from leeway.domain.records import NightLabels, Tally
from leeway.epoch import Epoch


def chances_of(epoch: Epoch, tallies: Sequence[Tally]) -> tuple[int, float, float, float]:
    """Return (labels, smallest chance so far, the one chance or 0, 1) of labels that are about to become a plan.

    Smallest: of this epoch's labels that came with the log, these included. The one: what all of them were chosen with,
    on every night: these are a uniform sample then, while on a night of which only frequent kinds happened to come they
    are none. Plans of a release that kept no chances are left out.
    """
    before = [night.parts[CHANCES] for night in _latest(epoch) if CHANCES in night.parts]
    own = {one.probability for one in tallies}
    different = own | {same for _, _, same, _ in before}  # 0 among them where they differed before
    least = min([*own, *(smallest for _, smallest, _, _ in before)])
    return sum(one.count for one in tallies), least, min(own) if len(different) == 1 else 0.0, 1.0


def _latest(epoch: Epoch) -> list[NightLabels]:
    """Return the labels of the given plans that were made last: each plan carries on from those before it."""
    given = [plan for plan in epoch.history.plans if plan.given]
    last = max((plan.made_at for plan in given), default=None)
    return epoch.history.labels([plan for plan in given if plan.made_at == last])
