"""`git add .` in a workspace commits no photo, page or export, whichever commands have been run there."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer.main
from PIL import Image, UnidentifiedImageError

from leeway.adapters.dvc.git import run_git
from leeway.cli.app import app
from leeway.data.items import IMAGE_EXTENSIONS
from made_workspace import make_workspace
from prediction_logs import COLUMNS, answers, reference, write_log
from tiny_bundle import square

Leeway = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
# A line for every command, in an order in which each has something to do.
LINES = [
    "status",
    "release",
    "promote 1",
    "predict photos/red",
    "monitor --model pets --as-of 2026-03-11",
    "accept 2026-03-05 --model pets",
    "heartbeat",
    "doctor",
    "upgrade --yes",
    "power --predictions-per-night 100 --classes 2",
    "backtest --policy monitoring/policy.yaml --model pets",
    "watch init birds --reference reference.csv",
    "ingest new.csv --model pets",
    "log check",
    "labels export tasks --model pets",
    "labels import answers.csv --model pets",
    "labels conflicts",
    "data audit",
    "data sql SELECT*FROM(images)",
    "data label-errors",
    "data relabel relabelled.csv",
    "retrain",
    "rollback",
    "reopen --from 2026-03-05 --model pets --yes",
    "monitor --as-of 2026-03-11",
    "prune --before 2026-03-05 --model pets --yes",
]
ELSEWHERE = {"init"}  # makes a workspace, which this is
# What a commit may hold beside what the user had put there.
COMMITTED = (
    *("dvc.lock", "reports/metrics.json", "data/feedback/*.dvc", "data/feedback/.gitignore"),
    *("models/start/champion.dvc", "monitoring/README.md", "monitoring/policy.yaml", "monitoring/watched/*.yaml"),
)
MADE = (  # what must be there, or nothing is shown by its not being listed
    *("tasks/labels.csv", "reports/data_audit.html", "reports/label_errors.csv"),
    *(
        "reports/label_errors.html",
        "reports/nights/*.html",
        "production/*/*",
        ".leeway/*.db",
        "data/feedback/*.parquet",
    ),
)
OWN = ("tasks/", "production/", ".leeway-ledger/")  # folders with a .gitignore of their own


def commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


COMMANDS = set(commands(typer.main.get_command(app)))


def listed(folder: Path) -> list[str]:
    """What is in the commits and what `git add .` would add to them."""
    run_git(["add", "--all"], folder)
    return run_git(["ls-files", "-z"], folder).rstrip("\0").split("\0")


def is_image(path: Path) -> bool:
    try:
        Image.open(path).close()
    except (UnidentifiedImageError, OSError):
        return False
    return True


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("hygiene") / "colours")
    shutil.copytree(folder / "photos", folder / "more photos" / "of cameras")
    (folder / "more photos" / "DSC1.JPG").write_bytes(square("red"))
    run_git(["add", "--all"], folder)
    run_git(["commit", "--quiet", "-m", "The user's own, with git add ."], folder)
    return folder


def test_every_command_is_run_here() -> None:
    run = {max((name for name in COMMANDS if f"{line} ".startswith(f"{name} ")), key=len) for line in LINES}
    assert run | ELSEWHERE == COMMANDS, "a new command writes files, too: give it a line here"


def test_whatever_was_run_no_photo_page_or_export_is_committed(made: Path, tmp_path: Path, leeway: Leeway) -> None:
    workspace = Path(shutil.copytree(made, tmp_path / "colours", symlinks=True))
    before = listed(workspace)
    for line in LINES:
        code, out, err = leeway(workspace, *line.split(), LEEWAY_IMAGES="production")
        assert code in (0, 1, 2), out + err
    for pattern in MADE:
        assert list(workspace.glob(pattern)), f"nothing made {pattern}"
    after = listed(workspace)
    assert [name for name in after if name not in before and not any(fnmatch(name, one) for one in COMMITTED)] == []
    assert [name for name in after if is_image(workspace / name)] == []
    everything = run_git(["log", "--all", "--name-only", "--format=", "--no-renames"], workspace).split("\n")
    assert not [name for name in everything if Path(name).suffix.lower() in {*IMAGE_EXTENSIONS, ".html", ".parquet"}]
    _the_clone_ignores_them_too(workspace, tmp_path / "clone")


def _the_clone_ignores_them_too(workspace: Path, clone: Path) -> None:
    """Whoever works in the clone itself: all that Leeway has made, by the clone's own .gitignore."""
    out = run_git(["ls-files", "-z", "--others", "--ignored", "--exclude-standard"], workspace)
    made = [name for name in out.rstrip("\0").split("\0") if not name.startswith(OWN) and "photos" not in name]
    assert any(name.startswith("reports/nights/") for name in made)
    clone.mkdir()
    run_git(["init", "--quiet"], clone)
    shutil.copy(ROOT / ".gitignore", clone)
    command = ["git", "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(command, cwd=clone, input="\0".join(made), capture_output=True, text=True)
    assert set(made) - set(done.stdout.split("\0")) == {name for name in made if name.startswith(".dvc/")}


def test_in_a_folder_that_only_watches_too(tmp_path: Path, leeway: Leeway) -> None:
    """In somebody's own repository, which has a .gitignore of its own or none."""
    run_git(["init", "--quiet"], tmp_path)
    (tmp_path / "images").mkdir()
    reference(tmp_path / "reference.csv")
    rows = answers(300, nights=10)
    (tmp_path / "images" / "1.png").write_bytes(square("red"))
    for row in rows:
        row["image"] = "images/1.png"
    write_log(tmp_path / "log.csv", rows, columns=(*COLUMNS, "image"))
    run_git(["add", "log.csv", "reference.csv"], tmp_path)
    for line in (
        "watch init pets --reference reference.csv",
        "ingest log.csv --model pets",
        "monitor --model pets --as-of 2026-03-11",
        "labels export tasks --model pets",
    ):
        code, out, err = leeway(tmp_path, *line.split())
        assert code == 0, out + err
    for pattern in ("tasks/images/*.png", "reports/nights/*.html", ".leeway/*.db"):
        assert list(tmp_path.glob(pattern)), f"nothing made {pattern}"
    own = {"log.csv", "reference.csv", "images/1.png"}
    assert [
        name for name in listed(tmp_path) if name not in own and not any(fnmatch(name, one) for one in COMMITTED)
    ] == []
