"""The first week of a workspace, by its commands: what made each model is committed, and nothing else is left to do."""

import subprocess
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from leeway.adapters.dvc.commits import changed_since_repro
from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import run_dvc
from leeway.jobs.init import init_workspace
from made_workspace import registry
from processes import BIN, environment
from tiny_bundle import COLOURS, square

CHOSEN = {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "frozen": {"epochs": 0, "learning_rate": 0.01}}


def typed(folder: Path, *command: str, code: int = 0) -> str:
    """What a command says, on both streams."""
    env = environment(folder, PATH=f"{BIN}:/usr/bin:/bin")
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def status(folder: Path) -> list[str]:
    """Names of what is changed or new, and not ignored."""
    return [
        line.split()[1] for line in run_git(["status", "--porcelain", "--untracked-files=all"], folder).splitlines()
    ]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """As a newcomer has it: made by `leeway init`, the photos beside params.yaml, which says so."""
    folder = tmp_path / "pets"
    init_workspace(folder)
    for number, name in enumerate(COLOURS):
        (folder / "photos" / name).mkdir(parents=True)
        for place in range(40):
            (folder / "photos" / name / f"{place}.png").write_bytes(square(name, shade=100 * number + place))
    path, round_trip = folder / "params.yaml", YAML()
    params = round_trip.load(path)
    params["data"]["source"] = {"kind": "folder", "path": "photos"}
    params["data"]["near_duplicates"]["max_distance"] = None
    params["train"].update(CHOSEN)
    params["train"]["augmentation"]["profile"] = "none"
    params["train"]["retraining"]["epochs"] = 1
    params["evaluate"].update({"bootstrap_draws": 100, "robustness_images": 10})
    round_trip.dump(params, path)
    policy = yaml.safe_load((folder / "monitoring" / "policy.yaml").read_text())
    policy["promotion"]["mode"] = "auto"
    (folder / "monitoring" / "policy.yaml").write_text(yaml.safe_dump(policy))
    return folder


@pytest.mark.timeout(900)
def test_each_model_can_be_made_again_from_its_commit_and_git_has_nothing_left(pets: Path, tmp_path: Path) -> None:
    assert status(pets) == ["monitoring/policy.yaml", "params.yaml"]  # the photos are DVC's business
    said = typed(pets, "dvc", "repro")
    [advice] = [line for line in said.splitlines() if "git commit" in line]
    assert {"params.yaml", "monitoring/policy.yaml", "dvc.lock", ".leeway-version"} <= set(advice.split())
    said = typed(pets, "leeway", "release")
    commit = run_git(["rev-parse", "HEAD"], pets)
    assert f"what made this model is git commit {commit[:12]}" in said
    assert registry(pets).tags("colours", 1)["git_commit"] == commit
    assert status(pets) == []
    typed(pets, "leeway", "promote", "1")
    typed(pets, "leeway", "retrain", code=1)  # refused: 15 test images show little
    again = run_git(["rev-parse", "HEAD"], pets)
    assert again != commit
    assert registry(pets).tags("colours", 2)["git_commit"] == again
    assert status(pets) == []
    _can_be_made_again(pets, tmp_path / "elsewhere", again)


def _can_be_made_again(folder: Path, elsewhere: Path, commit: str) -> None:
    """On another machine, with the same DVC cache."""
    run_git(["clone", "--quiet", str(folder), str(elsewhere)], folder)
    run_dvc(["cache", "dir", "--local", str(folder / ".dvc" / "cache")], elsewhere)
    run_git(["checkout", "--quiet", commit], elsewhere)
    run_dvc(["checkout", "--quiet"], elsewhere)
    assert changed_since_repro(elsewhere) == []
    assert (elsewhere / "params.yaml").read_bytes() == (folder / "params.yaml").read_bytes()
    assert (elsewhere / "models" / "start" / "champion" / "bundle.json").exists()
