"""The prediction log, wherever it is kept: what is forgotten is gone, what lies beside it is as it was."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from battery import (
    BIRDS,
    CLOSED,
    DAY,
    END,
    NIGHT,
    START,
    VERSION,
    TwoStores,
    claimed,
    pinned,
    planned,
    prediction,
    record,
    recorded,
    window,
    with_labels,
)
from leeway.domain.forgetting import Forgotten
from leeway.domain.records import Pick, Prediction, Recorded
from leeway.errors import ConflictError, StoreError

NIGHTS = 4
ROWS = 3
HORIZON = START + 2 * DAY


def of_night(number: int, *, model: str = "pets", version: int = 1, rows: int = ROWS) -> list[Prediction]:
    moment = START + number * DAY + timedelta(hours=5)
    names = [f"{number}-{version}-{row}" for row in range(rows)]
    return [prediction(name, model=model, version=version, occurred_at=moment) for name in names]


def fill(stores: TwoStores, model: str = "pets") -> dict[int, list[Prediction]]:
    """Record some nights, each row with a label."""
    nights = {number: of_night(number, model=model) for number in range(NIGHTS)}
    for rows in nights.values():
        batch = with_labels(rows, ["cat"] * ROWS, [1.0] * ROWS)
        stores.log.record(model, [batch], received_at=CLOSED)
    return nights


def seen(stores: TwoStores, version: object = VERSION) -> list[object]:
    """What a monitor asks of each night."""
    assert version in (VERSION, BIRDS)
    log, found = stores.log, list[object]()
    for start in (START + number * DAY for number in range(NIGHTS)):
        bounds = (version, start, start + DAY)
        found.append(
            (
                log.cells(*bounds),  # type: ignore[arg-type]
                log.sample(*bounds, 2, stream="plan"),  # type: ignore[arg-type]
                log.given_tallies(*bounds),  # type: ignore[arg-type]
                log.given(*bounds, 2, stream="page"),  # type: ignore[arg-type]
                log.count(*bounds),  # type: ignore[arg-type]
            )
        )
    return found


def test_what_occurred_before_the_horizon_is_gone_and_the_rest_is_as_it_was(stores: TwoStores) -> None:
    nights = fill(stores)
    before = seen(stores)
    first = nights[2][0].occurred_at
    assert stores.log.forget("pets", before=HORIZON) == Forgotten(rows=2 * ROWS, labels=2 * ROWS, first_at=first)
    after = seen(stores)
    assert after[2:] == before[2:]
    assert after[:2] == [([], [], [], [], 0)] * 2
    ids = [one.id for rows in nights.values() for one in rows]
    kept = sorted(one.id for one in nights[2] + nights[3])
    assert [one.id for one in stores.log.by_ids("pets", ids)] == kept
    assert [one.prediction_id for one in stores.log.given_by_ids("pets", ids)] == kept
    assert stores.log.given_counts() == {"pets": 2 * ROWS}
    assert stores.log.elsewhere("birds", ids) == {"pets": 2 * ROWS}
    assert stores.log.first_at(VERSION) == stores.log.first_given(VERSION, None) == first
    assert stores.log.last_at(VERSION, before=HORIZON) is None
    assert stores.log.rows_by_version("pets", [1], START, START + NIGHTS * DAY) == {1: 2 * ROWS}


def test_another_model_keeps_what_it_has_on_the_same_days(stores: TwoStores) -> None:
    fill(stores)
    fill(stores, "birds")
    before = seen(stores, BIRDS)
    stores.log.forget("pets", before=HORIZON)
    assert seen(stores, BIRDS) == before
    assert stores.log.given_counts() == {"pets": 2 * ROWS, "birds": NIGHTS * ROWS}
    assert stores.log.forget("birds", before=HORIZON).rows == 2 * ROWS
    assert seen(stores, BIRDS)[:2] == [([], [], [], [], 0)] * 2


def test_every_version_of_the_model_is_forgotten(stores: TwoStores) -> None:
    record(stores.log, *of_night(0), *of_night(0, version=2), *of_night(1, version=2))
    assert stores.log.forget("pets", before=START + DAY).rows == 2 * ROWS
    second = replace(VERSION, version=2)
    assert (stores.log.first_at(VERSION), stores.log.count(second, START, START + 2 * DAY)) == (None, ROWS)


def test_a_horizon_within_a_day_cuts_at_the_moment(stores: TwoStores) -> None:
    """A night ends at an hour of the policy's zone."""
    noon = START + timedelta(hours=12)
    recorded(stores.log, "morning", occurred_at=noon - timedelta(microseconds=1))
    recorded(stores.log, "noon", occurred_at=noon)
    assert stores.log.forget("pets", before=noon) == Forgotten(rows=1, first_at=noon)
    assert [one.id for one in stores.log.by_ids("pets", ["morning", "noon"])] == ["noon"]
    assert record(stores.log, prediction("later", occurred_at=noon - timedelta(hours=1))) == Recorded(too_old=1)


def test_forgetting_everything_leaves_a_log_that_begins_anew(stores: TwoStores) -> None:
    fill(stores)
    end = START + NIGHTS * DAY
    assert stores.log.forget("pets", before=end) == Forgotten(NIGHTS * ROWS, NIGHTS * ROWS, None)
    assert stores.log.first_at(VERSION) is None
    assert stores.log.given_counts() == {}
    assert record(stores.log, *of_night(NIGHTS)).new == ROWS
    assert stores.log.count(VERSION, end, end + DAY) == ROWS


def test_forgetting_again_finds_nothing_and_nothing_is_found_of_a_model_without_rows(stores: TwoStores) -> None:
    nights = fill(stores)
    stores.log.forget("pets", before=HORIZON)
    assert stores.log.forget("pets", before=HORIZON) == Forgotten(first_at=nights[2][0].occurred_at)
    assert stores.log.forget("fish", before=HORIZON) == Forgotten()
    assert record(stores.log, *of_night(1, model="fish")) == Recorded(too_old=ROWS)


# Rows that come again


def test_rows_from_before_the_horizon_are_refused_and_counted(stores: TwoStores) -> None:
    nights = fill(stores)
    stores.log.forget("pets", before=HORIZON)
    position = stores.log.position("pets")
    again = with_labels(nights[1] + nights[2] + of_night(3, version=1, rows=ROWS + 1), [None] * (3 * ROWS + 1), [])
    told = stores.log.record("pets", [again], received_at=CLOSED)
    assert told == Recorded(new=1, known=2 * ROWS, too_old=ROWS)
    assert stores.log.by_ids("pets", [one.id for one in nights[1]]) == []
    assert stores.log.count(VERSION, START, START + NIGHTS * DAY, after=position) == 1


def test_labels_of_rows_from_before_the_horizon_are_refused_with_them(stores: TwoStores) -> None:
    stores.log.forget("pets", before=HORIZON)
    rows = of_night(1) + of_night(2)
    told = stores.log.record("pets", [with_labels(rows, ["cat"] * len(rows), [1.0] * len(rows))], received_at=CLOSED)
    assert told == Recorded(new=ROWS, labels=ROWS, too_old=ROWS)
    assert [one.prediction_id for one in stores.log.given_by_ids("pets", [one.id for one in rows])] == [
        one.id for one in of_night(2)
    ]


def test_where_all_or_nothing_is_asked_for_rows_from_before_the_horizon_refuse_their_source(stores: TwoStores) -> None:
    stores.log.forget("pets", before=HORIZON)
    with pytest.raises(ConflictError):
        record(stores.log, *of_night(1), *of_night(2), strict=True)
    assert stores.log.by_ids("pets", [one.id for one in of_night(2)]) == []


def test_the_horizon_never_moves_back(stores: TwoStores) -> None:
    stores.log.forget("pets", before=HORIZON)
    stores.log.forget("pets", before=START)
    assert record(stores.log, *of_night(1)) == Recorded(too_old=ROWS)
    assert record(stores.log, *of_night(1, model="birds")) == Recorded(new=ROWS)


def test_an_id_that_was_forgotten_may_be_given_to_a_later_prediction(stores: TwoStores) -> None:
    [old] = recorded(stores.log, "a")
    stores.log.forget("pets", before=HORIZON)
    later = replace(old, occurred_at=HORIZON, predicted_class="cat")
    assert record(stores.log, later, strict=True) == Recorded(new=1)
    assert stores.log.by_ids("pets", ["a"]) == [later]


def test_a_horizon_without_zone_is_refused(stores: TwoStores) -> None:
    fill(stores)
    with pytest.raises(StoreError, match="has no time zone"):
        stores.log.forget("pets", before=datetime(2025, 3, 2))  # noqa: DTZ001
    assert stores.log.count(VERSION, START, END) == ROWS


# By id


def test_single_predictions_are_forgotten_with_their_labels(stores: TwoStores) -> None:
    nights = fill(stores)
    fill(stores, "birds")
    ids = [nights[0][0].id, nights[3][1].id]
    told = stores.log.forget_ids("pets", [*ids, "unknown", ids[0]])
    assert told == Forgotten(rows=2, labels=2, first_at=nights[0][0].occurred_at)
    assert stores.log.by_ids("pets", ids) == []
    assert stores.log.given_by_ids("pets", ids) == []
    assert [stores.log.count(VERSION, START + day * DAY, START + (day + 1) * DAY) for day in (0, 3)] == [2, 2]
    assert stores.log.given_counts() == {"pets": NIGHTS * ROWS - 2, "birds": NIGHTS * ROWS}
    assert len(stores.log.by_ids("birds", ids)) == 2
    assert stores.log.forget_ids("pets", ids) == Forgotten(first_at=nights[0][0].occurred_at)
    assert stores.log.forget_ids("pets", []) == Forgotten(first_at=nights[0][0].occurred_at)


def test_an_id_that_was_forgotten_by_name_is_new_when_it_comes_again(stores: TwoStores) -> None:
    nights = fill(stores)
    upto = stores.log.position("pets")
    stores.log.forget_ids("pets", [one.id for one in nights[0]])
    assert stores.log.first_at(VERSION) == nights[1][0].occurred_at
    assert record(stores.log, *nights[0], strict=True) == Recorded(new=ROWS)
    assert stores.log.count(VERSION, START, END, after=upto) == ROWS


# What stays


def test_positions_and_closed_windows_stay_readable(stores: TwoStores) -> None:
    nights = fill(stores)
    upto = stores.log.position("pets")
    closing = {"start": START, "end": END, "closed_at": CLOSED, "claim": claimed(stores.ledger)}
    stores.ledger.record_window(window(position=upto), **closing)
    recorded(stores.log, "late", occurred_at=START + timedelta(hours=9))
    recorded(stores.log, "late too", occurred_at=HORIZON)
    stores.log.forget("pets", before=HORIZON)
    [kept] = stores.ledger.windows("pets", 1)
    assert (kept.night, kept.position) == (NIGHT, upto)
    assert stores.log.count(VERSION, START, END, after=upto) == 0
    assert stores.log.count(VERSION, HORIZON, HORIZON + DAY, after=upto) == 1
    assert stores.log.cells(VERSION, START, END, upto=upto) == []
    found = stores.log.cells(VERSION, HORIZON, HORIZON + DAY, upto=upto)
    assert sum(one.count for one in found) == len(nights[2])
    picks = [Pick("dog", 1, "door", rank=5, among=ROWS)]
    assert stores.log.pick(VERSION, START, END, picks, stream="plan", upto=upto) == []
    assert int(stores.log.position("pets")) >= int(upto) if upto.isdigit() else stores.log.position("pets")


def test_what_is_pinned_in_the_ledger_is_not_forgotten(stores: TwoStores) -> None:
    recorded(stores.log, "a", "b")
    planned(stores.ledger, "plan", ["a"])
    stores.log.forget("pets", before=HORIZON)
    assert stores.ledger.pinned("pets", ["a", "b"]) == [pinned("a")]
    assert [one.id for _, one in stores.ledger.label_queue("pets")] == ["a"]


def test_a_file_is_read_again_once_rows_of_its_model_were_forgotten(stores: TwoStores) -> None:
    for model in ("pets", "birds"):
        recorded(stores.log, "a", model=model)
        stores.log.remember_source(model, "12ab", {"rows": 1}, now=END)
    stores.log.forget("pets", before=END)
    assert stores.log.known_source("pets", "12ab") is None
    assert stores.log.known_source("birds", "12ab") == {"rows": 1}
