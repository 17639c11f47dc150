"""MLflow's database is made whole or not at all, wherever the process is ended, and a broken one is named or mended."""

import logging
import multiprocessing
import os
import signal
import sqlite3
import sys
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from leeway.adapters.mlflow.connection import EXPERIMENT, connect
from leeway.adapters.mlflow.database import BESIDE, COMPANIONS
from leeway.errors import RegistryError

POINTS = [1, 8, 60, 150, 300, 450, 600, 750, 900, 1050, 1200, 1350, 1500, 1660]  # of the 1,668 SQL statements it takes
# libraries under MLflow (sqlalchemy, starlette, pydantic) announce their own future with these
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


# What the child processes do


def connect_until(address: str, statement: int, number: int) -> None:
    """Connects, and is sent the signal `number` before this SQL statement."""
    end_at_statement(statement, number)
    connect(address)


def connect_until_renaming(address: str, number: int) -> None:
    """Connects, and is sent the signal when the finished file is to take its place."""

    def end(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename":
            os.kill(os.getpid(), number)

    sys.addaudithook(end)
    connect(address)


def open_as_mlflow_does(address: str, drop: int) -> None:
    """As an earlier Leeway: MLflow makes the tables in place, and is killed before it drops a table it has copied."""
    end_at_statement(drop, signal.SIGKILL, kind="DROP TABLE")
    import mlflow

    mlflow.MlflowClient(tracking_uri=address).get_experiment_by_name(EXPERIMENT)


def end_at_statement(statement: int, number: int, *, kind: str = "") -> None:
    left = [statement]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "before_cursor_execute")
    def count(_: object, __: object, sql: str, *___: object) -> None:
        left[0] -= kind in sql
        if left[0] == 0 and kind in sql:
            os.kill(os.getpid(), number)


@pytest.fixture(scope="module")
def children() -> ForkServerContext:
    """Processes that have imported MLflow already: a start takes milliseconds and not seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store", "leeway.adapters.mlflow.connection"])
    return context


def ended(children: ForkServerContext, work: Any, *arguments: Any) -> int:
    """The exit code of a child; minus the signal that killed it."""
    child = children.Process(target=work, args=arguments)
    child.start()
    child.join(120)
    assert child.exitcode is not None
    return child.exitcode


def works(address: str) -> bool:
    return connect(address).client.get_experiment_by_name("Default") is not None


def left_over(path: Path) -> list[Path]:
    return [one for suffix in COMPANIONS if (one := path.with_name(f"{path.name}{BESIDE}{suffix}")).exists()]


def run_sql(path: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database, database:
        return [database.execute(statement).fetchall() for statement in statements][-1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("finished") / "mlflow.db"
    assert works(f"sqlite:///{path}")
    return path.read_bytes()


# Made whole or not at all


@pytest.mark.parametrize(("place", "statement"), list(enumerate(POINTS)))
def test_an_interrupt_while_it_is_made_leaves_nothing_that_does_not_open(
    place: int, statement: int, children: ForkServerContext, tmp_path: Path
) -> None:
    path = tmp_path / "mlflow.db"
    number = (signal.SIGKILL, signal.SIGINT)[place % 2]
    assert ended(children, connect_until, f"sqlite:///{path}", statement, number) != 0
    assert not path.exists()
    assert works(f"sqlite:///{path}")
    assert left_over(path) == []


def test_an_end_just_before_the_finished_file_takes_its_place(children: ForkServerContext, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    address = f"sqlite:///{path}"
    assert ended(children, connect_until_renaming, address, signal.SIGKILL) == -signal.SIGKILL
    assert not path.exists()
    assert left_over(path)
    (tmp_path / "mlflow.db-journal").write_bytes(b"of a file that is gone")
    assert works(address)
    assert left_over(path) == []
    assert not (tmp_path / "mlflow.db-journal").exists()


def test_a_finished_database_is_left_alone(finished: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(finished)
    before = path.stat().st_ino
    assert works(f"sqlite:///{path}")
    assert path.stat().st_ino == before
    assert path.read_bytes() == finished


# Broken by an earlier Leeway


@pytest.mark.parametrize("drop", [1, 4, 12])
def test_a_half_made_one_that_holds_nothing_is_made_anew_and_said_so(
    drop: int, children: ForkServerContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mlflow.db"
    address = f"sqlite:///{path}"
    assert ended(children, open_as_mlflow_does, address, drop) == -signal.SIGKILL
    assert path.exists()
    with caplog.at_level(logging.WARNING, "leeway.mlflow"):
        assert works(address)
    assert [record.args for record in caplog.records if record.name == "leeway.mlflow"] == [(path,)]


def test_tables_that_exist_already_are_the_broken_kind(
    finished: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(finished)
    run_sql(path, "DELETE FROM experiments", "DELETE FROM alembic_version")
    with caplog.at_level(logging.WARNING, "leeway.mlflow"):
        assert works(f"sqlite:///{path}")
    assert [record.args for record in caplog.records if record.name == "leeway.mlflow"] == [(path,)]


def test_one_that_holds_something_is_named_with_its_mend_and_left_as_it_was(finished: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(finished)
    run_sql(
        path,
        "INSERT INTO runs (run_uuid, experiment_id) VALUES ('a', 0)",
        "INSERT INTO registered_models (name) VALUES ('pets')",
        "INSERT INTO model_versions (name, version) VALUES ('pets', 1)",
        "DELETE FROM alembic_version",
    )
    before = path.read_bytes()
    with pytest.raises(RegistryError) as refused:
        connect(f"sqlite:///{path}")
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert "1 run and 1 model version" in message
    assert "move the file away" in message
    assert path.read_bytes() == before
    assert left_over(path) == []
    path.rename(tmp_path / "away.db")
    assert works(f"sqlite:///{path}")


def test_a_database_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "leeway.db"
    run_sql(path, "CREATE TABLE predictions (id TEXT)", "CREATE TABLE alembic_version (version_num TEXT)",
            "INSERT INTO alembic_version VALUES ('0010')")  # fmt: skip
    before = path.read_bytes()
    with pytest.raises(RegistryError, match=r"leeway\.db"):
        connect(f"sqlite:///{path}")
    assert path.read_bytes() == before


# Made by an older MLflow


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database as an MLflow of some versions ago left it, with an experiment."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    path = tmp_path_factory.mktemp("older") / "mlflow.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool)
    Base.metadata.create_all(engine)
    config = _get_alembic_config(str(engine.url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "acf3f17fdcc7")
    run_sql(
        path,
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (0, 'Default', 'active')",
        "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (7, 'mine', 'active')",
    )
    return path.read_bytes()


def test_one_of_an_older_mlflow_is_brought_up_to_date(older: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(older)
    found = connect(f"sqlite:///{path}").client.get_experiment_by_name("mine")
    assert found is not None
    assert found.experiment_id == "7"


def test_an_interrupt_while_it_is_brought_up_to_date_leaves_it_as_it_was(
    older: bytes, children: ForkServerContext, tmp_path: Path
) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(older)
    for statement in (5, 90, 300):
        assert ended(children, connect_until, f"sqlite:///{path}", statement, signal.SIGKILL) == -signal.SIGKILL
        assert path.read_bytes() == older
    assert ended(children, connect_until_renaming, f"sqlite:///{path}", signal.SIGKILL) == -signal.SIGKILL
    assert path.read_bytes() == older
    assert connect(f"sqlite:///{path}").client.get_experiment_by_name("mine") is not None
