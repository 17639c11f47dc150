"""Dataset versions of the past, out of a real git and a real DVC; the stage costs nothing."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leeway.adapters.duckdb.dataset_sql import query
from leeway.adapters.dvc.dataset_versions import current_version, find_version
from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import run_dvc
from leeway.errors import DataError

PIPELINE = "stages:\n  prepare:\n    cmd: cp -r source data/dataset\n    deps: [source]\n    outs: [data/dataset]\n"
FIRST, SECOND, THIRD = "aa11" * 16, "aa22" * 16, "bb33" * 16


def make(folder: Path, digest: str, *images: str) -> None:
    (folder / "source").mkdir(exist_ok=True)
    (folder / "source" / "dataset.json").write_text(json.dumps({"digest": digest}))
    pq.write_table(pa.table({"asset": list(images)}), folder / "source" / "manifest.parquet")
    (folder / "source" / "leaks.csv").write_text("asset,other\n")
    run_dvc(["repro"], folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions: one committed, one that nobody committed, and the current one."""
    folder = tmp_path_factory.mktemp("versions")
    run_git(["init", "--quiet"], folder)
    run_dvc(["init", "--quiet"], folder)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "data").mkdir()
    make(folder, FIRST, "a")
    run_git(["add", "dvc.lock"], folder)
    run_git(["commit", "--quiet", "-m", "The first"], folder)
    make(folder, SECOND, "a", "b")
    make(folder, THIRD, "a", "b", "c")
    return folder


def images(files: dict[str, Path]) -> list[str]:
    return [row[0] for row in query("SELECT asset FROM images ORDER BY 1", files).rows]


def test_the_current_version_is_what_was_made_last(made: Path) -> None:
    version = current_version(made)
    assert version.digest == THIRD
    assert images(dict(version.files)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("prefix", "digest", "where", "found"),
    [
        ("aa1", FIRST, "The first", ["a"]),
        ("AA22", SECOND, "not committed", ["a", "b"]),
        (THIRD, THIRD, "now in data/dataset", ["a", "b", "c"]),
    ],
)
def test_finds_a_version_by_the_beginning_of_its_digest(
    prefix: str, digest: str, where: str, found: list[str], made: Path
) -> None:
    version = find_version(made, prefix)
    assert version.digest == digest
    assert where in version.where
    assert images(dict(version.files)) == found


def test_an_unknown_version_lists_the_known_ones(made: Path) -> None:
    with pytest.raises(DataError, match="no dataset version 'cc' is here") as refused:
        find_version(made, "cc")
    lines = [line.split()[0] for line in str(refused.value).splitlines()[1:]]
    assert lines == [THIRD[:12], FIRST[:12], SECOND[:12]]


def test_a_beginning_that_two_versions_share_lists_both(made: Path) -> None:
    with pytest.raises(DataError, match="2 dataset versions begin with 'aa'") as refused:
        find_version(made, "aa")
    assert THIRD[:12] not in str(refused.value)


def test_what_the_cache_has_lost_is_said_with_the_command_that_fetches_it(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made, folder, symlinks=True)
    shutil.rmtree(folder / ".dvc" / "cache" / "files")
    with pytest.raises(DataError, match=r"3 more are not in DVC's cache.*dvc fetch --all-commits data/dataset"):
        find_version(folder, "aa1")
    assert find_version(folder, "bb").digest == THIRD


def test_a_workspace_without_any_version_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `dvc repro prepare`"):
        current_version(tmp_path)
