"""Naming: hidden files take their places and the manifest names them, in one transaction; or none of it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from leeway.errors import StoreError
from leeway.stores.columnar.manifest import LogManifest, LogPart, add_parts, replace_part
from leeway.stores.columnar.parts import Staged, publish


@dataclass(frozen=True, slots=True)
class Naming:
    """Publishes files inside a transaction of the manifest."""

    connection: Connection
    folder: Path
    published: list[LogPart]

    def __call__(self, staged: Staged) -> None:
        """Move a file to its place; whoever looks sees its rows from the commit on."""
        self.published.append(staged.part)
        publish(self.folder, staged)
        add_parts(self.connection, [staged.part])

    def instead_of(self, old: LogPart, staged: Staged | None) -> None:
        """Let this file, or none, stand for a part that is there: under its number."""
        if staged is not None:
            self.published.append(staged.part)
            publish(self.folder, staged)
        replace_part(self.connection, old, staged.part if staged is not None else None)


@contextmanager
def naming(manifest: LogManifest, folder: Path) -> Iterator[tuple[Connection, Naming]]:
    """Hold the right to record, and give what names files; if it does not come to the commit, they are removed."""
    published: list[LogPart] = []
    try:
        with manifest.writing() as connection:
            yield connection, Naming(connection, folder, published)
    except BaseException:
        with suppress(StoreError):  # then nobody knows: what is not named is removed when it is old
            named = manifest.files() if published else set()  # an interrupt may come behind the commit
            for part in published:
                if part.file not in named:
                    (folder / part.file).unlink(missing_ok=True)
        raise
