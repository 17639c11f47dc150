"""What people were told once and have not acted on is told again, each step once, also after missed nights."""

from dataclasses import replace
from datetime import timedelta

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import Action, Alert, DecisionState
from leeway.epoch import begin
from leeway.monitor import night as nights
from leeway.release import retrain
from leeway.stores.opening import Stores
from memory_ports import MemoryTrigger
from production import POLICY, VERSION, draws_of, epoch_of, known, label_all, live_morning, morning, night, send

TILTED = (0.7, 0.15, 0.15)
ALARM_KEY = f"colours/1/{night(5)}"


def live(stores: Stores, last: int, *, policy: Policy = POLICY, first: int = 1, answers: bool = False) -> None:
    """Mornings up to `last`; from night 5 on the class mix is another."""
    for number in range(first, last + 1):
        send(stores, number, mix=TILTED if number >= 5 else (1 / 3,) * 3)
        live_morning(stores, number, policy=policy)
        if answers:
            label_all(stores, number)


def reminders_of(stores: Stores, kind: str) -> dict[str, Alert]:
    return {one.key: one for one in stores.ledger.pending_alerts() if f"/{kind}/" in one.key}


def test_an_alarm_that_nobody_labels_is_told_again_at_2_7_and_14_days(stores: Stores) -> None:
    live(stores, 26)
    found = reminders_of(stores, "unlabelled")
    assert {key: one.made_at for key, one in found.items()} == {
        f"{ALARM_KEY}/unlabelled/2": morning(7),
        f"{ALARM_KEY}/unlabelled/7": morning(12),
        f"{ALARM_KEY}/unlabelled/14": morning(19),
    }
    last = found[f"{ALARM_KEY}/unlabelled/14"]
    plans = [one for one in stores.ledger.plans("colours", 1) if one.night in (night(5), night(6))]
    asked = len({draw.prediction_id for plan in plans for draw in draws_of(stores, plan.id)})
    assert asked < sum(plan.asked for plan in plans)  # an image that was drawn twice is asked for one label
    assert last.title == (
        f"The alarm of 5 March stands for 14 days, {asked} of {asked} labels are missing: colours version 1"
    )
    assert last.body.count("`leeway labels export DIR`") == 1
    assert "`leeway labels import FILE`" in last.body
    assert stores.ledger.decisions("colours")[-1].action is Action.NOTHING
    assert "waits since 6 March" in stores.ledger.decisions("colours")[-1].reason


def test_after_missed_nights_only_the_last_reminder_that_is_due_is_sent(stores: Stores) -> None:
    live(stores, 5)
    for number in range(6, 15):
        send(stores, number, mix=TILTED)
    live_morning(stores, 14)
    assert list(reminders_of(stores, "unlabelled")) == [f"{ALARM_KEY}/unlabelled/7"]


def test_an_alarm_that_people_label_is_not_told_again(stores: Stores) -> None:
    live(stores, 5)
    label_all(stores, 5, wrong=8)
    live(stores, 9, first=6, answers=True)
    assert reminders_of(stores, "unlabelled") == {}


def test_reminders_keep_to_what_the_policy_tells(stores: Stores) -> None:
    about = POLICY.alerts.model_copy(update={"about": ("retrain",)})
    live(stores, 9, policy=POLICY.model_copy(update={"alerts": about}))
    assert stores.ledger.pending_alerts() == []


def test_a_request_that_nothing_has_begun_is_told_at_3_7_and_14_nights(stores: Stores) -> None:
    request = retrain.request(epoch_of(stores, 1), asked_by="a person")
    for number in range(1, 20):
        nights.tend_requests(epoch_of(stores, number))
    found = reminders_of(stores, "unclaimed")
    assert {key: one.made_at for key, one in found.items()} == {
        f"{request.key}/unclaimed/{days}": morning(1 + days) for days in (3, 7, 14)
    }
    first = found[f"{request.key}/unclaimed/3"]
    assert first.title == "The retraining of colours asked for on 2 March has not started for 3 nights"
    assert "`python flows/deploy.py`" in first.body
    assert "`leeway retrain`" in first.body


def test_a_request_that_was_begun_is_told_no_more(stores: Stores) -> None:
    request = retrain.request(epoch_of(stores, 1), asked_by="a person")
    stores.ledger.claim_decision(request.key, now=morning(2))
    nights.tend_requests(epoch_of(stores, 9))
    assert stores.ledger.pending_alerts() == []


def test_when_another_version_begins_to_serve_open_requests_are_withdrawn_and_it_is_watched(stores: Stores) -> None:
    """A request of the version before blinded the monitor for ever."""
    live(stores, 4)
    request = retrain.request(epoch_of(stores, 4), asked_by="a person")
    second = known(VERSION, 2)
    stores.ledger.record_model(second)
    begin(replace(epoch_of(stores, 4, version=second)), why="promoted")
    asked = next(one for one in stores.ledger.decisions("colours") if one.key == request.key)
    assert (asked.state, asked.outcome) == (DecisionState.WITHDRAWN, "withdrawn: version 2 serves now")
    made = []
    for number in range(5, 12):
        send(stores, number, version=2, mix=TILTED if number >= 9 else (1 / 3,) * 3)
        made.append(live_morning(stores, number, version=second))
    assert Action.MORE_LABELS in [one.action for one in made]
    assert [one.reason for one in made if "retraining" in one.reason] == []


def test_a_running_request_is_left_to_its_training_run_and_blinds_nobody(stores: Stores) -> None:
    request = retrain.request(epoch_of(stores, 1), asked_by="a person")
    stores.ledger.claim_decision(request.key, now=morning(1) + timedelta(hours=1))
    second = known(VERSION, 2)
    stores.ledger.record_model(second)
    begin(epoch_of(stores, 1, version=second), why="promoted")
    send(stores, 2, version=2)
    assert "retraining" not in live_morning(stores, 2, version=second).reason
    [kept] = [one for one in stores.ledger.decisions("colours") if one.key == request.key]
    assert kept.state is DecisionState.RUNNING


def test_a_request_that_an_earlier_release_left_open_is_withdrawn_by_the_next_morning(stores: Stores) -> None:
    request = retrain.request(epoch_of(stores, 1), asked_by="a person")
    second = known(VERSION, 2)
    stores.ledger.record_model(second)
    stores.ledger.begin_epoch(replace(stores.ledger.serving_periods("colours")[0], version=2, began_at=morning(2)))
    trigger = MemoryTrigger()
    assert nights.request_retraining(stores.ledger, "colours", trigger) == []
    assert trigger.runs == {}
    nights.tend_requests(epoch_of(stores, 2, version=second))
    assert [one.state for one in stores.ledger.decisions("colours")] == [DecisionState.WITHDRAWN]
    assert retrain.request(epoch_of(stores, 3, version=second), asked_by="a person").key != request.key


@pytest.mark.parametrize("kind", ["unlabelled", "unclaimed"])
def test_without_anything_waiting_nobody_is_reminded(stores: Stores, kind: str) -> None:
    live(stores, 4)
    nights.tend_requests(epoch_of(stores, 30))
    assert reminders_of(stores, kind) == {}
