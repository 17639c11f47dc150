"""What doctor asks databases, MLflow, git and DVC: facts, found without making, migrating or changing anything."""

import hashlib
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from battery import START, prediction, somebody_else, with_labels
from leeway.adapters.dvc.probe import read_git, read_remotes
from leeway.adapters.dvc.repository import run_git
from leeway.adapters.mlflow.probe import read_registry, revisions
from leeway.adapters.mlflow.registry import open_registry
from leeway.domain.records import Alert
from leeway.errors import RegistryError, StoreError, WorkspaceError
from leeway.stores.opening import open_stores
from leeway.stores.probe import known_revisions, read_database
from leeway.stores.schema import SCHEMA_REVISION
from receivers import answering
from tiny_bundle import write_tiny_bundle

LATER = datetime(2027, 5, 1, 2, 30, tzinfo=UTC)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# The database of both stores


def test_a_database_that_is_not_there_or_empty_is_said_to_be_so_and_not_made(database_url: str) -> None:
    assert not read_database(database_url).is_there
    file = database_url.removeprefix("sqlite:///")
    assert not Path(file).exists()


def test_a_database_of_this_version_gives_its_id_and_when_what_was_recorded_last(database_url: str) -> None:
    with closing(open_stores(database_url)) as stores:
        known = stores.ledger.id
        assert read_database(database_url).recorded == {}
        stores.log.record("pets", [with_labels([prediction("b")], ["cat"], [0.5])], received_at=START)
        stores.ledger.queue_alert(Alert(key="k", title="t", body="b", made_at=LATER))
    state = read_database(database_url)
    assert (state.is_there, state.revision, state.ledger_id) == (True, SCHEMA_REVISION, known)
    of_log = "a day of predictions" if database_url.startswith("sqlite") else "a prediction"
    assert state.recorded == {of_log: START, "an alert": LATER}
    assert known_revisions()[-1] == SCHEMA_REVISION


def test_a_database_of_another_version_gives_its_revision_and_stays_as_it_is(database_url: str) -> None:
    open_stores(database_url).close()
    with somebody_else(database_url) as connection:
        connection.execute(text("UPDATE leeway_schema SET version_num = '0004'"))
        connection.commit()
    for _ in range(2):
        state = read_database(database_url)
        assert (state.is_there, state.revision, state.ledger_id, state.recorded) == (True, "0004", None, {})


def test_tables_of_somebody_else_have_no_revision(database_url: str) -> None:
    with somebody_else(database_url) as connection:
        connection.execute(text("CREATE TABLE theirs (id integer)"))
        connection.commit()
    state = read_database(database_url)
    assert (state.is_there, state.revision) == (True, None)


def test_a_folder_in_place_of_the_database_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        read_database(f"sqlite:///{tmp_path}")


# MLflow


def test_the_newest_revision_is_the_one_that_mlflow_itself_names() -> None:
    from mlflow.store.db.utils import _get_latest_schema_revision

    found = revisions()
    assert found is not None
    assert found[0] == _get_latest_schema_revision()
    assert len(found[1]) > 50


def test_mlflows_database_gives_its_revision_and_who_bears_the_alias_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    address = f"sqlite:///{path}"
    assert not read_registry(address).is_there
    assert not path.exists()
    registry = open_registry(address)
    write_tiny_bundle(tmp_path / "bundle")
    registry.register(tmp_path / "bundle", model="colours", tags={})
    assert read_registry(address).champions == {}
    registry.set_alias("colours", "champion", 1)
    before = digest(path)
    state, known = read_registry(address), revisions()
    assert known is not None
    assert (state.revision, state.champions) == (known[0], {"colours": 1})
    assert digest(path) == before


def test_an_mlflow_server_is_asked_whether_it_answers() -> None:
    with answering({"/health": "OK"}) as (api, _):
        address = api.removesuffix("/api").replace("http://", "http://ada:hunter2@")
        with pytest.raises(RegistryError) as told:  # nothing is sent that is not asked for: urllib takes no login there
            read_registry(address)
        assert "hunter2" not in str(told.value)
        state = read_registry(api.removesuffix("/api"))
    assert (state.is_there, state.revision, state.champions) == (True, None, None)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "postgresql://ada:hunter2@127.0.0.1:9/mlflow", "nonsense://x"])
def test_an_mlflow_that_is_away_is_an_error_of_the_registry_without_its_password(uri: str) -> None:
    with pytest.raises(RegistryError) as told:
        read_registry(uri)
    assert "hunter2" not in str(told.value)


# git and DVC


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(["init", "--quiet", "--initial-branch", "main"], folder)
    (folder / "kept").write_text("kept\n" * 9)
    run_git(["add", "kept"], folder)
    run_git(["commit", "--quiet", "-m", "kept"], folder)
    return folder


def test_a_clean_repository_gives_its_branch_and_no_name_where_none_is_set(repository: Path) -> None:
    state = read_git(repository)
    assert (state.branch, state.identity, state.changed, state.lock, state.unfinished) == ("main", {}, (), None, "")
    run_git(["config", "user.name", "Ada Lovelace"], repository)
    assert read_git(repository).identity == {"user.name": "Ada Lovelace"}


def test_what_is_changed_new_renamed_or_odd_is_named_as_it_is_called(repository: Path) -> None:
    run_git(["mv", "kept", "renamed one"], repository)
    for name in ("new", "büchse\n", "a folder/inside"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("")
    assert set(read_git(repository).changed) == {"renamed one", "new", "büchse\n", "a folder/"}


def test_a_conflict_is_an_unfinished_merge(repository: Path) -> None:
    for branch, text_ in (("other", "theirs"), ("main", "ours")):
        run_git(["switch", "--quiet", *(["-c"] if branch == "other" else []), branch], repository)
        (repository / "kept").write_text(text_)
        run_git(["commit", "--quiet", "-a", "-m", branch], repository)
    with pytest.raises(WorkspaceError):
        run_git(["merge", "other"], repository)
    state = read_git(repository)
    assert (state.unfinished, state.changed) == ("merge", ("kept",))


def test_a_worktree_is_a_repository_too(repository: Path, tmp_path: Path) -> None:
    run_git(["worktree", "add", "--quiet", "--detach", str(tmp_path / "tree")], repository)
    assert read_git(tmp_path / "tree").branch == ""


def test_a_folder_without_a_repository_is_an_error_in_gits_words(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="not a git repository"):
        read_git(tmp_path)


def test_remotes_are_read_from_every_file_of_dvc_with_paths_made_whole_and_without_a_login(repository: Path) -> None:
    (repository / ".dvc").mkdir()
    (repository / ".dvc" / "config").write_text(
        "[core]\n    remote = near\n['remote \"near\"']\n    url = ../../store\n"
        "['remote \"far\"']\n    url = https://ada:hunter2@host/x\n"
    )
    (repository / ".dvc" / "config.local").write_text("[core]\n    remote = far\n")
    found = read_remotes(repository)
    assert found.usual == "far"
    assert found.addresses == {"near": str(repository.parent / "store"), "far": "https://host/x"}
