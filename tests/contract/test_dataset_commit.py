"""The commit of a dataset version: from it alone the model can be made again, and it holds nobody else's work."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from leeway.adapters.dvc.commits import BY_LEEWAY, advice, changed_since_repro
from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import DvcRepository, run_dvc
from leeway.domain.commit import Commit
from leeway.errors import WorkspaceError
from leeway.jobs.init import init_workspace

PIPELINE = """\
stages:
  train:
    cmd: python -c "import pathlib, yaml; pathlib.Path('models/bundle').write_text(open('params.yaml').read())"
    params: [train]
    deps: [data/feedback, models/start, must_pass]
    outs: [models/bundle]
  evaluate:
    cmd: python -c "import pathlib; pathlib.Path('reports/metrics.json').write_text('1')"
    deps: [models/bundle]
    metrics: [reports/metrics.json: {cache: false}]
"""


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Params that were edited and not committed, a shard, a champion and a must-pass image; all of it reproduced."""
    folder = tmp_path_factory.mktemp("made") / "pets"
    init_workspace(folder)
    for name in ("models/start/champion", "reports", "src"):
        (folder / name).mkdir()
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "params.yaml").write_text("train: {seed: 7}\n")
    (folder / "src" / "code.py").write_text("1\n")
    (folder / "notes.txt").write_text("notes\n")
    run_git(["add", "--all"], folder)
    run_git(["commit", "--quiet", "-m", "as it began"], folder)
    (folder / "params.yaml").write_text("train: {seed: 8}\n")
    (folder / "monitoring" / "policy.yaml").write_text("time_zone: Europe/Zurich\n")
    (folder / "must_pass" / "dog.png").write_bytes(b"a dog")
    (folder / "data" / "feedback" / "batch.parquet").write_bytes(b"labels")
    (folder / "models" / "start" / "champion" / "graph.onnx").write_bytes(b"graph")
    repository = DvcRepository(folder)
    repository.add(folder / "data" / "feedback" / "batch.parquet")
    repository.add(folder / "models" / "start" / "champion")
    repository.reproduce()
    return folder


@pytest.fixture
def folder(reproduced: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reproduced, tmp_path / "pets", symlinks=True))


def commit(folder: Path, *, only_if_clean: bool = False) -> Commit:
    return DvcRepository(folder).commit("Dataset abc: a test\n", only_if_clean=only_if_clean)


def names(folder: Path) -> set[str]:
    """Files of the last commit."""
    return set(run_git(["show", "--name-only", "--format=", "HEAD"], folder).split("\n"))


def head(folder: Path) -> str:
    return run_git(["rev-parse", "HEAD"], folder)


def test_it_holds_the_params_and_the_policy_as_they_were_used(folder: Path) -> None:
    made = commit(folder)
    assert (made.hash, made.is_new, made.is_whole, made.remarks) == (head(folder), True, True, ())
    assert yaml.safe_load(run_git(["show", f"{made.hash}:params.yaml"], folder)) == {"train": {"seed": 8}}
    lock = yaml.safe_load(run_git(["show", f"{made.hash}:dvc.lock"], folder))
    assert lock["stages"]["train"]["params"]["params.yaml"] == {"train": {"seed": 8}}
    assert names(folder) == {
        *("params.yaml", "monitoring/policy.yaml", "dvc.lock", "reports/metrics.json", "must_pass/dog.png"),
        *("data/feedback/batch.parquet.dvc", "models/start/champion.dvc"),
    }
    assert commit(folder) == Commit(made.hash)  # a second time there is nothing


def test_it_holds_nobody_elses_work(folder: Path) -> None:
    (folder / "notes.txt").write_text("half a sentence")
    (folder / "draft.txt").write_text("a draft")
    (folder / "data" / "feedback" / "new.parquet").write_bytes(b"customers' photos, not under DVC yet")
    run_git(["add", "draft.txt"], folder)
    run_git(["rm", "--quiet", "--cached", "src/code.py"], folder)
    repository = DvcRepository(folder)
    repository.reproduce()
    repository.commit("Dataset abc")
    assert names(folder).isdisjoint({"notes.txt", "draft.txt", "src/code.py", "data/feedback/new.parquet"})
    assert "draft.txt" in run_git(["diff", "--cached", "--name-only"], folder)
    assert (folder / "notes.txt").read_text() == "half a sentence"


def test_from_the_commit_alone_nothing_is_left_to_do(folder: Path, tmp_path: Path) -> None:
    made, elsewhere = commit(folder), tmp_path / "elsewhere"
    run_git(["clone", "--quiet", str(folder), str(elsewhere)], tmp_path)
    run_git(["checkout", "--quiet", made.hash], elsewhere)
    run_dvc(["cache", "dir", "--local", str(folder / ".dvc" / "cache")], elsewhere)
    run_dvc(["checkout", "--quiet"], elsewhere)
    assert changed_since_repro(elsewhere) == []
    assert (elsewhere / "params.yaml").read_text() == (folder / "params.yaml").read_text()
    run_dvc(["repro"], elsewhere)
    assert run_git(["status", "--porcelain"], elsewhere) == ""
    assert (elsewhere / "models" / "start" / "champion" / "graph.onnx").read_bytes() == b"graph"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("params.yaml", "train: {seed: 9}\n", "params.yaml (train)"),
        ("must_pass/cat.png", "a cat", "must_pass"),
        ("dvc.yaml", PIPELINE.replace("pathlib, yaml;", "yaml, pathlib;"), "the command of train in dvc.yaml"),
    ],
)
def test_what_was_changed_since_the_model_was_made_is_not_committed_as_if_it_had_made_it(
    name: str, text: str, said: str, folder: Path
) -> None:
    before = head(folder)
    (folder / name).write_text(text)
    made = commit(folder)
    assert (made.hash, made.is_new, made.is_whole, head(folder)) == (before, False, False, before)
    assert said in made.text
    [remark] = made.remarks
    assert said in remark
    assert "run it again" in remark


def test_a_person_who_has_other_work_lying_about_is_asked_to_commit_it_first(folder: Path) -> None:
    before = head(folder)
    (folder / "notes.txt").write_text("half a sentence")
    made = commit(folder, only_if_clean=True)
    assert (made.hash, made.is_new, made.is_whole, head(folder)) == (before, False, False, before)
    [remark] = made.remarks
    assert "commit notes.txt first" in remark
    assert "params.yaml" in made.lacks
    typed = remark.partition("; then: ")[2]
    run_git(["commit", "--quiet", "-m", "Notes", "--", "notes.txt"], folder)
    assert (
        os.system(f"cd {folder} && {typed.replace('git commit', 'git -c user.name=a -c user.email=a@b commit -q')}")
        == 0
    )
    assert commit(folder, only_if_clean=True) == Commit(head(folder))


def test_new_files_that_git_does_not_know_keep_nobody_from_committing(folder: Path) -> None:
    (folder / "ideas.txt").write_text("an idea")
    assert commit(folder, only_if_clean=True).is_whole
    assert "?? ideas.txt" in run_git(["status", "--porcelain"], folder)


def test_code_that_was_in_use_and_is_not_committed_is_named(folder: Path) -> None:
    (folder / "src" / "code.py").write_text("2\n")
    (folder / "src" / "new.py").write_text("3\n")
    assert commit(folder, only_if_clean=True).is_new is False
    made = commit(folder)
    assert made.lacks == "src/code.py, src/new.py"
    assert made.text == f"{head(folder)}, lacks src/code.py, src/new.py"
    assert made.remarks[0].startswith(f"commit {made.hash[:12]} lacks src/code.py, src/new.py")
    assert "src/code.py, src/new.py" in run_git(["log", "-1", "--format=%b"], folder)


def test_a_detached_head_is_named_with_the_command_that_keeps_the_commit(folder: Path) -> None:
    run_git(["checkout", "--quiet", "--detach"], folder)
    made = commit(folder)
    assert made.is_whole
    assert made.remarks == (
        f"HEAD is detached, so that no branch keeps commit {made.hash[:12]}: git branch NAME {made.hash[:12]}",
    )


def test_another_git_command_at_work_is_one_line_and_no_error(folder: Path) -> None:
    (folder / ".git" / "index.lock").touch()
    made = commit(folder)
    assert not made.is_whole
    [remark] = made.remarks
    assert "index.lock is there" in remark
    assert "\n" not in remark


def test_without_an_identity_it_is_committed_and_the_commands_that_set_one_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    made = commit(folder)
    assert made.is_whole
    [remark] = made.remarks
    assert "git config --global user.name" in remark
    assert "git config --global user.email" in remark
    assert run_git(["log", "-1", "--format=%an"], folder) == "leeway"


def test_a_hook_that_refuses_is_one_line_and_no_error(folder: Path) -> None:
    hook = folder / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho 'no commits on Fridays' >&2\nexit 1\n")
    hook.chmod(0o755)
    [remark] = commit(folder).remarks
    assert remark == f"not committed: {folder}: git commit failed: no commits on Fridays"


def test_what_to_type_is_said_until_all_is_committed_and_not_where_leeway_commits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = advice(folder, "Dataset abc")
    assert typed is not None
    assert "git add " in typed
    assert {"params.yaml", "dvc.lock", "reports/metrics.json", "models/start/champion.dvc"} <= set(typed.split())
    monkeypatch.setenv(BY_LEEWAY, "yes")
    assert advice(folder, "Dataset abc") is None
    monkeypatch.delenv(BY_LEEWAY)
    commit(folder)
    assert advice(folder, "Dataset abc") is None
    shutil.rmtree(folder / ".git")
    assert advice(folder, "Dataset abc") is None


def test_a_folder_without_a_pipeline_is_an_error_of_ours(tmp_path: Path) -> None:
    run_git(["init", "--quiet"], tmp_path)
    with pytest.raises(WorkspaceError, match="dvc status failed"):
        changed_since_repro(tmp_path)
