"""Write-ahead: how a segment is opened that one process fills row by row, while others read it.

It is in SQLite's WAL mode. SQLite before 3.51.3 may corrupt such a file when two connections write or checkpoint at
once; hence one process holds it, with a single connection, and whoever reads never checkpoints.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, StaticPool, create_engine, event, make_url

from leeway.errors import HeldError
from leeway.stores.database import from_json
from leeway.stores.schema import to_json

NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]+\.db")  # of the day, and of the writer


def is_writers(name: str) -> bool:
    """Return whether a segment is, or was, filled by one process of its own."""
    return NAME.fullmatch(name) is not None


def lock_of(name: str) -> str:
    """Return the name of the file by which a segment is held."""
    return f".{name}.lock"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Be the only one who writes to this segment. Raises HeldError while another process is."""
    file = os.open(path.with_name(lock_of(path.name)), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HeldError(
                f"{path} is being filled by another process, which goes on in a new one at midnight UTC: "
                "try again then, or end that process first",
                holder=path.name,
            ) from None
        yield
    finally:
        os.close(file)


def connect_writer(path: Path, *, lock_timeout_seconds: float) -> Engine:
    """Return an engine with one connection, which alone writes and checkpoints, when it is told to. Be `held` first."""
    pragmas = ("journal_mode = wal", "synchronous = full", "wal_autocheckpoint = 0", "cache_size = -65536")
    return _engine(path, pragmas, lock_timeout_seconds, poolclass=StaticPool)


def connect_reader(path: Path, *, lock_timeout_seconds: float) -> Engine:
    """Return an engine that sees what is committed, and neither writes nor checkpoints."""
    return _engine(path, ("query_only = on", "wal_autocheckpoint = 0"), lock_timeout_seconds, poolclass=QueuePool)


def _engine(path: Path, pragmas: tuple[str, ...], lock_timeout_seconds: float, *, poolclass: type) -> Engine:
    engine = create_engine(
        make_url(f"sqlite:///{path}"),
        poolclass=poolclass,
        connect_args={"check_same_thread": False},
        json_serializer=to_json,
        json_deserializer=from_json,
    )

    def tell(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (f"busy_timeout = {round(1000 * lock_timeout_seconds)}", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", tell)
    event.listen(engine, "begin", begin)
    return engine
