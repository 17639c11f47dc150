"""A killed migration leaves the database whole, as it was or as it becomes; who opens it next completes it."""

import hashlib
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import inspect, text

from leeway.stores.database import connect, parse_address
from leeway.stores.opening import _bring_up_to_date
from leeway.stores.schema import SCHEMA_REVISION, VERSION_TABLE
from old_database import REVISION, connected, fill
from old_facts import SECRET

TIMES = 10  # how often the census stands in it


def bring_up_to_date(url: str) -> None:
    """What opening does first; that the rows then become parts is another test's: test_log_taking_over.py."""
    engine = connect(parse_address(url), lock_timeout_seconds=30.0)
    _bring_up_to_date(engine, secret=SECRET, expected=None)
    engine.dispose()


def migrate(url: str, begun: Event) -> None:
    """Runs in a process of its own."""
    begun.set()
    bring_up_to_date(url)


def run(url: str, *, kill_after: float | None) -> tuple[int | None, float]:
    """Migrate in another process, which gets so many seconds; return its exit code and how long it took."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["leeway.stores.opening", "alembic.command", "pytest", "psycopg"])
    begun = processes.Event()
    process = processes.Process(target=migrate, args=(url, begun))
    process.start()
    assert begun.wait(60)
    start = time.monotonic()
    process.join(kill_after)
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode, time.monotonic() - start


def content(url: str) -> tuple[str, str]:
    """(revision, digest of every row of every table but the ledger's own, which has a new id each time)."""
    digest = hashlib.sha256()
    with connected(url) as connection:
        for name in sorted(inspect(connection).get_table_names()):
            rows = connection.exec_driver_sql(f'SELECT * FROM "{name}"') if name != "ledger" else []
            digest.update(f"{name} {sorted(map(str, rows))}".encode())
        revision = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return str(revision), digest.hexdigest()


@pytest.fixture(params=["sqlite", "postgresql"])
def copy_of_old(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Returns the address of a database of the release before, a new one for each call."""
    if request.param == "sqlite":
        old, file = tmp_path / "old.db", tmp_path / "leeway.db"
        fill(f"sqlite:///{old}", times=TIMES)

        def copy_file() -> str:
            shutil.copy(old, file)
            return f"sqlite:///{file}"

        return copy_file
    server: str = request.getfixturevalue("postgres_server")

    def make(name: str, template: str) -> str:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return server.replace("/postgres?", f"/{name}?")

    fill(make("killed_old", "template0"), times=TIMES)
    return lambda: make("killed", "killed_old")


@pytest.mark.parametrize("points", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_migration_leaves_all_that_was_there(copy_of_old: Callable[[], str], points: int) -> None:
    before = content(copy_of_old())
    undisturbed = [run(copy_of_old(), kill_after=None) for _ in range(2)]
    seconds = min(took for _, took in undisturbed)
    url = copy_of_old()
    run(url, kill_after=None)
    after = content(url)
    assert (before[0], after[0], {code for code, _ in undisturbed}) == (REVISION, SCHEMA_REVISION, {0})
    killed = 0
    for point in range(points):
        url = copy_of_old()
        code, _ = run(url, kill_after=seconds * (point + 0.5) / points)
        found = content(url)
        assert found in (before, after)
        assert code in (0, -signal.SIGKILL)
        killed += found == before
        bring_up_to_date(url)
        assert content(url) == after
    assert killed >= points // 4  # the others were quicker than the undisturbed ones, or died after the commit
