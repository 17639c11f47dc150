"""Due: says which nights are to be decided now, which gap is passed over, and when a clock or a log is in doubt."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from leeway.checks.windows import night_of
from leeway.domain.records import Alert
from leeway.epoch import Epoch

DAY, GRACE = timedelta(days=1), timedelta(hours=1)  # the grace lets rows that are under way arrive
MOST_EMPTY = 7  # nights after the last row that one run closes: more of them say that a clock is wrong, or a log silent
LONGEST_GAP = 31  # nights without a row, between rows, that are closed as empty: a longer gap is none of production's
LONGEST_PAST = timedelta(days=3653)  # a row older than this carries a wrong time
NEVER = datetime.min.replace(tzinfo=UTC)
Nights = tuple[date, date]  # the first and the last
log = logging.getLogger("leeway.monitor")


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done about one version now."""

    nights: tuple[date, ...] = ()  # over, and not decided yet; oldest first
    skipped: tuple[Nights, ...] = ()  # between rows, and too long without one
    doubtful: Nights | None = None  # after the last row, and too many to be closed without a word

    @property
    def undecided(self) -> list[date]:
        """All nights that nobody has looked at, those in doubt, too."""
        first, last = self.doubtful or (date.max, date.min)
        return [*self.nights, *(days(first, last + DAY) if self.doubtful else [])]


def due_nights(epoch: Epoch, *, confirmed: bool = False) -> Due:
    """Return the nights that are over and not decided yet, also those that earlier runs missed.

    It goes from row to row: never night by night through what nobody said. A night without a row of the model belongs
    to the champion; of a model known from files, to the version whose rows came last before it. `confirmed`: a person
    says what time it is, so that also many empty nights are closed.
    """
    last, night = _last_complete(epoch), _first_undecided(epoch)
    nights: list[date] = []
    skipped: list[Nights] = []
    doubtful = None
    while night <= last:
        row = _next_row(epoch, night, last)
        end, is_followed = (row, True) if row == night else _end_of_gap(epoch, night, row, last)
        length = (end - night).days
        if is_followed and length > LONGEST_GAP:
            skipped.append((night, end - DAY))
        elif not is_followed and length > MOST_EMPTY and not confirmed:
            doubtful = (night, end - DAY)
        else:
            nights += days(night, end)
        if row is None:
            break
        nights.append(row)
        night = row + DAY
    return Due(tuple(nights), tuple(skipped), doubtful)


def tell_doubt(epoch: Epoch, due: Due) -> None:
    """Tell people, once for each last night with rows, that nothing has come since and nothing is decided."""
    name = f"{epoch.model} version {epoch.version.version}"
    for first, last in due.skipped:
        log.info(
            "%s: no row from %s to %s, a gap of %d nights: it is left out", name, first, last, _length(first, last)
        )
    if due.doubtful is None:
        return
    before = epoch.log.last_at(epoch.version, before=epoch.bounds(due.doubtful[0])[0])
    since = epoch.night_of(before) if before else epoch.first_night
    log.info("%s: %s", name, doubt_text(due.doubtful))
    body = (
        f"No prediction of {name} has come in {'since' if before else 'from its first night on,'} {since}, and "
        f"{doubt_text(due.doubtful)}. If predictions should come, look at what sends them. If the clock of this "
        f"machine ({epoch.as_of:%Y-%m-%d %H:%M} UTC) is wrong, set it. If both are as they should be, decide these "
        f"nights with `leeway monitor --model {epoch.model} --as-of {epoch.as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%S}`."
    )
    _queue(epoch, f"silent/{epoch.model}/{epoch.version.version}/{since}", f"leeway: {name}: silent", body)


def doubt_text(nights: Nights) -> str:
    """Return what became of nights that are in doubt, as people read it."""
    first, last = nights
    if first == last:
        return f"the night of {first} is over and not decided"
    return f"the {_length(first, last)} nights from {first} to {last} are over and not decided"


def tell_late(epoch: Epoch, nights: Sequence[date]) -> None:
    """Tell people that nights were decided later than they could have been; not of a past that was imported now."""
    imported = epoch.champion is None and min(epoch.history.decided, default=None) in nights
    if len(nights) < 2 or imported:
        return
    name = f"{epoch.model} version {epoch.version.version}"
    body = (
        f"{len(nights)} nights of {name}, {min(nights)} to {max(nights)}, were decided only on "
        f"{epoch.as_of:%Y-%m-%d %H:%M} UTC: the monitor did not run, or the predictions came late. Look at what starts "
        "`leeway monitor` each night; an alarm of these nights came as late."
    )
    _queue(epoch, f"late/{epoch.model}/{epoch.version.version}/{max(nights)}", f"leeway: {name}: late", body)


def days(first: date, end: date) -> Iterator[date]:
    """Give the nights from the first up to before the end."""
    return (first + DAY * number for number in range((end - first).days))


def _last_complete(epoch: Epoch) -> date:
    """The last night that is over, the grace included, and this epoch's own."""
    last = night_of(epoch.as_of - GRACE, epoch.policy.zone) - DAY
    return last if epoch.until is None else min(last, epoch.until - DAY)


def _first_undecided(epoch: Epoch) -> date:
    decided = epoch.history.decided
    after = decided[-1] + DAY if decided else epoch.first_night
    earliest = night_of(epoch.as_of - LONGEST_PAST, epoch.policy.zone)
    return after if after >= earliest else _next_row(epoch, earliest, _last_complete(epoch)) or earliest


def _next_row(epoch: Epoch, night: date, last: date) -> date | None:
    """The first night with rows of this version from `night` up to `last`."""
    moment = epoch.log.first_at(epoch.version, since=epoch.bounds(night)[0])
    found = last + DAY if moment is None else max(epoch.night_of(moment), night)
    return found if found <= last else None


def _end_of_gap(epoch: Epoch, night: date, row: date | None, last: date) -> tuple[date, bool]:
    """(where this version's own nights without rows end, from `night` on; whether rows of the model follow them)"""
    end = row or last + DAY
    if epoch.champion is not None:
        return (end, row is not None) if epoch.champion == epoch.version.version else (night, True)
    start, others = epoch.bounds(night)[0], [one for one in epoch.history.versions if one != epoch.version]
    rows = [(epoch.log.last_at(one, before=start) or NEVER, one.version) for one in (epoch.version, *others)]
    if rows[0] != max(rows) or rows[0][0] == NEVER:
        return night, True
    moments = [epoch.log.first_at(one, since=start) for one in others]
    theirs = [max(epoch.night_of(one), night) for one in moments if one is not None]
    followed = row is not None or any(one <= last for one in theirs)
    return min([end, *theirs]), followed


def _length(first: date, last: date) -> int:
    return (last - first).days + 1


def _queue(epoch: Epoch, key: str, title: str, body: str) -> None:
    if "alert" in epoch.policy.alerts.about:
        epoch.ledger.queue_alert(Alert(key=key, title=title, body=body, made_at=epoch.as_of))
