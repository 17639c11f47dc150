"""Due: which nights are to be decided, of which version; and what people are told of silence and of lateness."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from leeway.checks.policy import Policy, Promotion
from leeway.domain.records import Action, Alert, DecisionState, ModelVersion, Status
from leeway.epoch import Epoch
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import Morning, look
from leeway.monitor.due import Due, due_nights
from leeway.stores.opening import Stores
from memory_stores import MemoryStores
from production import (
    BEGAN,
    POLICY,
    VERSION,
    begun,
    epoch_of,
    known,
    label_all,
    live_morning,
    morning,
    night,
    record,
    send,
)

SECOND = known(VERSION, 2)


def of_file(stores: Stores, number: int, version: ModelVersion = VERSION) -> Epoch:
    """A version of a model known from files, which began with its first prediction."""
    return replace(epoch_of(stores, number, version=version), began_at=stores.log.first_at(version))


def champion(stores: Stores, number: int, *, serving: int = 1, version: ModelVersion = VERSION) -> Epoch:
    return replace(epoch_of(stores, number, version=version), champion=serving)


def looked(epoch: Epoch, *, confirmed: bool = False) -> Morning:
    failures = Failures()
    found = look(epoch, failures, confirmed=confirmed)
    failures.raise_first()
    assert found is not None
    return found


def told(stores: Stores, kind: str) -> list[Alert]:
    return [one for one in stores.ledger.pending_alerts() if one.key.startswith(f"{kind}/")]


def traffic(stores: Stores, version: int = 1) -> dict[date, tuple[Status, list[str]]]:
    found = stores.ledger.results("colours", version, check="traffic")
    return {at: (one.status, list(one.details["kinds"])) for at, one in found}


# Whose night is it?


def test_a_version_that_serves_again_after_another_is_decided_for_its_new_nights(stores: Stores) -> None:
    stores.ledger.record_model(SECOND)
    for number, version in ((1, 1), (2, 1), (3, 2), (4, 2), (5, 1), (6, 1)):
        send(stores, number, version=version)
    assert due_nights(of_file(stores, 6)).nights == (night(1), night(2), night(5), night(6))
    assert due_nights(of_file(stores, 6, SECOND)).nights == (night(3), night(4))
    for version in (VERSION, SECOND):
        looked(of_file(stores, 6, version))
    assert [one.night for one in stores.ledger.windows("colours", 1)] == [night(1), night(2), night(5), night(6)]
    assert [one.night for one in stores.ledger.windows("colours", 2)] == [night(3), night(4)]
    assert {kind for status, kinds in traffic(stores).values() for kind in kinds} == set()


def test_an_empty_night_belongs_to_the_version_whose_rows_came_last(stores: Stores) -> None:
    stores.ledger.record_model(SECOND)
    for number, version in ((1, 1), (2, 2), (5, 1)):
        send(stores, number, version=version)
    assert due_nights(of_file(stores, 7)).nights == (night(1), night(5), night(6), night(7))
    assert due_nights(of_file(stores, 7, SECOND)).nights == (night(2), night(3), night(4))


def test_a_canary_beside_the_old_version_is_decided_for_the_same_nights(stores: Stores) -> None:
    stores.ledger.record_model(SECOND)
    for number in (1, 2):
        send(stores, number, count=150)
        send(stores, number, count=50, version=2)
    send(stores, 3)
    assert due_nights(of_file(stores, 4)).nights == (night(1), night(2), night(3), night(4))
    assert due_nights(of_file(stores, 4, SECOND)).nights == (night(1), night(2))


def test_versions_that_answer_on_one_night_share_its_labels_and_its_false_alarms(stores: Stores) -> None:
    stores.ledger.record_model(SECOND)
    for number in (1, 2):
        send(stores, number, count=180)
        send(stores, number, count=20, version=2)
    policy = POLICY.model_copy(update={"promotion": Promotion(gate_per_night=0)})
    mornings = [looked(replace(of_file(stores, 2, version), policy=policy)) for version in (VERSION, SECOND)]
    assert [one.labels_asked for one in mornings] == [{night(1): 9, night(2): 9}, {night(1): 1, night(2): 1}]
    send(stores, 3)
    assert looked(replace(of_file(stores, 3), policy=policy)).labels_asked == {night(3): 10}


def test_two_versions_of_a_night_have_half_the_budget_each(stores: Stores) -> None:
    policy = Policy.model_validate(
        {"prediction_drift": {"min_predictions": 50, "reference_nights": 2}, "labels": {"per_night": 10}}
    )
    stores.ledger.record_model(SECOND)
    for number in (1, 2, 3, 4):
        send(stores, number)
    send(stores, 4, count=50, version=2)
    looked(replace(of_file(stores, 4), policy=policy))
    found = dict(stores.ledger.results("colours", 1, check="prediction_drift"))
    assert found[night(4)].threshold == 2 * found[night(3)].threshold


# Rows and the clock


def test_a_row_of_1970_makes_no_night_of_the_years_between(stores: Stores) -> None:
    [first] = send(stores, 1, count=1, name="old")
    record(stores, [replace(first, id="epoch", occurred_at=datetime(1970, 1, 1, tzinfo=UTC))])
    send(stores, 1)
    assert due_nights(of_file(stores, 1), confirmed=True) == Due((night(1),))


def test_a_gap_of_a_month_is_closed_as_empty_and_a_longer_one_is_left_out_and_said(stores: Stores) -> None:
    for number in (1, 33, 65, 98):
        send(stores, number)
    found = due_nights(of_file(stores, 98))
    assert found.skipped == ((night(66), night(97)),)
    assert found.nights == (*(night(number) for number in range(1, 66)), night(98))


def test_a_week_without_rows_is_closed_night_by_night_and_more_at_once_is_not(stores: Stores) -> None:
    send(stores, 1)
    week = looked(of_file(stores, 8))
    assert [one.night for one in week.nights] == [night(number) for number in range(1, 9)]
    assert (week.due.doubtful, told(stores, "silent")) == (None, [])
    assert looked(of_file(stores, 15)).due.doubtful is None


def test_a_clock_that_is_a_year_ahead_closes_nothing_and_people_are_told_once(stores: Stores) -> None:
    send(stores, 1)
    for number in (366, 367):
        ahead = looked(of_file(stores, number))
        assert ahead.due.doubtful == (night(2), night(number))
    assert [one.night for one in ahead.nights] == [night(1)]
    [alert] = told(stores, "silent")
    assert alert.key == f"silent/colours/1/{night(1)}"
    assert "leeway monitor --model colours --as-of 2027-03-02T02:00:00" in alert.body
    for number in (2, 3):
        send(stores, number)
        assert looked(of_file(stores, number)).nights[-1].night == night(number)


def test_empty_nights_are_decided_once_somebody_says_what_time_it_is(stores: Stores) -> None:
    send(stores, 1)
    confirmed = looked(of_file(stores, 20), confirmed=True)
    assert len(confirmed.nights) == 20
    assert confirmed.due.doubtful is None
    assert told(stores, "silent") == []


# The champion


def test_a_champion_without_a_prediction_is_decided_from_its_first_night_and_told_with_since_when(
    stores: Stores,
) -> None:
    begun(stores)
    for number in range(1, 15):
        looked(champion(stores, number))
    assert len(stores.ledger.decisions("colours")) == 14
    assert set(map(tuple, (kinds for _, kinds in traffic(stores).values()))) == {("silent",)}
    last = dict(stores.ledger.results("colours", 1, check="traffic"))[night(14)]
    assert f"from {night(1)} on" in last.reason
    assert len([one for one in stores.ledger.pending_alerts() if one.key.endswith("/alert")]) == 1


def test_a_champion_that_a_first_run_finds_silent_for_weeks_is_told(stores: Stores) -> None:
    begun(stores)
    assert looked(champion(stores, 14)).due.doubtful == (night(1), night(14))
    assert [one.key for one in told(stores, "silent")] == [f"silent/colours/1/{night(1)}"]


def test_answers_of_another_version_than_the_champion_are_a_finding_and_decided(stores: Stores) -> None:
    begun(stores)
    begun(stores, SECOND, at=morning(2))
    for number in (1, 2, 3, 4):
        send(stores, number, version=1)  # the service was never switched over
        looked(replace(champion(stores, number, serving=2), began_at=BEGAN))
        looked(champion(stores, number, serving=2, version=SECOND)) if number > 1 else None
    assert len(stores.ledger.windows("colours", 1)) == 4
    found = traffic(stores, 2)
    assert found[night(3)] == (Status.FIRED, ["silent"]), "on its first night it took over"
    assert found[night(4)] == (Status.FIRED, ["silent", "version"])
    assert traffic(stores, 1)[night(4)] == (Status.QUIET, [])
    reason = dict(stores.ledger.results("colours", 2, check="traffic"))[night(4)].reason
    assert "200 of version 1" in reason
    assert [one.key for one in stores.ledger.pending_alerts() if one.key.endswith("/alert")] == [
        f"colours/2/{night(3)}/alert",
        f"colours/2/{night(4)}/alert",
    ]


def test_an_alarm_of_a_version_beside_the_champion_ends_in_an_alert_and_asks_for_no_retraining(stores: Stores) -> None:
    for serving, last in ((1, Action.RETRAIN), (2, Action.ALERT)):
        fresh = begun(MemoryStores())
        for number in range(1, 12):
            send(fresh, number)
            looked(champion(fresh, number, serving=serving))
            label_all(fresh, number, wrong=8)
        taken = [one for one in fresh.ledger.decisions("colours") if one.action is not Action.NOTHING]
        assert [one.action for one in taken][:2] == [Action.MORE_LABELS, last]
        assert (taken[1].state is DecisionState.OPEN) == (serving == 1)


def test_a_version_that_took_over_during_the_night_leaves_the_old_one_without_a_finding(stores: Stores) -> None:
    begun(stores)
    for number in (1, 2, 3):
        send(stores, number)
        looked(champion(stores, number))
    begun(stores, SECOND, at=morning(3))
    send(stores, 4, count=20)
    send(stores, 4, count=180, version=2)
    looked(replace(champion(stores, 4, serving=2), began_at=BEGAN))
    looked(champion(stores, 4, serving=2, version=SECOND))
    assert (traffic(stores)[night(4)], traffic(stores, 2)[night(4)]) == ((Status.QUIET, []), (Status.QUIET, []))


# Late


def test_nights_that_were_missed_are_decided_once_each_and_told_once_as_late(stores: Stores) -> None:
    begun(stores)
    send(stores, 1)
    live_morning(stores, 1)
    for number in (2, 3, 4):
        send(stores, number)
    late = looked(champion(stores, 4))
    assert [one.night for one in late.nights] == [night(2), night(3), night(4)]
    looked(champion(stores, 4))
    [alert] = told(stores, "late")
    assert alert.key == f"late/colours/1/{night(4)}"
    assert len(stores.ledger.decisions("colours")) == 4


def test_one_night_a_morning_is_not_late_and_neither_is_a_past_that_is_imported(stores: Stores) -> None:
    for number in (1, 2, 3):
        send(stores, number)
    looked(of_file(stores, 3))
    send(stores, 4)
    looked(of_file(stores, 4))
    assert told(stores, "late") == []


# A time zone that is changed


def zoned(name: str) -> Policy:
    return Policy.model_validate(POLICY.model_dump() | {"time_zone": name})


def test_after_a_change_of_the_time_zone_no_hour_counts_twice_or_never(stores: Stores) -> None:
    for number in range(1, 7):
        send(stores, number, count=1440)  # one a minute
    for zone, last in (("UTC", 2), ("Europe/Zurich", 3), ("America/New_York", 5)):
        epoch = replace(of_file(stores, last), policy=zoned(zone), as_of=morning(last) + timedelta(hours=10))
        looked(epoch)
    windows = stores.ledger.windows("colours", 1)
    assert [one.total for one in windows] == [1440, 1440, 23 * 60, 30 * 60, 1440]
    bounds = stores.ledger.window_bounds("colours", 1)
    assert all(bounds[one.night][1] == bounds[two.night][0] for one, two in pairwise(windows))
    hours = [one.details["hours"] for _, one in stores.ledger.results("colours", 1, check="traffic")]
    assert [bool(one) for one in hours] == [False, False, True, True, False]
    assert "30 hours" in hours[3]
