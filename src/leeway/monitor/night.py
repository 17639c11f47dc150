"""A night: its labels and its window closed, its checks run, decided, and its labels planned."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

from leeway.checks.accuracy import MONTH
from leeway.checks.class_accuracy import ClassAccuracy, ClassAccuracyDetails
from leeway.checks.decide import Past, decide, lacks_labels, standing_alarm
from leeway.checks.estimates import class_weights
from leeway.checks.monthly_drop import compares_months
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence, details_of
from leeway.checks.windows import night_bounds, night_of
from leeway.domain.image_night import ImageNight
from leeway.domain.ports import RetrainTrigger
from leeway.domain.records import (
    WATCHED,
    Action,
    Alert,
    CheckResult,
    Decision,
    DecisionState,
    LabelPlan,
    ModelVersion,
    WindowCounts,
)
from leeway.domain.stores import Ledger
from leeway.epoch import Epoch, withdraw_requests
from leeway.history import last_nights, news_of
from leeway.labels import answers, late, plan
from leeway.labels.coverage import unmeasured
from leeway.labels.leaning import Suspicion
from leeway.labels.plan import chance
from leeway.labels.queue import find_queue, queue_text
from leeway.monitor import alerts, reminders
from leeway.monitor.due import due_nights
from leeway.monitor.repeats import with_repeats
from leeway.release.waiting import draws_missing

RECENT_NIGHTS = 7  # closed label plans behind the estimates that are shown: a week, and none from before an alarm
CLOCKS_DIFFER = timedelta(hours=1)  # of the machines that predict; a time further ahead is a mistake
log = logging.getLogger("leeway.monitor")


def give_up_on_the_dead(epoch: Epoch) -> list[str]:
    """Close retrainings whose process died: one that runs for ever would let no alarm be raised again."""
    dead = epoch.ledger.give_up_lapsed(epoch.model, now=epoch.as_of)
    for key in dead:
        log.warning("%s: the retraining gave no sign for a day; it counts as failed", key)
        if "release" in epoch.policy.alerts.about:
            title = f"leeway: retraining of {epoch.model} failed"
            body = f"{key}: its process died. An alarm that still stands is raised again after the cool-down."
            epoch.ledger.queue_alert(Alert(key=f"{key}/dead", title=title, body=body, made_at=epoch.as_of))
    return dead


def nights_due(epoch: Epoch) -> list[date]:
    """Return the nights that are over and not decided yet, oldest first; `monitor.due` says more."""
    return list(due_nights(epoch, confirmed=True).nights)


def is_decided(epoch: Epoch, night: date) -> bool:
    """Return whether the night is decided by now: another monitor may have been quicker."""
    epoch.history.see_others()
    return night in epoch.history.decided


def nights_to_plan(epoch: Epoch) -> list[date]:
    """Return decided nights of the last week whose labels are not planned: also of a run that died in between.

    People are not asked about a past that was only now imported.
    """
    last = max((one.night for one in epoch.history.plans if not one.given), default=date.min)
    first = night_of(epoch.as_of, epoch.policy.zone) - timedelta(days=RECENT_NIGHTS)
    return [night for night in epoch.history.decided if night > last and night >= first]


def close_labels(epoch: Epoch, night: date) -> list[LabelPlan]:
    """Close the label plans that are due, and take the labels that `night` and nights before it brought with them.

    What was answered, or came with the log, after its night had been measured becomes a late plan.
    """
    given = late.take_late_truth(epoch) + answers.take_given_labels(epoch, until=night)
    return answers.close_labels(epoch) + given + late.take_late_answers(epoch)


def close_window(epoch: Epoch, night: date) -> WindowCounts:
    """Count the night; one that was closed before, by a run that was cut short, keeps its counts."""
    return epoch.history.close_window(night, closed_at=epoch.as_of, complete=partial(with_repeats, epoch))


def run_checks(epoch: Epoch, window: WindowCounts, images: ImageNight | None = None) -> list[CheckResult]:
    """Run every check of the policy on this night, each with its own share of the yearly false-alarm budget.

    `images`: what the night's images look like; None where nothing embeds them.
    """
    history, alarm, night = epoch.history, epoch.alarm(window.night), window.night
    earlier = [one for one in history.windows if one.night < night]
    closed = history.closed_plans()
    two_months_ago = night - timedelta(days=2 * MONTH)
    months = [one for one in closed if one.night > two_months_ago] if compares_months(len(earlier) + 1) else []
    recent = [one for one in last_nights(closed, RECENT_NIGHTS) if not alarm or one.night >= alarm.night]
    evidence = Evidence(
        window=window,
        model_reference=epoch.version.reference,
        earlier=earlier,
        fired=frozenset(one for one in epoch.alarmed_nights() | epoch.unlike_nights() if one < night),
        accepted=epoch.accepted_nights(),
        closed=history.labels(news_of(closed)),
        recent=history.labels(recent),
        months=history.labels(months),
        ahead=epoch.log.count(epoch.version, epoch.as_of + CLOCKS_DIFFER, None),
        beside=epoch.beside(night),
        champion=epoch.champion,
        unknown_name=unknown_name(epoch.version),
        hours=_hours(epoch, night),
        unmeasured=unmeasured(epoch, night),
        images=images or ImageNight(),
    )
    return run_all(evidence, history.last_results(epoch.policy.checks, before=night), epoch.policy)


def run_all(evidence: Evidence, previous: Mapping[str, CheckResult], policy: Policy) -> list[CheckResult]:
    """Run the policy's checks in its order; what is drawn depends on model version, night and check alone.

    Versions that answer on one night share the model's false-alarm budget for it.
    """
    policy = policy.shared_by(len(evidence.beside) + bool(evidence.window.total + evidence.window.foreign))
    evidence = replace(evidence, label_error=policy.labels.error_rate)
    night = f"{evidence.window.model}/{evidence.window.version}/{evidence.window.night}"
    return [
        check.run(evidence, previous.get(name), alpha=policy.alpha(check), rng=chance(f"{night}/{name}"))
        for name, check in policy.checks.items()
    ]


def conclude(epoch: Epoch, window: WindowCounts, results: Sequence[CheckResult]) -> Decision:
    """Decide, and store decision, results and alerts in one transaction: before anything is acted on."""
    epoch.history.forget_decisions()
    past, alarm = epoch.history, epoch.alarm(window.night)
    since = alarm.night if alarm else date.max
    since_alarm = past.labels([one for one in past.closed_plans() if one.night >= since])
    before = [night for night in past.decided if night < window.night]
    standing = standing_alarm(past.decisions, epoch.version.version)
    burst = answers.burst_of(epoch, standing) if standing else None
    history = Past(
        decisions=past.decisions,
        results=past.results([night for night in before if night >= since]),
        closed=since_alarm,
        burst=burst,
        unanswered={one.night for one in past.open_plans() if one.night >= since},
        new_labels=_new_labels(epoch, alarm),
        class_weights=class_weights(since_alarm, epoch.version.reference),
    )
    decision = decide(results, history, epoch.policy, version=epoch.version, night=window.night, now=epoch.as_of)
    decision = _without_retraining(epoch, decision)
    found = alerts.alerts_of(
        *(decision, results, past.results(before[-1:]), epoch.policy),
        version=epoch.version,
        champion=epoch.champion,
        waits=_waits(epoch, decision),
    )
    lacking = lacks_labels(results, history, epoch.policy, version=epoch.version, night=window.night)
    if standing and lacking and decision.action is Action.NOTHING:
        found += reminders.unlabelled(epoch, standing, burst, decision.reason)
    past.record_night(window, results, decision, found)
    log.info("%s: %s: %s", decision.key, decision.action, decision.reason)
    return decision


def plan_labels(epoch: Epoch, night: date) -> LabelPlan:
    """Draw what people are asked to label of this night; more while an alarm is open, or a challenger waits for it."""
    last = epoch.history.last_results([ClassAccuracy.name], before=night + timedelta(days=1))
    found = last.get(ClassAccuracy.name)
    suspicion = _suspicion(found) if found else Suspicion()
    return plan.plan_labels(epoch, night, suspicion=suspicion, waited_for=draws_missing(epoch))


def tend_requests(epoch: Epoch) -> None:
    """Withdraw open requests of versions that no longer serve, and remind people of one that nothing has begun."""
    serving = _serving_version(epoch.ledger, epoch.model)
    if serving is not None:
        for key in withdraw_requests(epoch.ledger, epoch.model, serving):
            log.warning("%s: withdrawn: version %d serves now", key, serving)
    for alert in reminders.unclaimed(epoch):
        epoch.ledger.queue_alert(alert)


def request_retraining(ledger: Ledger, model: str, trigger: RetrainTrigger | None) -> list[Decision]:
    """Send every open request of the version that serves to the trigger, which runs each of them once at a time.

    Without a trigger, give them to whoever runs them afterwards.
    """
    serving = _serving_version(ledger, model)
    open_requests = [
        one
        for one in ledger.decisions(model)
        if one.action is Action.RETRAIN and one.state is DecisionState.OPEN and one.version == serving
    ]
    if trigger is not None:
        for decision in open_requests:
            log.info("%s: %s", decision.key, trigger.request(decision))
    return open_requests


def unknown_name(version: ModelVersion) -> str:
    """Return what a log called a version that nobody had recorded before; empty for any other version."""
    return version.bundle_digest.removeprefix(WATCHED) if version.named_by_log else ""


def _waits(epoch: Epoch, decision: Decision) -> str:
    """What people were asked to label before this night, for the alerts that call for labels; empty for others."""
    calls = decision.action is Action.MORE_LABELS or "no_verdict" in epoch.policy.alerts.about
    return queue_text(find_queue(epoch), command=False) if calls else ""


def _hours(epoch: Epoch, night: date) -> str:
    """Say how long a night is that begins where the last one of another time zone ended; empty for any other."""
    (start, end), local = epoch.bounds(night), night_bounds(night, epoch.policy.zone)
    if (start, end) == local:
        return ""
    hours = (end - start) / timedelta(hours=1)
    return f"the time zone was changed: this night begins where the last one ended, and is {hours:g} hours long"


def _without_retraining(epoch: Epoch, decision: Decision) -> Decision:
    """A version that answers beside the champion is not trained on from: people are told instead."""
    if not epoch.is_beside or decision.action is not Action.RETRAIN:
        return decision
    told = f"a retraining is called for, and version {epoch.champion} is the champion, not this version"
    reason = f"{decision.reason}; {told}: send it no more images, or bring it back with `leeway rollback`"
    return replace(decision, action=Action.ALERT, state=DecisionState.DONE, reason=reason, class_weights={})


def _serving_version(ledger: Ledger, model: str) -> int | None:
    return next((one.version for one in ledger.serving_periods(model) if one.ended_at is None), None)


def _new_labels(epoch: Epoch, alarm: Decision | None) -> int:
    """Count the labels that a retraining would train on; a model that is only watched is never trained."""
    if alarm is None or epoch.version.watched_only:
        return 0
    return len(answers.training_labels(epoch, since=answers.labels_since(alarm, epoch.policy)))


def _suspicion(result: CheckResult) -> Suspicion:
    """How far the evidence against classes and slices has come, and against which."""
    details = details_of(result, ClassAccuracyDetails)
    return Suspicion(details.suspects, details.strength or 0.0) if details else Suspicion()
