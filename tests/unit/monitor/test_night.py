"""The monitoring steps: every night once, evidence applied once, decisions stored before they are acted on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from leeway.domain.records import Action, Decision, DecisionState, Status
from leeway.monitor import night as nights
from leeway.stores.opening import Stores
from memory_ports import MemoryTrigger
from production import POLICY, begun, epoch_of, held, label_all, live_morning, morning, night, record, send

TILTED = (0.7, 0.15, 0.15)


def live(stores: Stores, numbers: range, *, mix: tuple[float, float, float] = (1 / 3,) * 3, wrong: int = 0) -> None:
    for number in numbers:
        send(stores, number, mix=mix)
        live_morning(stores, number)
        label_all(stores, number, wrong=wrong)


def test_quiet_nights_lead_to_no_action(stores: Stores) -> None:
    live(stores, range(1, 9))
    assert {one.action for one in stores.ledger.decisions("colours")} == {Action.NOTHING}


def test_a_night_is_decided_once_however_often_the_flow_runs(stores: Stores) -> None:
    live(stores, range(1, 3))
    before = stores.ledger.results("colours", 1)
    with pytest.raises(AssertionError, match="no night was due"):
        live_morning(stores, 2)
    assert stores.ledger.results("colours", 1) == before


def test_missed_nights_are_made_up_for_in_order(stores: Stores) -> None:
    for number in range(1, 5):
        send(stores, number)
    live_morning(stores, 4)
    assert [one.night for one in stores.ledger.windows("colours", 1)] == [night(number) for number in range(1, 5)]
    assert len(stores.ledger.plans("colours", 1)) == 4


def test_labels_reach_the_accuracy_check_exactly_once_also_after_a_crash(stores: Stores) -> None:
    live(stores, range(1, 3))
    send(stores, 3)
    crashed = held(epoch_of(stores, 3), 3)
    nights.close_labels(crashed, night(3))  # and then the process dies, before anything is decided
    later = held(replace(epoch_of(stores, 3), as_of=morning(3) + timedelta(hours=1)), 3)
    assert nights.close_labels(later, night(3)) == []
    results = nights.run_checks(later, nights.close_window(later, night(3)))
    accuracy = next(one for one in results if one.check == "accuracy")
    assert accuracy.details["labels_tonight"] == 10
    live_morning(stores, 3)
    send(stores, 4)
    live_morning(stores, 4)
    found = [one for _, one in stores.ledger.results("colours", 1) if one.check == "accuracy"]
    assert [one.state.get("labels", 0) for one in found] == [0, 10, 20, 20]


def test_a_night_whose_run_died_before_it_planned_labels_is_planned_by_the_next(stores: Stores) -> None:
    live(stores, range(1, 3))
    send(stores, 3)
    died = held(epoch_of(stores, 3), 3)
    window = nights.close_window(died, night(3))
    nights.conclude(died, window, nights.run_checks(died, window))
    again = replace(epoch_of(stores, 3), as_of=morning(3) + timedelta(hours=1))
    assert nights.nights_due(again) == []
    assert nights.nights_to_plan(again) == [night(3)]


def test_a_drift_becomes_an_alarm_then_a_burst_then_a_request(stores: Stores) -> None:
    live(stores, range(1, 5))
    live(stores, range(5, 8), mix=TILTED, wrong=8)
    actions = {one.night: one.action for one in stores.ledger.decisions("colours")}
    assert actions[night(5)] is Action.MORE_LABELS
    assert actions[night(7)] is Action.RETRAIN
    plans = {plan.night: plan.asked for plan in stores.ledger.plans("colours", 1)}
    assert [plans[night(number)] for number in (4, 5, 6)] == [10, 30, 30]
    assert stores.ledger.decisions("colours")[-1].state is DecisionState.OPEN


def test_an_alarm_that_the_labels_refute_is_stood_down(stores: Stores) -> None:
    policy = POLICY.model_copy(update={"labels": POLICY.labels.model_copy(update={"burst_on_alarm": 400})})
    for number in range(1, 9):
        send(stores, number, count=1000, mix=TILTED if number >= 5 else (1 / 3,) * 3)
        decision = live_morning(stores, number, policy=policy)
        label_all(stores, number)
        if decision.action is Action.STAND_DOWN:
            break
    assert decision.action is Action.STAND_DOWN
    assert "excludes a drop" in decision.reason


def test_an_interrupted_closing_keeps_the_counts_of_the_first(stores: Stores) -> None:
    send(stores, 1)
    first = nights.close_window(held(epoch_of(stores, 1), 1), night(1))
    send(stores, 1, count=50, name="late")
    again = nights.close_window(held(epoch_of(stores, 1), 1), night(1))
    assert again.counts == first.counts
    assert again.late == 50


def test_a_new_epoch_starts_without_the_evidence_of_the_last(stores: Stores) -> None:
    live(stores, range(1, 5))
    begun(stores, at=morning(4))
    send(stores, 5)
    live_morning(stores, 5)
    drift = [
        one for at, one in stores.ledger.results("colours", 1) if at == night(5) and one.check == "prediction_drift"
    ]
    assert drift[0].status is Status.NO_VERDICT
    assert "0 of its 3 nights" in drift[0].reason


def test_people_are_told_what_the_policy_names_and_nothing_else(stores: Stores) -> None:
    live(stores, range(1, 5))
    assert stores.ledger.pending_alerts() == []
    live(stores, range(5, 6), mix=TILTED)
    [alert] = stores.ledger.pending_alerts()
    assert "alarm" in alert.title
    assert "prediction_drift" in alert.body


def test_every_open_request_is_sent_again_until_it_is_claimed(stores: Stores) -> None:
    live(stores, range(1, 5))
    live(stores, range(5, 8), mix=TILTED, wrong=8)
    trigger = MemoryTrigger()
    [request] = nights.request_retraining(stores.ledger, "colours", trigger)
    nights.request_retraining(stores.ledger, "colours", trigger)
    assert list(trigger.runs) == [request.key]
    stores.ledger.claim_decision(request.key, now=morning(7))
    assert nights.request_retraining(stores.ledger, "colours", trigger) == []


def test_a_retraining_whose_process_died_does_not_silence_the_monitor(stores: Stores) -> None:
    live(stores, range(1, 5))
    live(stores, range(5, 8), mix=TILTED, wrong=8)
    request = stores.ledger.decisions("colours")[-1]
    claimed = morning(7) + timedelta(hours=1)
    stores.ledger.claim_decision(request.key, now=claimed)  # and then the machine loses its power
    live(stores, range(8, 9), mix=TILTED)
    assert "is running" in stores.ledger.decisions("colours")[-1].reason
    at = epoch_of(stores, 9)
    assert nights.give_up_on_the_dead(at) == [request.key]
    live(stores, range(9, 16), mix=TILTED)
    later = [one.action for one in stores.ledger.decisions("colours") if one.night > request.night]
    assert Action.MORE_LABELS in later


def test_a_finding_about_the_delivery_keeps_no_night_from_the_reference(stores: Stores) -> None:
    for number in range(1, 6):
        send(stores, number)
        odd = replace(send(stores, number, count=1, name="odd")[0], id=f"foreign-{number}", predicted_class="horse")
        record(stores, [odd], received_at=morning(number))
        live_morning(stores, number)
    last = {one.check: one for at, one in stores.ledger.results("colours", 1) if at == night(5)}
    assert last["traffic"].status is Status.FIRED
    assert last["prediction_drift"].status is Status.QUIET


def test_a_retraining_that_was_asked_for_while_a_catch_up_runs_is_seen_by_its_next_night(stores: Stores) -> None:
    live(stores, range(1, 3))
    for number in (3, 4):
        send(stores, number)
    at = held(epoch_of(stores, 4), 3)
    assert nights.nights_due(at) == [night(3), night(4)]
    asked = Decision("colours/1/person", "colours", 1, night(2), Action.RETRAIN, "a person asked", morning(4), "")
    stores.ledger.record_decision(asked)
    window = nights.close_window(at, night(3))
    nights.conclude(at, window, nights.run_checks(at, window))
    assert asked.key in {one.key for one in at.history.decisions}


def test_what_another_monitor_decided_meanwhile_is_read_anew(stores: Stores) -> None:
    """Else labels that the other has applied would count once more."""
    for number in (1, 2):
        send(stores, number)
        live_morning(stores, number)
        label_all(stores, number)
    for number in (3, 4):
        send(stores, number)
    away = epoch_of(stores, 4)
    assert nights.nights_due(away) == [night(3), night(4)]
    assert [one.applied_by for one in away.history.plans] == [f"colours/1/{night(2)}", None]
    live_morning(stores, 3)
    assert nights.is_decided(away, night(3))
    assert not nights.is_decided(away, night(4))
    assert away.history.plans == stores.ledger.plans("colours", 1)
    assert [one.night for one in away.history.windows] == [night(1), night(2), night(3)]


@pytest.mark.parametrize("count", [300, 1300])
def test_a_window_tells_the_copies_of_an_image_that_came_often(stores: Stores, count: int) -> None:
    """Exactly, also where only a sample of the night is looked at one by one."""
    sent = send(stores, 1, count=count)
    send(stores, 1, count=count, name="again")
    record(stores, [replace(sent[0], id=f"copy-{number}") for number in range(150)])
    window = nights.close_window(held(epoch_of(stores, 1), 1), night(1))
    assert (window.total, window.distinct) == (2 * count + 150, 2 * count - 1)

    assert stores.ledger.windows("colours", 1) == [window]


def test_a_window_without_copies_holds_none_and_looks_no_further(stores: Stores) -> None:
    send(stores, 1, count=600)
    assert nights.close_window(held(epoch_of(stores, 1), 1), night(1)).repeats == ()
