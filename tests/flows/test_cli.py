"""The command `leeway` as people type it: what it prints, and one clear line with exit code 2 where it cannot."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leeway.adapters.dvc.git import run_git
from leeway.jobs.init import init_workspace
from leeway.stores.opening import open_stores
from processes import BIN, environment
from production import begun, morning, send
from tiny_bundle import square

Leeway = Callable[..., tuple[int, str, str]]


def refused(answer: tuple[int, str, str]) -> str:
    """The one line that a refusal says."""
    code, _, err = answer
    lines = [line for line in err.splitlines() if line.startswith("leeway: ")]
    assert code == 2, answer
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_help_is_quick() -> None:
    began = time.monotonic()
    done = subprocess.run([BIN / "leeway", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert {"init", "status", "monitor", "retrain", "release", "promote", "rollback", "predict"} <= set(
        done.stdout.split()
    )
    assert time.monotonic() - began < 5  # 0.1 s on an idle machine; this one only finds a heavy import


def test_init_makes_a_workspace_and_says_what_comes_next(tmp_path: Path, leeway: Leeway) -> None:
    code, out, _ = leeway(tmp_path, "init", "pets")
    assert code == 0
    assert "dvc repro" in out
    assert (tmp_path / "pets" / "params.yaml").exists()


def test_predictions_are_recorded_once_and_what_is_no_image_is_named(
    workspace: Path, leeway: Leeway, caplog: pytest.LogCaptureFixture
) -> None:
    photos = workspace.parent / "photos"
    photos.mkdir()
    for name in ("red", "green"):
        (photos / f"{name}.png").write_bytes(square(name))
    (photos / "notes.txt").write_text("no image")
    code, out, _ = leeway(workspace, "predict", str(photos))
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["green", "red"]
    assert "notes.txt" in caplog.text
    assert leeway(workspace, "predict", str(photos))[1] == out
    stores = open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")
    assert len(stores.log.by_ids("colours", [line.split()[0] for line in out.splitlines()])) == 2
    stores.close()


def test_status_shows_champion_results_decisions_and_queue_on_one_screen(workspace: Path, leeway: Leeway) -> None:
    stores = open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")
    begun(stores)
    for number in (1, 2, 3, 4):
        send(stores, number, mix=(0.7, 0.15, 0.15) if number == 4 else (1 / 3, 1 / 3, 1 / 3))
    stores.close()
    assert leeway(workspace, "monitor", "--as-of", f"{morning(4):%Y-%m-%dT%H:%M:%S}")[0] == 0
    code, out, _ = leeway(workspace, "status")
    assert code == 0
    assert out.startswith("! colours version 1: ")
    assert "version 1, serving since 2026-03-01" in out
    assert "fired      prediction_drift" in out
    assert "more labels" in out
    assert "images cannot be shown (`leeway labels export DIR` says why)" in out
    assert len(out.splitlines()) < 30


def test_outside_a_workspace(tmp_path: Path, leeway: Leeway) -> None:
    assert "is no workspace" in refused(leeway(tmp_path, "status"))


@pytest.mark.parametrize("command", [["monitor"], ["retrain"], ["rollback"], ["predict", "params.yaml"]])
def test_without_a_champion(command: list[str], workspace: Path, leeway: Leeway) -> None:
    told = refused(leeway(workspace, *command, LEEWAY_MODEL="unknown"))
    assert "'unknown' has no champion yet" in told
    assert "leeway release" in told


def test_status_without_a_champion_says_what_comes_next(workspace: Path, leeway: Leeway) -> None:
    code, out, _ = leeway(workspace, "status", LEEWAY_MODEL="unknown")
    assert code == 0
    assert "none yet" in out


def test_an_unknown_version_to_promote(workspace: Path, leeway: Leeway) -> None:
    assert "has no version 7; its versions: 1" in refused(leeway(workspace, "promote", "7"))


def test_a_release_without_a_bundle(workspace: Path, leeway: Leeway) -> None:
    for path in (workspace / "models" / "bundle").rglob("*"):
        path.unlink() if path.is_file() else None
    assert "bundle.json" in refused(leeway(workspace, "release"))


def test_a_bundle_without_the_dataset_that_could_judge_it(workspace: Path, leeway: Leeway) -> None:
    assert "dvc repro" in refused(leeway(workspace, "promote", "1"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("per_night: 20", "per_nigt: 20", "policy.yaml: labels.per_nigt: unknown key. Did you mean per_night?"),
        ("cooldown_days: 7", "cooldown_days: soon", "policy.yaml: retrain.cooldown_days:"),
        ("time_zone: UTC", "time_zone: Atlantis", "no time zone is called 'Atlantis'"),
    ],
)
def test_mistakes_in_the_policy(old: str, new: str, said: str, workspace: Path, leeway: Leeway) -> None:
    path = workspace / "monitoring" / "policy.yaml"
    edit(path, old if old in path.read_text() else "per_night: 10", new)
    for command in ("monitor", "status"):
        assert said in refused(leeway(workspace, command))


def test_status_names_a_mistake_in_the_policy_before_anything_is_released(tmp_path: Path, leeway: Leeway) -> None:
    init_workspace(tmp_path / "new")
    edit(tmp_path / "new" / "monitoring" / "policy.yaml", "answer_days: 10", "answer_days: 0")
    assert "labels.answer_days" in refused(leeway(tmp_path / "new", "status"))


def test_a_mistake_in_the_policy_stops_a_release_before_a_commit_is_tried(
    workspace: Path, leeway: Leeway, caplog: pytest.LogCaptureFixture
) -> None:
    edit(workspace / "monitoring" / "policy.yaml", "time_zone: UTC", "time_zone: Atlantis")
    assert "Atlantis" in refused(leeway(workspace, "release"))
    assert "commit" not in caplog.text


def test_a_folder_that_only_watches_says_that_it_trains_nothing(workspace: Path, leeway: Leeway) -> None:
    (workspace / "params.yaml").unlink()
    for command in (["predict", "monitoring/policy.yaml"], ["rollback"], ["retrain"]):
        assert "made elsewhere" in refused(leeway(workspace, *command, LEEWAY_MODEL="unknown"))


def test_outside_a_workspace_upgrade_answers_programs_with_json(tmp_path: Path, leeway: Leeway) -> None:
    code, out, _ = leeway(tmp_path, "upgrade", "--json")
    assert code == json.loads(out)["exit_code"] == 2


def test_a_workspace_without_git_or_dvc(workspace: Path, leeway: Leeway) -> None:
    (workspace / ".dvc").rename(workspace / "away")
    told = refused(leeway(workspace, "retrain"))
    assert "not the root of a dvc repository" in told
    stores = open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")
    assert [one.state.value for one in stores.ledger.decisions("colours")] == ["failed"]  # and not running for ever
    stores.close()


def test_an_unreachable_database(workspace: Path, leeway: Leeway) -> None:
    told = refused(leeway(workspace, "monitor", LEEWAY_DATABASE_URL="postgresql://me:secret@127.0.0.1:9/leeway"))
    assert "LEEWAY_DATABASE_URL" in told
    assert "secret" not in told


def test_paths_that_do_not_exist_or_hold_no_image(workspace: Path, leeway: Leeway) -> None:
    assert "no such file or folder: nowhere" in refused(leeway(workspace, "predict", "nowhere"))
    code, _, err = leeway(workspace, "predict", "params.yaml")
    assert code == 1
    assert "usable image" in err


def test_under_dvc_the_stages_own_line_comes_before_dvcs(workspace: Path) -> None:
    edit(workspace / "params.yaml", "{kind: digits}", "{kind: folder, path: photos}")
    done = subprocess.run(
        [BIN / "dvc", "repro"],
        cwd=workspace,
        env=environment(workspace, PATH=f"{BIN}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
    )
    lines = (done.stdout + done.stderr).splitlines()
    own = next(place for place, line in enumerate(lines) if line.startswith("gather: folder 'photos' does not exist"))
    assert done.returncode != 0
    assert any("ERROR: failed to reproduce" in line for line in lines[own:])
    assert run_git(["status", "--porcelain", "data"], workspace) == ""
