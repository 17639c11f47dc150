"""Watch: from a night's predictions to a stored decision, and to the people who should know."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from leeway.checks.decide import History, decide
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.checks.windows import drift_reference, due_nights, night_bounds, night_of
from leeway.domain.ports import Notifier, PageWriter, RetrainTrigger, Store
from leeway.domain.records import (
    Action,
    Alert,
    CheckResult,
    Decision,
    DecisionState,
    LabelPlan,
    ModelVersion,
    NightLabels,
    Status,
    WindowCounts,
)
from leeway.errors import AlertError, LeewayError
from leeway.steps import feedback

RECENT_NIGHTS = 7  # closed label plans behind the estimates that are shown: a week, and none from before an alarm
OCCASIONS = {Action.MORE_LABELS: "alarm", Action.RETRAIN: "retrain", Action.STAND_DOWN: "stand_down"}
log = logging.getLogger("leeway.watch")


@dataclass(frozen=True, slots=True)
class Watch:
    """One morning's look at one model version: what every step below works with."""

    store: Store
    policy: Policy
    champion: ModelVersion
    as_of: datetime

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
        return [plan for plan in found if plan.night >= self.epoch]

    def decisions(self) -> list[Decision]:
        """Of all versions; of this one, those of its epoch."""
        found = self.store.decisions(self.champion.model)
        return [one for one in found if one.version != self.champion.version or one.night >= self.epoch]

    def alarm(self, night: date) -> Decision | None:
        """The last alarm of this epoch up to `night`."""
        return feedback.alarm_before(self.decisions(), self.champion, night=night)


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
    return due_nights(first, last, as_of=watch.as_of, zone=watch.policy.zone)


def nights_to_plan(watch: Watch) -> list[date]:
    """Decided nights after the last one whose labels are planned: also of a run that died in between."""
    last = max((plan.night for plan in watch.plans()), default=date.min)
    return sorted({night for night, _ in watch.results() if night > last})


def close_labels(watch: Watch) -> list[LabelPlan]:
    """The label plans that close now."""
    return feedback.close_labels(watch.store, watch.champion, as_of=watch.as_of)


def close_window(watch: Watch, night: date) -> WindowCounts:
    """The night's counts as they were when it was first closed: now, or by a run that was cut short."""
    start, end = night_bounds(night, watch.policy.zone)
    window = watch.store.count_window(watch.champion, night, start, end)
    if watch.store.record_window(window, start=start, end=end, closed_at=watch.as_of):
        return window
    return next(one for one in watch.windows() if one.night == night)


def run_checks(watch: Watch, window: WindowCounts) -> list[CheckResult]:
    """Every check of the policy on this night, each with its own share of the yearly false-alarm budget."""
    alarm = watch.alarm(window.night)
    before = [(night, result) for night, result in watch.results() if night < window.night]
    previous = {result.check: result for _, result in before}
    closed = [plan for plan in watch.plans() if plan.closed_at is not None]
    evidence = Evidence(
        window=window,
        model_reference=watch.champion.reference,
        earlier=[one for one in watch.windows() if one.night < window.night],
        fired=frozenset(night for night, result in before if result.status is Status.FIRED),
        closed=_labels(watch, _news(watch, closed)),
        recent=_labels(watch, [plan for plan in closed[-RECENT_NIGHTS:] if not alarm or plan.night >= alarm.night]),
    )
    return [
        check.run(
            evidence,
            previous.get(name),
            alpha=watch.policy.alpha(check),
            rng=feedback.chance(f"{window.model}/{window.version}/{window.night}/{name}"),
        )
        for name, check in watch.policy.checks.items()
    ]


def conclude(watch: Watch, window: WindowCounts, results: Sequence[CheckResult]) -> Decision:
    """Decides, and stores decision, results and alerts in one transaction: before anything is acted on."""
    alarm = watch.alarm(window.night)
    closed = [plan for plan in watch.plans() if plan.closed_at and alarm and plan.night >= alarm.night]
    since = feedback.labels_since(alarm, watch.policy)
    history = History(
        decisions=watch.decisions(),
        results=[(night, result) for night, result in watch.results() if night < window.night],
        closed=_labels(watch, closed),
        new_labels=len(feedback.training_labels(watch.store, watch.champion, watch.policy, since=since)),
    )
    decision = decide(results, history, watch.policy, version=watch.champion, night=window.night, now=watch.as_of)
    watch.store.record_night(window, results, decision, _alerts(watch, decision, results))
    log.info("%s: %s: %s", decision.key, decision.action, decision.reason)
    return decision


def plan_labels(watch: Watch, night: date) -> LabelPlan:
    """Draws what people are asked to label of this night; more of it while an alarm is open."""
    alarm = watch.alarm(night)
    return feedback.plan_labels(
        watch.store,
        watch.champion,
        watch.policy,
        night=night,
        alarm=alarm.night if alarm else None,
        now=watch.as_of,
    )


def draw_page(watch: Watch, window: WindowCounts, *, write: PageWriter, folder: Path) -> Path | None:
    """The night's page, beside its reference nights. A page that cannot be drawn is told, and stops nothing."""
    drift = watch.policy.prediction_drift
    fired = {night for night, result in watch.results() if result.status is Status.FIRED}
    nights = drift_reference(
        [one for one in watch.windows() if one.night < window.night],
        fired,
        nights=drift.reference_nights,
        min_predictions=drift.min_predictions,
    )
    found = [
        watch.store.predictions(window.model, window.version, *night_bounds(night, watch.policy.zone))
        for night in [*(one.night for one in nights), window.night]
    ]
    path = folder / f"{window.model}-{window.version}-{window.night}.html"
    try:
        write(
            path,
            reference=[one for night in found[:-1] for one in night],
            current=found[-1],
            classes=window.classes,
            title=f"{window.model}, version {window.version}, night of {window.night}",
            alarm_under_p=watch.policy.alpha(drift) / 365,
        )
    except LeewayError as error:
        log.warning("no page for the night of %s: %s", window.night, error)
        return None
    return path


def deliver_alerts(store: Store, notifier: Notifier, *, now: datetime) -> list[str]:
    """Sends what waits in the outbox; gives what went wrong. A failing channel fails nothing, and is tried again."""
    failures = []
    for alert in store.pending_alerts():
        try:
            notifier.send(alert.title, alert.body)
        except AlertError as error:
            store.mark_alert(alert.key, sent_at=None, error=str(error))
            failures.append(str(error))
            log.warning("%s; it stays in the outbox", error)
        else:
            store.mark_alert(alert.key, sent_at=now)
    return failures


def request_retraining(store: Store, model: str, trigger: RetrainTrigger | None) -> list[Decision]:
    """Sends every open request to the trigger, once each; without one, gives them to whoever runs them afterwards."""
    open_requests = [
        one for one in store.decisions(model) if one.action is Action.RETRAIN and one.state is DecisionState.OPEN
    ]
    if trigger is not None:
        for decision in open_requests:
            log.info("%s: %s", decision.key, trigger.request(decision))
    return open_requests


def _news(watch: Watch, closed: Sequence[LabelPlan]) -> list[LabelPlan]:
    """Plans that closed since a night was last decided: the labels of the others are in the checks' state already."""
    nightly = [one for one in watch.decisions() if one.nightly and one.version == watch.champion.version]
    last = max((one.made_at for one in nightly), default=None)
    return [plan for plan in closed if plan.closed_at and (last is None or plan.closed_at > last)]


def _labels(watch: Watch, plans: Sequence[LabelPlan]) -> list[NightLabels]:
    return [feedback.night_labels(watch.store, plan) for plan in plans]


def _alerts(watch: Watch, decision: Decision, results: Sequence[CheckResult]) -> list[Alert]:
    told: Mapping[str, str] = {
        OCCASIONS.get(decision.action, ""): decision.reason,
        "no_verdict": "; ".join(f"{one.check}: {one.reason}" for one in results if one.status is Status.NO_VERDICT),
    }
    return [
        Alert(
            key=f"{decision.key}/{occasion}",
            title=f"leeway: {decision.model} version {decision.version}: {occasion.replace('_', ' ')}",
            body=f"Night of {decision.night}: {text}",
            made_at=watch.as_of,
        )
        for occasion, text in told.items()
        if text and occasion in watch.policy.alerts.about
    ]
