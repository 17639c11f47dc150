"""Reopened nights: decided anew as if the mistake had not been; people are told anew, labels count once."""

import pytest

from leeway.domain.records import Action, Decision, DecisionState
from leeway.errors import HeldError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import Morning, look
from leeway.jobs.reopening import content_text
from leeway.monitor import night as nights
from leeway.stores.opening import Stores
from memory_stores import MemoryStores
from production import begun, epoch_of, label_all, live_morning, morning, night, send


def live(stores: Stores, numbers: range, *, wrong: int = 0) -> None:
    for number in numbers:
        send(stores, number)
        live_morning(stores, number)
        label_all(stores, number, wrong=wrong)


def looked(stores: Stores, number: int, *, confirmed: bool = False) -> Morning | None:
    failures = Failures()
    found = look(epoch_of(stores, number), failures, confirmed=confirmed)
    failures.raise_first()
    return found


def test_a_clock_that_was_wrong_once_is_mended(stores: Stores) -> None:
    """Else a model at 40 % is never judged."""
    live(stores, range(1, 4))
    looked(stores, 40, confirmed=True)  # `monitor --as-of` a month ahead, let through by hand
    stores.ledger.reopen("colours", night(4), at=morning(4))
    for number in range(4, 16):
        send(stores, number)
        live_morning(stores, number)
        label_all(stores, number, wrong=6)
    fired = [at for at, one in stores.ledger.results("colours", 1, check="accuracy") if one.status == "fired"]
    assert fired
    keys = [one.key for one in stores.ledger.decisions("colours")]
    assert len(keys) == len(set(keys)) == 15


def test_nights_that_are_decided_anew_count_every_label_once(stores: Stores) -> None:
    untouched = begun(MemoryStores())
    for one in (stores, untouched):
        live(one, range(1, 5), wrong=2)
        send(one, 5)
        live_morning(one, 5)
    stores.ledger.reopen("colours", night(3), at=morning(5))
    looked(stores, 5)
    again = dict(stores.ledger.results("colours", 1, check="accuracy"))
    before = dict(untouched.ledger.results("colours", 1, check="accuracy"))
    assert again[night(5)].state["labels"] == before[night(5)].state["labels"]
    assert [one.id for one in stores.ledger.plans("colours", 1)] == [
        one.id for one in untouched.ledger.plans("colours", 1)
    ]


def test_a_night_that_is_decided_anew_tells_people_anew(stores: Stores) -> None:
    live(stores, range(1, 4))
    looked(stores, 4)  # empty: told
    [alert] = [one for one in stores.ledger.pending_alerts() if one.key == f"colours/1/{night(4)}/alert"]
    stores.ledger.mark_alert(alert.key, sent_at=morning(4))
    stores.ledger.reopen("colours", night(4), at=morning(4))
    looked(stores, 4)
    assert alert.key in {one.key for one in stores.ledger.pending_alerts()}


def test_a_request_of_a_reopened_night_is_gone_with_it(stores: Stores) -> None:
    live(stores, range(1, 3))
    asked = Decision(
        f"colours/1/{night(3)}", "colours", 1, night(3), Action.RETRAIN, "r", morning(3), "", DecisionState.OPEN
    )
    stores.ledger.record_decision(asked)
    text = content_text("colours", night(2), stores.ledger.removable("colours", night(2)))
    assert f"open requests: {asked.key}" in text
    stores.ledger.reopen("colours", night(2), at=morning(3))
    assert nights.request_retraining(stores.ledger, "colours", None) == []
    assert not stores.ledger.claim_decision(asked.key, now=morning(4))


def test_a_monitor_that_began_before_stops_and_the_next_one_decides_in_order(stores: Stores) -> None:
    live(stores, range(1, 4))
    send(stores, 4)
    away = epoch_of(stores, 4)
    assert nights.nights_due(away) == [night(4)]
    stores.ledger.reopen("colours", night(2), at=morning(4))
    with pytest.raises(HeldError):
        nights.is_decided(away, night(4))
    again = looked(stores, 4)
    assert again is not None
    assert [one.night for one in again.nights] == [night(2), night(3), night(4)]
