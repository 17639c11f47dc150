"""Exit codes: every command has a row in docs/commands.md, and a case here for each code that its row allows."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main

from json_answers import check_answer
from leeway.cli.app import app
from leeway.jobs import epochs
from leeway.monitor import overview
from leeway.release import retrain
from leeway.settings import Settings
from leeway.stores.opening import open_stores
from leeway.workspace import open_workspace
from made_workspace import make_workspace, registry
from processes import BIN, environment
from tiny_bundle import write_tiny_bundle

Leeway = Callable[..., tuple[int, str, str]]
PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def commands(group: Any, name: str = "leeway") -> Iterator[str]:
    """Every command of the app that does something, as it is typed."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}"


COMMANDS = sorted(commands(typer.main.get_command(app)))
TABLE = PAGE.partition("| command | 0 | 1 |\n")[2].partition("\n\n")[0]
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `(leeway [a-z -]+)` \| (.+?) \|(.*)\|$", TABLE, re.MULTILINE)}


# What a workspace is like before the command


def as_it_is(folder: Path) -> None:
    """Version 1 is the champion; its bundle is that of the last `dvc repro`."""


def after_a_monitor(folder: Path) -> None:
    """Which takes up the champion that somebody named in MLflow."""
    subprocess.run([BIN / "leeway", "monitor"], cwd=folder, env=environment(folder), check=True, capture_output=True)


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
        champion = epochs.champion(workspace, datetime.now(UTC))
        assert retrain.claim(champion, retrain.request(champion, asked_by="hand").key)


def with_a_previous_version(folder: Path) -> None:
    with_another_bundle(folder)
    version = registry(folder).register(folder / "models" / "bundle", model="colours", tags={})
    registry(folder).set_alias("colours", "previous", version)


def without_dataset(folder: Path) -> None:
    shutil.rmtree(folder / "data" / "dataset")


def with_a_damaged_row(folder: Path) -> None:
    with closing(sqlite3.connect(folder / ".leeway" / "leeway.db", isolation_level=None)) as connection:
        connection.execute("UPDATE models SET reference = '{'")


def without_watched_models(folder: Path) -> None:
    """Nobody has looked at their nights since."""
    shutil.rmtree(folder / "monitoring" / "watched")


def with_a_lost_segment(folder: Path) -> None:
    """What was ingested stands in it."""
    for path in (folder / ".leeway" / "leeway-log" / "live").iterdir():
        path.unlink()


def with_a_file_that_is_no_database(folder: Path) -> None:
    (folder / ".leeway" / "leeway.db").write_text("no database\n" * 200)


def with_a_night_that_asks(folder: Path) -> None:
    """As if the confidences of that night had been others than those of the reference."""
    with closing(sqlite3.connect(folder / ".leeway" / "leeway.db", isolation_level=None)) as connection:
        connection.execute("UPDATE check_results SET status = 'fired' WHERE \"check\" = 'likeness'")


def of_the_release_before(folder: Path) -> None:
    before = Path(__file__).parents[1] / "earlier_releases" / "686141e" / "policy.yaml"
    shutil.copyfile(before, folder / "monitoring" / "policy.yaml")


def with_a_typo_in_the_params(folder: Path) -> None:
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace("epochs:", "epocs:"))


def without_bundle(folder: Path) -> None:
    shutil.rmtree(folder / "models" / "bundle")


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
    Case(0, "leeway upgrade"),
    Case(0, "leeway upgrade --yes", of_the_release_before),
    Case(1, "leeway upgrade", of_the_release_before),
    Case(2, "leeway upgrade", with_a_typo_in_the_params),
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
    Case(2, "leeway monitor --as-of 2999-01-01"),
    Case(0, "leeway reopen --from 2026-03-05 --model pets --yes"),
    Case(0, "leeway reopen --from 2999-01-01 --model pets"),
    Case(1, "leeway reopen --from 2026-03-05 --model pets"),
    Case(2, "leeway reopen --from 2026-03-05 --model nobody"),
    Case(2, "leeway reopen --model pets"),
    Case(0, "leeway prune --before 2026-03-03 --model pets --yes"),
    Case(0, "leeway prune --before 2026-03-03 --model pets --dry-run"),
    Case(1, "leeway prune --before 2026-03-03 --model pets"),
    Case(2, "leeway prune --model pets"),
    Case(2, "leeway prune --before 2026-03-03 --model nobody"),
    Case(0, "leeway accept 2026-03-05 --model pets", with_a_night_that_asks),
    Case(2, "leeway accept 2026-03-05 --model pets"),
    Case(2, "leeway accept yesterday --model pets"),
    Case(0, "leeway retrain"),
    Case(1, "leeway retrain", with_another_bundle),
    Case(1, "leeway retrain", with_a_retraining_at_work),
    Case(2, "leeway retrain", without_champion),
    Case(0, "leeway status"),
    Case(2, "leeway status --all"),
    Case(2, "leeway status", with_a_damaged_row),
    Case(0, "leeway heartbeat --as-of 2026-03-10T11:00:00"),
    Case(1, "leeway heartbeat"),
    Case(1, "leeway heartbeat --as-of 2026-03-10T11:00:00 --grace-hours 6"),
    Case(1, "leeway heartbeat", with_a_damaged_row),
    Case(2, "leeway heartbeat", with_a_file_that_is_no_database),
    Case(2, "leeway heartbeat --grace-hours soon"),
    Case(0, "leeway doctor", without_watched_models),
    Case(1, "leeway doctor"),
    Case(1, "leeway doctor", with_a_file_that_is_no_database),
    Case(2, "leeway doctor --everything"),
    Case(0, "leeway log check"),
    Case(0, "leeway log check --quick --model pets"),
    Case(1, "leeway log check", with_a_lost_segment),
    Case(2, "leeway log check --model nobody"),
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
    Case(2, "leeway ingest long_cell.csv --model pets"),
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
    Case(1, "leeway labels export tasks --model colours", after_a_monitor),
    Case(2, "leeway labels export tasks --model colours"),
    Case(2, "leeway labels export photos --model pets"),
    Case(0, "leeway labels import answers.csv --model pets"),
    Case(0, "leeway labels import unanswered.csv --model pets"),
    Case(1, "leeway labels import refused.csv --model pets"),
    Case(1, "leeway labels import refused.csv answers.csv --model pets"),
    Case(2, "leeway labels import none.csv --model pets"),
    Case(0, "leeway labels conflicts"),
    Case(2, "leeway labels conflicts --model nobody"),
    Case(0, "leeway power --predictions-per-night 100 --classes 2"),
    Case(2, "leeway power --policy none.yaml"),
    Case(0, "leeway backtest --policy monitoring/policy.yaml --model pets"),
    Case(2, "leeway backtest --policy none.yaml --model pets"),
    Case(2, "leeway backtest --policy photos --model pets"),
]

ANSWERING = {(case.command, case.code): case for case in reversed(CASES) if case.code < 2}  # the first of each


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("codes") / "colours")


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


@pytest.mark.parametrize("case", ANSWERING.values(), ids=lambda case: f"{case.line} {case.given.__name__}")
def test_with_json_a_command_prints_one_object_of_its_schema(case: Case, workspace: Path, leeway: Leeway) -> None:
    case.given(workspace)
    code, out, err = leeway(workspace, *case.line.split()[1:], "--json")
    assert code == case.code, out + err
    content = json.loads(out)
    if code:
        assert content.pop("exit_code") == code
        assert f"leeway: {content.pop('error')}" in err.splitlines()
    if content or not code:
        check_answer(case.command.removeprefix("leeway "), json.dumps(content))


@pytest.mark.parametrize("line", ["status --all", "status", "promote one", "heartbeat --grace-hours soon"])
def test_with_json_a_mistake_is_an_object_too(line: str, tmp_path: Path, leeway: Leeway) -> None:
    code, out, err = leeway(tmp_path, *line.split(), "--json")
    content = json.loads(out)
    assert (code, content.keys(), content["exit_code"]) == (2, {"error", "exit_code"}, 2)
    assert err.splitlines()[-1].partition(": ")[2] == content["error"]


def test_a_file_that_is_refused_does_not_keep_the_others_out(workspace: Path, leeway: Leeway) -> None:
    _, out, err = leeway(workspace, "ingest", "bad.csv", "new.csv", "--model", "pets")
    assert "new.csv: 7 new" in out
    assert "bad.csv" in err
    assert "new.csv" not in err
    _, out, err = leeway(workspace, "labels", "import", "refused.csv", "answers.csv", "--model", "pets")
    assert "answers.csv: 1 new label," in out
    assert "nothing was taken from refused.csv;" in err


def test_a_refusal_gives_the_reasons_of_the_gate(workspace: Path, leeway: Leeway) -> None:
    with_another_bundle(workspace)
    _, _, err = leeway(workspace, "release")
    (line,) = [line for line in err.splitlines() if line.startswith("leeway: ")]
    with closing(open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")) as stores:
        reasons = [one.reason for one in stores.ledger.releases("colours") if one.outcome == "refused"]
    assert reasons
    assert line == f"leeway: colours version 2 was refused: {reasons[-1]}"


def test_a_bug_is_not_taken_for_a_refusal(workspace: Path, leeway: Leeway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(overview, "champion_overview")
    code, _, err = leeway(workspace, "status")
    assert code == 70
    assert "Traceback" in err
    assert "ImportError" in err


def heed_interrupts() -> None:
    """Whoever runs the tests in the background ignores them, and a child would, too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_is_told_in_one_line(workspace: Path) -> None:
    """The log is a pipe that nobody writes into, so the command waits in the middle of its work."""
    os.mkfifo(workspace / "endless.csv")
    command = [BIN / "leeway", "ingest", "endless.csv", "--model", "pets"]
    process = subprocess.Popen(
        command,
        cwd=workspace,
        env=environment(workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    with (workspace / "endless.csv").open("wb"):  # opens when the command reads
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "leeway: interrupted\n")
