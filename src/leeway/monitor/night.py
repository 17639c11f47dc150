"""Watch: from a night's predictions to a stored decision, and to the people who should know."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from leeway.checks.accuracy import MONTH, compares_months
from leeway.checks.class_accuracy import ClassAccuracy, ClassAccuracyDetails
from leeway.checks.decide import History, decide
from leeway.checks.drift import PredictionDrift
from leeway.checks.estimates import class_weights
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence, details_of
from leeway.checks.windows import count_window, drift_reference, due_nights, night_bounds, night_of
from leeway.domain.ports import PageWriter, RetrainTrigger, Store
from leeway.domain.records import (
    Action,
    Alert,
    CheckResult,
    Decision,
    DecisionState,
    LabelPlan,
    ModelVersion,
    NightLabels,
    Prediction,
    Status,
    WindowCounts,
)
from leeway.labels import answers, plan
from leeway.labels.plan import chance
from leeway.monitor import alerts

RECENT_NIGHTS = 7  # closed label plans behind the estimates that are shown: a week, and none from before an alarm
MOST_DRAWN = 20_000  # predictions of a night that Evidently's page looks at
CLOCKS_DIFFER = timedelta(hours=1)  # of the machines that predict; a time further ahead is a mistake
log = logging.getLogger("leeway.watch")


@dataclass(frozen=True, slots=True)
class Watch:
    """One morning's look at one model version: what every step below works with."""

    store: Store
    policy: Policy
    champion: ModelVersion
    as_of: datetime
    until: date | None = None  # first night that is no longer its own: a later version serves then

    @property
    def epoch(self) -> date:
        """First night in which this version was the champion: evidence and budgets begin there."""
        since = self.champion.serving_since or self.as_of
        return night_of(since, self.policy.zone)

    def results(self) -> list[tuple[date, CheckResult]]:
        found = self.store.results(self.champion.model, self.champion.version)
        return [(night, result) for night, result in found if night >= self.epoch]

    def windows(self) -> list[WindowCounts]:
        found = self.store.windows(self.champion.model, self.champion.version)
        return [window for window in found if window.night >= self.epoch]

    def plans(self) -> list[LabelPlan]:
        found = self.store.plans(self.champion.model, self.champion.version)
        return [one for one in found if one.night >= self.epoch]

    def decisions(self) -> list[Decision]:
        """Of all versions; of this one, those of its epoch."""
        found = self.store.decisions(self.champion.model)
        return [one for one in found if one.version != self.champion.version or one.night >= self.epoch]

    def alarm(self, night: date) -> Decision | None:
        """The last alarm of this epoch up to `night`."""
        return answers.alarm_before(self.decisions(), self.champion, night=night)


def give_up_on_the_dead(watch: Watch) -> list[str]:
    """Closes retrainings whose process died: one that runs for ever would let no alarm be raised again."""
    dead = watch.store.give_up_lapsed(watch.champion.model, now=watch.as_of)
    for key in dead:
        log.warning("%s: the retraining gave no sign for a day; it counts as failed", key)
        if "release" in watch.policy.alerts.about:
            title = f"leeway: retraining of {watch.champion.model} failed"
            body = f"{key}: its process died. An alarm that still stands is raised again after the cool-down."
            watch.store.queue_alert(Alert(key=f"{key}/dead", title=title, body=body, made_at=watch.as_of))
    return dead


def nights_due(watch: Watch) -> list[date]:
    """Nights of this epoch that are over and not decided yet, oldest first: also those that earlier runs missed."""
    model, version = watch.champion.model, watch.champion.version
    decided = [night for night, _ in watch.results()]
    last = max(decided, default=watch.epoch - timedelta(days=1))
    first = watch.store.first_prediction_at(model, version)
    due = due_nights(first, last, as_of=watch.as_of, zone=watch.policy.zone)
    return [night for night in due if watch.until is None or night < watch.until]


def nights_to_plan(watch: Watch) -> list[date]:
    """Decided nights of the last week whose labels are not planned: also of a run that died in between.

    People are not asked about a past that was only now imported.
    """
    last = max((one.night for one in watch.plans() if not one.given), default=date.min)
    first = night_of(watch.as_of, watch.policy.zone) - timedelta(days=RECENT_NIGHTS)
    return sorted({night for night, _ in watch.results() if night > last and night >= first})


def close_labels(watch: Watch, night: date) -> list[LabelPlan]:
    """The label plans that close now, and those that `night` and nights before it brought with them."""
    given = answers.take_given_labels(watch.store, watch.champion, watch.policy, until=night, now=watch.as_of)
    return answers.close_labels(watch.store, watch.champion, as_of=watch.as_of) + given


def close_window(watch: Watch, night: date) -> WindowCounts:
    """The night's counts as they were when it was first closed: now, or by a run that was cut short."""
    start, end = night_bounds(night, watch.policy.zone)
    window = count_window(watch.champion, night, watch.store.cells(watch.champion, start, end))
    if watch.store.record_window(window, start=start, end=end, closed_at=watch.as_of):
        return window
    return next(one for one in watch.windows() if one.night == night)


def run_checks(watch: Watch, window: WindowCounts) -> list[CheckResult]:
    """Every check of the policy on this night, each with its own share of the yearly false-alarm budget."""
    alarm = watch.alarm(window.night)
    before = [(night, result) for night, result in watch.results() if night < window.night]
    previous = {result.check: result for _, result in before}
    earlier = [one for one in watch.windows() if one.night < window.night]
    closed = [one for one in watch.plans() if one.closed_at is not None]
    two_months_ago = window.night - timedelta(days=2 * MONTH)
    months = [one for one in closed if one.night > two_months_ago] if compares_months(len(earlier) + 1) else []
    evidence = Evidence(
        window=window,
        model_reference=watch.champion.reference,
        earlier=earlier,
        fired=alarmed(before, watch.policy),
        closed=_labels(watch, news_of(closed)),
        recent=_labels(watch, [one for one in _last(closed, RECENT_NIGHTS) if not alarm or one.night >= alarm.night]),
        months=_labels(watch, months),
        ahead=watch.store.number_after(window.model, window.version, watch.as_of + CLOCKS_DIFFER),
    )
    return run_all(evidence, previous, watch.policy)


def run_all(evidence: Evidence, previous: Mapping[str, CheckResult], policy: Policy) -> list[CheckResult]:
    """The policy's checks in its order; what is drawn depends on model version, night and check alone."""
    night = f"{evidence.window.model}/{evidence.window.version}/{evidence.window.night}"
    return [
        check.run(evidence, previous.get(name), alpha=policy.alpha(check), rng=chance(f"{night}/{name}"))
        for name, check in policy.checks.items()
    ]


def conclude(watch: Watch, window: WindowCounts, results: Sequence[CheckResult]) -> Decision:
    """Decides, and stores decision, results and alerts in one transaction: before anything is acted on."""
    alarm = watch.alarm(window.night)
    closed = [one for one in watch.plans() if one.closed_at]
    since_alarm = _labels(watch, [one for one in closed if alarm and one.night >= alarm.night])
    history = History(
        decisions=watch.decisions(),
        results=[(night, result) for night, result in watch.results() if night < window.night],
        closed=since_alarm,
        new_labels=_new_labels(watch, alarm),
        class_weights=class_weights(since_alarm, watch.champion.reference),
    )
    decision = decide(results, history, watch.policy, version=watch.champion, night=window.night, now=watch.as_of)
    applied = [one.id for one in news_of(closed)]
    found = alerts.alerts_of(decision, results, watch.results(), watch.policy, now=watch.as_of)
    watch.store.record_night(window, results, decision, found, applied=applied)
    log.info("%s: %s: %s", decision.key, decision.action, decision.reason)
    return decision


def plan_labels(watch: Watch, night: date) -> LabelPlan:
    """Draws what people are asked to label of this night; more of it while an alarm is open."""
    alarm = watch.alarm(night)
    found = [result for at, result in watch.results() if at <= night and result.check == ClassAccuracy.name]
    return plan.plan_labels(
        watch.store,
        watch.champion,
        watch.policy,
        night=night,
        alarm=alarm.night if alarm else None,
        suspicion=_suspicion(found[-1]) if found else plan.Suspicion(),
        now=watch.as_of,
    )


def draw_page(watch: Watch, window: WindowCounts, *, write: PageWriter, path: Path) -> None:
    """Draws a decided night beside its reference nights; raises whatever the writer raises."""
    drift = watch.policy.check(PredictionDrift)
    fired = alarmed(watch.results(), watch.policy)
    nights = drift_reference(
        [one for one in watch.windows() if one.night < window.night],
        fired,
        nights=drift.reference_nights,
        min_predictions=drift.min_predictions,
    )
    found = [_some_predictions(watch, one) for one in (*nights, window)]
    write(
        path,
        reference=[one for night in found[:-1] for one in night],
        current=found[-1],
        classes=window.classes,
        title=f"{window.model}, version {window.version}, night of {window.night}",
        alarm_under_p=watch.policy.alpha(drift) / 365,
    )


def _some_predictions(watch: Watch, window: WindowCounts) -> list[Prediction]:
    """Those of a night, or of a large one as many as are drawn, uniformly."""
    here = (window.model, window.version, *night_bounds(window.night, watch.policy.zone))
    if window.total <= MOST_DRAWN:
        return watch.store.predictions(*here)
    rng = chance(f"page/{window.model}/{window.version}/{window.night}")
    return watch.store.predictions_at(*here, rng.choice(window.total, size=MOST_DRAWN, replace=False).tolist())


def request_retraining(store: Store, model: str, trigger: RetrainTrigger | None) -> list[Decision]:
    """Sends every open request to the trigger, once each; without one, gives them to whoever runs them afterwards."""
    open_requests = [
        one for one in store.decisions(model) if one.action is Action.RETRAIN and one.state is DecisionState.OPEN
    ]
    if trigger is not None:
        for decision in open_requests:
            log.info("%s: %s", decision.key, trigger.request(decision))
    return open_requests


def alarmed(results: Sequence[tuple[date, CheckResult]], policy: Policy) -> frozenset[date]:
    """Nights on which a check with a false-alarm budget fired: findings about the delivery say nothing of drift."""
    watching = {name for name, check in policy.checks.items() if check.budget_share}
    return frozenset(night for night, one in results if one.status is Status.FIRED and one.check in watching)


def news_of(closed: Sequence[LabelPlan]) -> list[LabelPlan]:
    """Closed plans that no decided night has applied: the labels of the others are in the checks' state already."""
    return [one for one in closed if one.applied_by is None]


def _last(closed: Sequence[LabelPlan], nights: int) -> list[LabelPlan]:
    """Plans of the last nights that have any labels."""
    kept = sorted({one.night for one in closed if one.draws or one.given})[-nights:]
    return [one for one in closed if one.night in kept]


def _new_labels(watch: Watch, alarm: Decision | None) -> int:
    """Labels that a retraining would train on; a model that is only watched is never trained."""
    if alarm is None or watch.champion.watched_only:
        return 0
    since = answers.labels_since(alarm, watch.policy)
    return len(answers.training_labels(watch.store, watch.champion, watch.policy, since=since))


def _suspicion(result: CheckResult) -> plan.Suspicion:
    """How far the evidence against classes and slices has come, in logs, and against which."""
    statistic, threshold = result.statistic or 0.0, result.threshold or math.inf
    strength = math.log(statistic) / math.log(threshold) if statistic > 1 else 0.0
    details = details_of(result, ClassAccuracyDetails)
    return plan.Suspicion(details.suspects if details else {}, min(max(strength, 0.0), 1.0))


def _labels(watch: Watch, plans: Sequence[LabelPlan]) -> list[NightLabels]:
    return [answers.night_labels(watch.store, one) for one in plans]
