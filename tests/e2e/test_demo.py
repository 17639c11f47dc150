"""The whole loop as `make demo` runs it, in 12 nights; and that the demo notices when a part of the loop is broken."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leeway.adapters.dvc.git import run_git

ROOT = Path(__file__).parents[2]
PARTS = ("src", "flows", "monitoring", "params.yaml", "dvc.yaml", "docs/params.md")
SHORT = ("--nights", "12", "--drift-night", "8")  # a week of reference, and then the drift
QUIET = ("--nights", "3", "--no-drift")

A_WEEK = ("--nights", "8", "--no-drift")
SLOW_TO_SHOW = {
    "the labeler answers at random"
}  # no single night decides: an alarm takes four nights of labels or more
BROKEN = {
    "the bundle's classes stand in another order": (
        "src/leeway/stages/bundling.py",
        "        classes=manifest.classes,\n        resize",
        "        classes=manifest.classes[::-1],\n        resize",
    ),
    "predictions are recorded with another class's name": (
        "src/leeway/predictions/score.py",
        "predicted_class=classes[index]",
        "predicted_class=classes[index - 1]",
    ),
    "the gate lets everything pass": (
        "src/leeway/release/gate.py",
        "passed=outcome == PASSED, outcome=outcome, reasons=tuple(reasons)",
        "passed=True, outcome=outcome, reasons=tuple(reasons)",
    ),
    "the labeler answers at random": ("flows/demo.py", "SLIP = 0.01", "SLIP = 0.9"),
}


def clone(folder: Path) -> Path:
    """The code without what was built or run in its place."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / part)
    return folder


def live(code: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(code / "src"), "COLUMNS": "200"}
    command = [sys.executable, "flows/demo.py", "--seed", "2", *arguments]
    return subprocess.run(command, cwd=code, env=env, capture_output=True, text=True, timeout=570)


def test_the_loop_closes_by_itself(tmp_path: Path) -> None:
    code = clone(tmp_path / "clone")
    done = live(code, *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    demo = code / "demo"
    told = json.loads((demo / "report" / "summary.json").read_text())
    assert told["alarms_before_drift"] == 0
    assert told["alarm_night"] >= told["drift_night"]
    assert told["promoted_version"] == 2
    assert told["accuracy_drifted"] + 0.08 < told["accuracy_recovered"]
    assert told["labels_used"] > 200
    first, second = told["dataset_versions"]
    assert first != second
    log = run_git(["log", "--format=%s%n%b"], demo)
    assert f"Dataset {second[:12]}" in log
    assert re.search(r"Why retrained \(classifier/1/2026-01-1[01]\): .*(accuracy fired|cannot exclude a drop)", log)
    assert run_git(["status", "--porcelain"], demo) == ""
    assert (demo / "report" / "timeline.png").stat().st_size > 20_000
    assert len(list((demo / "reports" / "nights").glob("*.html"))) >= 1
    for heading in ("the picture", "the alarm night's page", "mlflow ui", "the camera is tilted"):
        assert heading in done.stdout


def test_a_short_quiet_demo_holds(tmp_path: Path) -> None:
    """What the broken ones below are held against."""
    done = live(clone(tmp_path / "clone"), *QUIET)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_loop_is_noticed(what: str, tmp_path: Path) -> None:
    code = clone(tmp_path / "clone")
    name, right, wrong = BROKEN[what]
    text = (code / name).read_text()
    assert text.count(right) == 1, f"{name} no longer says {right!r}"
    (code / name).write_text(text.replace(right, wrong))
    done = live(code, *(A_WEEK if what in SLOW_TO_SHOW else QUIET))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Not as it should be" in done.stdout or "The demo broke off" in done.stdout


def test_a_folder_that_is_no_demo_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.png").touch()
    done = live(ROOT, "--folder", str(tmp_path / "photos"))
    assert done.returncode == 1
    assert "is no demo's folder" in done.stdout
    assert (tmp_path / "photos" / "mine.png").exists()
