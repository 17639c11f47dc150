"""A census of images in groups: its labels say as little as its groups are few, in all, in each class and slice."""

from pathlib import Path

import numpy as np
import pytest
from test_truth import NOW, looked, night_of, pets, take

from leeway.domain.records import CheckResult, LabelPlan
from leeway.predictions.ingest import ingest
from leeway.stores.opening import Stores
from prediction_logs import COLUMNS, Row, answers, write_log

__all__ = ["pets"]
GROUPED = (*COLUMNS, "group")
ROWS, SIZE = 400, 50


def in_groups(rows: list[Row]) -> list[Row]:
    """Rows in their order, fifty of a group."""
    return [{**row, "group": f"thing {at // SIZE}"} for at, row in enumerate(rows)]


def given_plans(stores: Stores) -> list[LabelPlan]:
    return [one for one in stores.ledger.plans("pets", 1) if one.given]


def take_drawn(stores: Stores, path: Path) -> None:
    ingest(stores.log, stores.ledger, "pets", path, columns={"draw_probability": "chance"}, now=NOW)


def told(stores: Stores, path: Path) -> CheckResult:
    take(stores, path)
    return looked(stores)


def test_a_census_in_groups_of_fifty_is_as_much_evidence_as_its_groups(pets: Stores, tmp_path: Path) -> None:
    found = told(pets, write_log(tmp_path / "log.csv", in_groups(night_of(unknown=8)), columns=GROUPED))
    [plan] = given_plans(pets)
    design = pets.ledger.design(plan.id)
    assert design.parts["all"][4:] == (SIZE, 0.0, 1.0)
    by_slice = [design.parts[f"slice camera-{at}"][4] for at in range(2)]
    assert by_slice == [SIZE / 2, SIZE / 2]
    by_class = [design.parts[f"class {name}"][4] for name in ("cat", "dog", "ship")]
    assert all(SIZE / 6 < one < SIZE / 2 for one in by_class)
    bets = np.array(found.state["log_wealth"])
    assert found.n == ROWS
    assert np.abs(bets).max() < 1


def test_a_census_without_groups_has_the_evidence_of_its_rows(pets: Stores, tmp_path: Path) -> None:
    """The labels of the test above, each of a thing of its own."""
    found = told(pets, write_log(tmp_path / "log.csv", night_of(unknown=8)))
    [plan] = given_plans(pets)
    design = pets.ledger.design(plan.id)
    assert {len(part) for part in design.parts.values()} == {4}
    assert np.abs(np.array(found.state["log_wealth"])).max() > 1


@pytest.mark.parametrize("shared", [True, False], ids=["of the same things", "of other things"])
def test_labels_that_come_late_say_nothing_new_of_the_same_things(pets: Stores, tmp_path: Path, shared: bool) -> None:
    """A third of the night is labelled in time, drawn with a chance of a third; the rest comes a night later."""
    rows = night_of(unknown=4)
    things = [f"thing {at // SIZE if shared else (at % 3 == 0, at // SIZE)}" for at in range(len(rows))]
    rows = [{**row, "group": thing} for row, thing in zip(rows, things, strict=True)]
    early = [
        {**row, "label": row["label"] if at % 3 == 0 else "", "chance": "0.3333" if at % 3 == 0 else ""}
        for at, row in enumerate(rows)
    ]
    columns = (*GROUPED, "chance")
    take_drawn(pets, write_log(tmp_path / "a.csv", early, columns=columns))
    before = looked(pets)
    rest = [{**row, "chance": "1"} for at, row in enumerate(rows) if at % 3]
    take_drawn(pets, write_log(tmp_path / "b.csv", rest, columns=columns))
    take(pets, write_log(tmp_path / "next.csv", answers(100, first=1)))
    after = looked(pets, 1)
    _, late = given_plans(pets)
    own, across, clustering_before = pets.ledger.design(late.id).parts["all"][4:]
    assert own == pytest.approx(SIZE * 2 / 3, rel=0.02)
    assert clustering_before == pytest.approx(SIZE / 3, rel=0.02)
    assert (across > clustering_before / 2) is shared
    moved = np.array(after.state["log_wealth"]) - np.array(before.state["log_wealth"])
    assert (np.abs(moved) < 1e-12).all() == shared
