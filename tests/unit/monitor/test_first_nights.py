"""First nights: those that look unlike the reference ask, are no part of the drift reference, and can be accepted."""

from dataclasses import replace

import pytest

from leeway.checks.policy import Policy
from leeway.domain.records import Action, Status
from leeway.errors import ParamsError
from leeway.labels.queue import find_queue
from leeway.monitor.first_nights import accept, asks_text, first_nights_text, nights_that_asked
from leeway.monitor.standing import Rank, concerns
from leeway.stores.opening import Stores
from memory_stores import MemoryStores
from production import epoch_of, live_morning, night, record, send


def live(stores: Stores, numbers: range, *, unlike: bool = False) -> None:
    for number in numbers:
        send_unsure(stores, number) if unlike else send(stores, number)
        live_morning(stores, number)


def send_unsure(stores: Stores, number: int) -> None:
    made = send(MemoryStores(), number)  # type: ignore[arg-type]
    record(stores, [replace(one, confidence=0.4, probabilities=(0.4, 0.3, 0.3)) for one in made])


def drift(stores: Stores, number: int) -> str:
    results = stores.ledger.results("colours", 1, nights=[night(number)])
    return next(str(one.status) for _, one in results if one.check == "prediction_drift")


def test_nights_that_look_unlike_the_reference_do_not_become_what_drift_is_held_against(stores: Stores) -> None:
    live(stores, range(1, 6), unlike=True)
    assert nights_that_asked(epoch_of(stores, 5)) == [night(number) for number in range(1, 6)]
    assert drift(stores, 5) == Status.NO_VERDICT
    epoch = epoch_of(stores, 5)
    told = [one.text for one in concerns(epoch, find_queue(epoch)) if one.rank is Rank.YOURS]
    assert len(told) == 1
    assert "5 nights look unlike what the model was measured on" in told[0]
    assert "drift has 0 of its 3 reference nights" in told[0]
    assert f"`leeway accept {night(5)} --model colours`" in told[0]
    assert len([one for one in stores.ledger.pending_alerts() if "unlike" in one.body]) == 1, "told once"


def test_one_night_that_is_accepted_lets_those_like_it_in_and_changes_no_stored_result(stores: Stores) -> None:
    live(stores, range(1, 4), unlike=True)
    before = stores.ledger.results("colours", 1)
    assert accept(epoch_of(stores, 3), night(2))
    assert not accept(epoch_of(stores, 3), night(2)), "said before"
    assert asks_text(epoch_of(stores, 3)) == ""
    assert stores.ledger.results("colours", 1) == before
    live(stores, range(4, 5), unlike=True)
    assert drift(stores, 4) == Status.QUIET
    assert nights_that_asked(epoch_of(stores, 4))[-1] == night(3)
    assert {one.action for one in stores.ledger.decisions("colours")} == {Action.NOTHING}


def test_what_was_accepted_stays_when_nights_are_reopened(stores: Stores) -> None:
    live(stores, range(1, 3), unlike=True)
    accept(epoch_of(stores, 2), night(1))
    stores.ledger.reopen("colours", night(1), at=epoch_of(stores, 3).as_of)
    assert epoch_of(stores, 3).accepted_nights() == {night(1)}


def test_a_night_that_does_not_ask_is_not_accepted(stores: Stores) -> None:
    live(stores, range(1, 2))
    with pytest.raises(ParamsError, match="does not ask to be accepted; those that asked: none"):
        accept(epoch_of(stores, 1), night(1))


def test_the_first_nights_say_what_is_watched_already_and_until_when_the_rest_is_not(stores: Stores) -> None:
    live(stores, range(1, 5))
    told = first_nights_text(epoch_of(stores, 4), night(1))
    assert "accuracy on people's labels, against 93.2% (from 300 items of its test split)" in told
    assert "confidences against those of its test split" in told
    assert "shifts of the answers, for 2 nights more, 3 March" in told
    assert first_nights_text(epoch_of(stores, 4), night(4)) == ""


def test_nights_too_small_for_drift_are_told_instead_of_a_day_on_which_it_would_be_watched(stores: Stores) -> None:
    live(stores, range(1, 3))
    epoch = epoch_of(stores, 3)
    settings = epoch.policy.model_dump()
    strict = Policy.model_validate(
        settings | {"prediction_drift": settings["prediction_drift"] | {"min_predictions": 100_000}}
    )
    told = first_nights_text(replace(epoch, policy=strict), night(1))
    assert "of at least 100000 predictions, which 1 of 1 so far had not" in told
    assert "March" not in told
