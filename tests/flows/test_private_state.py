"""`.leeway` holds what production was asked and answered: whichever command makes it makes it for its owner alone."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prediction_logs import reference
from tiny_bundle import square

Leeway = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def elsewhere(workspace: Path) -> dict[str, str]:
    """Addresses beside the workspace, which has lost its state; the registry has its champion."""
    shutil.move(workspace / ".leeway" / "mlflow.db", workspace.parent / "mlflow.db")
    shutil.rmtree(workspace / ".leeway")
    return {"LEEWAY_DATABASE_URL": "sqlite:///../leeway.db", "LEEWAY_MLFLOW_URI": "sqlite:///../mlflow.db"}


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_watch_init_makes_it_private_and_nothing_beside_it(leeway: Leeway, tmp_path: Path) -> None:
    reference(tmp_path / "reference.csv")
    before = mode(tmp_path)
    assert leeway(tmp_path, "watch", "init", "pets", "--reference", "reference.csv")[0] == 0
    assert mode(tmp_path / ".leeway") == 0o700
    assert (mode(tmp_path), mode(tmp_path / "monitoring")) == (before, 0o755)


@pytest.mark.parametrize(
    ("command", "kept_elsewhere", "made"),
    [
        ("monitor", "LEEWAY_MLFLOW_URI", "leeway.db"),
        ("monitor", "LEEWAY_DATABASE_URL", "mlflow.db"),
        ("predict red.png", "LEEWAY_DATABASE_URL LEEWAY_MLFLOW_URI", "bundles"),
    ],
)
def test_the_first_command_makes_it_private(
    leeway: Leeway, workspace: Path, elsewhere: dict[str, str], command: str, kept_elsewhere: str, made: str
) -> None:
    (workspace / "red.png").write_bytes(square("red"))
    leeway(workspace, *command.split(), **{name: elsewhere[name] for name in kept_elsewhere.split()})
    assert (workspace / ".leeway" / made).exists()
    assert mode(workspace / ".leeway") == 0o700


def test_one_that_is_there_keeps_its_mode(leeway: Leeway, workspace: Path) -> None:
    (workspace / ".leeway").chmod(0o750)
    assert leeway(workspace, "status")[0] == 0
    assert mode(workspace / ".leeway") == 0o750
