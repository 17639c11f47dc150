"""How a model stands: each situation in a sentence that says what is wrong, since when, and what to do next."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from leeway.domain.records import Alert, ModelVersion, Release, ServingPeriod
from leeway.epoch import Epoch
from leeway.labels.queue import find_queue
from leeway.monitor.fleet import Fleet
from leeway.monitor.overview import fleet_overview
from leeway.monitor.standing import Concern, Rank, concerns
from leeway.release import retrain
from leeway.settings import Settings
from leeway.stores.opening import Stores
from memory_stores import MemoryStores
from production import POLICY, VERSION, begun, epoch_of, known, label_all, live_morning, morning, night, record, send

TILTED = (0.7, 0.15, 0.15)
WATCHED = replace(VERSION, bundle_digest="watched:colours")
PATIENT = POLICY.model_copy(update={"accuracy": POLICY.accuracy.model_copy(update={"floor": 0.5, "allowed_drop": 0.5})})


def said_of(epoch: Epoch) -> list[Concern]:
    return concerns(epoch, find_queue(epoch))


def live(stores: Stores, last: int, *, drift: int = 99, wrong: int = 0, version: ModelVersion = VERSION) -> None:
    """Mornings up to `last`, labelled at noon until the drift begins."""
    for number in range(1, last + 1):
        send(stores, number, mix=TILTED if number >= drift else (1 / 3,) * 3)
        live_morning(stores, number, version=version)
        if number < drift or wrong:
            label_all(stores, number, wrong=wrong if number >= drift else 0)


def fresh(stores: Stores) -> None:
    send(stores, 1)


def unlabelled(stores: Stores) -> None:
    for number in range(1, 6):
        send(stores, number)
        live_morning(stores, number)


def healthy(stores: Stores) -> None:
    live(stores, 5)


def alarmed(stores: Stores) -> None:
    live(stores, 5, drift=5)


def waiting(stores: Stores) -> None:
    live(stores, 7, drift=5)


def requested(stores: Stores) -> None:
    live(stores, 7, drift=5, wrong=8)


def begun_on(stores: Stores) -> None:
    requested(stores)
    stores.ledger.claim_decision(stores.ledger.decisions("colours")[-1].key, now=morning(7))


def failed(stores: Stores) -> None:
    begun_on(stores)
    stores.ledger.finish_decision(stores.ledger.decisions("colours")[-1].key, failed=True, outcome="no space left")


def released(outcome: str) -> Callable[[Stores], None]:
    def situation(stores: Stores) -> None:
        live(stores, 5)
        reason = "cannot tell: on 1 recent image"
        stores.ledger.record_release(Release("colours", 3, 1, outcome, reason, morning(5)))

    return situation


def approved(stores: Stores) -> None:
    released("left for review")(stores)
    stores.ledger.record_release(Release("colours", 3, 1, "promoted", "better", morning(5) + timedelta(hours=1)))


def from_an_earlier_epoch(stores: Stores) -> None:
    stores.ledger.record_release(Release("colours", 3, 1, "refused", "worse", morning(0) - timedelta(days=9)))
    live(stores, 5)


def without_traffic(stores: Stores) -> None:
    live(stores, 5)
    for number in (6, 7, 8):
        live_morning(stores, number)


def half_a_night(stores: Stores) -> None:
    live(stores, 5)
    send(stores, 6, count=20)
    live_morning(stores, 6)


def foreign(stores: Stores) -> None:
    live(stores, 5)
    odd = replace(send(stores, 6)[0], id="odd", predicted_class="horse")
    record(stores, [odd], received_at=morning(6))
    live_morning(stores, 6)


def lived_without_an_alarm(stores: Stores) -> None:
    live(stores, 3)
    for number in (4, 5):
        send(stores, number)
        live_morning(stores, number)
        label_all(stores, number, wrong=8)


def never_served(stores: Stores) -> None: ...


def watched_and_wrong(stores: Stores) -> None:
    live(stores, 7, drift=5, wrong=8, version=WATCHED)


LABELS, AGAIN = "`leeway labels export DIR`", "`leeway retrain`"


@pytest.mark.parametrize(
    ("situation", "at", "rank", "says"),
    [
        (fresh, 0, Rank.UNKNOWN, ["no night is over yet"]),
        (unlabelled, 5, Rank.UNKNOWN, ["no verdict from accuracy: no label has come in", "5 March", LABELS]),
        (healthy, 5, Rank.HEALTHY, ["healthy since 1 March", "right (", "since 1 March, 0 of ", "labels wrong"]),
        (
            alarmed,
            5,
            Rank.WRONG,
            [
                "blue is 72% of the answers, usually",
                "alarm stands since 5 March",
                "wait for a label until 16 March",
                LABELS,
            ],
        ),
        (waiting, 7, Rank.WRONG, ["alarm stands since 5 March", "waits since 6 March for ", LABELS]),
        (
            requested,
            7,
            Rank.UNDER_WAY,
            ["% right (", "since 5 March", "the retraining asked for on 8 March has not started", AGAIN],
        ),
        (requested, 12, Rank.BLIND, ["5 nights since 8 March are not looked at", "`leeway monitor`"]),
        (begun_on, 7, Rank.UNDER_WAY, ["the retraining asked for on 8 March is running"]),
        (failed, 7, Rank.WRONG, ["the retraining asked for on 8 March failed: no space left", AGAIN]),
        (
            released("left for review"),
            5,
            Rank.YOURS,
            ["version 3 waits for review since 6 March", "`leeway promote 3`"],
        ),
        (released("refused"), 5, Rank.YOURS, ["version 3 was refused on 6 March: cannot tell: on 1 recent image"]),
        (approved, 5, Rank.HEALTHY, ["healthy since 1 March"]),
        (from_an_earlier_epoch, 5, Rank.HEALTHY, ["healthy since 1 March"]),
        (without_traffic, 8, Rank.BLIND, ["no prediction since 5 March, for 3 nights", "`leeway ingest`"]),
        (never_served, 5, Rank.BLIND, ["no prediction since it began to serve on 1 March", "`leeway ingest`"]),
        (half_a_night, 6, Rank.WRONG, ["20 predictions, under 50% of the usual 200", "6 March", "`traffic`"]),
        (foreign, 6, Rank.WRONG, ["1 prediction names a class outside the model's list", "6 March"]),
        (
            lived_without_an_alarm,
            5,
            Rank.UNKNOWN,
            ["nothing has fired since 1 March, and more labels decide: ", "right (", "labels wrong"],
        ),
        (healthy, 6, Rank.UNKNOWN, ["the night of 6 March is not looked at yet", "`leeway monitor`"]),
        (healthy, 9, Rank.BLIND, ["4 nights since 6 March are not looked at", "5 March", "`leeway monitor`"]),
    ],
)
def test_each_situation_is_one_sentence(
    stores: Stores, situation: Callable[[Stores], None], at: int, rank: Rank, says: list[str]
) -> None:
    situation(stores)
    worst = said_of(epoch_of(stores, at))[0]
    assert worst.rank is rank, worst.text
    assert [part for part in says if part not in worst.text] == [], worst.text


def test_a_request_that_has_not_started_for_three_nights_is_wrong(stores: Stores) -> None:
    requested(stores)
    for number in range(8, 12):
        send(stores, number, mix=TILTED)
        live_morning(stores, number)
    worst = said_of(epoch_of(stores, 11))[0]
    assert worst.rank is Rank.WRONG
    assert "asked for on 8 March has not started for 4 nights" in worst.text
    assert "`python flows/deploy.py`" in worst.text


def test_a_watched_model_whose_labels_bear_the_alarm_out_says_whose_turn_it_is() -> None:
    stores = begun(MemoryStores(), WATCHED)
    watched_and_wrong(stores)
    worst = said_of(epoch_of(stores, 7, version=WATCHED))[0]
    assert worst.rank is Rank.WRONG
    assert re.match(r"\d+% right \(\d+% to \d+%\) since 5 March, \d+ of \d+ labels wrong", worst.text)
    assert "since 7 March" in worst.text
    assert "Leeway does not train this model" in worst.text


def test_a_watched_model_that_recovered_is_not_called_wrong_for_ever() -> None:
    stores = begun(MemoryStores(), WATCHED)
    watched_and_wrong(stores)
    for number in range(8, 26):
        send(stores, number)
        live_morning(stores, number, version=WATCHED)
        label_all(stores, number)
    worst = said_of(epoch_of(stores, 25, version=WATCHED))[0]
    assert worst.rank is Rank.HEALTHY, worst.text


def test_a_version_that_serves_is_not_blamed_for_what_was_decided_of_another(stores: Stores) -> None:
    requested(stores)
    second = known(VERSION, 2)
    stores.ledger.record_model(second)
    stores.ledger.begin_epoch(ServingPeriod("colours", 2, morning(7), "promoted"))
    said = said_of(epoch_of(stores, 8, version=second))
    assert [one.rank for one in said] == [Rank.UNKNOWN]


def test_a_model_whose_retraining_is_under_way_is_not_called_healthy_beside_it(stores: Stores) -> None:
    requested(stores)
    assert [one.rank for one in said_of(epoch_of(stores, 7))] == [Rank.UNDER_WAY]


def test_a_healthy_model_that_is_retrained_by_hand_stays_healthy(stores: Stores) -> None:
    healthy(stores)
    retrain.request(epoch_of(stores, 5), asked_by="a person")
    assert [one.rank for one in said_of(epoch_of(stores, 5))] == [Rank.UNDER_WAY, Rank.HEALTHY]


def test_no_verdict_is_never_healthy(stores: Stores) -> None:
    live(stores, 3)
    unknown = said_of(epoch_of(stores, 3))
    assert [one.rank for one in unknown] == [Rank.UNKNOWN]
    assert "prediction_drift: the reference has 2 of its 3 nights" in unknown[0].text


def test_rows_that_came_after_their_night_was_decided_are_told_by_status_and_by_the_check(stores: Stores) -> None:
    healthy(stores)
    send(stores, 5, count=30, name="late")
    said = said_of(epoch_of(stores, 5))
    assert [one.rank for one in said] == [Rank.HEALTHY, Rank.HEALTHY]
    assert said[1].text.startswith("30 predictions of 5 March came after")
    send(stores, 6)
    live_morning(stores, 6)
    [traffic] = [one for _, one in epoch_of(stores, 6).history.results([night(6)]) if one.check == "traffic"]
    assert "30 predictions of the nights before came after" in traffic.reason


def test_what_else_waits_stands_beside_the_worst(stores: Stores) -> None:
    alarmed(stores)
    stores.ledger.record_release(Release("colours", 3, 1, "left for review", "better", morning(5)))
    said = said_of(epoch_of(stores, 5))
    assert [one.rank for one in said] == [Rank.WRONG, Rank.YOURS]
    asked = len(stores.ledger.label_queue("colours"))
    assert f"{asked} images of the night of 5 March wait for a label until 16 March at 02:00 UTC" in said[0].text


@pytest.fixture
def fleet(tmp_path: Path, stores: Stores) -> Fleet:
    """A workspace that watches `birds` from files, beside the champion `colours`."""
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "monitoring" / "watched").mkdir(parents=True)
    (tmp_path / "monitoring" / "policy.yaml").write_text("{}")
    (tmp_path / "monitoring" / "watched" / "birds.yaml").write_text("{}")
    settings = Settings(workspace=tmp_path, model="colours").resolved()
    return Fleet(settings, stores.log, stores.ledger, epoch_of(stores, 1).images)


def test_the_worst_model_stands_first_and_each_bears_a_mark(fleet: Fleet, stores: Stores) -> None:
    alarmed(stores)
    lines = fleet_overview(fleet, morning(5), champion=epoch_of(stores, 5)).splitlines()
    assert lines[0].startswith("! colours version 1: blue is 72%")
    assert lines[1] == "? birds: no reference here yet: `leeway watch init birds --reference FILE`."
    assert lines[-1] == "1 model known from files; false alarms: 2.50% a year each"


def test_alerts_that_were_not_delivered_are_counted_with_their_error(fleet: Fleet, stores: Stores) -> None:
    healthy(stores)
    stores.ledger.queue_alert(Alert("one", "drift", "see there", morning(2)))
    stores.ledger.mark_alert("one", sent_at=None, error="json://host did not answer")
    lines = fleet_overview(fleet, morning(5), champion=epoch_of(stores, 5)).splitlines()
    told = "! 1 alert not delivered since 2026-03-03 02:00: json://host did not answer; mend LEEWAY_ALERT_URLS"
    assert told in lines
    assert any(line.startswith("  colours version 1: healthy since 1 March") for line in lines)


def test_a_version_beside_the_champion_of_which_something_is_wrong_is_not_passed_over(
    fleet: Fleet, stores: Stores
) -> None:
    second = known(VERSION, 2)
    stores.ledger.record_model(second)
    for number in range(1, 6):
        send(stores, number)
        send(stores, number, version=2, mix=TILTED if number >= 5 else (1 / 3,) * 3)
        live_morning(stores, number)
        live_morning(stores, number, version=second)
        label_all(stores, number)

    def lines(number: int) -> list[str]:
        return fleet_overview(fleet, morning(number), champion=epoch_of(stores, number)).splitlines()

    assert lines(5)[0].startswith("! colours version 2, beside the version in use: blue is 72%")
    assert any(line.startswith("  colours version 1: healthy") for line in lines(5))
    assert not any("version 2" in line for line in lines(20)), "its last answer was two weeks ago"
