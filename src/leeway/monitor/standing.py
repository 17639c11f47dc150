"""Standing: how a model stands: what is wrong, since when, and what to do next. From what is stored; writes nothing."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from leeway.checks.decide import standing_alarm, taken_for
from leeway.checks.likeness import Likeness
from leeway.checks.traffic import Traffic
from leeway.checks.waits import days_since, how_to_start
from leeway.checks.windows import night_of
from leeway.domain.records import Action, CheckResult, Decision, DecisionState, Release, Status
from leeway.domain.text import counted, cut, day_text
from leeway.epoch import Epoch
from leeway.labels.queue import LabelQueue, queue_text
from leeway.monitor import first_nights, words
from leeway.monitor.due import due_nights
from leeway.release import waiting

QUIET_DAYS = 2  # without a prediction since it began to serve, before that is news
SLOW_START = 3  # nights after which a request that nothing has begun is something wrong
LONGEST_REASON = 300  # characters of a gate's or a failure's reason
STANDING = (Action.MORE_LABELS, Action.ALERT)  # told in full already
NOT_OVER = (DecisionState.OPEN, DecisionState.RUNNING, DecisionState.FAILED)


class Rank(IntEnum):
    """How bad it is: the lowest first."""

    BLIND = 0  # nobody knows how the model does
    WRONG = 1
    YOURS = 2  # a person has to do something
    UNDER_WAY = 3
    UNKNOWN = 4  # no verdict is never green
    HEALTHY = 5


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing about a model, in a sentence."""

    rank: Rank
    text: str


@dataclass(frozen=True, slots=True)
class LastNight:
    """What the last decided night of an epoch concluded."""

    night: date
    decision: Decision
    results: tuple[CheckResult, ...]

    @property
    def fired(self) -> list[CheckResult]:
        return [one for one in self.results if one.status is Status.FIRED]


def concerns(epoch: Epoch, queue: LabelQueue) -> list[Concern]:
    """Return all there is to say about the epoch's version, the worst first; never empty.

    What waits for people in the `queue` stands where their labels decide.
    """
    last = last_night(epoch)
    said = [
        _nights_not_looked_at(epoch, last),
        _without_traffic(epoch, last),
        _alarm(epoch, last, queue),
        _told(epoch, last),
        _request(epoch, last),
        *(_candidates(epoch) if not epoch.version.watched_only else []),
        *([_finding(epoch, last), _fired_again(epoch, last), _asks(epoch)] if last else []),
    ]
    found = [one for one in said if one is not None]
    if all(one.rank >= Rank.UNDER_WAY for one in found) and not (last and _asking(epoch, last)):
        found.append(_verdict(epoch, last, queue))
    return sorted([*found, *_first_nights(epoch, last), *_late_rows(epoch)], key=lambda one: one.rank)


def last_night(epoch: Epoch) -> LastNight | None:
    """Return the last night of this epoch that was decided; None without one."""
    nights = epoch.history.decided[-1:]
    if not nights:
        return None
    this = (epoch.version.version, nights[0])
    decision = next(one for one in epoch.history.decisions if one.nightly and (one.version, one.night) == this)
    return LastNight(nights[0], decision, tuple(result for _, result in epoch.history.results(nights)))


def _nights_not_looked_at(epoch: Epoch, last: LastNight | None) -> Concern | None:
    found = due_nights(epoch)
    due = found.undecided
    if not due:
        return None
    if len(due) == 1:
        return Concern(Rank.UNKNOWN, f"the night of {day_text(due[0])} is not looked at yet: `leeway monitor`")
    seen = f"the last one that was is {day_text(last.night)}" if last else "none ever was"
    what = f"{counted(len(due), 'night')} since {day_text(due[0])} are not looked at, {seen}"
    if found.doubtful and not found.nights:
        why = f"no prediction has come since, or the clock is wrong ({day_text(epoch.as_of)})"
        how = f"`leeway monitor --model {epoch.model} --as-of {epoch.as_of:%Y-%m-%dT%H:%M:%S}` decides them on purpose"
        return Concern(Rank.BLIND, f"{what}: {why}; {how}")
    return Concern(Rank.BLIND, f"{what}: `leeway monitor` makes up for them; does its schedule run?")


def _without_traffic(epoch: Epoch, last: LastNight | None) -> Concern | None:
    ask = "does the service still write its log, and is it ingested (`leeway ingest`)?"
    if epoch.log.first_at(epoch.version) is None:
        if epoch.began_at is None or days_since(epoch.began_at, epoch.as_of) < QUIET_DAYS:
            return None
        return Concern(Rank.BLIND, f"no prediction since it began to serve on {day_text(epoch.began_at)}: {ask}")
    if last is None or not any(one.check == Traffic.name and one.n == 0 for one in last.results):
        return None
    windows = epoch.ledger.windows(epoch.model, epoch.version.version)
    since = max((one.night for one in windows if one.total or one.foreign), default=epoch.first_night)
    nights = counted((last.night - since).days, "night")
    return Concern(Rank.BLIND, f"no prediction since {day_text(since)}, for {nights}: {ask}")


def _alarm(epoch: Epoch, last: LastNight | None, queue: LabelQueue) -> Concern | None:
    alarm = standing_alarm(epoch.history.decisions, epoch.version.version)
    if alarm is None or last is None:
        return None
    raised = [result for _, result in epoch.history.results([alarm.night]) if result.status is Status.FIRED]
    why = words.headline(alarm, raised, epoch.policy)
    now = words.measured(last.results, epoch.policy) if last.night > alarm.night else ""
    waits = queue_text(queue) or "every label that is asked for is in"
    if last.decision.action is Action.NOTHING:
        waits = f"{last.decision.reason}; {waits}"
    parts = [why, f"the alarm stands since {day_text(alarm.night)}", f"now {now}" if now else "", waits]
    return Concern(Rank.WRONG, "; ".join(filter(None, parts)))


def _told(epoch: Epoch, last: LastNight | None) -> Concern | None:
    told = _last_taken(epoch)
    if told is None or told.action is not Action.ALERT or last is None or _has_recovered(epoch, told, last):
        return None
    of_night = [result for _, result in epoch.history.results([told.night])]
    why = words.headline(told, of_night, epoch.policy)
    called = f"a retraining is called for since {day_text(told.night)}"
    now = words.measured(last.results, epoch.policy) if last.night > told.night else ""
    do = words.next_step(told, epoch.policy, epoch.version, champion=epoch.champion)
    said = "; ".join(filter(None, [why, called, f"now {now}" if now else ""]))
    return Concern(Rank.WRONG, f"{said}. {do}".rstrip(". "))


def _has_recovered(epoch: Epoch, told: Decision, last: LastNight) -> bool:
    """Whether, after people were told, nothing fires any more and labels lie over the floor."""
    measured = words.measured(last.results, epoch.policy)
    return last.night > told.night and not (_asking(epoch, last) or words.under_floor(last.results)) and bool(measured)


def _request(epoch: Epoch, last: LastNight | None) -> Concern | None:
    """The last retraining of this version that is not over, or that failed and nothing came after it."""
    request = _last_taken(epoch)
    if request is None or request.action is not Action.RETRAIN or request.state is DecisionState.DONE:
        return None
    asked, nights = f"asked for on {day_text(request.made_at)}", days_since(request.made_at, epoch.as_of)
    rank = Rank.UNDER_WAY
    if request.state is DecisionState.RUNNING:
        stands = f"the retraining {asked} is running"
    elif request.state is DecisionState.FAILED:
        rank, why = Rank.WRONG, cut(request.outcome, LONGEST_REASON)
        stands = f"the retraining {asked} failed: {why}; `leeway retrain` tries again"
    else:
        rank = Rank.WRONG if nights >= SLOW_START else rank
        waits = f" for {counted(nights, 'night')}" if nights else ""
        stands = f"the retraining {asked} has not started{waits}: {how_to_start()}"
    wrong = words.wrong(_asking(epoch, last), last.results, epoch.policy) if last and request.nightly else ""
    return Concern(rank, "; ".join(filter(None, [wrong, stands])))


def _last_taken(epoch: Epoch) -> Decision | None:
    taken = taken_for(epoch.history.decisions, epoch.version.version)
    return taken[-1] if taken else None


def _asking(epoch: Epoch, last: LastNight) -> list[CheckResult]:
    """What fired last night and may ask for labels or a retraining."""
    checks = epoch.policy.checks
    return [one for one in last.fired if one.check not in checks or checks[one.check].then != "alert"]


def _candidates(epoch: Epoch) -> list[Concern]:
    """Versions that were judged since this one began to serve, and that are not in production."""
    began, last = epoch.began_at, dict[int, Release]()
    for release in epoch.ledger.releases(epoch.model):
        if began is None or release.at >= began:
            last[release.version] = release
    others = [one for one in last.values() if one.version != epoch.version.version]
    newest = max((one.version for one in others), default=0)
    return [_candidate(epoch, one) for one in others if one.outcome == "left for review" or _is_refused(one, newest)]


def _is_refused(release: Release, newest: int) -> bool:
    return release.outcome == "refused" and release.version == newest


def _candidate(epoch: Epoch, release: Release) -> Concern:
    since, why = day_text(release.at), cut(release.reason, LONGEST_REASON)
    if release.outcome == "refused":
        if release.wanted and (waits := waiting.told(epoch)):
            return Concern(Rank.YOURS, f"{waits}; on {since} it was refused: {why}")
        return Concern(Rank.YOURS, f"version {release.version} was refused on {since}: {why}")
    approve = f"`leeway promote {release.version}`"
    return Concern(Rank.YOURS, f"version {release.version} waits for review since {since}: {approve}; it passed: {why}")


def _finding(epoch: Epoch, last: LastNight) -> Concern | None:
    """What a check that only alerts found last night; no prediction at all is said already."""
    told = [one for one in last.fired if one not in _asking(epoch, last) and one.check != Likeness.name]
    told = [one for one in told if one.check != Traffic.name or one.n]
    if not told:
        return None
    advice = words.advice_on([one.check for one in told])
    return Concern(Rank.WRONG, f"{words.meanings(told, epoch.policy)} (night of {day_text(last.night)}). {advice}")


def _fired_again(epoch: Epoch, last: LastNight) -> Concern | None:
    """What still fires and raises no alarm: in the cool-down after one that was closed, or after a retraining."""
    asking, before = _asking(epoch, last), _last_taken(epoch)
    if not asking or (before and (before.action in STANDING or before.state in NOT_OVER)):
        return None
    of_night = f"(night of {day_text(last.night)})"
    return Concern(Rank.WRONG, f"{words.meanings(asking, epoch.policy)} {of_night}; {last.decision.reason}")


def _verdict(epoch: Epoch, last: LastNight | None, queue: LabelQueue) -> Concern:
    """Healthy, or unknown: where a check that may alarm could not tell, or labels lie under the floor so far."""
    asked = f"; {waits}" if (waits := queue_text(queue)) else ""
    if last is None:
        today = day_text(night_of(epoch.as_of, epoch.policy.zone))
        return Concern(Rank.UNKNOWN, f"no night is over yet: what it answers on {today} is looked at after midnight")
    measured, of_night = words.measured(last.results, epoch.policy), f"(night of {day_text(last.night)})"
    silent = [one for one in last.results if one.status is Status.NO_VERDICT and one.check in epoch.policy.alarming]
    if silent or not last.results:
        said = words.headline(last.decision, last.results, epoch.policy)
        return Concern(Rank.UNKNOWN, f"{said} {of_night}{asked}")
    fired = epoch.history.fired
    since = day_text(fired[-1].night + timedelta(days=1) if fired else epoch.first_night)
    if not measured:
        return Concern(
            Rank.UNKNOWN, f"nothing has fired since {since}, and its accuracy is unknown: too few labels{asked}"
        )
    if words.under_floor(last.results):
        return Concern(Rank.UNKNOWN, f"nothing has fired since {since}, and more labels decide: {measured}{asked}")
    return Concern(Rank.HEALTHY, f"healthy since {since}: {measured}")


def _asks(epoch: Epoch) -> Concern | None:
    """Nights that a person is asked to accept, or to look at."""
    asked = first_nights.asks_text(epoch)
    return Concern(Rank.YOURS, asked) if asked else None


def _first_nights(epoch: Epoch, last: LastNight | None) -> list[Concern]:
    """What is watched from the first night on, and what is not yet."""
    text = first_nights.first_nights_text(epoch, last.night) if last else ""
    return [Concern(Rank.HEALTHY, text)] if text else []


def _late_rows(epoch: Epoch) -> list[Concern]:
    """What came after its night was decided, of the last 7 nights: it is seen by no check."""
    late = [one for one in epoch.history.windows if one.late]
    if not late:
        return []
    first, last = day_text(late[0].night), day_text(late[-1].night)
    of = f"of {first}" if first == last else f"of {first} to {last}"
    rows = counted(sum(one.late for one in late), "prediction")
    return [Concern(Rank.HEALTHY, f"{rows} {of} came after the night was decided: kept, and measured by no check")]
