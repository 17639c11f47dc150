"""The ledger, wherever it is kept: models, who serves, what nights conclude, releases and alerts."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from battery import (
    ALERT,
    BIRDS,
    CLOSED,
    DAY,
    END,
    FIRED,
    NIGHT,
    START,
    UNSURE,
    VERSION,
    TwoStores,
    all_at_once,
    claimed,
    decision,
    planned,
    window,
)
from leeway.domain.records import Mark, Release, ServingPeriod, Status
from leeway.domain.stores import Ledger
from leeway.errors import ConflictError, LeewayError, StoreError
from leeway.stores.opening import Stores, open_stores


def close(ledger: Ledger, **changed: Any) -> bool:
    made = window(**changed)
    return ledger.record_window(made, start=START, end=END, closed_at=CLOSED, claim=claimed(ledger, made.night))


# Models, and which of them serves


def test_gives_model_versions_back_as_they_were_recorded_in_order(stores: TwoStores) -> None:
    second = replace(VERSION, version=2, bundle_digest="bundle-2")
    for version in (second, VERSION, BIRDS, second):
        stores.ledger.record_model(version)
    assert stores.ledger.versions("pets") == [VERSION, second]
    assert stores.ledger.versions("birds") == [BIRDS]
    assert stores.ledger.versions("fish") == []


def test_refuses_another_bundle_for_a_known_version(stores: TwoStores) -> None:
    stores.ledger.record_model(VERSION)
    with pytest.raises(ConflictError, match=r"bundle-1.* got .*bundle-2"):
        stores.ledger.record_model(replace(VERSION, bundle_digest="bundle-2"))
    assert stores.ledger.versions("pets") == [VERSION]


def test_a_rollback_is_a_third_period_of_the_first_version(stores: TwoStores) -> None:
    began = [START + number * DAY for number in range(3)]
    periods = [
        ServingPeriod("pets", version, at, why)
        for version, at, why in zip((1, 2, 1), began, ("promoted", "promoted", "rolled back"), strict=True)
    ]
    for number, period in enumerate(periods):
        stores.ledger.begin_epoch(period)
        ended = [replace(one, ended_at=periods[at + 1].began_at) for at, one in enumerate(periods[:number])]
        assert stores.ledger.serving_periods("pets") == [*ended, period]
    birds = ServingPeriod("birds", 1, START, "first")
    stores.ledger.begin_epoch(birds)
    assert stores.ledger.serving_periods("birds") == [birds]
    assert [one.ended_at is None for one in stores.ledger.serving_periods("pets")] == [False, False, True]
    assert stores.ledger.serving_periods("fish") == []


@pytest.mark.parametrize("before", [0, 1], ids=["none serves", "one serves"])
def test_one_version_of_a_model_serves_however_many_begin_at_once(
    sql_stores: Stores, database_url: str, before: int
) -> None:
    for _ in range(before):
        sql_stores.ledger.begin_epoch(ServingPeriod("pets", 9, START - DAY, "first"))

    def begin(number: int) -> bool:
        with closing(open_stores(database_url)) as own:
            try:
                own.ledger.begin_epoch(ServingPeriod("pets", number, START, "promoted"))
            except StoreError:  # the other one was first
                return False
            return True

    told = all_at_once(begin, 4)
    periods = sql_stores.ledger.serving_periods("pets")
    assert sum(told) >= 1
    assert len(periods) == before + sum(told)
    assert [one.ended_at is None for one in periods].count(True) == 1
    assert periods[-1].ended_at is None


def test_a_new_ledger_needs_no_reconciling(stores: TwoStores) -> None:
    assert stores.ledger.is_reconciled()
    stores.ledger.mark_reconciled(CLOSED)
    assert stores.ledger.is_reconciled()


# Windows


def test_the_first_closing_of_a_window_stands(stores: TwoStores) -> None:
    assert close(stores.ledger, position="17")
    assert not close(stores.ledger, foreign=9)
    assert stores.ledger.windows("pets", 1) == [window(position="17")]


def test_gives_windows_back_as_they_were_counted_in_order_of_night(stores: TwoStores) -> None:
    made = [
        window(NIGHT + DAY, histogram=(1, 2, 3), without_confidence=4, slices={"door": 5, "Tür": 6}, position="9"),
        window(NIGHT + 2 * DAY, repeats=((0, 0, 1), (2, 0, 0), (0, 0, 0))),
        window(NIGHT, foreign=2),
    ]
    for one in made:
        stores.ledger.record_window(
            one, start=START, end=END, closed_at=CLOSED, claim=claimed(stores.ledger, one.night)
        )
    assert stores.ledger.windows("pets", 1) == sorted(made, key=lambda one: one.night)
    assert (stores.ledger.windows("pets", 2), stores.ledger.windows("birds", 1)) == ([], [])


def test_what_came_late_is_counted_by_the_log_and_not_kept(stores: TwoStores) -> None:
    close(stores.ledger, late=3)
    assert stores.ledger.windows("pets", 1) == [window()]


# A night's conclusion


def conclude(ledger: Ledger, *results: Any, **named: Any) -> bool:
    made = named.pop("decision", decision())
    alerts = named.pop("alerts", [])
    claim = named.pop("claim", None) or claimed(ledger, made.night)
    return ledger.record_night(window(made.night), results, made, alerts, claim=claim, **named)


def test_records_results_decision_and_alerts_of_a_night_once(stores: TwoStores) -> None:
    assert conclude(stores.ledger, UNSURE, FIRED, alerts=[ALERT])
    other = replace(decision(), reason="another")
    assert not conclude(stores.ledger, UNSURE, decision=other, alerts=[replace(ALERT, key="second")])
    assert stores.ledger.results("pets", 1) == [(NIGHT, UNSURE), (NIGHT, FIRED)]
    assert stores.ledger.decisions("pets") == [decision()]
    assert stores.ledger.pending_alerts() == [ALERT]


def test_a_night_says_which_plans_it_took_into_account(stores: TwoStores) -> None:
    for name in "xyz":
        planned(stores.ledger, name, ["a"])
    assert conclude(stores.ledger, applied=["x", "z", "unknown"])
    assert not conclude(stores.ledger, applied=["y"])
    applied = {one.id: one.applied_by for one in stores.ledger.plans("pets", 1)}
    assert applied == {"x": decision().key, "y": None, "z": decision().key}


def test_an_alert_that_is_known_does_not_hinder_the_night(stores: TwoStores) -> None:
    assert stores.ledger.queue_alert(ALERT)
    assert conclude(stores.ledger, alerts=[replace(ALERT, body="again")])
    assert stores.ledger.pending_alerts() == [ALERT]


def test_a_night_that_cannot_be_written_whole_is_not_written_at_all(stores: TwoStores) -> None:
    planned(stores.ledger, "x", ["a"])
    bad = replace(FIRED, details={"p": float("inf")})
    with pytest.raises(StoreError, match="JSON"):
        conclude(stores.ledger, UNSURE, bad, alerts=[ALERT], applied=["x"])
    assert (stores.ledger.results("pets", 1), stores.ledger.decisions("pets")) == ([], [])
    assert stores.ledger.pending_alerts() == []
    assert [one.applied_by for one in stores.ledger.plans("pets", 1)] == [None]


def test_gives_results_and_decisions_in_order(stores: TwoStores) -> None:
    nights = [NIGHT + timedelta(days=day) for day in (2, 0, 1)]
    for at, night in enumerate(nights):
        made = replace(decision(night), made_at=CLOSED - timedelta(hours=at))
        conclude(stores.ledger, UNSURE, FIRED, decision=made)
    pairs = [(night, one) for night in sorted(nights) for one in (UNSURE, FIRED)]
    assert stores.ledger.results("pets", 1) == pairs
    assert [made.night for made in stores.ledger.decisions("pets")] == list(reversed(nights))
    assert stores.ledger.results("pets", 2) == []
    assert stores.ledger.decisions("birds") == []
    some = [nights[0], NIGHT - DAY]
    assert stores.ledger.results("pets", 1, nights=some) == pairs[4:]
    assert stores.ledger.results("pets", 1, nights=[]) == []
    assert stores.ledger.results("pets", 1, check="accuracy") == [pair for pair in pairs if pair[1] == FIRED]
    assert stores.ledger.results("pets", 1, nights=some, check="drift") == [(nights[0], UNSURE)]


def test_gives_results_in_short_from_a_night_on(stores: TwoStores) -> None:
    for day in range(3):
        conclude(stores.ledger, UNSURE, FIRED, decision=decision(NIGHT + day * DAY))
    fired = [Mark(NIGHT + day * DAY, "accuracy", Status.FIRED, 31.5, 27.0) for day in (1, 2)]
    unsure = [Mark(NIGHT + day * DAY, "drift", Status.NO_VERDICT, None, None) for day in (1, 2)]
    both = [one for pair in zip(unsure, fired, strict=True) for one in pair]
    assert stores.ledger.marks("pets", 1, since=NIGHT + DAY) == both
    assert stores.ledger.marks("pets", 1, since=NIGHT + DAY, only=Status.FIRED) == fired
    assert stores.ledger.marks("pets", 1, since=NIGHT, only=Status.QUIET) == []
    assert stores.ledger.marks("pets", 2, since=NIGHT) == []


def test_one_of_many_racing_writers_records_the_night(sql_stores: Stores) -> None:
    claim = claimed(sql_stores.ledger)

    def record(writer: int) -> bool:
        alerts = [replace(ALERT, key=f"writer {writer}")]
        return conclude(sql_stores.ledger, FIRED, alerts=alerts, claim=claim)

    assert sum(all_at_once(record)) == 1
    assert len(sql_stores.ledger.results("pets", 1)) == len(sql_stores.ledger.pending_alerts()) == 1


# Releases and alerts


def test_keeps_every_release_in_order(stores: TwoStores) -> None:
    made = [
        Release("pets", 1, None, "promoted", "first", CLOSED),
        Release("pets", 2, 1, "refused", "worse", START),
        Release("pets", 2, 1, "refused", "worse", START),
        Release("pets", 3, 1, "refused", "cannot tell", START, wanted=20, wanted_since=START.date()),
    ]
    for release in made:
        stores.ledger.record_release(release)
    stores.ledger.record_release(replace(made[0], model="birds"))
    assert stores.ledger.releases("pets") == made


def test_an_alert_is_pending_until_it_is_sent(stores: TwoStores) -> None:
    earlier = replace(ALERT, key="z", made_at=START)
    assert stores.ledger.queue_alert(ALERT)
    assert stores.ledger.queue_alert(earlier)
    assert not stores.ledger.queue_alert(replace(ALERT, body="other"))
    stores.ledger.mark_alert(ALERT.key, sent_at=None, error="json://host did not answer")
    assert stores.ledger.pending_alerts() == [earlier, replace(ALERT, error="json://host did not answer")]
    stores.ledger.mark_alert(ALERT.key, sent_at=CLOSED)
    assert stores.ledger.pending_alerts() == [earlier]
    assert not stores.ledger.queue_alert(ALERT)
    with pytest.raises(LeewayError, match="'nobody' is not among the alerts"):
        stores.ledger.mark_alert("nobody", sent_at=CLOSED)


def test_an_epoch_that_begins_at_an_earlier_time_serves_all_the_same(stores: TwoStores) -> None:
    """Clocks differ, and a monitor may look back: the last that was recorded is the open one."""
    for version, at in ((1, START), (2, START - DAY)):
        stores.ledger.record_model(replace(VERSION, version=version, bundle_digest=f"b{version}"))
        stores.ledger.begin_epoch(ServingPeriod("pets", version, at, "the test"))
    assert [(one.version, one.ended_at is None) for one in stores.ledger.serving_periods("pets")] == [
        (1, False),
        (2, True),
    ]
