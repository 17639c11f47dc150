"""MLflow's artifacts lie beside its SQLite file, also after the folder of the two was renamed or copied."""

import hashlib
import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from leeway.adapters.mlflow.connection import connect
from leeway.adapters.mlflow.registry import open_registry
from leeway.adapters.mlflow.tracking import open_tracker
from leeway.bundle.contents import bundle_digest
from tiny_bundle import write_tiny_bundle

# libraries under MLflow (sqlalchemy, starlette, pydantic) announce their own future with these
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["mlflow", "leeway.adapters.mlflow.registry", "leeway.adapters.mlflow.tracking"])


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(address(path.parent))
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def old(empty_database: Path, bundle: Path, tmp_path: Path) -> Path:
    """A folder with a database, a registered bundle, and a run with a file."""
    folder = tmp_path / "50%41 off" / ".leeway"
    folder.mkdir(parents=True)
    shutil.copy(empty_database, folder)
    # another process: MLflow keeps in memory where the files of a run go
    made = CONTEXT.Process(target=fill, args=(folder, bundle))
    made.start()
    made.join()
    assert made.exitcode == 0
    return folder


def fill(folder: Path, bundle: Path) -> None:
    with open_tracker(address(folder)).run("train", tags={"bundle_digest": bundle_digest(bundle)}) as run:
        run.log_files(bundle / "bundle.json", under="trained")
    open_registry(address(folder)).register(bundle, model="colours", tags={})


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def work(folder: Path, scratch: Path) -> None:
    """Fetch a version, register another, and add files to an old run and to a new one."""
    registry = open_registry(address(folder))
    fetched = registry.fetch("colours", 1, scratch / "fetched")
    digest = write_tiny_bundle(scratch / "another", temperature=0.1)
    assert registry.register(scratch / "another", model="colours", tags={}) == 2
    assert bundle_digest(registry.fetch("colours", 2, scratch / "again")) == digest
    tracker = open_tracker(address(folder))
    for of in (fetched, scratch / "another"):
        with tracker.run_of_bundle(bundle_digest(of), name="evaluate") as run:
            run.log_files(of / "bundle.json", under="evaluated")
    assert len(list((folder / "mlruns").rglob("evaluated/bundle.json"))) == 2


def contents(folder: Path) -> dict[Path, tuple[int, str]]:
    """The time and digest of every file."""
    return {
        path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def held(folder: Path) -> set[str]:
    """All artifact addresses in the database."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        rows = database.execute(
            "SELECT artifact_location FROM experiments WHERE name != 'Default' UNION SELECT artifact_uri FROM runs "
            "UNION SELECT artifact_location FROM logged_models UNION SELECT storage_location FROM model_versions"
        ).fetchall()
    return {address for (address,) in rows}


def test_a_renamed_folder_keeps_its_bundles_and_its_old_place_stays_gone(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new pets" / ".leeway"
    old.parent.rename(new.parent)
    work(new, tmp_path)
    assert not old.parent.exists()
    assert all(address.startswith((new / "mlruns").as_uri()) for address in held(new))


def test_a_copy_reads_its_own_bundles_and_writes_nothing_into_the_original(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "copy" / ".leeway"
    shutil.copytree(old.parent, new.parent)
    before = contents(old.parent)
    shutil.move(old / "mlruns" / "models", tmp_path / "models")
    work(new, tmp_path)
    shutil.move(tmp_path / "models", old / "mlruns" / "models")
    assert contents(old.parent) == before
    open_registry(address(old)).fetch("colours", 1, tmp_path / "fetched from the original")


def test_a_copy_made_before_there_were_artifacts_keeps_its_own(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "copy" / ".leeway"
    new.mkdir(parents=True)
    shutil.copy(old / "mlflow.db", new)
    connect(address(new))
    assert connect(address(new)).client.get_experiment_by_name("leeway").artifact_location == (new / "mlruns").as_uri()


def test_a_database_that_was_moved_away_from_its_artifacts_finds_them_where_they_stayed(
    old: Path, tmp_path: Path
) -> None:
    new, before = tmp_path / "databases", held(old)
    new.mkdir()
    (old / "mlflow.db").rename(new / "mlflow.db")
    open_registry(address(new)).fetch("colours", 1, tmp_path / "fetched")
    assert held(new) == before


def test_the_same_folder_by_another_name_is_no_move(old: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(old.parent)
    before = held(old)
    work(tmp_path / "link" / ".leeway", tmp_path)
    assert held(old) > before


def test_addresses_outside_the_folder_stay(old: Path, tmp_path: Path) -> None:
    client = connect(address(old)).client
    for name, at in [("bucket", "s3://bucket/mlruns"), ("beside", (old / "mlruns-of-others").as_uri())]:
        client.create_experiment(name, artifact_location=at)
    old.parent.rename(tmp_path / "new")
    moved = connect(address(tmp_path / "new" / ".leeway")).client
    assert moved.get_experiment_by_name("bucket").artifact_location == "s3://bucket/mlruns"
    assert moved.get_experiment_by_name("beside").artifact_location == (old / "mlruns-of-others").as_uri()
