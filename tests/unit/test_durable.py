"""A reader finds the old content or the new, whatever happens to the writer; and the new is on disk."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leeway import durable

KILLED = 9


def run_python(code: str, path: Path, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", f"import os, pathlib, sys\nfrom leeway import durable\n{code}", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def write_half(path: Path) -> Path:
    path.write_text("half")
    return path


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on the way" / "file"
    durable.write_text(path, "old")
    durable.write_text(path, "new, ümlaut")
    assert path.read_text(encoding="utf-8") == "new, ümlaut"
    assert list(path.parent.iterdir()) == [path]


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_a_workspaces_state_is_made_for_its_owner_alone_whatever_is_written_first(tmp_path: Path) -> None:
    for number, write in enumerate(
        (
            lambda path: durable.write_text(path, "text"),
            lambda path: durable.append_line(path, "line"),
            lambda path: durable.make_folder(path),
        )
    ):
        write(tmp_path / str(number) / ".leeway" / "below" / "file")
        assert mode(tmp_path / str(number)) == 0o755
        assert mode(tmp_path / str(number) / ".leeway") == 0o700
    with durable.replacing_folder(tmp_path / "pets" / ".leeway" / "bundles" / "1"):
        pass
    assert mode(tmp_path / "pets" / ".leeway") == 0o700


@pytest.mark.usefixtures("usual_umask")
def test_a_state_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / ".leeway").mkdir(mode=0o750)
    durable.write_text(tmp_path / ".leeway" / "below" / "file", "text")
    assert mode(tmp_path / ".leeway") == 0o750


def test_a_file_whose_writer_is_killed_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    code = f"""
with durable.replacing_file(pathlib.Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os._exit({KILLED})
"""
    assert run_python(code, path).returncode == KILLED
    assert path.read_text() == "old"
    (left,) = [one for one in tmp_path.iterdir() if one != path]
    assert re.fullmatch(r"\.file\..+\.partial", left.name)
    durable.write_text(path, "new")
    assert path.read_text() == "new"


def test_a_file_whose_writer_fails_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), durable.replacing_file(path) as partial:
        shutil.copyfile(write_half(partial), tmp_path / "missing" / "file")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_whose_writer_is_killed_keeps_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    durable.write_text(folder / "file", "old")
    code = f"""
with durable.replacing_folder(pathlib.Path(sys.argv[1])) as new:
    (new / "other").write_text("half")
    os._exit({KILLED})
"""
    assert run_python(code, folder).returncode == KILLED
    assert [(one.name, one.read_text()) for one in folder.iterdir()] == [("file", "old")]
    with durable.replacing_folder(folder) as new:
        assert list(new.iterdir()) == []
        (new / "file").write_text("new")
    assert [(one.name, one.read_text()) for one in folder.iterdir()] == [("file", "new")]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_whose_writer_fails_keeps_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    durable.write_text(folder / "file", "old")
    with pytest.raises(FileNotFoundError), durable.replacing_folder(folder) as new:
        shutil.copyfile(write_half(new / "other"), tmp_path / "missing" / "file")
    assert [(one.name, one.read_text()) for one in folder.iterdir()] == [("file", "old")]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_whose_writer_was_killed_between_two_renames_is_put_back(tmp_path: Path) -> None:
    durable.write_text(tmp_path / ".folder.replaced" / "file", "old")
    with pytest.raises(ZeroDivisionError), durable.replacing_folder(tmp_path / "folder"):
        raise ZeroDivisionError
    assert (tmp_path / "folder" / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_lines_are_appended(tmp_path: Path) -> None:
    for line in ("one", "two"):
        durable.append_line(tmp_path / "made" / "lines", line)
    assert (tmp_path / "made" / "lines").read_text() == "one\ntwo\n"


def test_what_a_killed_writer_left_long_ago_is_cleared_away(tmp_path: Path) -> None:
    for name, age_days in (("old", 2), ("running", 0)):
        path = tmp_path / f".{name}.1.partial"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 86_400 * age_days,) * 2)
    (tmp_path / "file").touch()
    durable.remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".running.1.partial", "file"]


REPLACE_FOLDER = "new = path.parent / 'new'; new.mkdir(); (new / 'a').touch(); durable.replace_folder(new, path)"
WRITES = {
    "durable.write_text(path, 'new')": ["fsync /", "rename", "fsync /"],
    "durable.append_line(path, 'new')": ["fsync /", "fsync /"],
    REPLACE_FOLDER: ["fsync /new/a", "fsync /new", "rename", "fsync /"],
}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace, which shows the calls, is not installed")
@pytest.mark.parametrize("write", WRITES)
def test_content_is_on_disk_before_it_is_seen_and_its_name_before_the_call_returns(write: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (tmp_path / "inside").mkdir()
    strace = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]
    done = run_python(f"path = pathlib.Path(sys.argv[1]); {write}", tmp_path / "inside" / "path", *strace)
    if "ptrace" in done.stderr:
        pytest.skip("this machine does not let strace look")
    assert done.returncode == 0, done.stderr
    calls = [line.split(maxsplit=1)[1] for line in trace.read_text().splitlines() if str(tmp_path) in line]
    assert [shown(call, tmp_path / "inside") for call in calls] == WRITES[write]


def shown(call: str, folder: Path) -> str:
    """`fsync` and what was synced below the folder, hidden names and the target's own name apart; or `rename`."""
    found = re.match(r"fsync\(\d+<(.*?)>\)", call)
    if found is None:
        return "rename"
    name = found[1].removeprefix(str(folder)).lstrip("/")
    return "fsync /" if not name or name == "path" or name.startswith(".") else f"fsync /{name}"
