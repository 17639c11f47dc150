"""Artifacts: in `mlruns` beside MLflow's SQLite file, also after the folder of the two was moved or copied.

MLflow keeps absolute addresses of artifacts. A workspace that was renamed would not find its bundles, and would write
new ones where it was before; a copy would write into the original. So whoever connects puts the addresses right first.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLDER = "mlruns"
ADDRESSES = (  # of MLflow's tables: all columns that hold an artifact's address
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def artifact_folder(database: Path) -> Path:
    """Return the folder of the artifacts of this SQLite file, wherever the process stands."""
    return database.absolute().parent / FOLDER


def bring_artifacts_along(database: Path, experiment: str) -> None:
    """Point the addresses of artifacts to the folder beside `database`, if the experiment's is another one.

    All in one transaction. An address stays whose file is at the old place alone. If the database alone was moved, away
    from its artifacts, all stay.
    """
    here = artifact_folder(database)
    with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as connection:
        row = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
        if row is None or not row[0] or not _has_moved(str(row[0]), here, database.name):
            return
        connection.execute("BEGIN IMMEDIATE")
        for table, column in ADDRESSES:
            _readdress(connection, table, column, old=str(row[0]), new=here.as_uri())
        connection.execute("COMMIT")


def _has_moved(address: str, here: Path, database: str) -> bool:
    """Whether `here` is what this address meant before the database's folder was moved or copied."""
    before = _path(address)
    if before is None or before.name != FOLDER or before == here:
        return False
    if not before.exists():
        return True
    if here.exists():
        return not before.samefile(here)
    return (before.parent / database).exists()  # those are of the database that is there


def _readdress(connection: sqlite3.Connection, table: str, column: str, *, old: str, new: str) -> None:
    rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
    for number, address in rows:
        if address != old and not address.startswith(f"{old}/"):
            continue
        moved = new + address[len(old) :]
        if address == old or _exists(moved) or not _exists(address):
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (moved, number))


def _exists(address: str) -> bool:
    path = _path(address)
    return path is not None and path.exists()


def _path(address: str) -> Path | None:
    """The path of a `file:` address, or None for another one."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" and not parts.netloc else None
