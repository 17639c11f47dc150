"""Attempts: which challenger of an epoch it is, which look, and the gate labels that count."""

import json
from dataclasses import replace
from datetime import timedelta

from leeway.domain.records import Action, Cause, Decision, Release
from leeway.release.attempts import attempt_at, labels_for, last_look, number_of
from leeway.release.rules import Attempt
from leeway.stores.opening import Stores
from production import POLICY, VERSION, begun, epoch_of, label_all, live_morning, morning, night, send

GATED = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"gate_per_night": 3})})


def judged(stores: Stores, version: int, number: int, *, outcome: str = "refused", previous: int = 1) -> None:
    stores.ledger.record_release(Release("colours", version, previous, outcome, "", morning(number)))


def tags(*, look: int, labels: int, outcome: str = "cannot tell", epoch: str | None = None, **changed: object) -> dict:
    kept = {"number": 1, "look": look, "labels": labels, "since": None, "epoch": epoch} | changed
    return {"gate": outcome, "gate_against": "1", "gate_attempt": json.dumps(kept)}


def test_challengers_are_numbered_as_they_were_first_judged_and_a_rollback_gives_no_fresh_start(stores: Stores) -> None:
    begun(stores, at=morning(1))
    judged(stores, 2, 0)  # in an earlier epoch of the champion
    for version in (3, 4, 3):
        judged(stores, version, 2)
    judged(stores, 5, 2, previous=9)
    judged(stores, 1, 3, outcome="rolled back")
    champion = epoch_of(stores, 4)
    assert [number_of(champion, version) for version in (2, 3, 4, 5)] == [1, 2, 3, 4]


def test_only_more_labels_make_another_look(stores: Stores) -> None:
    champion = epoch_of(stores, 4)
    began = champion.began_at.isoformat() if champion.began_at else None

    def attempt(images: int, **kept: object) -> Attempt:
        return attempt_at(champion, 2, last_look(champion, tags(epoch=began, **kept)), labels=images)  # type: ignore[arg-type]

    assert attempt_at(champion, 2, None, labels=20) == Attempt(1, 1)
    assert attempt(20, look=1, labels=20) == Attempt(1, 1)
    assert attempt(21, look=1, labels=20) == Attempt(1, 2)
    assert attempt(60, look=2, labels=21) == Attempt(1, 3)
    assert attempt(20, look=1, labels=5) == Attempt(1, 1), "five images could have shown nothing"
    assert attempt(29, look=1, labels=20, outcome="passed") == Attempt(1, 1), "left for review; approved days later"


def test_a_version_whose_tags_are_gone_keeps_its_looks(stores: Stores) -> None:
    begun(stores, at=morning(1))
    for _ in range(3):
        judged(stores, 3, 2)
    champion = epoch_of(stores, 4)
    assert attempt_at(champion, 3, last_look(champion, {}), labels=40) == Attempt(1, 4)
    assert attempt_at(champion, 4, None, labels=40) == Attempt(2, 1)


def test_a_look_at_another_champion_is_none_at_this_one_and_one_before_a_rollback_is(stores: Stores) -> None:
    champion = epoch_of(stores, 4)
    before = last_look(champion, tags(look=3, labels=20, epoch="2020-01-01T00:00:00+00:00"))
    assert before is not None
    assert before.attempt == Attempt(1, 3)
    assert last_look(champion, tags(look=3, labels=20) | {"gate_against": "7"}) is None
    assert last_look(champion, {"gate_against": "1"}) is None
    assert last_look(champion, {"gate_against": "1", "gate_attempt": "[]"}) is None


def test_labels_since_the_nights_that_train_count_where_accuracy_fell_and_else_those_of_the_epoch(
    stores: Stores,
) -> None:
    begun(stores)
    for number in range(1, 13):
        send(stores, number)
        live_morning(stores, number, policy=GATED)
        label_all(stores, number)
    key = f"colours/1/{night(11)}/alarm"
    alarm = Decision(key, "colours", 1, night(11), Action.MORE_LABELS, "drift", morning(11), "")
    stores.ledger.record_decision(alarm)
    champion = epoch_of(stores, 12)
    of_the_epoch, first = labels_for(champion, Cause.CALENDAR, None)
    recent, since = labels_for(champion, Cause.ACCURACY, None)
    assert (first, since) == (champion.first_night, night(4))
    assert len(of_the_epoch) > len(recent) > 0
    assert {one.night for one in recent} <= {night(number) for number in range(4, 13)}
    later = replace(alarm, key=f"{key} again", night=night(12), made_at=morning(12) + timedelta(hours=1))
    stores.ledger.record_decision(later)
    kept = tags(look=1, labels=8, since=since.isoformat(), epoch=champion.began_at.isoformat())  # type: ignore[union-attr]
    again = epoch_of(stores, 12)
    assert labels_for(again, Cause.ACCURACY, None)[1] == night(5)
    assert labels_for(again, Cause.ACCURACY, last_look(again, kept))[1] == night(4), "a later alarm takes no label away"


def test_a_version_without_an_alarm_is_judged_on_all_gate_labels(stores: Stores) -> None:
    begun(stores, VERSION)
    assert labels_for(epoch_of(stores, 3), Cause.ACCURACY, None) == ([], None)
