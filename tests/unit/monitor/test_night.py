"""The monitoring steps: every night once, evidence applied once, decisions stored before they are acted on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from leeway.domain.records import Action, Alert, Decision, DecisionState, Status
from leeway.errors import ParamsError
from leeway.monitor import alerts
from leeway.monitor import night as nights
from leeway.stores.sql import SqlStore
from memory_ports import MemoryNotifier, MemoryTrigger
from production import POLICY, VERSION, epoch_of, label_all, live_morning, morning, night, send

TILTED = (0.7, 0.15, 0.15)


def live(store: SqlStore, numbers: range, *, mix: tuple[float, float, float] = (1 / 3,) * 3, wrong: int = 0) -> None:
    for number in numbers:
        send(store, number, mix=mix)
        live_morning(store, number)
        label_all(store, number, wrong=wrong)


def test_quiet_nights_lead_to_no_action(store: SqlStore) -> None:
    live(store, range(1, 9))
    assert {one.action for one in store.decisions("colours")} == {Action.NOTHING}


def test_a_night_is_decided_once_however_often_the_flow_runs(store: SqlStore) -> None:
    live(store, range(1, 3))
    before = store.results("colours", 1)
    with pytest.raises(AssertionError, match="no night was due"):
        live_morning(store, 2)
    assert store.results("colours", 1) == before


def test_missed_nights_are_made_up_for_in_order(store: SqlStore) -> None:
    for number in range(1, 5):
        send(store, number)
    live_morning(store, 4)
    assert [one.night for one in store.windows("colours", 1)] == [night(number) for number in range(1, 5)]
    assert len(store.plans("colours", 1)) == 4


def test_labels_reach_the_accuracy_check_exactly_once_also_after_a_crash(store: SqlStore) -> None:
    live(store, range(1, 3))
    send(store, 3)
    crashed = epoch_of(store, 3)
    nights.close_labels(crashed, night(3))  # and then the process dies, before anything is decided
    later = replace(epoch_of(store, 3), as_of=morning(3) + timedelta(hours=1))
    assert nights.close_labels(later, night(3)) == []
    results = nights.run_checks(later, nights.close_window(later, night(3)))
    accuracy = next(one for one in results if one.check == "accuracy")
    assert accuracy.details["labels_tonight"] == 10
    live_morning(store, 3)
    send(store, 4)
    live_morning(store, 4)
    found = [one for _, one in store.results("colours", 1) if one.check == "accuracy"]
    assert [one.state.get("labels", 0) for one in found] == [0, 10, 20, 20]


def test_a_night_whose_run_died_before_it_planned_labels_is_planned_by_the_next(store: SqlStore) -> None:
    live(store, range(1, 3))
    send(store, 3)
    died = epoch_of(store, 3)
    window = nights.close_window(died, night(3))
    nights.conclude(died, window, nights.run_checks(died, window))
    again = replace(epoch_of(store, 3), as_of=morning(3) + timedelta(hours=1))
    assert nights.nights_due(again) == []
    assert nights.nights_to_plan(again) == [night(3)]


def test_a_drift_becomes_an_alarm_then_a_burst_then_a_request(store: SqlStore) -> None:
    live(store, range(1, 5))
    live(store, range(5, 8), mix=TILTED, wrong=8)
    actions = {one.night: one.action for one in store.decisions("colours")}
    assert actions[night(5)] is Action.MORE_LABELS
    assert actions[night(7)] is Action.RETRAIN
    plans = {plan.night: plan.asked for plan in store.plans("colours", 1)}
    assert [plans[night(number)] for number in (4, 5, 6)] == [10, 30, 30]
    assert store.decisions("colours")[-1].state is DecisionState.OPEN


def test_an_alarm_that_the_labels_refute_is_stood_down(store: SqlStore) -> None:
    policy = POLICY.model_copy(update={"labels": POLICY.labels.model_copy(update={"burst_on_alarm": 400})})
    for number in range(1, 9):
        send(store, number, count=1000, mix=TILTED if number >= 5 else (1 / 3,) * 3)
        decision = live_morning(store, number, policy=policy)
        label_all(store, number)
        if decision.action is Action.STAND_DOWN:
            break
    assert decision.action is Action.STAND_DOWN
    assert "excludes a drop" in decision.reason


def test_an_interrupted_closing_keeps_the_counts_of_the_first(store: SqlStore) -> None:
    send(store, 1)
    at = epoch_of(store, 1)
    first = nights.close_window(at, night(1))
    send(store, 1, count=50, name="late")
    again = nights.close_window(at, night(1))
    assert again.counts == first.counts
    assert again.late == 50


def test_a_new_epoch_starts_without_the_evidence_of_the_last(store: SqlStore) -> None:
    live(store, range(1, 5))
    back = replace(VERSION, serving_since=morning(4))
    send(store, 5)
    live_morning(store, 5, version=back)
    drift = [one for at, one in store.results("colours", 1) if at == night(5) and one.check == "prediction_drift"]
    assert drift[0].status is Status.NO_VERDICT
    assert "0 of its 3 nights" in drift[0].reason


def test_people_are_told_what_the_policy_names_and_nothing_else(store: SqlStore) -> None:
    live(store, range(1, 5))
    assert store.pending_alerts() == []
    live(store, range(5, 6), mix=TILTED)
    [alert] = store.pending_alerts()
    assert "alarm" in alert.title
    assert "prediction_drift" in alert.body


def test_a_failing_channel_fails_nothing_and_the_alert_is_sent_later(store: SqlStore) -> None:
    store.queue_alert(Alert("one", "drift", "see there", morning(1)))
    [told] = alerts.deliver_alerts(store, MemoryNotifier(broken=True), now=morning(1))
    assert "not taken" in told
    assert store.pending_alerts()[0].error == told
    mended = MemoryNotifier()
    assert alerts.deliver_alerts(store, mended, now=morning(1)) == []
    assert alerts.deliver_alerts(store, mended, now=morning(1)) == []
    assert mended.sent == [("drift", "see there")]


class BurningNotifier(MemoryNotifier):
    """A channel whose library has a fault of its own for one of the alerts."""

    def send(self, title: str, body: str) -> None:
        if title == "burns":
            raise RuntimeError("the library's\nown fault")
        super().send(title, body)


def test_a_channel_that_raises_anything_keeps_that_alert_and_sends_the_next(store: SqlStore) -> None:
    for title in ("burns", "drift"):
        store.queue_alert(Alert(title, title, "see there", morning(1)))
    notifier = BurningNotifier()
    assert alerts.deliver_alerts(store, notifier, now=morning(1)) == ["RuntimeError: the library's own fault"]
    assert notifier.sent == [("drift", "see there")]
    [kept] = store.pending_alerts()
    assert (kept.key, kept.error) == ("burns", "RuntimeError: the library's own fault")


def test_addresses_that_no_notifier_can_be_made_of_leave_the_alert_in_the_outbox(store: SqlStore) -> None:
    store.queue_alert(Alert("one", "drift", "see there", morning(1)))
    alerts.deliver_alerts(store, alerts.NoNotifier(ParamsError("address 1 of 1")), now=morning(1))
    assert [one.error for one in store.pending_alerts()] == ["address 1 of 1"]


def test_every_open_request_is_sent_again_until_it_is_claimed(store: SqlStore) -> None:
    live(store, range(1, 5))
    live(store, range(5, 8), mix=TILTED, wrong=8)
    trigger = MemoryTrigger()
    [request] = nights.request_retraining(store, "colours", trigger)
    nights.request_retraining(store, "colours", trigger)
    assert list(trigger.runs) == [request.key]
    store.claim_decision(request.key, now=morning(7))
    assert nights.request_retraining(store, "colours", trigger) == []


def test_a_retraining_whose_process_died_does_not_silence_the_monitor(store: SqlStore) -> None:
    live(store, range(1, 5))
    live(store, range(5, 8), mix=TILTED, wrong=8)
    request = store.decisions("colours")[-1]
    claimed = morning(7) + timedelta(hours=1)
    store.claim_decision(request.key, now=claimed)  # and then the machine loses its power
    live(store, range(8, 9), mix=TILTED)
    assert "is running" in store.decisions("colours")[-1].reason
    at = epoch_of(store, 9)
    assert nights.give_up_on_the_dead(at) == [request.key]
    live(store, range(9, 16), mix=TILTED)
    later = [one.action for one in store.decisions("colours") if one.night > request.night]
    assert Action.MORE_LABELS in later


def test_a_finding_about_the_delivery_keeps_no_night_from_the_reference(store: SqlStore) -> None:
    for number in range(1, 6):
        send(store, number)
        odd = replace(send(store, number, count=1, name="odd")[0], id=f"foreign-{number}", predicted_class="horse")
        store.record_predictions([odd], received_at=morning(number))
        live_morning(store, number)
    last = {one.check: one for at, one in store.results("colours", 1) if at == night(5)}
    assert last["traffic"].status is Status.FIRED
    assert last["prediction_drift"].status is Status.QUIET


def test_a_retraining_that_was_asked_for_while_a_catch_up_runs_is_seen_by_its_next_night(store: SqlStore) -> None:
    live(store, range(1, 3))
    for number in (3, 4):
        send(store, number)
    at = epoch_of(store, 4)
    assert nights.nights_due(at) == [night(3), night(4)]
    asked = Decision("colours/1/person", "colours", 1, night(2), Action.RETRAIN, "a person asked", morning(4), "")
    store.record_decision(asked)
    window = nights.close_window(at, night(3))
    nights.conclude(at, window, nights.run_checks(at, window))
    assert asked.key in {one.key for one in at.history.decisions}
