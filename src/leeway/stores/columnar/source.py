"""Source: the rows that are being recorded, in hidden files, before it is known what becomes of them."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import content_hashes
from leeway.stores.columnar.manifest import PREDICTIONS
from leeway.stores.columnar.parts import PartWriter, Staged
from leeway.stores.duck import permanent_numbers


@dataclass(slots=True)
class Source:
    """The rows of one source, written to hidden files: one for each version, and for rows that state theirs or not."""

    folder: Path
    model: str
    received_at: datetime
    secret: str
    writers: dict[tuple[int, bool], PartWriter] = field(default_factory=dict)
    numbers: dict[tuple[int, bool], list[NDArray[np.int64]]] = field(default_factory=dict)  # `u` of the same rows

    def add(self, version: int, columns: PredictionColumns) -> None:
        key = (version, columns.version_stated)
        if key not in self.writers:
            self.writers[key] = PartWriter(self.folder, PREDICTIONS, self.model, version, self.received_at)
        table = columns.table()
        rows = table.num_rows
        numbers = permanent_numbers(table["id"], self.secret)
        self.numbers.setdefault(key, []).append(numbers)
        own = pc.equal(table["group"], table["id"])
        table = table.set_column(table.column_names.index("group"), "group", pc.if_else(own, None, table["group"]))
        table = table.set_column(
            table.column_names.index("image"), "image", pc.if_else(pc.equal(table["image"], ""), None, table["image"])
        )
        for name, values in {
            "version": pa.array(np.full(rows, version, np.int32)),
            "received_at": pa.repeat(pa.scalar(self.received_at, pa.timestamp("us", "UTC")), rows),
            "u": pa.array(numbers),
            "h": pa.array(content_hashes(version, columns)),
        }.items():
            table = table.append_column(name, values)
        self.writers[key].write(table)

    def discard(self) -> None:
        for writer in self.writers.values():
            with suppress(OSError):
                writer.discard()


@dataclass(frozen=True, slots=True)
class Staging:
    """A hidden file of a source, with the place of its first row among all of the source."""

    staged: Staged
    version: int
    stated: bool  # whether the source says of which version they are
    first: int
    columns: tuple[str, ...]  # that are not null in all rows

    @property
    def sql(self) -> str:
        """The rows with their places."""
        path = str(self.staged.path).replace("'", "''")
        return (
            f"SELECT *, file_row_number + {self.first} AS place, {self.stated} AS stated "
            f"FROM read_parquet('{path}', file_row_number = true)"
        )


def staged(source: Source) -> tuple[list[Staging], NDArray[np.int64]]:
    """Close the hidden files of a source that came to its end; with `u` of all its rows."""
    found: list[Staging] = []
    first = 0
    for (version, stated), writer in source.writers.items():
        finished = writer.finish()
        if finished is not None:
            found.append(Staging(finished, version, stated, first, tuple(writer.columns)))
            first += finished.part.rows
    numbers = np.concatenate([np.empty(0, np.int64), *(one for some in source.numbers.values() for one in some)])
    source.numbers.clear()  # 80 MB of ten million
    return found, numbers
