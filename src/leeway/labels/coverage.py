"""Covers: whether labels that came with the log are as many as they claim to be, and what to say where they are not."""

from collections.abc import Sequence
from datetime import date
from math import sqrt

from leeway.domain.records import Tally
from leeway.epoch import Epoch

CENSUS = 0.98  # of a night's rows that are labelled where every one is said to be (PRODUCTION.md)
SIGMAS = 3  # by which a drawn part may fall short of what it stands for


def covers(given: Sequence[Tally], rows: int) -> bool:
    """Whether labels account for the night's rows: one with probability p stands for 1 / p of them.

    Asked where any label says that it was chosen for certain. A drawn sample by itself may be answered in part.
    """
    if all(one.probability < 1 for one in given):
        return True
    return accounted(given) >= CENSUS * rows


def completes(late: Sequence[Tally], given: Sequence[Tally], rows: int) -> bool:
    """Whether late labels of which any says that it was chosen for certain leave no row of the night without a label.

    `given`: all labels of the night, the late ones included. The rest of a night after a sample of it is no sample.
    """
    return all(one.probability < 1 for one in late) or sum(one.count for one in given) >= CENSUS * rows


def accounted(given: Sequence[Tally]) -> float:
    """Return the number of rows that the labels stand for, at most: with the chance in which of them were drawn."""
    rows = sum(one.count / one.probability for one in given)
    variance = sum(one.count * (1 - one.probability) / one.probability**2 for one in given)
    return rows + SIGMAS * sqrt(variance)


def rows_of(epoch: Epoch, night: date, *, upto: str | None) -> int:
    """Count the night's rows as the log was at this position."""
    start, end = epoch.bounds(night)
    late = 0 if upto is None else epoch.log.count(epoch.version, start, end, after=upto)
    return epoch.log.count(epoch.version, start, end) - late


def unmeasured(epoch: Epoch, night: date) -> str:
    """Say which labels came with the log of this night and measure nothing, and why; empty if all do."""
    if any(plan.given and plan.night == night for plan in epoch.history.plans):
        return ""
    start, end = epoch.bounds(night)
    counted = next((one.position for one in epoch.history.windows if one.night == night), None)
    given = epoch.log.given_tallies(epoch.version, start, end, rows_upto=counted)
    rows = rows_of(epoch, night, upto=counted) if given else 0
    if given and not covers(given, rows):
        share = accounted(given) / rows
        return (
            f"{sum(one.count for one in given):,} labels came with the log as all of the night's and cover {share:.0%} "
            f"of its {rows:,} rows, of the {CENSUS:.0%} that a census needs: they train and do not measure; ingest the "
            "labels of the other rows"
        )
    if not given and epoch.log.given(epoch.version, start, end, 1, stream="page"):
        return (
            "labels came with this night's log that say nothing of their draw probability: they train and do not "
            "measure; give draw_probability, or a file in which every row is labelled"
        )
    return ""
