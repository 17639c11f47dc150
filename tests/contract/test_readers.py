"""Commands that read change nothing: not the database, which refuses writes here, nor a file beside their own reports.

Every command stands in one of two lists; one that is in neither fails.
"""

import hashlib
import io
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from PIL import Image

from leeway import cli
from leeway.adapters.mlflow.registry import open_registry
from leeway.cli.app import app
from leeway.jobs.init import init_workspace
from leeway.stages import gather, prepare
from leeway.stores.opening import open_stores
from prediction_logs import answers, reference, write_log
from tiny_bundle import COLOURS, write_tiny_bundle

READERS = {
    "status": [],
    "heartbeat": ["--as-of", "2026-03-11T03:00:00"],
    "doctor": [],
    "backtest": ["--policy", "monitoring/policy.yaml", "--model", "pets"],
    "power": ["--model", "pets", "--labels-per-night", "5"],
    "labels export": ["tasks", "--model", "pets"],
    "labels conflicts": ["--model", "pets"],
    "log check": [],
    "data audit": [],
    "data sql": ["SELECT count(*) FROM images"],
    "data label-errors": [],
}
CODES = {"doctor": 1}  # nobody looked at the nights since these; of the others 0
WRITERS = {
    "init", "watch init", "ingest", "predict", "monitor", "reopen", "prune", "accept", "retrain", "release", "promote",
    "rollback", "labels import", "data relabel", "upgrade",
}  # fmt: skip
OWN = ("reports/", "tasks/", ".leeway/cache/", ".leeway/bundles/")  # reports and copies that a reader may make


def commands(group: Any, before: str = "") -> Iterator[str]:
    """Every command that can be typed, such as `data sql`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def run(patch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    patch.chdir(folder)
    patch.setenv("LEEWAY_MODEL", "colours")
    patch.setattr(sys, "argv", ["leeway", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def coloured(name: str, seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(-20, 21, (10, 12, 3))
    stored = io.BytesIO()
    Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)).save(stored, "PNG")
    return stored.getvalue()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, a champion that a person set in the registry and that never served, and ten nights of `pets`."""
    folder = tmp_path_factory.mktemp("readers") / "colours"
    init_workspace(folder)
    for number, name in enumerate(COLOURS):
        (folder / "photos" / name).mkdir(parents=True)
        for place in range(20):
            (folder / "photos" / name / f"{place}.png").write_bytes(coloured(name, 100 * number + place))
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["data"]["source"] = {"kind": "folder", "path": "photos"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    write_tiny_bundle(folder / "models" / "bundle")
    registry = open_registry(f"sqlite:///{folder / '.leeway' / 'mlflow.db'}")
    registry.register(folder / "models" / "bundle", model="colours", tags={})
    registry.set_alias("colours", "champion", 1)
    reference(folder / "reference.csv")
    write_log(folder / "log.csv", answers(300, nights=10))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["gather"])
        assert (gather.main(), prepare.main()) == (0, 0)
        for line in (
            "watch init pets --reference reference.csv",
            "ingest log.csv --model pets",
            "monitor --model pets --as-of 2026-03-11T02:00:00",
        ):
            assert run(patch, folder, *line.split()) == 0
    return folder


@contextmanager
def refusing_writes(database: Path) -> Iterator[None]:
    """Whoever wants to write waits for this connection for ever; readers do not."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def rows(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def files(folder: Path) -> dict[str, str]:
    """Digest of every file that is neither a database nor a reader's own report."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in found.items()
        if not name.startswith(OWN) and ".db" not in path.name
    }


def test_every_command_is_known_to_read_or_to_write() -> None:
    assert set(commands(typer.main.get_command(app))) == READERS.keys() | WRITERS
    assert not READERS.keys() & WRITERS


@pytest.mark.parametrize("command", READERS)
def test_a_reader_changes_no_row_and_no_file_but_its_report(
    workspace: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database, lineage = workspace / ".leeway" / "leeway.db", workspace / ".leeway" / "mlflow.db"
    before = rows(database), rows(lineage), files(workspace)
    with refusing_writes(database):
        code = run(monkeypatch, workspace, *command.split(), *READERS[command])
    said = capsys.readouterr()
    assert code == CODES.get(command, 0), said.err
    assert (rows(database), rows(lineage), files(workspace)) == before
    if command == "status":
        assert "champion   none yet" in said.out


def test_the_first_writing_command_begins_the_epoch_and_status_then_shows_it(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(workspace, tmp_path / "colours", symlinks=True))
    assert run(monkeypatch, copy, "monitor", "--as-of", "2026-03-11T02:00:00") == 0
    stores = open_stores(f"sqlite:///{copy / '.leeway' / 'leeway.db'}")
    [period] = stores.ledger.serving_periods("colours")
    [alert] = [one for one in stores.ledger.pending_alerts() if "alias" in one.title] or [None]
    stores.close()
    assert (period.version, f"{period.began_at:%Y-%m-%d %H:%M}") == (1, "2026-03-11 02:00")
    assert alert is None, "it was printed, where no channel is configured"
    capsys.readouterr()
    assert run(monkeypatch, copy, "status") == 0
    assert "serving since 2026-03-11 02:00" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "data sql"])
def test_a_reader_makes_no_database_where_there_is_none(
    workspace: Path, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(workspace, tmp_path / "colours", symlinks=True))
    shutil.rmtree(copy / ".leeway")
    shutil.rmtree(copy / ".leeway-ledger")
    assert run(monkeypatch, copy, *command.split(), *READERS[command]) == 0
    assert not list(copy.glob(".leeway/*.db"))
    assert not (copy / ".leeway-ledger").exists()


def test_a_database_that_is_gone_is_noticed_by_readers_and_writers_and_begun_anew_on_purpose_only(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(workspace, tmp_path / "colours", symlinks=True))
    database = copy / ".leeway" / "leeway.db"
    kept = database.rename(tmp_path / "kept.db")
    for command in (["status"], ["monitor", "--model", "pets"]):
        assert run(monkeypatch, copy, *command) == 2
        assert "to begin anew on purpose delete .leeway-ledger" in capsys.readouterr().err
    assert not database.exists()
    open_stores(f"sqlite:///{database}").close()  # another one in its place
    assert run(monkeypatch, copy, "status") == 2
    assert "is another ledger than the one that was used here" in capsys.readouterr().err
    database.unlink()
    kept.rename(database)
    assert run(monkeypatch, copy, "status") == 0
