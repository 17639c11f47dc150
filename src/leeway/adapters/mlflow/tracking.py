"""Tracks runs in MLflow: one run for each candidate, from its training to its evaluation."""

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leeway.adapters.mlflow.connection import BUNDLE_TAG, Connection, absence, connect
from leeway.domain.ports import TrackedRun, Tracker
from leeway.errors import RegistryError

logger = logging.getLogger(__name__)
PARAMS_PER_CALL = 100  # MLflow's limit
DIGEST_LENGTH = 36  # MLflow's limit; the whole digest stands in the source


def open_tracker(uri: str | None = None) -> Tracker:
    """A tracker at `uri`, LEEWAY_MLFLOW_URI, or the workspace's own database; without MLflow one that keeps nothing.

    Raises RegistryError if the address does not answer.
    """
    if reason := absence(uri):
        logger.info("%s: this run's numbers go to reports/ only", reason)
        return NoTracker()
    return MlflowTracker(connect(uri))


class NoTracker:
    """Keeps nothing."""

    @contextmanager
    def run(self, name: str, *, tags: Mapping[str, str]) -> Iterator[TrackedRun]:  # noqa: ARG002
        yield _NoRun()

    @contextmanager
    def run_of_bundle(self, bundle_digest: str, *, name: str) -> Iterator[TrackedRun]:  # noqa: ARG002
        yield _NoRun()


class _NoRun:
    def log_params(self, params: Mapping[str, Any]) -> None:
        pass

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        pass

    def log_dataset(self, *, name: str, digest: str, source: str) -> None:
        pass

    def log_files(self, path: Path, *, under: str) -> None:
        pass

    def set_tags(self, tags: Mapping[str, str]) -> None:
        pass


class MlflowTracker:
    """Runs of the experiment `leeway`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def run(self, name: str, *, tags: Mapping[str, str]) -> Iterator[TrackedRun]:
        """A new run; it ends FINISHED, FAILED after an exception, or KILLED after Ctrl-C, exit or SIGTERM."""
        with self._connection.errors_told():
            experiment = self._connection.experiment()
            created = self._connection.client.create_run(experiment, run_name=name, tags=dict(tags))
        with _ended(self._connection, created.info.run_id) as run:
            yield run

    @contextmanager
    def run_of_bundle(self, bundle_digest: str, *, name: str) -> Iterator[TrackedRun]:
        with self._connection.errors_told():
            known = self._connection.run_of_bundle(bundle_digest)
            if known:
                self._connection.client.update_run(known, status="RUNNING")
        tags = {BUNDLE_TAG: bundle_digest}
        with _ended(self._connection, known) if known else self.run(name, tags=tags) as run:
            yield run


class MlflowRun:
    """An open run. What it is given is a record beside the work: if MLflow fails now, that is logged, not raised."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection = connection
        self._client = connection.client
        self._id = run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Nested mappings become dotted names."""
        from mlflow.entities import Param

        flat = [Param(name, str(value)) for name, value in _flattened(params)]
        with self._kept("params"):
            for start in range(0, len(flat), PARAMS_PER_CALL):
                self._client.log_batch(self._id, params=flat[start : start + PARAMS_PER_CALL])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with self._kept("metrics"):
            batch = [Metric(name, float(value), now, step or 0) for name, value in metrics.items()]
            self._client.log_batch(self._id, metrics=batch)

    def log_dataset(self, *, name: str, digest: str, source: str) -> None:
        """`source`: where DVC keeps it, a path in the workspace."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        origin = json.dumps({"uri": source, "digest": digest})
        dataset = Dataset(name=name, digest=digest[:DIGEST_LENGTH], source_type="dvc", source=origin)
        with self._kept("dataset"):
            tags = [InputTag("mlflow.data.context", "training")]
            self._client.log_inputs(self._id, [DatasetInput(dataset, tags=tags)])

    def log_files(self, path: Path, *, under: str) -> None:
        """A file, or what a folder holds."""
        with self._kept("files"):
            log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            log(self._id, str(path), artifact_path=under)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        with self._kept("tags"):
            self._client.log_batch(self._id, tags=[RunTag(name, str(value)) for name, value in tags.items()])

    def end(self, status: str) -> None:
        """FINISHED, FAILED or KILLED."""
        with self._kept("end"):
            self._client.set_terminated(self._id, status=status)

    @contextmanager
    def _kept(self, what: str) -> Iterator[None]:
        try:
            with self._connection.errors_told():
                yield
        except RegistryError as error:
            logger.warning("run %s: its %s were not kept: %s", self._id, what, error)


@contextmanager
def _ended(connection: Connection, run_id: str) -> Iterator[MlflowRun]:
    """The run, which does not stay RUNNING however this ends, short of kill -9."""
    run = MlflowRun(connection, run_id)
    with _exit_on_sigterm():
        try:
            yield run
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            run.end("KILLED")
            raise
        except BaseException:
            run.end("FAILED")
            raise
        run.end("FINISHED")


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """SIGTERM raises SystemExit here, unless the program has a handler of its own or this is not its main thread."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _flattened(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
