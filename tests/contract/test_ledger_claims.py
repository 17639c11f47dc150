"""The ledger, wherever it is kept: a night is decided, and a decision acted on, by one process at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from battery import (
    ALERT,
    BIRDS,
    CLOSED,
    DAY,
    END,
    FIRED,
    NIGHT,
    START,
    VERSION,
    TwoStores,
    all_at_once,
    claimed,
    decision,
    plan,
    prediction,
    somebody_else,
    window,
)
from leeway.domain.records import Action, Claim, Decision, DecisionState
from leeway.domain.stores import Ledger
from leeway.errors import HeldError, StoreError
from leeway.stores.ledger_tables import decisions
from leeway.stores.opening import Stores, open_stores

HOUR = timedelta(hours=1)
LATER = decision(NIGHT + DAY)

# Nights


def claim(ledger: Ledger, holder: str, *, now: datetime = CLOSED, **named: Any) -> Claim:
    named = {"version": VERSION, "night": NIGHT} | named
    return ledger.claim_night(holder=holder, now=now, until=now + HOUR, **named)


def test_says_which_nights_of_a_model_are_held_at_a_moment(stores: TwoStores) -> None:
    second = claim(stores.ledger, "ada", night=NIGHT + DAY)
    first, done = claim(stores.ledger, "bob"), claim(stores.ledger, "bob", night=NIGHT + 2 * DAY)
    claim(stores.ledger, "eve", version=BIRDS)
    stores.ledger.give_back(done)
    assert stores.ledger.held_nights("pets", now=CLOSED) == [first, second]
    assert stores.ledger.held_nights("pets", now=CLOSED + HOUR) == []


def test_a_night_is_held_by_one_until_its_lease_is_over(stores: TwoStores) -> None:
    first = claim(stores.ledger, "ada")
    assert replace(first, token=0) == Claim("pets", 1, NIGHT, "ada", CLOSED + HOUR, 0)
    with pytest.raises(HeldError) as told:
        claim(stores.ledger, "bob", now=CLOSED + HOUR - timedelta(microseconds=1))
    assert told.value.holder == "ada"
    second = claim(stores.ledger, "bob", now=CLOSED + HOUR)
    assert (second.holder, second.until) == ("bob", CLOSED + 2 * HOUR)
    assert second.token > first.token
    with pytest.raises(HeldError) as told:
        claim(stores.ledger, "ada", now=CLOSED + HOUR)
    assert told.value.holder == "bob"


def test_other_nights_versions_and_models_are_free(stores: TwoStores) -> None:
    claim(stores.ledger, "ada")
    for named in ({"night": NIGHT + DAY}, {"version": replace(VERSION, version=2)}, {"version": BIRDS}):
        assert claim(stores.ledger, "bob", **named).holder == "bob"


def test_its_holder_may_claim_a_night_again(stores: TwoStores) -> None:
    first = claim(stores.ledger, "ada")
    second = claim(stores.ledger, "ada", now=CLOSED + HOUR / 2)
    assert second.token > first.token
    with pytest.raises(HeldError):
        claim(stores.ledger, "bob", now=CLOSED + HOUR)


def test_a_holder_that_is_known_to_be_dead_does_not_hold_a_night(stores: TwoStores) -> None:
    claim(stores.ledger, "ada")
    with pytest.raises(HeldError):
        claim(stores.ledger, "bob", instead_of="eve")
    assert claim(stores.ledger, "bob", instead_of="ada").holder == "bob"
    with pytest.raises(HeldError):
        claim(stores.ledger, "eve", instead_of="ada")


def test_a_night_that_is_given_back_is_free(stores: TwoStores) -> None:
    first = claim(stores.ledger, "ada")
    stores.ledger.give_back(first)
    second = claim(stores.ledger, "bob")
    assert second.token > first.token
    stores.ledger.give_back(first)
    with pytest.raises(HeldError) as told:
        claim(stores.ledger, "ada")
    assert told.value.holder == "bob"


def test_exactly_one_of_many_racing_holders_gets_the_night(sql_stores: Stores, database_url: str) -> None:
    with ExitStack() as opened:
        own = [opened.enter_context(closing(open_stores(database_url))) for _ in range(6)]

        def act(one: int) -> bool:
            try:
                return bool(claim(own[one].ledger, f"holder {one}"))
            except HeldError:
                return False

        assert sum(all_at_once(act)) == 1


WRITES: dict[str, Callable[[Ledger, Claim], bool]] = {
    "record_window": lambda ledger, claim: ledger.record_window(
        window(), start=START, end=END, closed_at=CLOSED, claim=claim
    ),
    "record_night": lambda ledger, claim: ledger.record_night(window(), [FIRED], decision(), [ALERT], claim=claim),
    "record_plan": lambda ledger, claim: ledger.record_plan(*plan("x", ["a"]), [prediction("a")], claim=claim),
}


def written(ledger: Ledger) -> list[int]:
    return [
        len(ledger.windows("pets", 1)),
        len(ledger.results("pets", 1)),
        len(ledger.decisions("pets")),
        len(ledger.pending_alerts()),
        len(ledger.plans("pets", 1)),
        len(ledger.label_queue("pets")),
        len(ledger.pinned("pets", ["a"])),
    ]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_was_taken_over_may_not_be_written(stores: TwoStores, write: Callable[[Ledger, Claim], bool]) -> None:
    stale = claim(stores.ledger, "ada")
    current = claim(stores.ledger, "bob", now=CLOSED + HOUR)
    with pytest.raises(HeldError) as told:
        write(stores.ledger, stale)
    assert told.value.holder == "bob"
    assert written(stores.ledger) == [0] * 7
    assert write(stores.ledger, current)
    assert not write(stores.ledger, current)
    with pytest.raises(HeldError):
        write(stores.ledger, stale)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_night_that_nobody_claimed_may_not_be_written(
    stores: TwoStores, write: Callable[[Ledger, Claim], bool]
) -> None:
    made_up = Claim("pets", 1, NIGHT, "ada", CLOSED + HOUR, 1)
    with pytest.raises(HeldError) as told:
        write(stores.ledger, made_up)
    assert told.value.holder == "nobody"
    assert written(stores.ledger) == [0] * 7


# Decisions


def conclude(ledger: Ledger, *made: Decision) -> None:
    for one in made:
        held = claimed(ledger, one.night, version=replace(VERSION, model=one.model))
        assert ledger.record_night(window(one.night, model=one.model), [], one, [], claim=held)


def states(ledger: Ledger) -> list[str]:
    return [str(made.state) for made in ledger.decisions("pets")]


def test_a_decision_is_claimed_once_and_finished(stores: TwoStores) -> None:
    conclude(stores.ledger, decision())
    assert stores.ledger.claim_decision(decision().key, now=CLOSED)
    assert not stores.ledger.claim_decision(decision().key, now=CLOSED)
    stores.ledger.finish_decision(decision().key, failed=False, outcome="version 2")
    assert stores.ledger.decisions("pets") == [replace(decision(), state=DecisionState.DONE, outcome="version 2")]
    assert not stores.ledger.claim_decision(decision().key, now=CLOSED)


def test_a_decision_that_asks_for_nothing_cannot_be_claimed(stores: TwoStores) -> None:
    conclude(stores.ledger, decision(state=DecisionState.DONE))
    assert not stores.ledger.claim_decision(decision().key, now=CLOSED)
    assert not stores.ledger.claim_decision("unknown", now=CLOSED)


def test_one_decision_of_a_model_runs_at_a_time(stores: TwoStores) -> None:
    birds = decision(model="birds")
    conclude(stores.ledger, decision(), LATER, birds)
    assert stores.ledger.claim_decision(decision().key, now=CLOSED)
    assert not stores.ledger.claim_decision(LATER.key, now=CLOSED)
    assert stores.ledger.claim_decision(birds.key, now=CLOSED)
    stores.ledger.finish_decision(decision().key, failed=True, outcome="no space left")
    assert stores.ledger.claim_decision(LATER.key, now=CLOSED)
    assert states(stores.ledger) == ["failed", "running"]


def test_a_claim_whose_lease_is_over_may_be_claimed_again(stores: TwoStores) -> None:
    conclude(stores.ledger, decision())
    assert stores.ledger.claim_decision(decision().key, now=CLOSED)
    assert not stores.ledger.claim_decision(decision().key, now=CLOSED + 23 * HOUR)
    assert stores.ledger.claim_decision(decision().key, now=CLOSED + 24 * HOUR)
    assert not stores.ledger.claim_decision(decision().key, now=CLOSED + 25 * HOUR)
    assert stores.ledger.claim_decision(decision().key, now=CLOSED + 27 * HOUR, lease_hours=3)


def test_open_requests_of_other_versions_are_withdrawn_and_what_runs_is_left_alone(stores: TwoStores) -> None:
    own = replace(LATER, key="pets/2/x", version=2)
    birds, running = decision(model="birds"), decision()
    alarm = replace(LATER, key="alarm", action=Action.MORE_LABELS)
    for one in (running, LATER, own, birds, alarm):
        stores.ledger.record_decision(one)
    assert stores.ledger.claim_decision(running.key, now=CLOSED)
    assert stores.ledger.withdraw_requests("pets", besides=2, outcome="version 2 serves") == [LATER.key]
    assert stores.ledger.withdraw_requests("pets", besides=2, outcome="again") == []
    found = {one.key: (str(one.state), one.outcome) for one in stores.ledger.decisions("pets")}
    assert found[LATER.key] == ("withdrawn", "version 2 serves")
    assert [found[key][0] for key in (running.key, own.key, "alarm")] == ["running", "open", "open"]
    assert stores.ledger.decisions("birds")[0].state is DecisionState.OPEN
    stores.ledger.finish_decision(running.key, failed=False, outcome="version 3")
    assert not stores.ledger.claim_decision(LATER.key, now=CLOSED)


def test_a_running_decision_is_given_up_once_its_lease_is_over(stores: TwoStores) -> None:
    stores.ledger.record_decision(decision())
    assert stores.ledger.claim_decision(decision().key, now=CLOSED)
    assert stores.ledger.give_up_lapsed("pets", now=CLOSED + 23 * HOUR) == []
    assert stores.ledger.give_up_lapsed("birds", now=CLOSED + 25 * HOUR) == []
    assert stores.ledger.give_up_lapsed("pets", now=CLOSED + 25 * HOUR) == [decision().key]
    [given_up] = stores.ledger.decisions("pets")
    assert given_up.state is DecisionState.FAILED
    assert "taken for dead" in given_up.outcome
    assert stores.ledger.give_up_lapsed("pets", now=CLOSED + 26 * HOUR) == []


def test_a_decision_of_no_night_is_recorded_once(stores: TwoStores) -> None:
    made = replace(decision(), class_weights={"cat": 1.5}, cause="drift")
    assert stores.ledger.record_decision(made)
    assert not stores.ledger.record_decision(replace(made, reason="another"))
    assert stores.ledger.decisions("pets") == [made]


def test_a_claim_whose_lease_is_over_does_not_block_the_model(stores: TwoStores) -> None:
    conclude(stores.ledger, decision(), LATER)
    assert stores.ledger.claim_decision(decision().key, now=CLOSED)
    assert stores.ledger.claim_decision(LATER.key, now=CLOSED + 25 * HOUR)
    assert not stores.ledger.claim_decision(decision().key, now=CLOSED + 25 * HOUR)


def test_exactly_one_of_many_racing_claims_wins(sql_stores: Stores, database_url: str) -> None:
    made = [decision(NIGHT + timedelta(days=day)) for day in range(3)]
    conclude(sql_stores.ledger, *made)
    with ExitStack() as opened:
        own = [opened.enter_context(closing(open_stores(database_url))).ledger for _ in range(6)]
        assert sum(all_at_once(lambda one: own[one].claim_decision(made[one % 3].key, now=CLOSED))) == 1
    assert sorted(states(sql_stores.ledger)) == ["open", "open", "running"]


def test_a_claim_waits_for_a_rival_that_has_not_committed(sql_stores: Stores, database_url: str) -> None:
    conclude(sql_stores.ledger, decision(), LATER)
    with somebody_else(database_url) as rival, ThreadPoolExecutor(1) as pool:
        running = {"state": DecisionState.RUNNING, "claimed_at": CLOSED}
        rival.execute(update(decisions).where(decisions.c.key == decision().key).values(**running))
        waiting = pool.submit(sql_stores.ledger.claim_decision, LATER.key, now=CLOSED)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.2)
        rival.commit()
        assert waiting.result() is False


def test_finishing_an_unknown_decision_is_an_error(stores: TwoStores) -> None:
    with pytest.raises(StoreError, match="'nothing/1' is not among the decisions"):
        stores.ledger.finish_decision("nothing/1", failed=False, outcome="")
