"""Exit codes: every command has a row in the README's table, and a case here for each code that its row allows."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from leeway import cli
from leeway.adapters.mlflow.registry import open_registry
from leeway.evaluation.checklist import Checklist, Item, write_checklist
from leeway.jobs.init import init_workspace
from leeway.monitor import overview
from leeway.settings import Settings
from leeway.stages import gather, prepare
from leeway.stores.sql import open_store
from leeway.workspace import open_workspace
from prediction_logs import answers, reference, write_log
from processes import BIN, environment
from tiny_bundle import COLOURS, square, write_tiny_bundle

Leeway = Callable[..., tuple[int, str, str]]
README = (Path(__file__).parents[2] / "README.md").read_text()
NOTHING_TO_RUN = "stages:\n  train:\n    cmd: 'true'\n"  # the bundle on disk is what a retraining made


def commands(group: Any, name: str = "leeway") -> Iterator[str]:
    """Every command of the app that does something, as it is typed."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}"


COMMANDS = sorted(commands(typer.main.get_command(cli.app)))
TABLE = README.partition("| command | 0 | 1 |\n")[2].partition("\n\n")[0]
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `(leeway [a-z -]+)` \| (.+?) \|(.*)\|$", TABLE, re.MULTILINE)}


# What a workspace is like before the command


def as_it_is(folder: Path) -> None:
    """Version 1 is the champion; its bundle is that of the last `dvc repro`."""


def without_champion(folder: Path) -> None:
    registry(folder).drop_alias("colours", "champion")


def without_champion_or_checklist(folder: Path) -> None:
    without_champion(folder)
    (folder / "reports" / "checklist.json").unlink()


def with_another_bundle(folder: Path) -> None:
    """It has no checklist, so the gate refuses it."""
    shutil.rmtree(folder / "models" / "bundle")
    write_tiny_bundle(folder / "models" / "bundle", temperature=0.1)


def with_a_retraining_at_work(folder: Path) -> None:
    with open_workspace(Settings(workspace=folder, model="colours").resolved()) as workspace:
        now = datetime.now(UTC)
        champion = workspace.champion(now)
        assert workspace.claim(workspace.request(champion, asked_by="hand", now=now).key, champion, now=now)


def with_a_previous_version(folder: Path) -> None:
    with_another_bundle(folder)
    version = registry(folder).register(folder / "models" / "bundle", model="colours", tags={})
    registry(folder).set_alias("colours", "previous", version)
    with open_workspace(Settings(workspace=folder, model="colours").resolved()) as workspace:
        assert workspace.version(version)


def without_dataset(folder: Path) -> None:
    shutil.rmtree(folder / "data" / "dataset")


def without_bundle(folder: Path) -> None:
    shutil.rmtree(folder / "models" / "bundle")


def registry(folder: Path) -> Any:
    return open_registry(f"sqlite:///{folder / '.leeway' / 'mlflow.db'}")


@dataclass(frozen=True, slots=True)
class Case:
    """A command in a workspace, and the code that it has to end with."""

    code: int
    line: str
    given: Callable[[Path], None] = as_it_is

    @property
    def command(self) -> str:
        return max((name for name in COMMANDS if f"{self.line} ".startswith(f"{name} ")), key=len)


CASES = [
    Case(0, "leeway init pets"),
    Case(2, "leeway init photos"),
    Case(0, "leeway release"),
    Case(0, "leeway release", without_champion),
    Case(1, "leeway release", with_another_bundle),
    Case(1, "leeway release", without_champion_or_checklist),
    Case(2, "leeway release", without_bundle),
    Case(0, "leeway promote 1"),
    Case(0, "leeway promote 1", without_champion),
    Case(1, "leeway promote 1", without_champion_or_checklist),
    Case(2, "leeway promote 7"),
    Case(2, "leeway promote one"),
    Case(0, "leeway rollback", with_a_previous_version),
    Case(2, "leeway rollback"),
    Case(0, "leeway predict photos params.yaml"),
    Case(1, "leeway predict params.yaml"),
    Case(1, "leeway predict empty"),
    Case(2, "leeway predict photos nowhere"),
    Case(0, "leeway monitor --model pets --as-of 2026-03-11"),
    Case(2, "leeway monitor --model nobody"),
    Case(2, "leeway monitor --as-of yesterday"),
    Case(0, "leeway retrain"),
    Case(1, "leeway retrain", with_another_bundle),
    Case(1, "leeway retrain", with_a_retraining_at_work),
    Case(2, "leeway retrain", without_champion),
    Case(0, "leeway status"),
    Case(2, "leeway status --all"),
    Case(0, "leeway watch init birds --reference reference.csv"),
    Case(2, "leeway watch init birds --reference log.csv"),
    Case(2, "leeway watch init birds --reference partly_bad.csv"),
    Case(0, "leeway ingest log.csv --model pets"),
    Case(0, "leeway ingest partly_bad.csv --model pets"),
    Case(1, "leeway ingest bad.csv --model pets"),
    Case(1, "leeway ingest bad.csv new.csv --model pets"),
    Case(1, "leeway ingest changed.csv --model pets"),
    Case(2, "leeway ingest partly_bad.csv --model pets --strict"),
    Case(2, "leeway ingest changed.csv --model pets --strict"),
    Case(2, "leeway ingest none.csv --model pets"),
    Case(2, "leeway ingest log.csv --model nobody"),
    Case(0, "leeway data audit"),
    Case(2, "leeway data audit", without_dataset),
    Case(0, "leeway data sql SELECT*FROM(images)LIMIT(0)"),
    Case(2, "leeway data sql SELECT(zebra)FROM(images)"),
    Case(0, "leeway data label-errors"),
    Case(2, "leeway data label-errors", without_bundle),
    Case(0, "leeway data relabel relabelled.csv"),
    Case(2, "leeway data relabel no_class.csv"),
    Case(2, "leeway data relabel none.csv"),
    Case(0, "leeway labels export tasks --model pets"),
    Case(1, "leeway labels export tasks --model colours"),
    Case(2, "leeway labels export photos --model pets"),
    Case(0, "leeway labels import answers.csv --model pets"),
    Case(0, "leeway labels import unanswered.csv --model pets"),
    Case(1, "leeway labels import refused.csv --model pets"),
    Case(1, "leeway labels import refused.csv answers.csv --model pets"),
    Case(2, "leeway labels import none.csv --model pets"),
    Case(0, "leeway power --predictions-per-night 100 --classes 2"),
    Case(2, "leeway power --policy none.yaml"),
    Case(0, "leeway backtest --policy monitoring/policy.yaml --model pets"),
    Case(2, "leeway backtest --policy none.yaml --model pets"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a dataset, a champion, and a watched model `pets` whose labels are asked for."""
    folder = tmp_path_factory.mktemp("codes") / "colours"
    init_workspace(folder)
    (folder / "empty").mkdir()
    for name in COLOURS:
        (folder / "photos" / name).mkdir(parents=True)
        for shade in range(20):
            (folder / "photos" / name / f"{shade:02d}.png").write_bytes(square(name, shade=shade))
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["data"]["source"] = {"kind": "folder", "path": "photos"}
    params["data"]["split"] |= {"val": 0.15, "test": 0.15}
    params["data"]["near_duplicates"]["max_distance"] = None
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["gather"])
        assert (gather.main(), prepare.main()) == (0, 0)
    (folder / "dvc.yaml").write_text(NOTHING_TO_RUN)
    digest = write_tiny_bundle(folder / "models" / "bundle")
    write_checklist(Checklist(digest, (Item("weights loaded", "pass", "ok"),)), folder / "reports" / "checklist.json")
    registry(folder).register(folder / "models" / "bundle", model="colours", tags={})
    registry(folder).set_alias("colours", "champion", 1)
    write_files(folder)
    for line in (
        "watch init pets --reference reference.csv",
        "ingest log.csv --model pets",
        "monitor --model pets --as-of 2026-03-10",
    ):
        run = [BIN / "leeway", *line.split()]
        subprocess.run(run, cwd=folder, env=environment(folder), check=True, capture_output=True)
    return folder


def write_files(folder: Path) -> None:
    """Logs and answers of the watched model, good and bad, and corrections of the dataset."""
    rows = answers(300, nights=9)
    reference(folder / "reference.csv")
    write_log(folder / "log.csv", [*rows, *answers(300, nights=3, first=9, mix=(0.9, 0.05, 0.05), name="q")])
    bad = [{**row, "confidence": "1.5"} for row in answers(5, name="bad", labelled=True)]
    write_log(folder / "bad.csv", bad)
    write_log(folder / "partly_bad.csv", [*bad, *answers(20, name="good", labelled=True)])
    write_log(folder / "new.csv", answers(7, name="new"))
    write_log(folder / "changed.csv", [{**row, "slice": "elsewhere"} for row in rows[:5]])
    known = rows[0]["prediction_id"]
    (folder / "answers.csv").write_text(f"prediction_id,label\n{known},cat\nnobody,cat\n")
    (folder / "unanswered.csv").write_text(f"prediction_id,label\n{known},\n")
    (folder / "refused.csv").write_text(f"prediction_id,label\n{known},horse\nnobody,cat\n")
    (folder / "relabelled.csv").write_text("origin,new_label\nred/07.png,green\n")
    (folder / "no_class.csv").write_text("origin,new_label\nred/07.png,gren\nred/08.png,green\n")


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "colours", symlinks=True)
    return tmp_path / "colours"


def test_the_readme_has_a_row_for_every_command() -> None:
    assert sorted(ROWS) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_code_of_a_command_has_a_case(command: str) -> None:
    refuses = bool(ROWS[command][1].strip())
    assert {case.code for case in CASES if case.command == command} == ({0, 1, 2} if refuses else {0, 2})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.line} {case.given.__name__}")
def test_a_command_ends_with_its_code(case: Case, workspace: Path, leeway: Leeway) -> None:
    case.given(workspace)
    code, out, err = leeway(workspace, *case.line.split()[1:])
    assert code == case.code, out + err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith(("leeway: ", "Error: "))]
    assert len(lines) == (code != 0), err


def test_a_file_that_is_refused_does_not_keep_the_others_out(workspace: Path, leeway: Leeway) -> None:
    _, out, err = leeway(workspace, "ingest", "bad.csv", "new.csv", "--model", "pets")
    assert "new.csv: 7 new" in out
    assert "bad.csv" in err
    assert "new.csv" not in err
    _, out, err = leeway(workspace, "labels", "import", "refused.csv", "answers.csv", "--model", "pets")
    assert "answers.csv: 1 new labels" in out
    assert "nothing was taken from refused.csv;" in err


def test_a_refusal_gives_the_reasons_of_the_gate(workspace: Path, leeway: Leeway) -> None:
    with_another_bundle(workspace)
    _, _, err = leeway(workspace, "release")
    (line,) = [line for line in err.splitlines() if line.startswith("leeway: ")]
    with closing(open_store(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")) as store:
        reasons = [one.reason for one in store.releases("colours") if one.outcome == "refused"]
    assert reasons
    assert line == f"leeway: colours version 2 was refused: {reasons[-1]}"


def test_a_bug_is_not_taken_for_a_refusal(workspace: Path, leeway: Leeway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(overview, "overview")
    code, _, err = leeway(workspace, "status")
    assert code == 70
    assert "Traceback" in err
    assert "ImportError" in err


def test_ctrl_c_is_told_in_one_line(workspace: Path) -> None:
    """The log is a pipe that nobody writes into, so the command waits in the middle of its work."""
    os.mkfifo(workspace / "endless.csv")
    command = [BIN / "leeway", "ingest", "endless.csv", "--model", "pets"]
    process = subprocess.Popen(
        command, cwd=workspace, env=environment(workspace), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with (workspace / "endless.csv").open("wb"):  # opens when the command reads
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "leeway: interrupted\n")
