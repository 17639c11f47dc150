"""What params.yaml says of the classes of the model that a workspace trains."""

import logging
from pathlib import Path

import pytest

from leeway.data.classes import ClassParams
from leeway.monitor.fleet import Fleet
from leeway.settings import Settings
from memory_stores import MemoryStores
from production import VERSION, folder_of_images, morning

PARAMS = "data:\n  source: {kind: digits}\n  classes:\n    rename: {crimson: red}\n    add: [wasp]\n"


def fleet(folder: Path, model: str = "colours") -> Fleet:
    stores = MemoryStores()
    settings = Settings(workspace=folder, model=model)
    settings.policy_path.parent.mkdir(exist_ok=True)
    settings.policy_path.write_text("{}")
    return Fleet(settings, stores.log, stores.ledger, folder_of_images(folder))


def rule_of(folder: Path, model: str = "colours") -> ClassParams:
    return fleet(folder, model).epoch(VERSION, morning(1)).class_rule


def test_the_own_model_follows_params_yaml(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    assert rule_of(tmp_path) == ClassParams(rename={"crimson": "red"}, add=("wasp",))


def test_another_model_and_a_workspace_that_trains_none_have_no_rule(tmp_path: Path) -> None:
    assert rule_of(tmp_path) == ClassParams()
    (tmp_path / "params.yaml").write_text(PARAMS)
    assert rule_of(tmp_path, model="other") == ClassParams()


@pytest.mark.parametrize("text", ["{}", "data: {}", "data:\n  classes:\n", "train: {epochs: 1}"])
def test_params_without_classes_rename_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    assert rule_of(tmp_path) == ClassParams()


def test_a_mistake_in_them_is_logged_and_stops_no_night(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "params.yaml").write_text("data: {classes: {renames: {a: b}}}")
    with caplog.at_level(logging.WARNING, logger="leeway.fleet"):  # a `leeway doctor` in this process has raised it
        assert rule_of(tmp_path) == ClassParams()
    assert "params.yaml: data.classes.renames: unknown key" in caplog.text
