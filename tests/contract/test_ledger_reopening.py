"""The ledger, wherever it is kept: nights that were decided wrongly are taken back whole, and kept."""

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
    claimed,
    decision,
    label,
    plan,
    planned,
    window,
)
from leeway.domain.records import Action, Alert, DecisionState
from leeway.errors import HeldError, RefusedError, StoreError

NEXT = NIGHT + DAY


def decided(stores: TwoStores, *, model: str = "pets") -> None:
    """Two nights, each with a window, a decision, an alert, and a plan that its decision applied."""
    version = VERSION if model == "pets" else BIRDS
    stores.ledger.record_model(version)
    for night in (NIGHT, NEXT):
        claim = claimed(stores.ledger, night, version=version)
        counted = window(night, model=model)
        stores.ledger.record_window(counted, start=START, end=END, closed_at=CLOSED, claim=claim)
        made = replace(decision(night, model=model, state=DecisionState.DONE), action=Action.MORE_LABELS)
        if model == "pets":
            planned(stores.ledger, f"plan-{night}", [f"p-{night}"], night=night)
            empty, design, _ = plan(f"empty-{night}", [], night=night)
            claim = claimed(stores.ledger, night, version=version)
            stores.ledger.record_plan(empty, design, [], [], claim=claim)
        told = replace(ALERT, key=f"{made.key}/alarm")
        applied = [f"plan-{night}", f"empty-{night}"]
        assert stores.ledger.record_night(counted, [FIRED, UNSURE], made, [told], claim=claim, applied=applied)
        stores.ledger.give_back(claim)


def state_of(stores: TwoStores, model: str = "pets") -> list[Any]:
    ledger = stores.ledger
    return [
        ledger.windows(model, 1),
        ledger.window_bounds(model, 1),
        ledger.results(model, 1),
        ledger.decisions(model),
        ledger.plans(model, 1),
        ledger.labelled_draws(f"plan-{NIGHT}"),
        sorted(one.key for one in ledger.pending_alerts()),
    ]


def keys(rows: Any, name: str = "key") -> list[str]:
    return [one[name] for one in rows]


def test_what_a_night_concluded_is_taken_back_and_its_labels_stay_to_be_applied_again(stores: TwoStores) -> None:
    decided(stores)
    stores.ledger.record_labels([label(f"p-{NEXT}")])
    for kind in ("late", "silent"):
        stores.ledger.queue_alert(replace(ALERT, key=f"{kind}/pets/1/{NEXT}"))
        stores.ledger.queue_alert(replace(ALERT, key=f"{kind}/pets/1/{NIGHT}"))
    alarms = [f"pets/1/{night}/alarm" for night in (NIGHT, NEXT)]
    assert stores.ledger.claim_deliveries(alarms, "mail", holder="here", now=CLOSED, until=CLOSED + DAY) == alarms
    made = stores.ledger.reopen("pets", NEXT, at=CLOSED)
    assert [(one["key"], one["channel"]) for one in made.content["deliveries"]] == [(alarms[1], "mail")]
    assert [one.key for one in stores.ledger.deliveries()] == alarms[:1]
    assert keys(made.decisions) == [f"pets/1/{NEXT}"]
    assert keys(made.content["windows"], "night") == [f"{NEXT}"]
    assert keys(made.content["label_plans"], "id") == [f"empty-{NEXT}"]
    assert made.content["applied_again"] == [f"plan-{NEXT}"]
    assert keys(made.content["alerts"]) == [f"late/pets/1/{NEXT}", f"pets/1/{NEXT}/alarm", f"silent/pets/1/{NEXT}"]
    assert [one.night for one in stores.ledger.windows("pets", 1)] == [NIGHT]
    assert list(stores.ledger.window_bounds("pets", 1)) == [NIGHT]
    assert [night for night, _ in stores.ledger.results("pets", 1)] == [NIGHT, NIGHT]
    assert [one.key for one in stores.ledger.decisions("pets")] == [f"pets/1/{NIGHT}"]
    assert [(one.id, one.applied_by) for one in stores.ledger.plans("pets", 1)] == [
        (f"empty-{NIGHT}", f"pets/1/{NIGHT}"),
        (f"plan-{NIGHT}", f"pets/1/{NIGHT}"),
        (f"plan-{NEXT}", None),
    ]
    assert len(stores.ledger.labelled_draws(f"plan-{NEXT}")) == 1
    assert sorted(one.key for one in stores.ledger.pending_alerts()) == [
        f"late/pets/1/{NIGHT}",
        f"pets/1/{NIGHT}/alarm",
        f"silent/pets/1/{NIGHT}",
    ]
    [kept] = stores.ledger.reopenings("pets")
    assert (kept.model, kept.from_night, kept.at) == ("pets", NEXT, CLOSED)
    assert keys(kept.decisions) == [f"pets/1/{NEXT}"]
    claim = claimed(stores.ledger, NEXT)
    assert stores.ledger.record_window(window(NEXT), start=END, end=END + DAY, closed_at=CLOSED, claim=claim)


def test_looking_at_it_says_the_same_and_changes_nothing(stores: TwoStores) -> None:
    decided(stores)
    before = state_of(stores)
    foreseen = stores.ledger.removable("pets", NIGHT)
    assert state_of(stores) == before
    made = stores.ledger.reopen("pets", NIGHT, at=CLOSED)
    assert {name: list(rows) for name, rows in made.content.items()} == {n: list(r) for n, r in foreseen.items()}
    assert stores.ledger.decisions("pets") == []


def test_another_model_and_what_a_person_asked_for_are_left_alone(stores: TwoStores) -> None:
    decided(stores)
    decided(stores, model="birds")
    by_hand = replace(decision(NEXT), key=f"pets/1/{NEXT}/hand 10:00:00")
    stores.ledger.record_decision(by_hand)
    failed = replace(ALERT, key=f"{by_hand.key}/failed")
    stores.ledger.queue_alert(failed)
    birds = state_of(stores, "birds")[:5]
    made = stores.ledger.reopen("pets", NEXT, at=CLOSED)
    assert keys(made.decisions) == [f"pets/1/{NEXT}"]
    assert failed in stores.ledger.pending_alerts()
    assert by_hand in stores.ledger.decisions("pets")
    assert state_of(stores, "birds")[:5] == birds
    assert stores.ledger.reopenings("birds") == []


def test_a_retraining_at_work_is_not_taken_back(stores: TwoStores) -> None:
    decided(stores)
    asked = replace(decision(NEXT + DAY), state=DecisionState.OPEN)
    stores.ledger.record_decision(asked)
    assert stores.ledger.claim_decision(asked.key, now=CLOSED)
    before = state_of(stores)
    with pytest.raises(RefusedError):
        stores.ledger.reopen("pets", NIGHT, at=CLOSED)
    assert state_of(stores) == before
    assert stores.ledger.reopenings("pets") == []


def test_a_monitor_at_work_keeps_its_nights_and_one_that_was_away_writes_no_more(stores: TwoStores) -> None:
    decided(stores)
    held = claimed(stores.ledger, NEXT + DAY, holder="bob")
    with pytest.raises(HeldError) as refused:
        stores.ledger.reopen("pets", NEXT, at=CLOSED)
    assert refused.value.holder == "bob"
    stores.ledger.reopen("pets", NEXT, at=CLOSED, instead_of=["bob"])
    with pytest.raises(StoreError):
        stores.ledger.record_window(window(NEXT + DAY), start=END, end=END, closed_at=CLOSED, claim=held)
    earlier = claimed(stores.ledger, NIGHT - timedelta(days=1), holder="bob")
    stores.ledger.reopen("pets", NIGHT, at=CLOSED)
    assert stores.ledger.record_window(
        window(NIGHT - timedelta(days=1)), start=START, end=END, closed_at=CLOSED, claim=earlier
    )


def test_an_alert_of_a_model_with_a_longer_name_stays(stores: TwoStores) -> None:
    decided(stores)
    other = Alert(f"pets_2/1/{NEXT}/alarm", "t", "b", CLOSED)
    stores.ledger.queue_alert(other)
    stores.ledger.reopen("pets", NIGHT, at=CLOSED)
    assert stores.ledger.pending_alerts() == [other]
