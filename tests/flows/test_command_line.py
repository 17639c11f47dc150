"""What every command understands: version, quiet and verbose, completion, and help that is whole."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from leeway.cli.app import app
from leeway.version import __version__
from processes import BIN
from tiny_bundle import square

Leeway = Callable[..., tuple[int, str, str]]


def groups(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*words, name))


GROUPS = dict(groups(typer.main.get_command(app)))


@pytest.fixture(autouse=True)
def usual_levels() -> Iterator[None]:
    """The command sets them anew each time; the tests after these do not run it."""
    yield
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("leeway").setLevel(logging.INFO)


@pytest.fixture
def photos(workspace: Path) -> Path:
    """Two images and a file that is none, which the log names."""
    folder = workspace.parent / "photos"
    folder.mkdir()
    (folder / "red.png").write_bytes(square("red"))
    (folder / "notes.txt").write_text("no image")
    return folder


def test_the_version(tmp_path: Path, leeway: Leeway) -> None:
    assert leeway(tmp_path, "--version") == (0, f"leeway {__version__}\n", "")


@pytest.mark.parametrize("line", ["-q predict PHOTOS", "predict PHOTOS -q", "predict --quiet PHOTOS"])
def test_quiet_prints_results_and_no_log(
    line: str, workspace: Path, photos: Path, leeway: Leeway, caplog: pytest.LogCaptureFixture
) -> None:
    code, out, err = leeway(workspace, *line.replace("PHOTOS", str(photos)).split())
    assert (code, len(out.splitlines()), err) == (0, 1, "")
    assert caplog.records == []


@pytest.mark.parametrize("before", [True, False])
def test_verbose_logs_each_step_and_the_next_command_does_not(
    before: bool, workspace: Path, leeway: Leeway, caplog: pytest.LogCaptureFixture
) -> None:
    leeway(workspace, *(["-v", "monitor"] if before else ["monitor", "-v"]))
    assert "leeway.monitor.night.request_retraining" in [record.getMessage() for record in caplog.records]
    caplog.clear()
    leeway(workspace, "monitor")
    assert [record for record in caplog.records if record.levelno == logging.DEBUG] == []


def test_an_error_is_printed_quietly_too(tmp_path: Path, leeway: Leeway) -> None:
    code, out, err = leeway(tmp_path, "-q", "status")
    assert (code, out) == (2, "")
    assert err.startswith("leeway: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("words", GROUPS, ids=lambda words: " ".join(("leeway", *words)))
def test_the_list_of_commands_cuts_no_sentence_off(words: tuple[str, ...], leeway: Leeway, tmp_path: Path) -> None:
    _, out, _ = leeway(tmp_path, *words, "--help", COLUMNS="80")
    assert max(map(len, out.splitlines())) <= 80
    shown = " ".join(out.split())
    for name, command in GROUPS[words].commands.items():
        sentence = " ".join(command.help.split("\n\n")[0].split()).split(". ")[0]
        assert f"{name} {sentence.removesuffix('.')}" in shown


def test_a_shell_completes_commands(tmp_path: Path) -> None:
    typed = {"_LEEWAY_COMPLETE": "complete_bash", "COMP_WORDS": "leeway re", "COMP_CWORD": "1"}
    done = subprocess.run([BIN / "leeway"], cwd=tmp_path, env={**os.environ, **typed}, capture_output=True, text=True)
    assert done.stdout.split() == ["retrain", "release", "reopen"]


def test_the_command_line_loads_no_heavy_library() -> None:
    heavy = {"numpy", "pydantic", "sqlalchemy", "rich", "yaml", "pyarrow", "PIL"}
    code = f"import sys, leeway.cli.app; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
