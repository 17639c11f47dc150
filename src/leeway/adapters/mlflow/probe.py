"""Probe: says what MLflow's database or server is, without MLflow, and without making or changing anything."""

import importlib.util
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from leeway.adapters.mlflow.connection import resolve_address
from leeway.adapters.mlflow.database import database_file
from leeway.domain.text import without_login
from leeway.errors import RegistryError

TIMEOUT_SECONDS = 2
REVISION = re.compile(r"^(revision|down_revision)\s*(?::[^=]+)?=\s*(.+)$", re.MULTILINE)
Query = Callable[[str], list[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What was found at MLflow's address."""

    place: str  # for people, without a login
    is_there: bool = True
    revision: str | None = None  # of its database; None of a server, and of an empty one
    champions: dict[str, int] | None = None  # model: version that bears the alias; None of a server


def read_registry(uri: str | None) -> RegistryState:
    """Return what is at `uri`, or else at LEEWAY_MLFLOW_URI or in the workspace. Raises RegistryError."""
    address = resolve_address(uri)
    place = without_login(address)
    if address.startswith("http"):
        return _of_server(address, place)
    path = database_file(address)
    if path is None:
        return _of_large_database(address, place)
    if not path.is_file() or not path.stat().st_size:
        return RegistryState(str(path), is_there=False)
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_SECONDS)
        ) as database:
            return _of_database(str(path), lambda query: database.execute(query).fetchall())
    except sqlite3.Error as error:
        raise RegistryError(f"{path}: cannot be read as MLflow's database ({error})") from error


def revisions() -> tuple[str, set[str]] | None:
    """Return the newest revision that the installed MLflow knows, and all; None where its migrations are not found."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "store" / "db_migrations" / "versions"
    named: dict[str, list[str]] = {"revision": [], "down_revision": []}
    for path in folder.glob("*.py"):
        for name, value in REVISION.findall(path.read_text(encoding="utf-8")):
            named[name] += re.findall(r"[\"'](\w+)[\"']", value)
    newest = set(named["revision"]) - set(named["down_revision"])
    return (newest.pop(), set(named["revision"])) if len(newest) == 1 else None


def _of_server(address: str, place: str) -> RegistryState:
    try:
        with urlopen(f"{address.rstrip('/')}/health", timeout=TIMEOUT_SECONDS):
            return RegistryState(place)
    except (OSError, ValueError, HTTPException) as error:
        raise RegistryError(f"MLflow at {place} does not answer: {error}") from error


def _of_large_database(address: str, place: str) -> RegistryState:
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = sqlalchemy.create_engine(
            address, poolclass=sqlalchemy.NullPool, connect_args={"connect_timeout": TIMEOUT_SECONDS}
        )
        with engine.connect() as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                return RegistryState(place, is_there=False)
            return _of_database(place, lambda query: [tuple(row) for row in connection.execute(sqlalchemy.text(query))])
    except (SQLAlchemyError, ImportError) as error:
        words = without_login(" ".join(str(error).split()))[:200]
        raise RegistryError(f"MLflow's database at {place} cannot be read: {words}") from error


def _of_database(place: str, ask: Query) -> RegistryState:
    [(revision,), *_] = ask("SELECT version_num FROM alembic_version") or [(None,)]
    found = ask("SELECT name, version FROM registered_model_aliases WHERE alias = 'champion'")
    champions = {str(name): int(str(version)) for name, version in found}
    return RegistryState(place, revision=None if revision is None else str(revision), champions=champions)
