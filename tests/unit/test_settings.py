"""Settings: which database, registry and folder LEEWAY_* name, wherever a command stands."""

from pathlib import Path

import pytest

from leeway.adapters.mlflow.database import database_file
from leeway.settings import read_settings
from leeway.stores.opening import open_stores

ADDRESSES = ("LEEWAY_DATABASE_URL", "LEEWAY_MLFLOW_URI")


@pytest.fixture(params=["ws", "our pets", "50%41 off", "a#b"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder: Path = tmp_path / request.param
    folder.mkdir()
    (folder / "params.yaml").touch()
    return folder


@pytest.fixture
def elsewhere(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of a command that is told its workspace."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEEWAY_WORKSPACE", str(workspace))
    return folder


def addresses(monkeypatch: pytest.MonkeyPatch, address: str) -> list[str]:
    """What both variables are read as when both hold this."""
    for name in ADDRESSES:
        monkeypatch.setenv(name, address)
    settings = read_settings()
    return [settings.database_url, settings.mlflow_uri]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("sqlite:///ops.db", "sqlite:///{}/ops.db"),
        ("sqlite:///state/our%20ops.db", "sqlite:///{}/state/our%20ops.db"),
        ("sqlite:///ops.db?timeout=5&x=a/b", "sqlite:///{}/ops.db?timeout=5&x=a/b"),
        ("sqlite+pysqlite:///ops.db", "sqlite+pysqlite:///{}/ops.db"),
    ],
)
def test_a_relative_sqlite_file_starts_at_the_workspace(
    workspace: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, given: str, read: str
) -> None:
    expected = [read.format(workspace)] * 2
    assert addresses(monkeypatch, given) == expected
    monkeypatch.chdir(workspace)
    assert addresses(monkeypatch, given) == expected


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:////srv/our ops.db?timeout=5",
        "sqlite:///:memory:",
        "sqlite://",
        "postgresql:///ops",
        "postgresql://me:a%3Ab@host/ops",
        "http://127.0.0.1:5000",
        "none",
        "no address",
    ],
)
def test_any_other_address_is_read_as_it_stands(elsewhere: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert addresses(monkeypatch, address) == [address] * 2


def test_one_database_is_made_from_wherever_a_command_is_run(
    workspace: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEEWAY_DATABASE_URL", "sqlite:///ops.db?timeout=5")
    for folder in (elsewhere, workspace):
        monkeypatch.chdir(folder)
        open_stores(read_settings().database_url).close()
    assert {path.name for path in workspace.iterdir()} == {"params.yaml", "ops.db"}
    assert list(elsewhere.iterdir()) == []


def test_mlflow_keeps_its_file_in_the_workspace(
    workspace: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEEWAY_MLFLOW_URI", "sqlite:///mlflow.db?timeout=5")
    assert database_file(read_settings().mlflow_uri) == workspace / "mlflow.db"


def test_the_defaults_lie_in_the_workspace(workspace: Path, elsewhere: Path) -> None:
    settings = read_settings()
    assert settings.database_url == f"sqlite:///{workspace}/.leeway/leeway.db"
    assert settings.mlflow_uri == f"sqlite:///{workspace}/.leeway/mlflow.db"
    assert settings.images == workspace / ".leeway" / "images"
