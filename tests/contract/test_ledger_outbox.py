"""The outbox, wherever it is kept: success for each channel by itself, and one sender for each alert and channel."""

from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta

import pytest

from battery import ALERT, CLOSED, TwoStores, all_at_once
from leeway.domain.outbox import Outbox
from leeway.domain.records import Delivery
from leeway.errors import LeewayError
from leeway.stores.opening import Stores, open_stores

HOUR = timedelta(hours=1)
SECOND = replace(ALERT, key="second")


@pytest.fixture
def outbox(stores: TwoStores) -> Outbox:
    for alert in (ALERT, SECOND):
        stores.ledger.queue_alert(alert)
    return stores.ledger


def claim(outbox: Outbox, holder: str, *, channel: str = "mail", hours: int = 0, **named: list[str]) -> list[str]:
    now = CLOSED + hours * HOUR
    return outbox.claim_deliveries([SECOND.key, ALERT.key], channel, holder=holder, now=now, until=now + HOUR, **named)


def test_what_one_holds_is_nobody_elses_until_it_is_concluded(outbox: Outbox) -> None:
    keys = sorted([ALERT.key, SECOND.key])
    assert claim(outbox, "ada") == keys
    assert claim(outbox, "bob") == claim(outbox, "ada") == []
    assert claim(outbox, "bob", channel="chat") == keys
    outbox.conclude_deliveries([ALERT.key], "mail", holder="ada", at=CLOSED, error="no answer")
    assert claim(outbox, "bob") == [ALERT.key]


def test_what_was_sent_is_sent_to_that_channel_alone(outbox: Outbox) -> None:
    claim(outbox, "ada")
    outbox.conclude_deliveries([ALERT.key, SECOND.key], "mail", holder="ada", at=CLOSED)
    assert claim(outbox, "bob", hours=9) == []
    assert claim(outbox, "bob", hours=9, channel="chat") == sorted([ALERT.key, SECOND.key])


def test_a_lease_that_has_run_out_and_a_holder_that_is_dead_are_replaced(outbox: Outbox) -> None:
    keys = claim(outbox, "ada")
    assert claim(outbox, "bob", instead_of=["eve"]) == []
    assert claim(outbox, "bob", instead_of=["ada"]) == keys
    assert claim(outbox, "cid", hours=1) == keys


def test_who_was_replaced_can_still_say_that_it_was_sent_and_not_that_it_failed(outbox: Outbox) -> None:
    claim(outbox, "ada")
    claim(outbox, "bob", instead_of=["ada"])
    for holder, key, error in (("ada", ALERT.key, "too slow"), ("ada", SECOND.key, "")):
        outbox.conclude_deliveries([key], "mail", holder=holder, at=CLOSED, error=error)
    held, sent = sorted(outbox.deliveries(), key=lambda one: one.key == SECOND.key)
    assert held == Delivery(ALERT.key, "mail", holder="bob")
    assert sent == Delivery(SECOND.key, "mail", sent_at=CLOSED, tries=1, tried_at=CLOSED)


def test_tries_are_counted_and_the_last_error_is_kept(outbox: Outbox) -> None:
    for hours in range(3):
        claim(outbox, "ada", hours=hours)
        outbox.conclude_deliveries([ALERT.key], "mail", holder="ada", at=CLOSED + hours * HOUR, error=f"error {hours}")
    [told] = [one for one in outbox.deliveries() if one.key == ALERT.key]
    assert told == Delivery(ALERT.key, "mail", error="error 2", tries=3, tried_at=CLOSED + 2 * HOUR)


def test_deliveries_of_an_alert_that_every_channel_has_are_no_longer_shown(outbox: Outbox) -> None:
    claim(outbox, "ada")
    assert len(outbox.deliveries()) == 2
    outbox.mark_alert(ALERT.key, sent_at=CLOSED)
    assert [one.key for one in outbox.deliveries()] == [SECOND.key]


def test_an_alert_that_nobody_queued_cannot_be_claimed(outbox: Outbox) -> None:
    with pytest.raises(LeewayError):
        outbox.claim_deliveries(["nobody"], "mail", holder="ada", now=CLOSED, until=CLOSED + HOUR)
    assert outbox.deliveries() == []


def test_each_alert_has_one_sender_of_many_that_race(sql_stores: Stores, database_url: str) -> None:
    for number in range(20):
        sql_stores.ledger.queue_alert(replace(ALERT, key=f"alert {number}"))
    keys = [f"alert {number}" for number in range(20)]
    with ExitStack() as opened:
        own = [opened.enter_context(closing(open_stores(database_url))).ledger for _ in range(6)]

        def act(one: int) -> list[str]:
            return [
                key
                for at in range(20)
                for key in own[one].claim_deliveries(
                    keys[at:] + keys[:at], "mail", holder=f"holder {one}", now=CLOSED, until=CLOSED + HOUR
                )
            ]

        claimed = [key for keys in all_at_once(act) for key in keys]
    assert sorted(claimed) == sorted(keys)
