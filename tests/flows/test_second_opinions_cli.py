"""Two people who label from files, as they type it: the second one is asked about what contradicts the model."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from prediction_logs import Row, answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]
OTHER = {"cat": "dog", "dog": "ship", "ship": "cat"}


def told(leeway: Leeway, folder: Path, line: str) -> str:
    code, out, error = leeway(folder, *line.split())
    assert code == 0, error
    return out


@pytest.fixture
def pets(leeway: Leeway, tmp_path: Path) -> Path:
    """A folder that watches `pets` with second opinions; its first night is planned."""
    reference(tmp_path / "reference.csv")
    write_log(tmp_path / "log.csv", answers(300))
    told(leeway, tmp_path, "watch init pets --reference reference.csv --floor 0.85")
    policy = tmp_path / "monitoring" / "watched" / "pets.yaml"
    policy.write_text(policy.read_text(encoding="utf-8") + SECONDS, encoding="utf-8")
    told(leeway, tmp_path, "ingest log.csv --model pets")
    told(leeway, tmp_path, "monitor --as-of 2026-03-02T02:00:00")
    return tmp_path


SECONDS = "labels:\n  second_opinion: errors\n"


def tasks(leeway: Leeway, folder: Path, name: str) -> list[Row]:
    told(leeway, folder, f"labels export tasks-{name} --labeler {name}")
    with (folder / f"tasks-{name}" / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def hand_in(leeway: Leeway, folder: Path, name: str, rows: list[Row]) -> list[str]:
    write_log(folder / f"{name}.csv", rows, columns=list(rows[0]))
    return told(leeway, folder, f"labels import {name}.csv").splitlines()


def test_two_people_label_a_night(leeway: Leeway, pets: Path) -> None:
    said = {row["prediction_id"]: row["predicted_class"] for row in answers(300)}
    first = tasks(leeway, pets, "ann")
    for at, row in enumerate(first):
        model = said[row["prediction_id"]]
        row["label"] = OTHER[model] if at < 3 else model
    printed = hand_in(leeway, pets, "ann", first)
    assert any("wait for a second person: open until 2026-03-12" in line for line in printed)
    assert printed[-1].endswith("wait for a second person: `leeway labels export DIR --model pets --labeler NAME`.")
    code, _, error = leeway(pets, "labels", "export", "more", "--labeler", "ANN")
    assert (code, "3 labels wait for a second person" in error) == (1, True)
    assert leeway(pets, "labels", "export", "more")[0] == 1
    second = tasks(leeway, pets, "bob")
    assert {row["prediction_id"] for row in second} == {row["prediction_id"] for row in first[:3]}
    for at, row in enumerate(second):
        model = said[row["prediction_id"]]
        row["label"] = model if at == 0 else OTHER[model]
    printed = hand_in(leeway, pets, "bob", second)
    assert any(line.endswith("answered: counted with the next night that `leeway monitor` decides") for line in printed)
    conflicts = told(leeway, pets, "labels conflicts").splitlines()
    assert len(conflicts) == 2
    assert second[0]["prediction_id"] in conflicts[1]
    write_log(pets / "log.csv", answers(300, first=1))
    told(leeway, pets, "ingest log.csv --model pets")
    told(leeway, pets, "monitor --as-of 2026-03-03T02:00:00")
    assert "counted as it was then" in hand_in(leeway, pets, "bob", second)[2]
