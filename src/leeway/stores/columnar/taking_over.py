"""Taking over: the rows that a workspace held in its database become parts, some at a time, each at one moment."""

import logging
import shutil
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Connection, delete, func, select, update

from leeway.domain.text import counted
from leeway.errors import StoreError, in_one_line
from leeway.stores.columnar.manifest import BEFORE
from leeway.stores.columnar.naming import naming
from leeway.stores.columnar.rolling import Rolling, claimed
from leeway.stores.columnar.staging import Desk, Slice
from leeway.stores.log_tables import given_labels, log_heads, predictions

ROWS = 500_000  # that are taken over in one transaction: others wait for it meanwhile
log = logging.getLogger("leeway.stores")


def take_over(rolling: Rolling, database: Path, *, rows: int = ROWS) -> None:
    """Turn what stands in the database's own tables into parts; killed anywhere, the next call goes on with it.

    What hinders it is told and hinders nothing else: the rows are read where they are. Where somebody else is at it,
    nothing is done.
    """
    if BEFORE not in rolling.manifest.read("")[1]:
        return
    try:
        with claimed(rolling.parts.parent) as is_mine:
            if is_mine and _has_room(database):
                _take_over(rolling, database, rows)
    except (OSError, StoreError) as error:
        log.warning("%s: its predictions stay where they are for now: %s", database, in_one_line(error))


def _take_over(rolling: Rolling, database: Path, rows: int) -> None:
    total = rolling.manifest.database.scalar(select(func.count()).select_from(predictions))
    log.info(
        "database %s: moving %s into columns, once; it may be stopped: the next command goes on with it",
        *(database, counted(total, "prediction")),
    )
    done = 0
    while (taken := _next_part(rolling, rows)) is not None:
        done += taken
        if taken >= rows:
            log.info("database %s: %s of %s predictions moved", database, f"{done:,}", f"{total:,}")


def _next_part(rolling: Rolling, rows: int) -> int | None:
    """Take over the next rows of a model version, and forget where they stood; None when nothing is left."""
    with ExitStack() as hidden, naming(rolling.manifest, rolling.parts) as (connection, name_part):
        of = _next_slice(connection, rows)
        if of is None:
            connection.execute(delete(log_heads).where(log_heads.c.horizon.is_(None)))
            connection.execute(update(log_heads).values(seq=0, given=0))  # which says that no row is left
            return None
        lot = rolling.stage(Desk(connection, rolling.parts, BEFORE, rolling.secret, hidden), of.model, [of])
        for one in lot.finished:
            name_part(one)
        where, values = of.where
        taken = connection.exec_driver_sql(f"DELETE FROM {predictions.name} WHERE {where}", values).rowcount
        connection.exec_driver_sql(f"DELETE FROM {given_labels.name} WHERE {where}", values)
        head = update(log_heads).where(log_heads.c.model == of.model)
        connection.execute(head.values(given=log_heads.c.given - lot.labels))
    return taken


def _next_slice(connection: Connection, rows: int) -> Slice | None:
    """The first rows, in order of time, of a model version: no more than so many, unless they occurred at once."""
    for model in connection.scalars(select(log_heads.c.model).order_by(log_heads.c.model)).all():
        lowest = (select(func.min(one.c.version)).where(one.c.model == model) for one in (predictions, given_labels))
        versions = [version for query in lowest if (version := connection.scalar(query)) is not None]
        if versions:
            return Slice(model, min(versions), _end(connection, model, min(versions), rows))
    return None


def _end(connection: Connection, model: str, version: int, rows: int) -> str | None:
    """Before which moment the first rows lie; None for all."""
    text = (
        f"SELECT occurred_at FROM {predictions.name} INDEXED BY predictions_of_night "
        "WHERE model = ? AND version = ? {more} ORDER BY occurred_at LIMIT 1 OFFSET {offset}"
    )

    def moment(offset: int, more: str = "", *values: str) -> str | None:
        query = text.format(more=more, offset=offset)
        found: str | None = connection.exec_driver_sql(query, (model, version, *values)).scalar()
        return found

    end = moment(rows)
    if end is not None and end == moment(0):
        return moment(0, "AND occurred_at > ?", end)
    return end


def _has_room(database: Path) -> bool:
    """Whether the disk has room for the parts, and for what the database notes down until each commit."""
    size, free = database.stat().st_size, shutil.disk_usage(database.parent).free
    if free < size:
        log.warning(
            "database %s: its predictions stay where they are: to move them into columns takes %s MiB on its disk, "
            "%s MiB are free; make room",
            *(database, f"{size / 2**20:,.0f}", f"{free / 2**20:,.0f}"),
        )
    return free >= size
