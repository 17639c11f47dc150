"""The registry and the tracker keep what they promise, on a real MLflow over SQLite."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Run

from leeway.adapters.mlflow.connection import Connection, connect
from leeway.adapters.mlflow.registry import MlflowRegistry, open_registry
from leeway.adapters.mlflow.tracking import MlflowTracker, open_tracker
from leeway.bundle.contents import bundle_digest
from leeway.errors import BundleError, RegistryError
from tiny_bundle import CLASSES, COLOURS, SIDE, write_tiny_bundle

# libraries under MLflow (sqlalchemy, starlette, pydantic) announce their own future with these
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables: seconds to make, so it is made once and copied."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def connection(uri: str) -> Connection:
    return connect(uri)


@pytest.fixture
def registry(connection: Connection) -> MlflowRegistry:
    return MlflowRegistry(connection)


@pytest.fixture
def tracker(connection: Connection) -> MlflowTracker:
    return MlflowTracker(connection)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_tiny_bundle(tmp_path / "made" / "any name")
    return tmp_path / "made" / "any name"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_gives_a_known_bundle_its_existing_version(registry: MlflowRegistry, bundle: Path, tmp_path: Path) -> None:
    assert registry.versions("digits") == []
    assert registry.register(bundle, model="digits", tags={}) == 1
    shutil.copytree(bundle, tmp_path / "copy")
    assert registry.register(tmp_path / "copy", model="digits", tags={}) == 1
    write_tiny_bundle(tmp_path / "other", temperature=0.1)
    assert registry.register(tmp_path / "other", model="digits", tags={}) == 2
    assert registry.versions("digits") == [1, 2]


def test_a_bundle_comes_back_bit_by_bit(registry: MlflowRegistry, bundle: Path, tmp_path: Path) -> None:
    version = registry.register(bundle, model="digits", tags={})
    fetched = registry.fetch("digits", version, tmp_path / "deep" / "fetched")
    assert files_of(fetched) == files_of(bundle)
    assert [path.name for path in fetched.parent.iterdir()] == ["fetched"], "scratch was left behind"


def test_a_bundle_is_fetched_from_its_own_registry_whichever_was_used_last(
    registry: MlflowRegistry, bundle: Path, empty_database: Path, tmp_path: Path
) -> None:
    registry.register(bundle, model="colours", tags={})
    shutil.copy(empty_database, tmp_path / "other.db")
    open_registry(f"sqlite:///{tmp_path / 'other.db'}").register(bundle, model="other", tags={})
    assert registry.fetch("colours", 1, tmp_path / "fetched").exists()


def test_fetch_replaces_an_older_bundle_but_nothing_else(
    registry: MlflowRegistry, bundle: Path, tmp_path: Path
) -> None:
    version = registry.register(bundle, model="digits", tags={})
    write_tiny_bundle(tmp_path / "start", temperature=0.2)
    assert files_of(registry.fetch("digits", version, tmp_path / "start")) == files_of(bundle)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"mine")
    with pytest.raises(RegistryError, match="is not a bundle"):
        registry.fetch("digits", version, tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"mine"


def test_a_bundle_that_was_damaged_in_the_registry_is_refused(
    registry: MlflowRegistry, bundle: Path, tmp_path: Path
) -> None:
    version = registry.register(bundle, model="digits", tags={})
    (graph,) = (tmp_path / "mlruns").rglob("graph.onnx")
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match=r"graph\.onnx"):
        registry.fetch("digits", version, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_damaged_bundle_is_not_registered(registry: MlflowRegistry, bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match="weights"):
        registry.register(bundle, model="digits", tags={})
    assert registry.versions("digits") == []


def test_aliases_move_and_are_dropped(registry: MlflowRegistry, bundle: Path, tmp_path: Path) -> None:
    assert registry.aliases("digits") == {}
    write_tiny_bundle(tmp_path / "other", temperature=0.1)
    for one in (bundle, tmp_path / "other"):
        registry.register(one, model="digits", tags={})
    registry.set_alias("digits", "champion", 1)
    registry.set_alias("digits", "challenger", 2)
    registry.set_alias("digits", "champion", 2)
    registry.set_alias("digits", "previous", 1)
    assert registry.aliases("digits") == {"champion": 2, "challenger": 2, "previous": 1}
    registry.drop_alias("digits", "challenger")
    registry.drop_alias("digits", "challenger")
    assert registry.aliases("digits") == {"champion": 2, "previous": 1}


def test_an_alias_of_another_name_is_refused(registry: MlflowRegistry, bundle: Path) -> None:
    registry.register(bundle, model="digits", tags={})
    with pytest.raises(RegistryError, match="champion, challenger, previous"):
        registry.set_alias("digits", "production", 1)


def test_a_version_carries_its_evidence(registry: MlflowRegistry, bundle: Path, connection: Connection) -> None:
    registry.register(bundle, model="digits", tags={"made_by": "release"})
    registry.describe("digits", 1, text="passed: 97 %", tags={"gate": "passed"})
    registry.describe("digits", 1, text="passed: 98 %", tags={"gate": "failed"})
    registry.tag("digits", 1, {"git_commit": "a" * 40})
    tags = registry.tags("digits", 1)
    assert tags["gate"] == "failed"
    assert tags["git_commit"] == "a" * 40
    assert tags["made_by"] == "release"
    assert tags["bundle_digest"] == bundle_digest(bundle)
    assert tags["dataset_digest"] == "d" * 64
    version = connection.client.get_model_version("digits", "1")
    assert version.description == "passed: 98 %"


@pytest.mark.parametrize("ask", ["set_alias", "describe", "tags", "fetch"])
def test_an_unknown_version_is_told_with_the_known_ones(
    registry: MlflowRegistry, bundle: Path, tmp_path: Path, ask: str
) -> None:
    registry.register(bundle, model="digits", tags={})
    calls = {
        "set_alias": lambda model: registry.set_alias(model, "champion", 9),
        "describe": lambda model: registry.describe(model, 9, text="", tags={}),
        "tags": lambda model: registry.tags(model, 9),
        "fetch": lambda model: registry.fetch(model, 9, tmp_path / "fetched"),
    }
    with pytest.raises(RegistryError, match=r"'digits' has no version 9; its versions: 1$"):
        calls[ask]("digits")
    with pytest.raises(RegistryError, match="'cats' has no version 9; its versions: none"):
        calls[ask]("cats")


def test_a_run_keeps_what_it_is_given(tracker: MlflowTracker, tmp_path: Path, connection: Connection) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"png")
    with tracker.run("train", tags={"reason": "drift"}) as run:
        run.log_params({"epochs": 3, "retraining": {"start": "champion"}})
        run.log_metrics({"val_loss": 0.5}, step=0)
        run.log_metrics({"val_loss": 0.25, "lr": 0.1}, step=1)
        run.log_dataset(name="digits", digest="e" * 64, source="data/dataset")
        run.log_files(tmp_path / "pictures", under="evaluation")
        (tmp_path / "page.html").write_text("page")
        run.log_files(tmp_path / "page.html", under="evaluation")
        run.set_tags({"bundle_digest": "f" * 64})
    kept = only_run(connection)
    assert kept.info.status == "FINISHED"
    assert kept.data.params == {"epochs": "3", "retraining.start": "champion"}
    assert kept.data.metrics == {"val_loss": 0.25, "lr": 0.1}
    assert kept.data.tags["bundle_digest"] == "f" * 64
    assert kept.data.tags["reason"] == "drift"
    (dataset,) = kept.inputs.dataset_inputs
    assert (dataset.dataset.source_type, dataset.dataset.digest) == ("dvc", "e" * 36)
    assert json.loads(dataset.dataset.source) == {"uri": "data/dataset", "digest": "e" * 64}
    files = tmp_path / "mlruns" / kept.info.run_id / "artifacts" / "evaluation"
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {"a.png": b"png", "page.html": b"page"}


def only_run(connection: Connection) -> Run:
    (run,) = connection.client.search_runs([connection.experiment()])
    return run


def test_the_run_of_a_bundle_is_reopened(tracker: MlflowTracker, connection: Connection) -> None:
    with tracker.run("train", tags={}) as run:
        run.set_tags({"bundle_digest": "ab" * 32})
    with tracker.run_of_bundle("ab" * 32, name="evaluate") as run:
        run.log_metrics({"accuracy": 0.9})
    kept = only_run(connection)
    assert (kept.info.run_name, kept.info.status, kept.data.metrics) == ("train", "FINISHED", {"accuracy": 0.9})


def test_a_bundle_without_a_run_gets_one_and_only_one(tracker: MlflowTracker, connection: Connection) -> None:
    for accuracy in (0.8, 0.9):
        with tracker.run_of_bundle("cd" * 32, name="evaluate") as run:
            run.log_metrics({"accuracy": accuracy})
    assert only_run(connection).data.metrics == {"accuracy": 0.9}


def test_a_registered_version_points_to_the_run_that_made_it(
    uri: str, registry: MlflowRegistry, tracker: MlflowTracker, bundle: Path, connection: Connection
) -> None:
    with tracker.run("train", tags={"bundle_digest": bundle_digest(bundle)}):
        pass
    registry.register(bundle, model="digits", tags={})
    version = connection.client.get_model_version("digits", "1")
    assert version.run_id == only_run(connection).info.run_id


@pytest.mark.parametrize(("raised", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_breaks_does_not_stay_running(
    tracker: MlflowTracker, raised: type[BaseException], status: str, connection: Connection
) -> None:
    with pytest.raises(raised), tracker.run("train", tags={}):
        raise raised
    assert only_run(connection).info.status == status


def test_a_run_ended_by_sigterm_is_killed(tracker: MlflowTracker, connection: Connection) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work() -> None:
        with tracker.run("train", tags={}):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(SystemExit):
        work()
    assert only_run(connection).info.status == "KILLED"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_tracker_that_fails_in_the_middle_does_not_stop_the_work(
    tracker: MlflowTracker, caplog: pytest.LogCaptureFixture, connection: Connection
) -> None:
    with tracker.run("train", tags={}) as run:
        run.log_params({"epochs": 1})
        run.log_params({"epochs": 2})  # MLflow refuses to change a param
        run.log_metrics({"accuracy": 1.0})
    assert "params were not kept" in caplog.text
    assert only_run(connection).data.metrics == {"accuracy": 1.0}


def test_without_mlflow_a_run_keeps_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LEEWAY_MLFLOW_URI", "none")
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    tracker = open_tracker()
    with tracker.run("train", tags={}) as run, tracker.run_of_bundle("ab" * 32, name="evaluate") as again:
        for one in (run, again):
            one.log_metrics({"accuracy": 1.0}, step=1)
            one.log_params({"epochs": 1})
            one.log_files(tmp_path, under="x")
            one.log_dataset(name="digits", digest="e" * 64, source="data/dataset")
            one.set_tags({"a": "b"})
    assert "LEEWAY_MLFLOW_URI=none" in caplog.text
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RegistryError, match="need a model registry"):
        open_registry()


def test_the_workspace_keeps_its_own_by_default(
    empty_database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LEEWAY_MLFLOW_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".leeway").mkdir()
    shutil.copy(empty_database, tmp_path / ".leeway" / "mlflow.db")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"png")
    with open_tracker().run("train", tags={}) as run:
        run.log_files(tmp_path / "pictures", under="evaluation")
    assert [path.name for path in (tmp_path / ".leeway" / "mlruns").rglob("*.png")] == ["a.png"]
    assert {path.name for path in tmp_path.iterdir()} == {".leeway", "pictures"}


def test_an_unreachable_server_is_told_in_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"http://someone:secret@127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(RegistryError, match="LEEWAY_MLFLOW_URI") as told:
            open_registry(address)
    assert time.monotonic() - started < 30
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("scheme", ["sqlite:///{}", "postgresql+psycopg://someone:secret@127.0.0.1:1/{}", "what://x"])
def test_a_database_that_cannot_be_used_is_told_in_seconds(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "notes.txt").write_text("no database at all, but a long enough text to be read as one\n" * 20)
    started = time.monotonic()
    with pytest.raises(RegistryError, match="LEEWAY_MLFLOW_URI") as told:
        open_registry(scheme.format(tmp_path / "notes.txt"))
    assert time.monotonic() - started < 20
    assert "secret" not in str(told.value)


def test_two_processes_may_open_an_empty_database_at_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    opening = (
        f"from leeway.adapters.mlflow.registry import open_registry; print(open_registry({address!r}).versions('x'))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", opening], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=180)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told


@pytest.fixture
def served(uri: str, registry: MlflowRegistry, bundle: Path, tmp_path: Path) -> Iterator[str]:
    """`mlflow models serve` on the registered version, and its address."""
    registry.register(bundle, model="digits", tags={})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "models",
        "serve",
        "-m",
        "models:/digits/1",
        "--env-manager",
        "local",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (tmp_path / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}/ping", process, log=tmp_path / "serve.log")
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_up(address: str, process: subprocess.Popen[bytes], *, log: Path) -> None:
    for _ in range(480):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"not up after two minutes: {log.read_text()}")


@pytest.mark.timeout(300)
def test_mlflow_models_serve_answers_for_a_registered_version(served: str) -> None:
    pixels = np.stack([np.full((SIDE, SIDE, 3), COLOURS[name], np.uint8) for name in ("red", "blue")])
    request = urllib.request.Request(
        served, json.dumps({"inputs": pixels.tolist()}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)["predictions"]
    assert answer["predicted_class"] == ["red", "blue"]
    assert answer["classes"] == list(CLASSES)
    assert np.argmax(answer["probabilities"], axis=1).tolist() == [2, 0]
