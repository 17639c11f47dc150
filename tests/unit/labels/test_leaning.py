"""Labels lean to where evidence gathers, and for what is missed of a class to what has it second."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from leeway.domain.records import Draw, PlanDesign, Prediction
from leeway.labels.leaning import Suspicion, lean
from leeway.labels.plan import plan_labels
from leeway.stores.opening import Stores
from memory_stores import MemoryStores
from production import CLASSES, POLICY, begun, draws_of, epoch_of, held, night, record, send

RED, GREEN, BLUE = CLASSES
MISSED = Suspicion({f"recall {RED}": 0.9, f"precision {BLUE}": 0.1}, strength=1.0)


def has_red_second(said: Prediction) -> bool:
    return said.second_class == RED


def night_with_second_classes(stores: Stores) -> dict[str, Prediction]:
    """By id, 600 predictions: every third of what is not red has red second."""
    rows = []
    for place, said in enumerate(send(MemoryStores(), 1, count=600)):
        others = [name for name in (GREEN, BLUE) if name != said.predicted_class]
        second = RED if said.predicted_class != RED and place % 3 == 0 else others[0]
        rows.append(replace(said, second_class=second))
    record(stores, rows)
    return {one.id: one for one in rows}


def drawn(
    stores: Stores, suspicion: Suspicion, *, labels: int = 400
) -> tuple[list[Draw], PlanDesign, dict[str, Prediction]]:
    said = night_with_second_classes(stores)
    policy = POLICY.model_copy(update={"labels": POLICY.labels.model_copy(update={"per_night": labels})})
    epoch = held(epoch_of(stores, 1, policy=policy), 1)
    plan = plan_labels(epoch, night(1), suspicion=suspicion)
    return draws_of(stores, plan.id), stores.ledger.design(plan.id), said


def test_half_of_the_draws_that_may_lean_go_to_what_has_a_missed_class_second(stores: Stores) -> None:
    draws, design, said = drawn(stores, MISSED, labels=2000)
    items, chance, *_ = design.parts[f"second {RED}"]
    assert items == sum(map(has_red_second, said.values()))
    assert chance > 0.8 * POLICY.labels.lean * (5 / 6) * 0.9
    share = sum(has_red_second(said[one.prediction_id]) for one in draws) / len(draws)
    assert share == pytest.approx(chance, abs=0.04)
    untouched = drawn(begun(MemoryStores()), Suspicion(), labels=2000)
    assert sum(has_red_second(untouched[2][one.prediction_id]) for one in untouched[0]) / len(untouched[0]) < share / 2


def test_every_draw_says_how_probable_it_was_among_what_was_drawn_from(stores: Stores) -> None:
    """Exactly: predictions that are alike have one probability, and those of the whole night sum to 1."""
    draws, design, said = drawn(stores, MISSED, labels=3000)

    def kind(one: Prediction) -> tuple[str, float | None, bool]:
        return one.predicted_class, one.confidence, has_red_second(one)

    sizes, probabilities = Counter(map(kind, said.values())), {}
    for one in draws:
        probabilities.setdefault(kind(said[one.prediction_id]), set()).add(one.probability)
    assert probabilities.keys() == sizes.keys(), "with so many draws each kind was drawn"
    assert all(len(found) == 1 for found in probabilities.values())
    assert sum(sizes[one] * next(iter(found)) for one, found in probabilities.items()) == pytest.approx(1.0)
    inside = sum(sizes[one] * next(iter(found)) for one, found in probabilities.items() if one[2])
    assert inside == pytest.approx(design.parts[f"second {RED}"][1])


@pytest.mark.parametrize(
    "suspicion",
    [Suspicion(), replace(MISSED, strength=0.04), Suspicion({f"precision {RED}": 1.0}, strength=1.0)],
    ids=["none", "weak", "of another kind"],
)
def test_an_ordinary_night_is_not_told_apart_by_second_classes(stores: Stores, suspicion: Suspicion) -> None:
    _, design, _ = drawn(stores, suspicion)
    assert not [name for name in design.parts if name.startswith("second ")]


SIZES = np.array([100, 50, 850], dtype=np.int64)
MEMBERS = {
    "class cat": np.array([True, False, False]),
    "second cat": np.array([False, True, False]),
    "slice door": np.array([False, True, True]),
}


def test_a_suspected_recall_leans_to_second_answers_and_a_sixth_to_the_answers() -> None:
    appeal, part = lean({"recall cat": 0.5}, SIZES, MEMBERS)
    assert (appeal * SIZES / 0.5).tolist() == pytest.approx([1 / 6, 5 / 6, 0.0])
    assert float(part) == pytest.approx(1.0)


def test_without_second_answers_nothing_leans_to_a_suspected_recall() -> None:
    """What is missed may be anywhere: the draws stay where they are."""
    known = {name: inside for name, inside in MEMBERS.items() if name != "second cat"}
    appeal, part = lean({"recall cat": 0.6, "precision cat": 0.2}, SIZES, known)
    assert (appeal * SIZES).tolist() == pytest.approx([0.2, 0.0, 0.0])
    assert float(part) == pytest.approx(0.25), "three quarters of the leaning draws do not lean"


def test_many_years_lean_each_by_their_own_evidence() -> None:
    shares = {"recall cat": np.array([0.5, 0.0]), "slice door": np.array([0.1, 0.3])}
    appeal, part = lean(shares, SIZES, MEMBERS)
    for year in range(2):
        alone, own = lean({name: float(one[year]) for name, one in shares.items()}, SIZES, MEMBERS)
        assert appeal[year] == pytest.approx(alone)
        assert part[year] == pytest.approx(own)


def test_no_suspicion_leans_nowhere() -> None:
    appeal, part = lean({}, SIZES, MEMBERS)
    assert (appeal.tolist(), float(part)) == ([0.0, 0.0, 0.0], 0.0)
