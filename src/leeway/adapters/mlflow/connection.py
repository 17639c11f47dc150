"""Connects to MLflow: where it is, how long to wait for it, and its errors in our words."""

import importlib.util
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leeway import durable
from leeway.adapters.mlflow.artifacts import artifact_folder, bring_artifacts_along
from leeway.adapters.mlflow.database import database_file, prepare_database
from leeway.domain.text import without_login
from leeway.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "leeway"
BUNDLE_TAG = "bundle_digest"  # on runs, logged models and model versions: by it they are found again
VARIABLE = "LEEWAY_MLFLOW_URI"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow's own waits add up to minutes before an unreachable server is told
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds without a byte
}


@dataclass(frozen=True, slots=True)
class Connection:
    """A client that answered, and where it is."""

    address: str
    client: "MlflowClient"

    def experiment(self) -> str:
        """The id of our experiment, made if need be."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            try:
                return self.client.create_experiment(EXPERIMENT, artifact_location=_artifact_location(self.address))
            except MlflowException:  # another process made it in this moment; or the second look tells why not
                found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is None or found.lifecycle_stage != "active":
            raise RegistryError(
                f"MLflow experiment '{EXPERIMENT}' at {without_login(self.address)} is deleted; restore it"
            )
        return str(found.experiment_id)

    def run_of_bundle(self, digest: str) -> str | None:
        """The id of the newest run with this bundle digest."""
        runs = self.client.search_runs(
            [self.experiment()],
            filter_string=f"tags.{BUNDLE_TAG} = '{digest}'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        return runs[0].info.run_id if runs else None

    def errors_told(self) -> AbstractContextManager[None]:
        """Errors of MLflow, its database and its network as RegistryError."""
        return _errors_told(self.address)


def absence(uri: str | None) -> str | None:
    """Why there is no MLflow to talk to, in words; None if there is one."""
    if resolve_address(uri) == "none":
        return f"MLflow is switched off ({VARIABLE}=none)"
    if importlib.util.find_spec("mlflow") is None:
        return "MLflow is not installed (pip install 'leeway[pipeline]')"
    return None


def resolve_address(uri: str | None) -> str:
    """`uri`, or else LEEWAY_MLFLOW_URI, or else a database in the workspace that is the current folder."""
    return uri or os.environ.get(VARIABLE) or f"sqlite:///{Path.cwd() / '.leeway' / 'mlflow.db'}"


def connect(uri: str | None) -> Connection:
    """A connection that was tried. Raises RegistryError within seconds if nothing answers."""
    address = resolve_address(uri)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with _errors_told(address):
        if "://" in address and not address.startswith("http"):
            _try_database(address)
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)  # each new database is 60 lines of migrations otherwise
        with _alone(address):
            if path := database_file(address):
                prepare_database(path)
                bring_artifacts_along(path, EXPERIMENT)
            client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
            client.get_experiment_by_name(EXPERIMENT)
        return Connection(address, client)


def _try_database(address: str) -> None:
    """MLflow itself tries a database ten times, over 100 seconds, before it says what is wrong."""
    import sqlalchemy

    if path := database_file(address):
        durable.make_folder(path.parent)
        return  # a look would make an empty file of it
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    sqlalchemy.inspect(engine).get_table_names()


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """One process at a time: two that make the same SQLite database would break each other's work."""
    path = database_file(address)
    if path is None:
        yield
        return
    lock = sqlite3.connect(f"{path}.lock", timeout=120, isolation_level=None)
    with closing(lock):
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _artifact_location(address: str) -> str | None:
    """Beside an SQLite file; else the server's own choice."""
    path = database_file(address)
    return None if path is None else artifact_folder(path).as_uri()


@contextmanager
def _errors_told(address: str) -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except RegistryError:
        raise
    except Exception as error:
        of_outside = isinstance(error, SQLAlchemyError | sqlite3.Error | OSError | ImportError)
        if not of_outside and type(error).__module__.split(".")[0] not in ("mlflow", "alembic"):
            raise
        words = without_login(" ".join(str(error).split()))[:300] or type(error).__name__
        raise RegistryError(f"MLflow at {without_login(address)}: {words}; its address is {VARIABLE}") from error
