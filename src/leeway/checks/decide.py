"""Decide: what last night's results call for. Pure; what is decided is acted on elsewhere."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from leeway.checks import waits
from leeway.checks.attribution import AttributionDetails, AttributionOfShift
from leeway.checks.estimates import accuracy_estimate
from leeway.checks.policy import Policy, policy_digest
from leeway.checks.registry import details_of
from leeway.domain.records import Action, Cause, CheckResult, Decision, DecisionState, ModelVersion, NightLabels, Status
from leeway.domain.text import counted

UNDER_WAY = (DecisionState.OPEN, DecisionState.RUNNING)
WITHDRAWN = DecisionState.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Past:
    """What happened before tonight, as the store has it."""

    decisions: Sequence[Decision] = ()  # of this model, all versions, in order
    results: Sequence[tuple[date, CheckResult]] = ()  # of this model version, before tonight
    closed: Sequence[NightLabels] = ()  # closed label plans of this model version, tonight's included
    burst: waits.Burst | None = None  # how far people have come with what the standing alarm asked for
    unanswered: Collection[date] = ()  # nights of its plans that people may still answer, and that are not closed
    new_labels: int = 0  # labels that may train and that the serving version was not trained on
    class_weights: Mapping[str, float] = field(default_factory=dict)  # where the class mix of labelled data has moved


def decide(
    results: Sequence[CheckResult],
    history: Past,
    policy: Policy,
    *,
    version: ModelVersion,
    night: date,
    now: datetime,
) -> Decision:
    """What the policy concludes about `night` (STATISTICS.md, check 10).

    Nothing while a retraining of this version is open or running; the request of another one holds nothing up. An alarm
    first asks for a burst of labels. Once `burst_nights` label plans from the alarm's night on are closed: retrain if
    the accuracy check fired since the alarm, or if the labels since then cannot exclude a drop of more than
    `tolerated_drop` under the reference accuracy; otherwise stand down. Where too few labels came in to say, the alarm
    waits for more. A retraining that is called for waits, with the alarm open, until the cool-down is over and there
    are `min_new_labels`. Whatever waits says for what, since when and what would end it. After a stand-down the checks
    that caused it stay quiet for the cool-down, since a detector keeps its evidence; another check may still alarm.
    After a retraining of this version (refused or failed) every check does. A check whose `then` is `alert` asks for
    nothing; one whose `then` is `labels`, or a model that is only watched, ends in an alert where another would be
    retrained.
    """
    action, reason = _conclude(results, history, policy, version=version, night=night, now=now)
    weights = dict(history.class_weights) if action is Action.RETRAIN else {}
    if weights:
        listed = ", ".join(f"{name} {weight:.2g}" for name, weight in weights.items())
        reason = f"{reason}; the class mix of labelled predictions has moved, new class weights: {listed}"
    return Decision(
        key=f"{version.model}/{version.version}/{night.isoformat()}",
        model=version.model,
        version=version.version,
        night=night,
        action=action,
        reason=reason,
        made_at=now,
        policy_digest=policy_digest(policy),
        state=DecisionState.OPEN if action is Action.RETRAIN else DecisionState.DONE,
        class_weights=weights,
        cause=_cause(results, history, policy, version=version, night=night) if action is Action.RETRAIN else "",
    )


def taken_for(decisions: Sequence[Decision], version: int) -> list[Decision]:
    """Return what was decided about this version and not withdrawn, the nights that asked for nothing left out."""
    own = [one for one in decisions if one.version == version and one.action is not Action.NOTHING]
    return [one for one in own if one.state is not WITHDRAWN]


def standing_alarm(decisions: Sequence[Decision], version: int) -> Decision | None:
    """Return the alarm of this version that nothing has closed yet; None without one."""
    taken = taken_for(decisions, version)
    return taken[-1] if taken and taken[-1].action is Action.MORE_LABELS else None


def lacks_labels(
    results: Sequence[CheckResult], history: Past, policy: Policy, *, version: ModelVersion, night: date
) -> bool:
    """Whether an alarm stands and it is labels that it waits for: to conclude anything, or to train on."""
    alarm = standing_alarm(history.decisions, version.version)
    if alarm is None:
        return False
    burst = [one for one in history.closed if one.night >= alarm.night]
    if _nights_in(burst, history.unanswered, policy) < policy.labels.burst_nights:
        return True
    by_night = [*history.results, *((night, result) for result in results)]
    warranted, _ = _finding(alarm, by_night, burst, policy, version=version)
    return warranted is None or history.new_labels < policy.retrain.min_new_labels


def _cause(
    results: Sequence[CheckResult], history: Past, policy: Policy, *, version: ModelVersion, night: date
) -> Cause:
    """Return why a retraining is asked for: labels showed since the alarm that accuracy fell, or only answers moved."""
    alarms = [one for one in history.decisions if one.version == version.version and one.action is Action.MORE_LABELS]
    by_night = [*history.results, *((night, result) for result in results)]
    return Cause.ACCURACY if _shown_by_labels(alarms[-1], by_night, policy) else Cause.DRIFT


def _shown_by_labels(
    alarm: Decision, by_night: Sequence[tuple[date, CheckResult]], policy: Policy
) -> list[CheckResult]:
    """Return what the checks of labels that may alarm have found since the alarm."""
    labelled = {name for name, check in policy.checks.items() if check.needs_labels and check.budget_share}
    since = [one for night, one in by_night if night >= alarm.night]
    return [one for one in since if one.check in labelled and one.status is Status.FIRED]


def _conclude(
    results: Sequence[CheckResult],
    history: Past,
    policy: Policy,
    *,
    version: ModelVersion,
    night: date,
    now: datetime,
) -> tuple[Action, str]:
    taken = taken_for(history.decisions, version.version)
    running = [one for one in taken if one.action is Action.RETRAIN and one.state in UNDER_WAY]
    if running:
        return Action.NOTHING, waits.for_retraining(running[-1])
    by_night = [*history.results, *((night, result) for result in results)]
    if taken and taken[-1].action is Action.MORE_LABELS:
        return _after_burst(taken[-1], by_night, history, policy, version=version, now=now)
    asking = {name for name, check in policy.checks.items() if check.then != "alert"}
    fired = {one.check: one for one in results if one.status is Status.FIRED and one.check in asking}
    if not fired:
        return Action.NOTHING, _quiet_sentence(results)
    known, cooling = _held_back(taken, by_night, policy, now=now)
    news = [result for name, result in fired.items() if name not in known]
    if not news:
        return Action.NOTHING, f"{' and '.join(fired)} still over the alarm line, but {cooling}"
    asked = (
        f"asks for {counted(policy.labels.burst_on_alarm, 'label')} over {counted(policy.labels.burst_nights, 'night')}"
    )
    return Action.MORE_LABELS, f"{'; '.join(f'{one.check}: {one.reason}' for one in news)}; {asked}"


def _after_burst(
    alarm: Decision,
    by_night: Sequence[tuple[date, CheckResult]],
    history: Past,
    policy: Policy,
    *,
    version: ModelVersion,
    now: datetime,
) -> tuple[Action, str]:
    # The plan made after the alarm draws from the alarm's own night.
    burst = [one for one in history.closed if one.night >= alarm.night]
    if _nights_in(burst, history.unanswered, policy) < policy.labels.burst_nights:
        return Action.NOTHING, waits.for_burst(alarm, history.burst, policy, version=version)
    warranted, finding = _finding(alarm, by_night, burst, policy, version=version)
    if warranted is None:
        return Action.NOTHING, waits.for_answers(alarm, history.burst, _count(burst), policy, version=version)
    if not warranted:
        return Action.STAND_DOWN, finding
    if version.watched_only:
        return Action.ALERT, f"{finding}; a retraining is called for, and this model is not trained by Leeway"
    if not _may_retrain(alarm, by_night, policy):
        return Action.ALERT, f"{finding}; a retraining is called for, and the policy leaves it to people (then: labels)"
    if history.new_labels < policy.retrain.min_new_labels:
        needed = waits.for_training_labels(alarm, history.new_labels, policy, version=version)
        return Action.NOTHING, f"{finding}; {needed}"
    retrained = [one for one in history.decisions if one.action is Action.RETRAIN and one.state is not WITHDRAWN]
    if retrained and now < (until := _cool_until(retrained[-1], policy)):
        return Action.NOTHING, f"{finding}; {waits.for_cool_down(alarm, retrained[-1], until)}"
    return Action.RETRAIN, f"{finding}; {counted(history.new_labels, 'new label')} to train on"


def _finding(
    alarm: Decision,
    by_night: Sequence[tuple[date, CheckResult]],
    burst: Sequence[NightLabels],
    policy: Policy,
    *,
    version: ModelVersion,
) -> tuple[bool | None, str]:
    """Whether a retraining is warranted, and why; None where there are too few labels to say."""
    since = [one for night, one in by_night if night >= alarm.night]
    if fired := _shown_by_labels(alarm, by_night, policy):
        return True, f"{fired[-1].check} fired: {fired[-1].reason}"
    reference = version.reference.accuracy
    lowest = reference - policy.retrain.tolerated_drop
    against = f"the reference accuracy is {reference:.1%}, a drop of {policy.retrain.tolerated_drop:.0%} is tolerated"
    try:
        estimate = accuracy_estimate(burst)
    except ValueError as unusable:
        return True, f"labels since {alarm.night} cannot be used ({unusable}) and exclude nothing"
    if estimate is None:
        return None, f"{counted(_count(burst), 'label')} since {alarm.night} cannot exclude a drop: {against}"
    labels = counted(estimate.labels, "label")
    seen = f"accuracy {estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%}) from {labels}"
    if estimate.low < lowest:
        return True, f"{seen} since {alarm.night} cannot exclude a drop: {against}{_offer(since)}"
    return False, f"{seen} since {alarm.night} excludes a drop: {against}"


def _nights_in(burst: Sequence[NightLabels], unanswered: Collection[date], policy: Policy) -> int:
    """Count the first nights after the alarm whose plans are closed: newer ones may be answered before the burst's."""
    asked = sorted({one.night for one in burst} | set(unanswered))[: policy.labels.burst_nights]
    return len(set(asked) - set(unanswered))


def _count(nights: Sequence[NightLabels]) -> int:
    return sum(one.labels for one in nights)


def _may_retrain(alarm: Decision, by_night: Sequence[tuple[date, CheckResult]], policy: Policy) -> bool:
    """Whether a check that fired since the alarm may lead to a retraining."""
    fired = {one.check for night, one in by_night if night >= alarm.night and one.status is Status.FIRED}
    return any(policy.checks[name].then == "retrain" for name in fired & policy.checks.keys())


def _offer(since: Sequence[CheckResult]) -> str:
    """A changed class mix needs no new model: correcting the priors comes first."""
    ours = [one for one in since if one.check == AttributionOfShift.name]
    found = [one for one in ours if (why := details_of(one, AttributionDetails)) and why.verdict == "class mix"]
    mix_moved = found and found[-1].effect is not None and found[-1].effect >= 0.05
    return f"; {AttributionOfShift.name}: {found[-1].reason}" if mix_moved else ""


def _held_back(
    taken: Sequence[Decision], by_night: Sequence[tuple[date, CheckResult]], policy: Policy, *, now: datetime
) -> tuple[set[str], str]:
    """Checks that may not alarm again yet, and why."""
    if not taken or now >= (until := _cool_until(taken[-1], policy)):
        return set(), ""
    last, cooling = taken[-1], f"until {until:%Y-%m-%d %H:%M} the alarm of before {taken[-1].night} is not raised again"
    if last.action is Action.ALERT:
        return {result.check for _, result in by_night}, f"{cooling} (people were told)"
    if last.action is Action.RETRAIN:
        return {result.check for _, result in by_night}, f"{cooling} (retraining {last.outcome or last.state})"
    alarms = [one for one in taken if one.action is Action.MORE_LABELS]
    since = alarms[-1].night if alarms else last.night
    told = {one.check for night, one in by_night if since <= night <= last.night and one.status is Status.FIRED}
    return told, cooling


def _cool_until(decision: Decision, policy: Policy) -> datetime:
    return decision.made_at + timedelta(days=policy.retrain.cooldown_days)


def _quiet_sentence(results: Sequence[CheckResult]) -> str:
    silent = [one.check for one in results if one.status is Status.NO_VERDICT]
    told = [one.check for one in results if one.status is Status.FIRED]
    return (f"{', '.join(told)} only alerts" if told else "no check fired") + (
        f"; no verdict from {', '.join(silent)}" if silent else ""
    )
