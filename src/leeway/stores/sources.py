"""Keeps the digests of the files that are in the prediction log, each with its report."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from leeway.stores.database import Database
from leeway.stores.ledger_writes import insert_new
from leeway.stores.log_tables import log_sources


def known_source(database: Database, model: str, digest: str) -> Mapping[str, Any] | None:
    """Return the report of a file that is in the model's log; None if it is not."""
    this = (log_sources.c.model == model, log_sources.c.digest == digest)
    report: Mapping[str, Any] | None = database.scalar(select(log_sources.c.report).where(*this))
    return report


def remember_source(database: Database, model: str, digest: str, report: Mapping[str, Any], *, now: datetime) -> None:
    """Keep the report of a file; of two that come at once the first stays."""
    row = {"model": model, "digest": digest, "report": dict(report), "recorded_at": now}
    with database.transaction(writes=True) as connection:
        insert_new(connection, log_sources, [row])


def forget_sources(connection: Connection, model: str) -> None:
    """Know none of the model's files any more: rows of them were removed."""
    connection.execute(delete(log_sources).where(log_sources.c.model == model))
