"""The workspace's git and DVC: real ones, with stages that cost nothing."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from leeway.adapters.dvc import repository
from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import open_repository, run_dvc
from leeway.errors import WorkspaceError

COPY = "stages:\n  prepare:\n    cmd: {cmd}\n    deps: [in.txt]\n    outs: [out.txt]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_git(["init", "--quiet"], tmp_path)
    run_dvc(["init", "--quiet"], tmp_path)
    (tmp_path / "in.txt").write_text("in")
    (tmp_path / "dvc.yaml").write_text(COPY.format(cmd="cp in.txt out.txt"))
    return tmp_path


def test_a_failing_stage_is_told_in_its_own_words(folder: Path) -> None:
    fails = f"{sys.executable} fails.py"
    (folder / "fails.py").write_text("import sys; print('prepare: no image at all', file=sys.stderr); sys.exit(2)")
    (folder / "dvc.yaml").write_text(COPY.format(cmd=fails))
    with pytest.raises(WorkspaceError, match=r"^dvc repro failed: prepare: no image at all$"):
        open_repository(folder).reproduce()


def test_a_broken_pipeline_is_told_in_the_words_of_dvc(folder: Path) -> None:
    (folder / "in.txt").unlink()
    with pytest.raises(WorkspaceError, match=r"dvc repro failed: .*in\.txt"):
        open_repository(folder).reproduce()


def test_another_command_at_work_is_named(folder: Path) -> None:
    (folder / "dvc.yaml").write_text(COPY.format(cmd="sleep 20"))
    other = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=folder, start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert any("sleep 20" in line for line in other.stdout)
        with pytest.raises(WorkspaceError, match="another DVC command is at work"):
            open_repository(folder).reproduce()
    finally:
        os.killpg(other.pid, 9)
        other.communicate()


def test_cancelling_ends_the_stage_and_not_only_dvc(folder: Path) -> None:
    (folder / "stage.py").write_text(
        "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    )
    (folder / "dvc.yaml").write_text(COPY.format(cmd=f"{sys.executable} stage.py"))
    code = f"""
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Prefect's engine does when a run is cancelled
from pathlib import Path
from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import open_repository
open_repository(Path({str(folder)!r})).reproduce()
"""
    flow = subprocess.Popen([sys.executable, "-c", code])
    _wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text() != "")
    stage = int((folder / "pid").read_text())
    flow.terminate()
    assert flow.wait(timeout=30) == 143
    _wait_for(lambda: not _alive(stage))


@pytest.mark.parametrize(("missing", "advice"), [(".git", "git init"), (".dvc", "dvc init")])
def test_a_folder_that_is_no_repository_is_refused_with_advice(missing: str, advice: str, tmp_path: Path) -> None:
    for name in {".git", ".dvc"} - {missing}:
        (tmp_path / name).mkdir()
    with pytest.raises(WorkspaceError, match=f"no {missing}; run `{advice}`"):
        open_repository(tmp_path)


def test_what_dvc_prints_goes_to_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=repository.log.name):
        open_repository(folder).reproduce()
    assert any("Running stage 'prepare'" in line for line in caplog.messages)


def _wait_for(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.05)


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
