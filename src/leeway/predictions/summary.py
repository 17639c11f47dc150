"""Sums up what an ingest brought: by night and version, what came too late, what was refused and why."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from leeway.checks.windows import night_bounds, night_of
from leeway.domain.records import WATCHED, ModelVersion, Recorded
from leeway.domain.stores import Ledger, PredictionLog
from leeway.domain.text import by_number, counted, name_text
from leeway.errors import first_few
from leeway.predictions.ingested import Ingested

MOST_NIGHTS = 8  # lines: of more the first and the last half
MOST_REASONS = 5
VALUE = re.compile(r"""'[^']*'|"[^"]*"|/\S+|\d[\w.,:+-]*""")  # what differs between rows of one mistake
CHANGED = "the id is recorded with other content"
FORGOTTEN = "from before the moment up to which the log was forgotten"


@dataclass(frozen=True, slots=True)
class ArrivedNight:
    """What came of one night of one version."""

    version: int
    night: date
    rows: int
    new: int
    decided_on: date | None  # None: not decided yet, so that all of it counts


@dataclass(frozen=True, slots=True)
class Summary:
    """What the files of one ingest brought together."""

    recorded: Recorded
    nights: tuple[ArrivedNight, ...]  # in order
    refused: Counter[str]  # by reason
    begun: tuple[tuple[str, int], ...]  # (model_version, its number): each begins an epoch

    @property
    def late(self) -> list[ArrivedNight]:
        """Nights that were decided before these rows came."""
        return [one for one in self.nights if one.new and one.decided_on is not None]


def sum_up(
    log: PredictionLog, ledger: Ledger, model: str, files: Sequence[Ingested], *, before: str, zone: ZoneInfo
) -> Summary:
    """Return what these files brought; `before`: the position of the model's log when the first one began.

    New rows of a night are counted in the log only where some rows are new and others known.
    """
    versions, rows = {one.version: one for one in ledger.versions(model)}, Counter[tuple[int, date]]()
    for one in files:
        rows.update(one.nights)
    recorded = sum((one.recorded for one in files), Recorded())
    decided = {(one.version, one.night): night_of(one.made_at, zone) for one in ledger.decisions(model) if one.nightly}

    def new(version: int, night: date) -> int:
        if recorded.new in (0, rows.total()):
            return rows[version, night] if recorded.new else 0
        return log.count(versions[version], *night_bounds(night, zone), after=before)

    nights = tuple(
        ArrivedNight(version, night, rows[version, night], new(version, night), decided.get((version, night)))
        for night, version in sorted((night, version) for version, night in rows)
    )
    refused = Counter(_reason(row.problem) for one in files for row in one.bad)
    refused += Counter({CHANGED: len(recorded.changed), FORGOTTEN: recorded.too_old})
    came = {one.version for one in nights if one.new}
    return Summary(recorded, nights, refused, _begun(files, versions, came))


def summary_lines(summary: Summary) -> list[str]:
    """Return the summary as people read it, in about ten lines."""
    return [*_night_lines(summary), *_late_lines(summary.late), *_other_lines(summary)]


def _begun(files: Sequence[Ingested], versions: dict[int, ModelVersion], came: set[int]) -> tuple[tuple[str, int], ...]:
    named = {one.bundle_digest.removeprefix(WATCHED): number for number, one in versions.items() if number in came}
    names = dict.fromkeys(name for one in files for name in one.begun)
    return tuple((name, named[name]) for name in names if name in named)


def _reason(problem: str) -> str:
    """What is wrong, without the values of the row."""
    return VALUE.sub("…", problem.split(";")[0])


def _night_lines(summary: Summary) -> list[str]:
    nights = summary.nights
    if not summary.recorded.new:
        return []
    half = MOST_NIGHTS // 2
    shown = nights if len(nights) <= MOST_NIGHTS else (*nights[:half], *nights[-half:])
    lines = [_line("night", "version", "new", "recorded before")]
    lines += [
        _line(str(one.night), str(one.version), f"{one.new:,}", f"{max(0, one.rows - one.new):,}") for one in shown
    ]
    if len(shown) < len(nights):
        between = nights[half:-half]
        told = f"  ... {len(between):,} more in between, with {sum(one.new for one in between):,} new"
        lines.insert(1 + half, told)
    return lines


def _line(night: str, version: str, new: str, before: str) -> str:
    return f"  {night:<10}  {version:>7}  {new:>11}  {before:>15}"


def _late_lines(late: Sequence[ArrivedNight]) -> list[str]:
    if not late:
        return []
    rows, nights = sum(one.new for one in late), sorted({one.night for one in late})
    decided = sorted({one.decided_on for one in late if one.decided_on})
    on = f"on {decided[0]}" if len(decided) == 1 else f"from {decided[0]} to {decided[-1]}"
    which = f"the night of {nights[0]}, which was" if len(nights) == 1 else f"{len(nights)} nights that were"
    between = "" if len(nights) == 1 else f" ({nights[0]} to {nights[-1]})"
    belong = by_number(rows, "row belongs", "rows belong")
    what = "kept and shown as late, train if labelled, and do not measure"
    return [f"late: {rows:,} {belong} to {which} decided {on}{between}: {'it is' if rows == 1 else 'they are'} {what}"]


def _other_lines(summary: Summary) -> list[str]:
    lines = []
    if summary.refused.total() > 1:
        named = [f"{count:,}: {reason}" for reason, count in summary.refused.most_common()]
        lines.append(f"refused: {counted(summary.refused.total(), 'row')} ({first_few(named, MOST_REASONS, by='; ')})")
    for name, version in summary.begun:
        shown = name_text(name)
        lines.append(f"model_version {shown} is new: version {version}, and an epoch with evidence of its own")
    return lines
