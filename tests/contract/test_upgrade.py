"""Workspaces of real earlier releases are brought to this one: values, comments and edits stay, loaders accept it."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeway.checks.policy import load_policy
from leeway.errors import ParamsError
from leeway.jobs.init import FIRST_COMMIT, init_watching
from leeway.jobs.upgrade import BASE, Upgrade, foresee_upgrade, upgrade
from leeway.settings import Settings
from leeway.stages.validation import validate_params
from leeway.stores.opening import older_revision, open_stores
from leeway.stores.schema import SCHEMA_REVISION
from leeway.version import __version__
from old_database import fill

TESTS = Path(__file__).parents[1]
RELEASES = sorted(path.name for path in (TESTS / "earlier_releases").iterdir())
FLOWS = TESTS / "flows" / "release_before"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def as_made_by(release: str, folder: Path) -> Path:
    """A workspace as `leeway init` of that release made it, and committed it."""
    old = TESTS / "earlier_releases" / release
    (folder / "monitoring").mkdir(parents=True)
    shutil.copyfile(old / "params.yaml", folder / "params.yaml")
    shutil.copyfile(old / "dvc.yaml", folder / "dvc.yaml")
    shutil.copyfile(old / "policy.yaml", folder / "monitoring" / "policy.yaml")
    (folder / "monitoring" / "README.md").write_text("# The runbook of that release\n")
    shutil.copytree(FLOWS, folder / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".gitignore").write_text("/.leeway/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", FIRST_COMMIT)
    return folder


@pytest.fixture(params=RELEASES)
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return as_made_by(request.param, tmp_path / "pets")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A workspace of the oldest release."""
    return as_made_by("a6a99d3", tmp_path / "pets")


def settings(folder: Path) -> Settings:
    return Settings(workspace=folder).resolved()


def bring(folder: Path) -> Upgrade:
    foreseen = foresee_upgrade(settings(folder))
    upgrade(settings(folder), foreseen)
    return foreseen


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    path.write_text(text)


def changed(foreseen: Upgrade) -> dict[str, str]:
    return {one.path: one.action for one in foreseen.files}


def leaves(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {f"{prefix}{name}": value}
    return found


def test_the_loaders_accept_an_upgraded_workspace_and_every_value_and_comment_is_kept(workspace: Path) -> None:
    edit(workspace / "params.yaml", ("epochs: 25", "epochs: 31"), ("seed: 7", "seed: 11   # ours"))
    edit(workspace / "monitoring" / "policy.yaml", ("floor: 0.90", "floor: 0.87   # agreed with the clinic"))
    before = {name: (workspace / name).read_text() for name in ("params.yaml", "monitoring/policy.yaml")}
    bring(workspace)
    params = validate_params(yaml.safe_load((workspace / "params.yaml").read_text()))
    policy = load_policy(workspace / "monitoring" / "policy.yaml")
    assert (params.epochs, params.seed, policy.model_dump()["accuracy"]["floor"]) == (31, 11, 0.87)
    for name, text in before.items():
        after = (workspace / name).read_text()
        old, new = leaves(yaml.safe_load(text)), leaves(yaml.safe_load(after))
        moved = {key: value for key, value in old.items() if key not in new}
        assert set(moved) <= {"train.rotation_degrees", "train.shift_share", "train.noise"}
        assert {key: new[key] for key in old if key not in moved} == {key: old[key] for key in old if key not in moved}
        assert {key: new[key.replace("train.", "train.augmentation.")] for key in moved} == moved
        comments = {line.partition("#")[2] for line in text.splitlines() if "#" in line}
        assert comments <= {line.partition("#")[2] for line in after.splitlines()}


def test_a_second_run_has_nothing_to_do(workspace: Path) -> None:
    assert bring(workspace).is_needed
    again = foresee_upgrade(settings(workspace))
    assert (again.is_needed, changed(again), again.unmerged) == (False, {}, ())


def test_to_look_at_the_difference_changes_nothing(workspace: Path) -> None:
    before = digests(workspace)
    foreseen = foresee_upgrade(settings(workspace))
    assert "+++ monitoring/README.md" in next(one.diff for one in foreseen.files if one.path == "monitoring/README.md")
    assert digests(workspace) == before


def test_files_that_nobody_edited_are_replaced_and_new_ones_added(old: Path) -> None:
    did = changed(bring(old))
    assert {name for name, action in did.items() if action == "replaced"} == {
        *("dvc.yaml", ".gitignore", "monitoring/README.md"),
        *("flows/deploy.py", "flows/monitoring.py", "flows/training.py"),
    }
    assert {name for name, action in did.items() if action == "added"} == {
        *("docs/params.md", "flows/demo.py", "must_pass/.gitkeep", "data/feedback/.gitkeep", "models/start/.gitkeep"),
    }
    assert "must_pass" in yaml.safe_load((old / "dvc.yaml").read_text())["stages"]["evaluate"]["deps"]


def test_an_edited_pipeline_is_merged_and_an_edit_that_does_not_fit_is_left_beside(old: Path) -> None:
    edit(old / "dvc.yaml", ("params: [evaluate]", "params: [evaluate]   # and mine"))
    edit(old / "dvc.yaml", ("params: [data.source]", "params: [data.source, cameras]"))
    path = old / "flows" / "training.py"
    path.write_text("\n".join(f"{line}  # mine" for line in path.read_text().splitlines()))
    own = path.read_text()
    (old / "must_pass").mkdir()
    foreseen = bring(old)
    assert changed(foreseen)["flows/training.py.new"] == "beside"
    assert path.read_text() == own
    assert "cameras" in (old / "dvc.yaml").read_text() or "dvc.yaml.new" in changed(foreseen)
    again = foresee_upgrade(settings(old))
    assert not again.is_needed
    assert "flows/training.py" in again.unmerged
    path.with_name("training.py.new").unlink()  # it is merged by hand
    assert "flows/training.py" not in foresee_upgrade(settings(old)).unmerged


def test_an_edit_in_another_place_is_merged(old: Path) -> None:
    edit(old / "dvc.yaml", ("params: [data.source]", "params: [data.source, cameras]"))
    assert changed(bring(old))["dvc.yaml"] == "merged"
    stages = yaml.safe_load((old / "dvc.yaml").read_text())["stages"]
    assert stages["gather"]["params"] == ["data.source", "cameras"]
    assert "must_pass" in stages["evaluate"]["deps"]


def test_lines_of_gitignore_are_kept_and_new_ones_added(old: Path) -> None:
    (old / ".gitignore").write_text("/.leeway/\n/secret\n")
    assert changed(bring(old))[".gitignore"] == "merged"
    lines = (old / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["/.leeway/", "/secret"]
    assert "/data/shards" in lines[2:]


def test_a_file_that_somebody_removed_stays_away(old: Path) -> None:
    (old / "flows" / "training.py").unlink()
    assert "flows/training.py" not in changed(bring(old))
    assert not (old / "flows" / "training.py").exists()


def test_without_git_what_differs_is_left_beside(old: Path) -> None:
    shutil.rmtree(old / ".git")
    did = changed(bring(old))
    assert did["flows/training.py.new"] == "beside"
    assert did["params.yaml"] == "merged"


def test_what_was_edited_after_an_upgrade_is_told_from_what_the_upgrade_wrote(old: Path) -> None:
    bring(old)
    shipped = old / BASE / "flows" / "training.py"
    assert shipped.read_text() == (old / "flows" / "training.py").read_text()
    shipped.write_text("was_shipped_then = 1\n")  # as if a later release had changed it since
    (old / "flows" / "training.py").write_text("was_shipped_then = 1\n")
    assert changed(foresee_upgrade(settings(old))) == {"flows/training.py": "replaced"}


def test_a_typo_is_named_and_nothing_is_changed(workspace: Path) -> None:
    edit(workspace / "params.yaml", ("  epochs: 25", "  epocs: 25"))
    before = digests(workspace)
    with pytest.raises(ParamsError, match=r"train\.epocs: unknown key\. Did you mean epochs\?"):
        foresee_upgrade(settings(workspace))
    assert digests(workspace) == before


def test_a_check_that_is_new_gets_what_the_others_leave_of_the_budget(old: Path) -> None:
    edit(old / "monitoring" / "policy.yaml", ("budget_share: 0.5", "budget_share: 0.4"))
    bring(old)
    checks = load_policy(old / "monitoring" / "policy.yaml").checks
    assert {name: one.budget_share for name, one in checks.items() if one.budget_share} == {
        "prediction_drift": 0.5,
        "accuracy": 0.4,
        "class_accuracy": 0.1,
    }


def test_a_policy_whose_checks_are_not_all_listed_names_the_command_where_they_exceed_the_budget() -> None:
    with pytest.raises(ParamsError, match="class_accuracy not in the file; `leeway upgrade` writes"):
        load_policy(TESTS / "earlier_releases" / "a6a99d3" / "policy.yaml")


def told_by(load: Callable[[], object]) -> str:
    try:
        load()
    except ParamsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("release", RELEASES)
def test_files_of_an_earlier_release_work_as_they_are_or_name_the_command(release: str) -> None:
    folder = TESTS / "earlier_releases" / release
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for told in (told_by(lambda: load_policy(folder / "policy.yaml")), told_by(lambda: validate_params(params))):
        assert not told or "`leeway upgrade` writes" in told
        assert "\n" not in told


def test_the_first_stage_names_every_key_that_is_missing_or_has_moved_in_one_line(old: Path) -> None:
    told = told_by(lambda: validate_params(yaml.safe_load((old / "params.yaml").read_text())))
    assert "train.noise: is train.augmentation.noise now; " in told
    changes = next(one.changes for one in foresee_upgrade(settings(old)).files if one.path == "params.yaml")
    missing = {name for name in changes[0].partition(": ")[2].split(", ") if name.startswith("train.")}
    assert len(missing) > 20
    assert set(told.partition(": are missing")[0].split("; ")[-1].split(", ")) == missing


def test_policies_of_watched_models_are_upgraded_too(old: Path) -> None:
    own = old / "monitoring" / "watched" / "birds.yaml"
    own.parent.mkdir()
    shutil.copyfile(TESTS / "earlier_releases" / "686141e" / "policy.yaml", own)
    assert changed(bring(old))["monitoring/watched/birds.yaml"] == "merged"
    assert yaml.safe_load(own.read_text())["labels"]["answer_days"] == 10


def test_a_folder_that_only_watches_gets_policy_and_runbook_alone(tmp_path: Path) -> None:
    init_watching(tmp_path)
    assert not foresee_upgrade(settings(tmp_path)).is_needed
    shutil.copyfile(TESTS / "earlier_releases" / "686141e" / "policy.yaml", tmp_path / "monitoring" / "policy.yaml")
    assert changed(bring(tmp_path)) == {"monitoring/policy.yaml": "merged"}


def test_a_clone_of_leeway_has_its_files_from_git(old: Path) -> None:
    (old / "src" / "leeway").mkdir(parents=True)
    assert not foresee_upgrade(settings(old)).is_needed


def test_line_ends_of_windows_stay(old: Path) -> None:
    path = old / "params.yaml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    bring(old)
    content = path.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") > 50


def test_the_ledger_is_brought_from_its_revision_to_this_one(old: Path) -> None:
    url = settings(old).database_url
    (old / ".leeway").mkdir()
    fill(url)
    before = digests(old)
    assert foresee_upgrade(settings(old)).ledger == ("0002", SCHEMA_REVISION)
    assert digests(old) == before
    bring(old)
    assert older_revision(url) is None
    assert foresee_upgrade(settings(old)).ledger is None
    open_stores(url, reading=True).close()


@pytest.mark.parametrize(
    ("release", "recorded", "wanted"),
    [
        ("686141e", None, None),
        ("686141e", "0.0.9", "which says 0.0.9"),
        ("a6a99d3", __version__, "the section train of params.yaml changes"),
    ],
)
def test_says_why_the_next_repro_trains_again(
    release: str, recorded: str | None, wanted: str | None, tmp_path: Path
) -> None:
    folder = as_made_by(release, tmp_path / "pets")
    if recorded:
        (folder / ".leeway-version").write_text(f"{recorded}\n")
    told = bring(folder).trains_again
    assert (told is None) if wanted is None else wanted in str(told)
    assert (foresee_upgrade(settings(folder)).trains_again is None) == (recorded in (None, __version__))
