"""The workspace's files under DVC and git, as subprocesses that end with us."""

import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from leeway.adapters.dvc.commits import BY_LEEWAY, commit_pipeline
from leeway.adapters.dvc.git import run_git as run_git  # under the name of before, too
from leeway.domain.commit import Commit
from leeway.errors import WorkspaceError

LAST_LINES = 30  # of a command's output: enough to find what went wrong
GRACE_SECONDS = 5  # between asking a process group to end and ending it
STAGES = ("gather: ", "prepare: ", "train: ", "evaluate: ")
ENVIRONMENT = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "true",
    "OMP_WAIT_POLICY": "PASSIVE",  # idle threads that spin take the cores from others
    "PYTHONUNBUFFERED": "1",
    BY_LEEWAY: "yes",
}
log = logging.getLogger("leeway.dvc")


def open_repository(folder: Path) -> "DvcRepository":
    """The repository whose root is `folder`. Raises WorkspaceError if it is not one of git and of DVC."""
    for name, command in ((".git", "git init"), (".dvc", "dvc init")):
        if not (folder / name).exists():
            raise WorkspaceError(
                f"{folder} is not the root of a {command.split()[0]} repository: it has no {name}; "
                f"run `{command}` there, or `leeway init DIR` for a new workspace"
            )
    return DvcRepository(folder)


class DvcRepository:
    """`leeway.domain.ports.DataRepository`: DVC's command line, which unlike its API can be cancelled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reproduce(self) -> None:
        """`dvc repro`. Raises WorkspaceError with the failing stage's own message."""
        run_dvc(["repro"], self._folder)

    def add(self, path: Path) -> None:
        """`dvc add`: the file's hash goes to git, its content to DVC's cache."""
        run_dvc(["add", str(path)], self._folder)

    def commit(self, message: str, *, only_if_clean: bool = False) -> Commit:
        """Commits what made the model, as `leeway.adapters.dvc.commits` says; a failure is a remark, never raised."""
        try:
            return commit_pipeline(self._folder, message, only_if_clean=only_if_clean)
        except WorkspaceError as error:
            return Commit("", lacks="what made it", remarks=(f"not committed: {error}",))


def run_dvc(arguments: Sequence[str], folder: Path) -> None:
    """Runs DVC in `folder`; each line it prints goes to the log. Raises WorkspaceError."""
    bin_folder = Path(sys.executable).parent  # the stages' `python` is found there
    environment = {**os.environ, **ENVIRONMENT, "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "dvc", *arguments]
    log.debug("%s, in %s", " ".join(command), folder)
    last: deque[str] = deque(maxlen=LAST_LINES)
    with _in_own_session(command, folder, environment) as process:
        for line in _lines(process.stdout):
            last.append(line)
            log.info("%s", line)
        code = process.wait()
    if code:
        raise WorkspaceError(_what_went_wrong(arguments[0], list(last), code))


@contextmanager
def _in_own_session(command: Sequence[str], folder: Path, environment: dict[str, str]):  # type: ignore[no-untyped-def]
    """The process, which is ended with all its children if anything interrupts us: DVC alone would leave a training."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    except BaseException:
        _end_group(process)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _end_group(process: subprocess.Popen[str]) -> None:
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
            process.wait(GRACE_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _lines(stream: IO[str] | None):  # type: ignore[no-untyped-def]
    for line in stream or ():
        if line.strip():
            yield line.rstrip()


def _what_went_wrong(command: str, lines: Sequence[str], code: int) -> str:
    """One line: the stage's own message where a stage failed, else DVC's."""
    if any("is busy, it is being blocked by" in line for line in lines):
        return f"dvc {command}: another DVC command is at work in this workspace; try again when it is done"
    first = next((place for place, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines))
    before = lines[first - 1] if first else ""  # a stage that fails prints `name: message` last
    if before.startswith(STAGES):
        told = before
    else:
        told = lines[first].removeprefix("ERROR: ") if first < len(lines) else (lines or [f"exit code {code}"])[-1]
    return f"dvc {command} failed: {told}"
