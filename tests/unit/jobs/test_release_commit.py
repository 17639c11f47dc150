"""Releasing by hand commits what made the model, and goes on where git does not."""

import logging
from pathlib import Path

import pytest

from leeway.adapters.dvc.git import run_git
from leeway.domain.commit import Commit
from leeway.jobs.releasing import commit_made
from leeway.settings import Settings
from leeway.workspace import Workspace
from memory_ports import MemoryRepository
from tiny_bundle import write_tiny_bundle


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "params.yaml").touch()
    write_tiny_bundle(tmp_path / "models" / "bundle")
    return Workspace(Settings(workspace=tmp_path).resolved())


def test_the_message_names_the_dataset_version_and_the_reason(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    repository = workspace.__dict__["repository"] = MemoryRepository()
    with caplog.at_level(logging.INFO, logger="leeway"):
        assert commit_made(workspace, reason="released by hand").hash == "commit-1"
    assert repository.messages == [f"Dataset {'d' * 12}: released by hand\n"]
    assert caplog.messages == ["what made this model is git commit commit-1"]


@pytest.mark.parametrize("git", [False, True])
def test_without_git_or_dvc_there_is_no_commit_and_one_line_says_so(
    git: bool, workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    if git:
        run_git(["init", "--quiet"], workspace.folder)
    assert commit_made(workspace, reason="released by hand").text == "no commit, lacks what made it"
    [line] = caplog.messages
    assert line.startswith("not committed: ")
    assert ("`dvc init`" if git else "`git init`") in line


def test_what_there_is_to_say_of_a_commit_is_a_line_each(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    class Detached(MemoryRepository):
        def commit(self, message: str, *, only_if_clean: bool = False) -> Commit:
            assert only_if_clean, "a person may have other work lying about"
            return Commit("a" * 40, remarks=("HEAD is detached", "nobody is known"))

    workspace.__dict__["repository"] = Detached()
    commit_made(workspace, reason="released by hand")
    assert caplog.messages == ["HEAD is detached", "nobody is known"]
