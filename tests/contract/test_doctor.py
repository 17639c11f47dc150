"""`leeway doctor`: of a thing that is broken one line says so, with what mends it; a healthy workspace has none."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leeway import cli
from leeway.adapters.dvc.repository import run_git
from leeway.adapters.mlflow.database import prepare_database
from leeway.jobs.init import init_workspace
from leeway.stores.opening import open_stores
from leeway.stores.schema import SCHEMA_REVISION
from prediction_logs import START, answers, reference, write_log
from receivers import receiving

Leeway = Callable[..., tuple[int, str, str]]
NIGHTS = 4
DATABASE = Path(".leeway") / "leeway.db"


@pytest.fixture
def leeway(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Leeway:
    """Runs the command in a folder; gives exit code, stdout and stderr."""

    def run(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        for name, value in {"PREFECT_HOME": str(folder), "LEEWAY_MODEL": "colours", **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["leeway", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capfd.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    return run


def run(folder: Path, line: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["leeway", *line.split()])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    assert not stopped.value.code


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new workspace with MLflow's database, and a watched model whose nights are decided up to the last one."""
    folder = tmp_path_factory.mktemp("doctor") / "colours"
    init_workspace(folder)
    run_git(["config", "user.name", "Ada"], folder)
    run_git(["config", "user.email", "ada@example.org"], folder)
    last = (datetime.now(UTC) - START).days
    (folder / ".leeway").mkdir()
    reference(folder / ".leeway" / "reference.csv")
    write_log(folder / ".leeway" / "log.csv", answers(300, nights=NIGHTS, first=last - NIGHTS))
    run(folder, "watch init pets --reference .leeway/reference.csv")
    run(folder, "ingest .leeway/log.csv --model pets")
    run(folder, "monitor --model pets")
    prepare_database(folder / ".leeway" / "mlflow.db")
    run_git(["add", "--all"], folder)
    run_git(["commit", "--quiet", "-m", "pets are watched"], folder)
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "colours", symlinks=True))


def examined(leeway: Leeway, folder: Path, *options: str, **variables: str) -> tuple[int, list[dict[str, Any]], str]:
    code, out, err = leeway(folder, "doctor", "--json", *options, **variables)
    content = json.loads(out)
    assert content["failed"] == sum(check["status"] == "fail" for check in content["checks"])
    assert "Traceback" not in err
    return code, content["checks"], err


# A workspace in which all is well


def test_nothing_fails_in_a_healthy_workspace_and_what_it_does_not_use_is_named(
    workspace: Path, leeway: Leeway
) -> None:
    code, checks, err = examined(leeway, workspace)
    by_status: dict[str, set[str]] = {}
    for check in checks:
        by_status.setdefault(check["status"], set()).add(check["name"])
    assert (code, err) == (0, "")
    assert "fail" not in by_status
    assert by_status["warn"] - {"python"} == {"dvc remote"}  # a new workspace has none
    assert by_status["not used"] == {"champion", "channels", "prefect"}
    assert by_status["ok"] >= {
        *("leeway", "packages", "torch", "variables", "workspace", "params", "policy", "pipeline", "git identity"),
        *("git branch", "git tree", "registry", "ledger", "log", "schedule", "outbox", "records", "disk", "clock"),
    }


def test_the_screen_has_a_line_for_each_finding_with_its_mend_below_and_the_number_of_each_kind(
    workspace: Path, leeway: Leeway
) -> None:
    _, checks, _ = examined(leeway, workspace)
    code, out, _ = leeway(workspace, "doctor")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines if line[0] != " "][:-1] == [
        check["status"].split()[0] for check in checks
    ]
    [at] = [number for number, line in enumerate(lines) if line.startswith("warn") and " dvc remote " in line]
    assert "dvc remote add" in lines[at + 1]
    assert lines[-1].startswith(f"{len(checks)} lines: ")


def test_json_gives_every_check_its_four_fields(workspace: Path, leeway: Leeway) -> None:
    _, checks, _ = examined(leeway, workspace)
    assert {tuple(check) for check in checks} == {("name", "status", "found", "mend")}
    assert [check["name"] for check in checks if check["status"] in ("warn", "fail") and not check["mend"]] == []


def test_a_workspace_that_was_moved_is_as_healthy_as_before(workspace: Path, leeway: Leeway) -> None:
    moved = workspace.rename(workspace.parent / "moved")
    code, checks, _ = examined(leeway, moved)
    assert code == 0
    assert str(moved) in next(check["found"] for check in checks if check["name"] == "ledger")


def test_a_relative_database_is_that_of_the_workspace_from_wherever_doctor_is_asked(
    workspace: Path, leeway: Leeway
) -> None:
    variables = {"LEEWAY_WORKSPACE": str(workspace), "LEEWAY_DATABASE_URL": f"sqlite:///{DATABASE}"}
    code, checks, _ = examined(leeway, workspace / "data", **variables)
    [line] = [check for check in checks if check["name"] == "ledger"]
    assert (code, line["status"], f"{workspace / DATABASE}" in line["found"]) == (0, "ok", True)


# One thing that is broken


def write(name: str, text: str) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        (folder / name).write_text(text)

    return plant


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return plant


def sql(database: Path, statement: str) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        with closing(sqlite3.connect(folder / database, isolation_level=None)) as connection:
            connection.execute(statement)

    return plant


def git(*arguments: str) -> Callable[[Path], None]:
    return lambda folder: run_git(arguments, folder) and None


def in_turn(*plants: Callable[[Path], None]) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        for one in plants:
            one(folder)

    return plant


def without(name: str) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return plant


def another_ledger(folder: Path) -> None:
    (folder / DATABASE).unlink()
    open_stores(f"sqlite:///{folder / DATABASE}").close()


def killed_git(folder: Path) -> None:
    lock = folder / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (time.time() - 3600,) * 2)


def unfinished_merge(folder: Path) -> None:
    (folder / ".git" / "MERGE_HEAD").write_text(run_git(["rev-parse", "HEAD"], folder) + "\n")


def remote(address: str, name: str = "store") -> Callable[[Path], None]:
    return lambda folder: write(
        ".dvc/config", f"[core]\n    remote = {name}\n['remote \"store\"']\n    url = {address}\n"
    )(folder)


def file_from_tomorrow(folder: Path) -> None:
    os.utime(folder / "params.yaml", (time.time() + 86400,) * 2)


def without_segments(folder: Path) -> None:
    for path in (folder / ".leeway" / "leeway-log" / "live").iterdir():
        path.unlink()


def night_missed(folder: Path) -> None:
    """As if the last two nights had never been decided."""
    since = (datetime.now(UTC) - timedelta(days=2)).date()
    for table in ("check_results", "decisions", "windows"):
        sql(DATABASE, f"DELETE FROM {table} WHERE night >= '{since}'")(folder)


LATER = f"{datetime.now(UTC) + timedelta(days=400):%Y-%m-%d %H:%M:%S.000000}"
REFUSED_ALERT = (
    "INSERT INTO alerts (key, title, body, made_at, error) VALUES ('k', 't', 'b', '2026-03-01 02:00:00.000000', 'down')"
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A thing that is broken, the line that has to say so, and words of what was found and of what mends it."""

    name: str
    status: str
    found: str
    mend: str
    plant: Callable[[Path], None]
    variables: tuple[tuple[str, str], ...] = ()


BROKEN = {
    "a typo in params.yaml": Broken(
        "params", "fail", "train.epochs", "params.yaml", replace("params.yaml", "epochs: 25", "epochs: many")
    ),
    "a key that nobody knows": Broken(
        "params", "fail", "evaluate.binz", "params.yaml", replace("params.yaml", "  bins: 10 ", "  binz: 10 ")
    ),
    "a section that is missing": Broken(
        "params", "fail", "section 'evaluate'", "params.yaml", replace("params.yaml", "\nevaluate:", "\nevaluated:")
    ),
    "params that are no YAML": Broken("params", "fail", "not YAML", "params.yaml", write("params.yaml", "data: [")),
    "images that are not there": Broken(
        "params",
        "fail",
        "photos is not there",
        "data.source",
        replace("params.yaml", "{kind: digits}", "{kind: folder, path: photos}"),
    ),
    "a policy's value": Broken(
        "policy", "fail", "accuracy.floor", "monitoring/policy.yaml", replace("monitoring/policy.yaml", "0.90", "1.90")
    ),
    "a time zone": Broken(
        "policy",
        "fail",
        "time_zone",
        "monitoring/policy.yaml",
        replace("monitoring/policy.yaml", "time_zone: UTC", "time_zone: Mars"),
    ),
    "a watched model's policy": Broken(
        "policy", "fail", "flor", "monitoring/watched/pets.yaml", write("monitoring/watched/pets.yaml", "flor: 1")
    ),
    "no policy": Broken("policy", "fail", "no such file", "policy.yaml", without("monitoring/policy.yaml")),
    "a stage without a command": Broken(
        "pipeline", "fail", "stages.train: cmd", "dvc.yaml", write("dvc.yaml", "stages: {train: {outs: [a]}}")
    ),
    "a stage that this version has not": Broken(
        "pipeline",
        "fail",
        "no stage 'gathers'",
        "dvc.yaml",
        replace("dvc.yaml", "leeway.stages.gather ", "leeway.stages.gathers "),
    ),
    "params that dvc.yaml names and nobody has": Broken(
        "pipeline", "fail", "no data.sauce", "dvc.yaml", replace("dvc.yaml", "data.source", "data.sauce")
    ),
    "a dependency that is not there": Broken(
        "pipeline", "fail", "must_pass is not there", "dvc.yaml", without("must_pass")
    ),
    "a conflict in dvc.lock": Broken(
        "pipeline", "fail", "dvc.lock", "git checkout", write("dvc.lock", "<<<<<<< HEAD\nschema: '2.0'\n=======\n")
    ),
    "a stage that a release needs": Broken(
        "stages", "warn", "gather", "leeway init", write("dvc.yaml", "stages: {train: {cmd: 'true'}}")
    ),
    "another version's last run": Broken("last run", "warn", "0.0.1", "dvc repro", write(".leeway-version", "0.0.1\n")),
    "no git repository": Broken("git", "fail", "no .git", "git init", without(".git")),
    "no DVC repository": Broken("git", "fail", "no .dvc", "dvc init", without(".dvc")),
    "a git repository that is damaged": Broken(
        "git", "fail", "git rev-parse", "git status", write(".git/HEAD", "nonsense\n")
    ),
    "no name in git": Broken(
        "git identity",
        "warn",
        "user.email",
        "git config user.email",
        git("config", "--unset", "user.email"),
        (("GIT_CONFIG_GLOBAL", os.devnull),),
    ),
    "a git that was killed": Broken("git branch", "fail", "index.lock", "rm ", killed_git),
    "a merge that is unfinished": Broken("git branch", "fail", "merge", "git merge --abort", unfinished_merge),
    "no branch": Broken("git branch", "warn", "detached", "git switch", git("checkout", "--quiet", "--detach")),
    "what is not committed": Broken("git tree", "warn", "1 file is not committed: a b", "git commit", write("a b", "")),
    "no DVC remote": Broken("dvc remote", "warn", "none", "dvc remote add -d", lambda _: None),
    "a DVC remote on the same disk": Broken(
        "dvc remote", "warn", "same disk", "dvc remote modify store", remote("../../s")
    ),
    "a DVC remote whose drive is away": Broken(
        "dvc remote", "fail", "is the drive mounted", "mount it", remote("/no/where/store")
    ),
    "a DVC remote that is a file": Broken(
        "dvc remote", "fail", "cannot be written", "permissions", remote("../params.yaml")
    ),
    "a default remote that is not there": Broken(
        "dvc remote", "fail", "'other'", "dvc remote default store", remote("/tmp", "other")
    ),
    "a DVC configuration that is broken": Broken(
        "dvc remote", "fail", "dvc config", "dvc config --list", write(".dvc/config", "[core")
    ),
    "an MLflow that is no database": Broken(
        "registry", "fail", "mlflow.db", "LEEWAY_MLFLOW_URI", write(".leeway/mlflow.db", "no database\n" * 200)
    ),
    "an older MLflow's database": Broken(
        "registry",
        "warn",
        "451aebb31d03",
        "leeway release",
        sql(Path(".leeway/mlflow.db"), "UPDATE alembic_version SET version_num = '451aebb31d03'"),
    ),
    "a newer MLflow's database": Broken(
        "registry",
        "fail",
        "ffff",
        "pip install -U",
        sql(Path(".leeway/mlflow.db"), "UPDATE alembic_version SET version_num = 'ffff'"),
    ),
    "an MLflow server that is away": Broken(
        "registry",
        "fail",
        "127.0.0.1:9",
        "LEEWAY_MLFLOW_URI",
        lambda _: None,
        (("LEEWAY_MLFLOW_URI", "http://127.0.0.1:9"),),
    ),
    "a database that is gone": Broken("ledger", "fail", "was used here", "copy it back", without(str(DATABASE))),
    "another ledger": Broken("ledger", "fail", "another ledger", "delete .leeway-ledger", another_ledger),
    "a file that is no database": Broken(
        "ledger", "fail", "no SQLite database", "LEEWAY_DATABASE_URL", write(str(DATABASE), "no database\n" * 200)
    ),
    "an address of no kind": Broken(
        "ledger", "fail", "mysql", "LEEWAY_DATABASE_URL", lambda _: None, (("LEEWAY_DATABASE_URL", "mysql://host/db"),)
    ),
    "a database that does not answer": Broken(
        "ledger",
        "fail",
        "on 127.0.0.1:9",
        "LEEWAY_DATABASE_URL",
        lambda _: None,
        (("LEEWAY_DATABASE_URL", "postgresql://ada:hunter2@127.0.0.1:9/leeway"),),
    ),
    "a database of the release before": Broken(
        "ledger", "warn", "0008", "leeway upgrade", sql(DATABASE, "UPDATE leeway_schema SET version_num = '0008'")
    ),
    "a database of a newer version": Broken(
        "ledger",
        "fail",
        "9999",
        "pip install -U leeway",
        sql(DATABASE, "UPDATE leeway_schema SET version_num = '9999'"),
    ),
    "a database of somebody else": Broken(
        "ledger", "fail", "did not make", "LEEWAY_DATABASE_URL", sql(DATABASE, "DROP TABLE leeway_schema")
    ),
    "a champion that was set in MLflow": Broken(
        "champion",
        "warn",
        "version 3",
        "leeway monitor",
        in_turn(
            sql(
                Path(".leeway/mlflow.db"),
                "INSERT INTO registered_models (name, creation_time) VALUES ('colours', 0)",
            ),
            sql(
                Path(".leeway/mlflow.db"),
                "INSERT INTO registered_model_aliases (name, alias, version) VALUES ('colours', 'champion', 3)",
            ),
        ),
    ),
    "a file of the prediction log that is gone": Broken("log", "fail", "live", "leeway log check", without_segments),
    "nights that nobody looked at": Broken("schedule", "fail", "pets version 1", "leeway monitor", night_missed),
    "a damaged row": Broken(
        "schedule", "fail", "pets", "leeway monitor", sql(DATABASE, "UPDATE models SET reference = '{'")
    ),
    "an alert that was refused": Broken("outbox", "warn", "down", "leeway doctor --send", sql(DATABASE, REFUSED_ALERT)),
    "a channel that Apprise does not know": Broken(
        "channels",
        "fail",
        "address 2 of 2",
        "LEEWAY_ALERT_URLS",
        lambda _: None,
        (("LEEWAY_ALERT_URLS", "json://127.0.0.1:9 slak://a/b/c"),),
    ),
    "a record from next year": Broken(
        "records",
        "fail",
        LATER[:10],
        "leeway reopen",
        sql(DATABASE, f"UPDATE log_segments SET received_day = '{LATER[:10]}'"),
    ),
    "a file from tomorrow": Broken("clock", "warn", "params.yaml", "timedatectl", file_from_tomorrow),
    "images in no folder": Broken(
        "disk",
        "fail",
        "params.yaml, for the images, is no folder",
        "mend it",
        lambda _: None,
        (("LEEWAY_IMAGES", "params.yaml/a"),),
    ),
    "a Prefect server that is away": Broken(
        "prefect",
        "fail",
        "http://127.0.0.1:9/api",
        "prefect server start",
        lambda _: None,
        (("PREFECT_API_URL", "http://127.0.0.1:9/api"),),
    ),
    "a variable that is misspelt": Broken(
        "variables", "warn", "LEEWAY_ALERT_URLS", "unset", lambda _: None, (("LEEWAY_ALERT_URL", "json://h"),)
    ),
}


ALSO = {  # what stops with it
    "a section that is missing": {"pipeline"},
    "a policy's value": {"schedule"},
    "a file of the prediction log that is gone": {"schedule"},
    "a time zone": {"schedule"},
    "a watched model's policy": {"schedule"},
    "no policy": {"schedule"},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_thing_that_is_broken_has_its_line_with_its_mend(what: str, workspace: Path, leeway: Leeway) -> None:
    broken = BROKEN[what]
    broken.plant(workspace)
    code, checks, err = examined(leeway, workspace, **dict(broken.variables))
    lines = [check for check in checks if check["name"] == broken.name and check["status"] == broken.status]
    assert lines, [check for check in checks if check["name"] == broken.name]
    assert any(broken.found in line["found"] and broken.mend in line["mend"] for line in lines), lines
    assert not [check for check in checks if "hunter2" in f"{check}"]
    failed = {check["name"] for check in checks if check["status"] == "fail"}
    assert failed <= {broken.name, *ALSO.get(what, ())}, "one cause, one line"
    assert (code, broken.name in failed) == ((1, True) if broken.status == "fail" else (code, False))
    assert code == (1 if failed else 0)
    assert len(err.splitlines()) == code


def test_a_pipeline_of_somebodys_own_is_taken_as_dvc_takes_it(workspace: Path, leeway: Leeway) -> None:
    own = """\
vars: [{kind: a}]
stages:
  gather: {cmd: python -m leeway.stages.gather, deps: , params: [data], outs: [data/shards: {persist: true}]}
  prepare: {cmd: prepare, deps: [data/shards/one, "https://host/x", data], params: [other.yaml: [a]], outs: [out]}
  train: {foreach: [a, b], do: {cmd: "train ${item}", deps: ["${item}"], params: ["${item}.b"]}}
  evaluate: {cmd: [one, two], wdir: elsewhere, deps: [nowhere], params: , metrics: , plots: [a.csv: {x: b}]}
"""
    (workspace / "dvc.yaml").write_text(own)
    _, checks, _ = examined(leeway, workspace)
    assert [check["status"] for check in checks if check["name"] in ("pipeline", "stages")] == ["ok"]


def test_what_stands_in_a_database_that_cannot_be_read_is_not_looked_at(workspace: Path, leeway: Leeway) -> None:
    another_ledger(workspace)
    _, checks, _ = examined(leeway, workspace)
    left = {check["name"] for check in checks if check["status"] == "not used" and "`ledger`" in check["found"]}
    assert left == {"champion", "log", "schedule", "logs elsewhere", "outbox", "records"}


def test_a_ledger_that_holds_nothing_yet_is_not_used_and_nothing_is_made(tmp_path: Path, leeway: Leeway) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(Path(__file__).parents[2] / name, tmp_path / name)
    _, checks, _ = examined(leeway, tmp_path)
    status = {check["name"]: check["status"] for check in checks}
    assert (status["ledger"], status["registry"], status["schedule"]) == ("not used", "not used", "not used")
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", "dvc.yaml"}


# Other folders


def test_outside_of_a_workspace_the_environment_alone_is_looked_at_and_it_says_so(
    tmp_path: Path, leeway: Leeway
) -> None:
    code, checks, _ = examined(leeway, tmp_path)
    [line] = [check for check in checks if check["name"] == "workspace"]
    assert (code, line["status"]) == (0, "not used")
    assert str(tmp_path) in line["found"]
    assert "leeway init DIR" in line["mend"]
    assert not {"ledger", "params", "git tree"} & {check["name"] for check in checks}
    assert {"python", "packages", "torch", "disk", "clock"} <= {check["name"] for check in checks}


def test_a_folder_that_only_watches_needs_no_params_no_pipeline_and_no_repository(
    workspace: Path, leeway: Leeway
) -> None:
    for name in ("params.yaml", "dvc.yaml", ".git", ".dvc"):
        without(name)(workspace)
    code, checks, _ = examined(leeway, workspace)
    assert code == 0, [check for check in checks if check["status"] == "fail"]
    assert next(check["status"] for check in checks if check["name"] == "pipeline") == "not used"
    assert not {"params", "git tree", "dvc remote", "registry"} & {check["name"] for check in checks}


def test_a_workspace_of_which_everything_is_broken_has_lines_and_no_traceback(workspace: Path, leeway: Leeway) -> None:
    names = ("params.yaml", "dvc.yaml", "dvc.lock", "monitoring/policy.yaml", ".git/HEAD", ".dvc/config")
    for name in (*names, str(DATABASE), ".leeway/mlflow.db", ".leeway-version", ".leeway-ledger/id"):
        (workspace / name).write_bytes(b"\xff\xfe broken \x00" * 400)
    (workspace / "profiles.toml").write_text("active = [")
    code, checks, err = examined(
        leeway, workspace, LEEWAY_ALERT_URLS="nonsense", PREFECT_HOME=str(workspace), LEEWAY_IMAGES="/dev/null/images"
    )
    failed = {check["name"] for check in checks if check["status"] == "fail"}
    assert code == 1
    assert {"params", "policy", "pipeline", "git", "dvc remote", "registry", "ledger", "channels", "prefect"} <= failed
    assert err.startswith("leeway: ")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise, where Python still has it
def test_send_tries_every_channel_and_says_of_each_what_it_answered(workspace: Path, leeway: Leeway) -> None:
    with receiving() as (good, got), receiving(status=500) as (bad, refused), receiving() as (last, also):
        urls = f"json://{good} json://ada:hunter2@{bad} nonsense json://{last}"
        code, checks, err = examined(leeway, workspace, "--send", LEEWAY_ALERT_URLS=urls)
        lines = [check for check in checks if check["name"] == "channels"]
        _, quiet, _ = examined(leeway, workspace, LEEWAY_ALERT_URLS=urls)
    assert code == 1
    assert [line["status"] for line in lines] == ["ok", "fail", "fail", "ok"]
    assert [good in lines[0]["found"], bad in lines[1]["found"], "address 3 of 4" in lines[2]["found"]] == [True] * 3
    assert [message["title"] for message in (*got, *refused, *also)] == ["leeway: a test"] * 3, "once each, with --send"
    assert [check["status"] for check in quiet if check["name"] == "channels"] == ["ok", "ok", "fail", "ok"]
    assert "hunter2" not in f"{checks}{err}"


def test_git_status_is_asked_without_a_write(workspace: Path, leeway: Leeway) -> None:
    """An index whose times are out of date is brought up to date by a plain `git status`."""
    os.utime(workspace / "params.yaml", (time.time() - 50,) * 2)
    before = (workspace / ".git" / "index").read_bytes()
    examined(leeway, workspace)
    assert (workspace / ".git" / "index").read_bytes() == before
    subprocess.run(["git", "status"], cwd=workspace, check=True, capture_output=True)
    assert (workspace / ".git" / "index").read_bytes() != before


def test_the_schema_of_this_version_is_named(workspace: Path, leeway: Leeway) -> None:
    _, checks, _ = examined(leeway, workspace)
    assert SCHEMA_REVISION in next(check["found"] for check in checks if check["name"] == "ledger")
