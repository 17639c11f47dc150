"""`leeway init`: a workspace that is complete, or nothing."""

from pathlib import Path

import pytest
import yaml

from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import open_repository
from leeway.checks.policy import load_policy
from leeway.data.items import IMAGE_EXTENSIONS
from leeway.errors import WorkspaceError
from leeway.jobs.init import VERSION_FILE, init_workspace


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("here") / "pets"
    init_workspace(folder)
    return folder


def test_holds_params_pipeline_policy_and_flows(made: Path) -> None:
    assert {"params.yaml", "dvc.yaml", "monitoring", "flows", "data", "models"} <= {one.name for one in made.iterdir()}
    assert load_policy(made / "monitoring" / "policy.yaml").promotion.mode == "review"
    assert (made / "flows" / "monitoring.py").exists()


def test_is_a_clean_git_and_dvc_repository_of_its_own(made: Path) -> None:
    open_repository(made)
    assert run_git(["status", "--porcelain"], made) == ""
    assert run_git(["rev-parse", "--show-toplevel"], made) == str(made.resolve())


def test_its_stages_depend_on_the_installed_version_and_on_no_code(made: Path) -> None:
    stages = yaml.safe_load((made / "dvc.yaml").read_text())["stages"]
    assert f"--record-version {VERSION_FILE}" in stages["gather"]["cmd"]
    for name in ("prepare", "train", "evaluate"):
        assert VERSION_FILE in stages[name]["deps"]
    assert not [dep for stage in stages.values() for dep in stage.get("deps", []) if dep.startswith("src")]


def test_git_ignores_data_models_and_state_and_keeps_what_says_which(made: Path) -> None:
    ignored = ("data/shards", "data/dataset", "models/bundle", "models/start/champion/bundle.json", ".leeway/leeway.db",
               "reports/pictures/a.png", "data/feedback/.batch.parquet.partial", "data/feedback/batch.parquet",
               "models/.bundle.partial", "models/start/.champion.replaced",
               *(f"photos/1{written}" for ending in IMAGE_EXTENSIONS for written in (ending, ending.upper()))
               )  # fmt: skip
    kept = ("dvc.lock", "data/feedback/batch.parquet.dvc", "reports/metrics.json", VERSION_FILE, "params.yaml",
            "models/start/champion.dvc", "models/start/class_weights.json", "must_pass/dogs/1.JPG")  # fmt: skip
    told = run_git(["check-ignore", "--no-index", *ignored], made).split("\n")
    assert set(told) == set(ignored)
    for name in kept:
        with pytest.raises(WorkspaceError):  # git check-ignore fails where nothing is ignored
            run_git(["check-ignore", "--no-index", name], made)


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WorkspaceError, match="not an empty folder"):
        init_workspace(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    with pytest.raises(WorkspaceError, match="git is not installed"):
        init_workspace(tmp_path / "pets")
    assert list(tmp_path.iterdir()) == []
