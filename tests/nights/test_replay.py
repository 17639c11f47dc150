"""Replay: the stored history through the policy it had and through another one; nothing is written."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import Action, CheckResult
from leeway.epoch import Epoch
from leeway.errors import ParamsError
from leeway.monitor import replay
from leeway.monitor.past import past_epochs
from leeway.monitor.replay import Alarm, Calendar
from leeway.stores.opening import Stores
from production import POLICY, VERSION, begun, epoch_of, known, label_all, live_morning, morning, night, open_in, send

TILTED = (0.7, 0.15, 0.15)
DRIFTS, LAST = 5, 14


def live(stores: Stores, numbers: range, *, wrong: int = 0, drifts: int = DRIFTS) -> None:
    for number in numbers:
        send(stores, number, mix=TILTED if number >= drifts else (1 / 3,) * 3)
        live_morning(stores, number)
        label_all(stores, number, wrong=wrong if number >= drifts else 0)


def watching(stores: Stores, policy: Policy = POLICY, last: int = LAST) -> Epoch:
    return epoch_of(stores, last, policy=policy)


def changed(**sections: dict[str, object]) -> Policy:
    content = POLICY.model_dump()
    for name, section in sections.items():
        content[name] = content[name] | section
    return Policy.model_validate(content)


def nights_of(calendar: Calendar, check: str) -> list[object]:
    return [alarm.night for alarm in calendar.alarms if check in alarm.checks]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Two weeks with a drift from the fifth night on, to be read only."""
    stores = begun(open_in(tmp_path_factory.mktemp("lived")))
    live(stores, range(1, LAST + 1), wrong=8)
    yield stores
    stores.close()


def stored(stores: Stores) -> dict[tuple[object, str], CheckResult]:
    return {(at, one.check): one for at, one in stores.ledger.results("colours", 1)}


def replayed(epoch: Epoch, policy: Policy = POLICY) -> dict[tuple[object, str], CheckResult]:
    return {(at.night, one.check): one for at in replay.replayed_nights(epoch, policy) for one in at.results}


def test_its_own_policy_says_again_exactly_what_is_stored(lived: Stores) -> None:
    before, again = stored(lived), replayed(watching(lived))
    assert before.keys() == again.keys()
    assert len(before) == LAST * len(POLICY.checks)
    for place, result in before.items():
        assert (again[place].status, again[place].statistic) == (result.status, result.statistic), place
        assert (again[place].threshold, again[place].state) == (result.threshold, result.state), place
        if place[1] not in (
            "accuracy",
            "class_accuracy",
        ):  # theirs also show an estimate from the labels since an alarm
            assert again[place] == result, place


def test_a_finding_about_the_delivery_keeps_no_night_from_the_reference_in_the_replay_either(stores: Stores) -> None:
    for number in range(1, 6):
        send(stores, number, count=60 if number == 2 else 200)
        live_morning(stores, number)
    again = replayed(watching(stores))
    assert again == stored(stores)
    assert again[night(2), "traffic"].status == "fired"
    assert [again[night(number), "prediction_drift"].status for number in (3, 4)] == ["no verdict", "quiet"]


def test_labels_count_on_the_night_that_took_them_into_account(stores: Stores) -> None:
    live(stores, range(1, 3))
    for number in (3, 4, 5):
        send(stores, number)
    live_morning(stores, 5)  # three nights at once: the first of them takes the labels
    label_all(stores, 5)
    send(stores, 6)
    live_morning(stores, 6)
    found = [one.labels for one in replay.replayed_nights(watching(stores), POLICY)]
    assert found == [0, 10, 10, 0, 0, 30]
    assert replayed(watching(stores)) == stored(stores)


def test_a_night_that_two_versions_share_is_replayed_with_the_budget_that_it_had(stores: Stores) -> None:
    stores.ledger.record_model(known(VERSION, 2))
    for number in range(1, 7):
        send(stores, number)
        if number > 3:
            send(stores, number, count=60, version=2)
        live_morning(stores, number)
    again = replayed(watching(stores))
    assert again == stored(stores)
    alone, shared = again[night(4), "prediction_drift"], again[night(5), "prediction_drift"]
    half = POLICY.alpha(POLICY.checks["prediction_drift"]) / 2 / 365
    assert shared.details["alarm_under_p"] == alone.details["alarm_under_p"] == pytest.approx(half)


def test_predictions_from_the_future_are_told_again(stores: Stores) -> None:
    send(stores, 9)
    live(stores, range(1, 3))
    again = replayed(watching(stores))
    assert again == stored(stores)
    assert again[night(1), "traffic"].status == "fired"


def test_open_plans_and_labels_not_applied_yet_are_left_out(stores: Stores) -> None:
    live(stores, range(1, 4))
    calendar = replay.replay(watching(stores), POLICY)
    assert (calendar.nights, calendar.labels) == (3, 20)


def test_plans_from_before_it_was_kept_belong_to_the_first_decision_after_they_closed(stores: Stores) -> None:
    live(stores, range(1, 5))

    class Older:
        """The ledger as a migration leaves it."""

        def __getattr__(self, name: str) -> object:
            return getattr(stores.ledger, name)

        def plans(self, model: str, version: int) -> Sequence[object]:
            found = stores.ledger.plans(model, version)
            return [replace(one, applied_by="0001") if one.applied_by else one for one in found]

    older = replace(watching(stores), ledger=Older())
    assert [one.labels for one in replay.replayed_nights(older, POLICY)] == [0, 10, 10, 10]


def test_a_higher_floor_alarms_earlier(stores: Stores) -> None:
    live(stores, range(1, 11), wrong=2, drifts=99)
    live(stores, range(11, 25), wrong=5, drifts=1)
    own, other = replay.compare([watching(stores)], changed(accuracy={"floor": 0.97}))
    late, early = (nights_of(one, "accuracy") for one in (own, other))
    assert early
    assert min(early) < min(late, default=night(25)), (early, late)


def test_a_smaller_tolerance_alarms_earlier(stores: Stores) -> None:
    for number in range(1, 13):
        send(stores, number, count=600, mix=(0.43, 0.285, 0.285) if number >= 5 else (1 / 3,) * 3)
        live_morning(stores, number)
    loose, strict = (changed(prediction_drift={"tolerance": one, "trigger": "e_detector"}) for one in (0.05, 0.005))
    late = nights_of(replay.replay(watching(stores), loose), "prediction_drift")
    early = nights_of(replay.replay(watching(stores), strict), "prediction_drift")
    assert early
    assert min(early) < min(late, default=night(13))


def test_an_alarm_is_one_line_until_the_cool_down_is_over(lived: Stores) -> None:
    fired = [at for (at, check), one in stored(lived).items() if check == "prediction_drift" and one.status == "fired"]
    assert fired == [night(number) for number in range(DRIFTS, LAST + 1)]
    week = replay.replay(watching(lived), POLICY)
    assert nights_of(week, "prediction_drift") == [night(DRIFTS), night(DRIFTS + 7)]
    daily = replay.replay(watching(lived), changed(retrain={"cooldown_days": 0}))
    assert nights_of(daily, "prediction_drift") == fired


def test_the_first_alarm_is_the_night_on_which_it_was_raised(lived: Stores) -> None:
    first = next(one for one in lived.ledger.decisions("colours") if one.action is Action.MORE_LABELS)
    alarm = replay.replay(watching(lived), POLICY).alarms[0]
    assert (alarm.night, alarm.version) == (first.night, 1)
    assert alarm.reason in first.reason


def test_since_cuts_the_report_and_not_the_evidence(lived: Stores) -> None:
    whole, cut = (replay.replay(watching(lived), POLICY, since=one) for one in (None, night(7)))
    assert (whole.nights, cut.nights) == (LAST, LAST - 6)
    assert cut.alarms == tuple(one for one in whole.alarms if one.night >= night(7))
    assert 0 < cut.labels < whole.labels
    assert cut.no_verdict.get("prediction_drift", 0) == 0
    assert whole.no_verdict["prediction_drift"] == 3


def test_a_check_that_only_alerts_is_marked(lived: Stores) -> None:
    found = replay.replay(watching(lived), changed(prediction_drift={"then": "alert"})).alarms
    assert any(one.checks == ("prediction_drift",) and one.reason.startswith("alert only: ") for one in found)
    assert not any("prediction_drift" in one.checks and not one.alert_only for one in found)


@pytest.mark.parametrize("trigger", ["e_detector", "chi_square"])
def test_without_a_budget_nothing_alarms(lived: Stores, trigger: str) -> None:
    nothing = {"budget_share": 0.0}
    policy = changed(prediction_drift=nothing | {"trigger": trigger}, accuracy=nothing, class_accuracy=nothing)
    assert replay.replay(watching(lived), policy).alarms == ()


def test_nothing_is_written(lived: Stores) -> None:
    class ReadOnly:
        """Only what reads may be called."""

        def __getattr__(self, name: str) -> object:
            assert name in {"windows", "window_bounds", "results", "plans", "design", "decisions", "labelled_draws"}, (
                name
            )
            return getattr(lived.ledger, name)

    epoch = replace(watching(lived), ledger=ReadOnly())
    own, other = replay.compare([epoch], POLICY)
    assert own == other
    assert own.alarms


def test_another_time_zone_is_refused(lived: Stores) -> None:
    other = POLICY.model_copy(update={"time_zone": "Europe/Zurich"})
    with pytest.raises(ParamsError, match="got Europe/Zurich; the stored nights were counted in UTC"):
        replay.replay(watching(lived), other)


def test_epochs_are_replayed_one_by_one_and_summed(stores: Stores) -> None:
    live(stores, range(1, 8))
    second = replace(VERSION, version=2, bundle_digest="b2")
    begun(stores, second, at=morning(7))
    for number in range(8, 12):
        send(stores, number, version=2, mix=TILTED)
        live_morning(stores, number, version=second)
    begun(stores, at=morning(11))
    for number in range(12, 15):
        send(stores, number, mix=TILTED)
        live_morning(stores, number)
    epochs = past_epochs(epoch_of(stores, 14))
    assert [(one.version.version, one.first_night) for one in epochs] == [(1, night(1)), (2, night(8)), (1, night(12))]
    singles = [replay.replay(one, POLICY) for one in epochs]
    assert [one.nights for one in singles] == [7, 4, 3]
    own, other = replay.compare(epochs, POLICY)
    assert own == other
    assert own.nights == 14
    assert {(one.version, one.night) for one in own.alarms} == {(1, night(5))}
    assert own.no_verdict["prediction_drift"] == 9
    found = {(one.version.version, at): result for one in epochs for at, result in replayed(one).items()}
    kept = {(v, (at, one.check)): one for v in (1, 2) for at, one in stores.ledger.results("colours", v)}
    assert {key: one.status for key, one in found.items()} == {key: one.status for key, one in kept.items()}


def test_no_epoch_gives_an_empty_calendar() -> None:
    nothing = Calendar(0, 0, (), {})
    assert replay.compare([], POLICY) == (nothing, nothing)
    assert "nothing can be replayed" in replay.calendars_text(nothing, nothing)


def test_the_text_shows_both_calendars_and_what_changes(lived: Stores) -> None:
    own, other = replay.compare([watching(lived)], changed(prediction_drift={"tv_floor": 0.9}))
    text = replay.calendars_text(own, other)
    assert "from the labels that exist" in text
    assert f"only now   {night(DRIFTS)} version 1  prediction_drift: " in text
    assert "labels per month" in text
    assert "nights, no verdict: prediction_drift" in text
    same = replay.calendars_text(own, own)
    assert "nothing changes" in same
    assert "only now " not in same


def test_the_text_of_a_long_history_stays_short() -> None:
    checks = [f"check_{place}" for place in range(20)]
    both = [
        Calendar(
            nights=900,
            labels=9000,
            alarms=tuple(Alarm(night(at), 1, tuple(checks[:9]), "because " * 50) for at in range(start, 100, 3)),
            no_verdict=dict.fromkeys(checks, 4),
        )
        for start in (1, 2)
    ]
    lines = replay.calendars_text(*both).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 220
    assert "and 54 more" in lines
