"""Every store: a decision is acted on by one process at a time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from leeway.domain.records import Decision, DecisionState
from leeway.domain.stores import Store
from leeway.errors import StoreError
from leeway.stores.sql import SqlStore, open_store
from leeway.stores.tables import decisions
from store_records import CLOSED, NIGHT, all_at_once, decision, somebody_else, window


def conclude(store: Store, *made: Decision) -> None:
    for one in made:
        assert store.record_night(window(one.night), [], one, [])


def states(store: Store) -> list[str]:
    return [str(made.state) for made in store.decisions("pets")]


LATER = decision(NIGHT + timedelta(days=1))


def test_a_decision_is_claimed_once_and_finished(store: SqlStore) -> None:
    conclude(store, decision())
    assert store.claim_decision(decision().key, now=CLOSED)
    assert not store.claim_decision(decision().key, now=CLOSED)
    store.finish_decision(decision().key, failed=False, outcome="version 2")
    assert store.decisions("pets") == [replace(decision(), state=DecisionState.DONE, outcome="version 2")]
    assert not store.claim_decision(decision().key, now=CLOSED)


def test_a_decision_that_asks_for_nothing_cannot_be_claimed(store: SqlStore) -> None:
    conclude(store, decision(state=DecisionState.DONE))
    assert not store.claim_decision(decision().key, now=CLOSED)
    assert not store.claim_decision("unknown", now=CLOSED)


def test_one_decision_of_a_model_runs_at_a_time(store: SqlStore) -> None:
    birds = decision(model="birds")
    conclude(store, decision(), LATER, birds)
    assert store.claim_decision(decision().key, now=CLOSED)
    assert not store.claim_decision(LATER.key, now=CLOSED)
    assert store.claim_decision(birds.key, now=CLOSED)
    store.finish_decision(decision().key, failed=True, outcome="no space left")
    assert store.claim_decision(LATER.key, now=CLOSED)
    assert states(store) == ["failed", "running"]


def test_a_claim_whose_lease_is_over_may_be_claimed_again(store: SqlStore) -> None:
    conclude(store, decision())
    assert store.claim_decision(decision().key, now=CLOSED)
    assert not store.claim_decision(decision().key, now=CLOSED + timedelta(hours=23))
    assert store.claim_decision(decision().key, now=CLOSED + timedelta(hours=24))
    assert not store.claim_decision(decision().key, now=CLOSED + timedelta(hours=25))
    assert store.claim_decision(decision().key, now=CLOSED + timedelta(hours=27), lease_hours=3)


def test_a_running_decision_is_given_up_once_its_lease_is_over(store: SqlStore) -> None:
    store.record_decision(decision())
    assert store.claim_decision(decision().key, now=CLOSED)
    assert store.give_up_lapsed("pets", now=CLOSED + timedelta(hours=23)) == []
    assert store.give_up_lapsed("birds", now=CLOSED + timedelta(hours=25)) == []
    assert store.give_up_lapsed("pets", now=CLOSED + timedelta(hours=25)) == [decision().key]
    [given_up] = store.decisions("pets")
    assert given_up.state is DecisionState.FAILED
    assert "taken for dead" in given_up.outcome
    assert store.give_up_lapsed("pets", now=CLOSED + timedelta(hours=26)) == []


def test_a_decision_of_no_night_is_recorded_once(store: SqlStore) -> None:
    assert store.record_decision(decision())
    assert not store.record_decision(decision())
    assert store.decisions("pets") == [decision()]


def test_a_claim_whose_lease_is_over_does_not_block_the_model(store: SqlStore) -> None:
    conclude(store, decision(), LATER)
    assert store.claim_decision(decision().key, now=CLOSED)
    assert store.claim_decision(LATER.key, now=CLOSED + timedelta(hours=25))
    assert not store.claim_decision(decision().key, now=CLOSED + timedelta(hours=25))


def test_exactly_one_of_many_racing_claims_wins(store: SqlStore, database_url: str) -> None:
    made = [decision(NIGHT + timedelta(days=day)) for day in range(3)]
    conclude(store, *made)
    with ExitStack() as opened:
        own = [opened.enter_context(closing(open_store(database_url))) for _ in range(6)]
        assert sum(all_at_once(lambda one: own[one].claim_decision(made[one % 3].key, now=CLOSED))) == 1
    assert sorted(states(store)) == ["open", "open", "running"]


def test_a_claim_waits_for_a_rival_that_has_not_committed(store: SqlStore, database_url: str) -> None:
    conclude(store, decision(), LATER)
    with somebody_else(database_url) as rival, ThreadPoolExecutor(1) as pool:
        running = {"state": DecisionState.RUNNING, "claimed_at": CLOSED}
        rival.execute(update(decisions).where(decisions.c.key == decision().key).values(**running))
        claim = pool.submit(store.claim_decision, LATER.key, now=CLOSED)
        with pytest.raises(TimeoutError):
            claim.result(timeout=0.2)
        rival.commit()
        assert claim.result() is False


def test_finishing_an_unknown_decision_is_an_error(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="'nothing/1' is not among the decisions"):
        store.finish_decision("nothing/1", failed=False, outcome="")
