"""Replay: what another policy would have said about the nights that are stored. Nothing is written."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from leeway.checks.accuracy import MONTH
from leeway.checks.image_drift import ImageDrift
from leeway.checks.likeness import Likeness, left_out
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence, details_by_night
from leeway.checks.traffic import Traffic, TrafficDetails
from leeway.domain.image_night import ImageNight
from leeway.domain.records import CheckResult, LabelPlan, ModelVersion, NightLabels, Status, WindowCounts
from leeway.domain.text import counted, cut
from leeway.epoch import Epoch
from leeway.errors import ParamsError
from leeway.monitor.first_nights import accepted_by_then
from leeway.monitor.night import RECENT_NIGHTS, run_all, unknown_name

ALERT_ONLY = "alert only: "
DAYS_PER_MONTH = 365 / 12
MOST_NIGHTS, MOST_REASONS, MOST_SILENT = 12, 8, 8  # lines of the text
WIDTH, LONGEST_REASON = 34, 170  # characters of a calendar's column, and of a reason


@dataclass(frozen=True, slots=True)
class Alarm:
    """Checks that began to fire on one night, or fire still when the cool-down is over."""

    night: date
    version: int
    checks: tuple[str, ...]  # in the policy's order
    reason: str

    @property
    def alert_only(self) -> bool:
        """Whether people are told, and nothing more is asked for."""
        return self.reason.startswith(ALERT_ONLY)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a policy makes of a history."""

    nights: int
    labels: int  # answers that the checks were given on these nights
    alarms: tuple[Alarm, ...]  # in order of night
    no_verdict: Mapping[str, int]  # nights without a verdict, by check


@dataclass(frozen=True, slots=True)
class ReplayedNight:
    """One night under the policy that is tried."""

    night: date
    results: tuple[CheckResult, ...]  # in the policy's order
    alarms: tuple[Alarm, ...]
    labels: int  # new on this night


@dataclass(frozen=True, slots=True)
class _Closed:
    """A closed label plan, and the night whose checks took it into account."""

    applied: date
    asked: bool  # whether it asked for any label
    labels: NightLabels


@dataclass(frozen=True, slots=True)
class _Stored:
    """One epoch of one version as the store has it."""

    version: ModelVersion
    time_zone: str  # in which its nights were cut
    windows: Sequence[WindowCounts]
    closed: Sequence[_Closed]  # in the store's order
    delivered: Mapping[date, TrafficDetails]
    images: Mapping[date, ImageNight]
    accepted: Mapping[date, frozenset[date]]  # by night that was decided: nights that a person had accepted by then


@dataclass(slots=True)
class _Memory:
    """What a policy under trial has said so far."""

    previous: dict[str, CheckResult] = field(default_factory=dict)  # last result of each check
    fired: set[date] = field(default_factory=set)
    asked: set[date] = field(default_factory=set)  # nights that looked unlike the reference
    told: dict[str, date] = field(default_factory=dict)  # last alarm of each check
    alarm: date = date.min  # the last one that asked for something


def replay(epoch: Epoch, policy: Policy, *, since: date | None = None) -> Calendar:
    """The alarms of `policy` over the stored nights of the epoch; those from `since` on are reported.

    The evidence builds up from the epoch's first night. What did not happen cannot be replayed: the labels are those
    that people gave then, whatever `policy` would ask for, and versions change when they changed then. An answer that
    came after its plan was closed counts as if it had been in time. Raises ParamsError for another time zone.
    """
    return _calendar(_read(epoch), policy, since=since)


def compare(epochs: Sequence[Epoch], policy: Policy, *, since: date | None = None) -> tuple[Calendar, Calendar]:
    """(calendar of each epoch's own policy, calendar of `policy`) over all these epochs; see `replay`."""
    histories = [(one.policy, _read(one)) for one in epochs]
    own = [_calendar(history, its_own, since=since) for its_own, history in histories]
    return _sum(own), _sum([_calendar(history, policy, since=since) for _, history in histories])


def replayed_nights(epoch: Epoch, policy: Policy) -> Iterator[ReplayedNight]:
    """Every night of the epoch with its results."""
    return _nights(_read(epoch), policy)


def _read(epoch: Epoch) -> _Stored:
    windows = [one for one in epoch.history.windows if epoch.until is None or one.night < epoch.until]
    delivered, images = (
        details_by_night(epoch.history.results_of(kind.name), kind.details) for kind in (Traffic, ImageDrift)
    )
    own = (epoch.version, epoch.policy.time_zone, windows, _closed_plans(epoch, windows))
    return _Stored(*own, delivered, images, accepted_by_then(epoch))


def _closed_plans(epoch: Epoch, windows: Sequence[WindowCounts]) -> list[_Closed]:
    """Those that some night's checks took into account."""
    keys = {f"{one.model}/{one.version}/{one.night}": one.night for one in windows}
    decided = sorted((one.made_at, one.night) for one in epoch.history.decisions if one.key in keys)

    def applied(plan: LabelPlan) -> date | None:
        """Plans from before this was kept: by the first decision after they closed."""
        if plan.closed_at is None or plan.applied_by is None:
            return None
        later = (night for made_at, night in decided if made_at >= plan.closed_at)
        return keys.get(plan.applied_by) or next(later, None)

    return [
        _Closed(night, plan.asks, epoch.history.labels([plan])[0])
        for plan in epoch.history.plans
        if (night := applied(plan)) is not None
    ]


def _calendar(history: _Stored, policy: Policy, *, since: date | None) -> Calendar:
    zone = history.time_zone
    if policy.time_zone != zone:
        raise ParamsError(
            f"time_zone: got {policy.time_zone}; the stored nights were counted in {zone} and cannot be cut anew: "
            f"write time_zone: {zone} in the policy that is tried"
        )
    nights = [one for one in _nights(history, policy) if since is None or one.night >= since]
    silent = Counter(r.check for one in nights for r in one.results if r.status is Status.NO_VERDICT)
    alarms = tuple(alarm for one in nights for alarm in one.alarms)
    return Calendar(len(nights), sum(one.labels for one in nights), alarms, dict(silent))


def _sum(calendars: Sequence[Calendar]) -> Calendar:
    silent = sum((Counter(one.no_verdict) for one in calendars), Counter[str]())
    alarms = sorted((alarm for one in calendars for alarm in one.alarms), key=lambda one: (one.night, one.version))
    nights, labels = sum(one.nights for one in calendars), sum(one.labels for one in calendars)
    return Calendar(nights, labels, tuple(alarms), dict(silent))


def _nights(history: _Stored, policy: Policy) -> Iterator[ReplayedNight]:
    memory = _Memory()
    for place, window in enumerate(history.windows):
        evidence = _evidence(history, place, memory)
        results = tuple(run_all(evidence, memory.previous, policy))
        alarms = tuple(_alarms(window, results, policy, memory))
        memory.previous.update({one.check: one for one in results})
        fired = {one.check for one in results if one.status is Status.FIRED}
        memory.fired |= {window.night} if fired & policy.alarming else set()
        memory.asked |= {window.night} if Likeness.name in fired else set()
        yield ReplayedNight(window.night, results, alarms, sum(one.labels for one in evidence.closed))


def _evidence(history: _Stored, place: int, memory: _Memory) -> Evidence:
    """What night.run_checks gave to the checks on this night, but for what the policy itself has said since."""
    window, begun = history.windows[place], memory.alarm
    closed = [one for one in history.closed if one.applied <= window.night]
    kept = sorted({one.labels.night for one in closed if one.asked})[-RECENT_NIGHTS:]
    months = window.night - timedelta(days=2 * MONTH)
    delivered = history.delivered.get(window.night, TrafficDetails())
    earlier, reference = history.windows[:place], history.version.reference
    accepted = history.accepted.get(window.night, frozenset())
    return Evidence(
        window=window,
        model_reference=reference,
        earlier=earlier,
        fired=memory.fired | left_out(memory.asked, accepted, earlier, reference),
        accepted=accepted,
        closed=[one.labels for one in closed if one.applied == window.night],
        recent=[one.labels for one in closed if one.labels.night in kept and one.labels.night >= begun],
        months=[one.labels for one in closed if one.labels.night > months],
        ahead=delivered.ahead,
        beside={int(version): rows for version, rows in delivered.beside.items()},
        champion=delivered.champion,
        unknown_name=unknown_name(history.version),
        hours=delivered.hours,
        images=history.images.get(window.night, ImageNight()),
    )


def _alarms(window: WindowCounts, results: Sequence[CheckResult], policy: Policy, memory: _Memory) -> Iterator[Alarm]:
    """What is news tonight, first what asks for something; a check that was told stays quiet for the cool-down."""
    night, quiet = window.night, policy.retrain.cooldown_days
    fired = [one for one in results if one.status is Status.FIRED]
    news = [one for one in fired if one.check not in memory.told or (night - memory.told[one.check]).days >= quiet]
    memory.told.update({one.check: night for one in news})
    only = [one for one in news if policy.checks[one.check].then == "alert"]
    asking = [one for one in news if one not in only]
    for found, mark in ((asking, ""), (only, ALERT_ONLY)):
        if found:
            reason = mark + "; ".join(f"{one.check}: {one.reason}" for one in found)
            yield Alarm(night, window.version, tuple(one.check for one in found), reason)
    memory.alarm = night if asking else memory.alarm


# For people


def calendars_text(own: Calendar, other: Calendar) -> str:
    """Both calendars side by side, and why they differ; at most 40 lines of plain text."""
    if not own.nights:
        return "no night is stored of this time: nothing can be replayed"
    only = {"now": _only_in(own, other), "other": _only_in(other, own)}
    lines = [
        f"{counted(own.nights, 'night')} replayed from the labels that exist: a policy that asks for more labels shows "
        "only as many as there are",
        "",
        f"{'':38}{'policy now':>12}{'other':>12}",
        *(f"{name:38}{now:>12,}{then:>12,}" for name, now, then in _numbers(own, other)),
        "",
        *_side_by_side(own, other),
    ]
    changes = sorted((one.night, one.version, whose, one.reason) for whose, some in only.items() for one in some)
    told = [f"only {w:5} {night} version {version}  {cut(why, LONGEST_REASON)}" for night, version, w, why in changes]
    told = told or ["nothing changes: both give the same alarms"]
    return "\n".join([*lines, "", *told[:MOST_REASONS], *_left_out(told, MOST_REASONS)])


def _numbers(own: Calendar, other: Calendar) -> list[tuple[str, int, int]]:
    both = (own, other)
    silent = sorted(own.no_verdict.keys() | other.no_verdict.keys())[:MOST_SILENT]
    rows = {
        "alarms": [sum(not alarm.alert_only for alarm in one.alarms) for one in both],
        "  only in this calendar": [sum(not a.alert_only for a in _only_in(*pair)) for pair in (both, both[::-1])],
        "alerts that ask for nothing": [sum(alarm.alert_only for alarm in one.alarms) for one in both],
        "labels per month": [round(one.labels / max(one.nights, 1) * DAYS_PER_MONTH) for one in both],
        **{f"nights, no verdict: {name}": [one.no_verdict.get(name, 0) for one in both] for name in silent},
    }
    return [(name, now, then) for name, (now, then) in rows.items()]


def _only_in(one: Calendar, another: Calendar) -> list[Alarm]:
    """Alarms in which the other calendar lacks some check."""
    known = {(alarm.night, alarm.version, check) for alarm in another.alarms for check in alarm.checks}
    return [
        alarm for alarm in one.alarms if not known.issuperset((alarm.night, alarm.version, c) for c in alarm.checks)
    ]


def _side_by_side(own: Calendar, other: Calendar) -> list[str]:
    """A line for each night with an alarm; of many, those that differ come before the others are left out."""
    now, then = _by_night(own), _by_night(other)
    if not (nights := sorted(now.keys() | then.keys())):
        return ["no alarm in either"]
    shown = sorted(sorted(nights, key=lambda key: now.get(key) == then.get(key))[:MOST_NIGHTS])
    cells = [(*key, *(cut(one.get(key, "-"), WIDTH) for one in (now, then))) for key in shown]
    lines = [f"{night}  {version:>7}  {left:{WIDTH}}  {right}" for night, version, left, right in cells]
    return [f"{'night':10}  version  {'policy now':{WIDTH}}  other", *lines, *_left_out(nights, MOST_NIGHTS)]


def _by_night(calendar: Calendar) -> dict[tuple[date, int], str]:
    found: dict[tuple[date, int], list[str]] = {}
    for alarm in calendar.alarms:
        names = [f"({name})" if alarm.alert_only else name for name in alarm.checks]
        found.setdefault((alarm.night, alarm.version), []).extend(names)
    return {key: ", ".join(names) for key, names in found.items()}


def _left_out(found: Sequence[object], most: int) -> list[str]:
    return [f"and {len(found) - most} more"] if len(found) > most else []
