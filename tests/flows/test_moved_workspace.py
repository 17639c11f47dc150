"""A workspace that was renamed or copied works where it is, and leaves its old place alone."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from prediction_logs import answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]


@pytest.fixture
def used(leeway: Leeway, workspace: Path) -> Path:
    """A workspace whose champion has answered, and which watches another model."""
    reference(workspace / "reference.csv")
    write_log(workspace / "log.csv", answers(200, nights=8))
    for line in (
        "predict models/bundle/golden",
        "watch init pets --reference reference.csv",
        "ingest log.csv --model pets",
        "monitor --model pets --as-of 2026-03-08",
    ):
        assert leeway(workspace, *line.split())[0] == 0, line
    return workspace


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file but the repository's."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def work(leeway: Leeway, folder: Path) -> None:
    """Commands that read and write the databases, the registry, images, pages and bundles."""
    shutil.rmtree(folder / ".leeway" / "bundles")
    for line in (
        "predict models/bundle/golden",
        "monitor --as-of 2026-03-09",
        "labels export tasks --model pets",
        "status",
    ):
        code, _, error = leeway(folder, *line.split())
        assert code == 0, (line, error)
        assert str(folder.parent / "colours") not in error
    with closing(sqlite3.connect(folder / ".leeway" / "mlflow.db")) as database:
        ((bundle,),) = database.execute("SELECT storage_location FROM model_versions").fetchall()
    assert bundle.startswith((folder / ".leeway" / "mlruns").as_uri())
    assert (folder / ".leeway" / "bundles").exists()


def test_a_renamed_workspace_works_and_its_old_place_stays_gone(leeway: Leeway, used: Path) -> None:
    new = used.with_name("our 50%41 pets")
    used.rename(new)
    work(leeway, new)
    assert not used.exists()


def test_a_copy_works_and_writes_nothing_into_the_original(leeway: Leeway, used: Path) -> None:
    copy = used.with_name("copy")
    shutil.copytree(used, copy, symlinks=True)
    before = contents(used)
    work(leeway, copy)
    assert contents(used) == before
