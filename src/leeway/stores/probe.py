"""Probe: says what the database of both stores is, without making, migrating or changing anything."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from leeway.stores.database import connect, explain, parse_address, place
from leeway.stores.ledger_tables import alerts, decisions, ledger
from leeway.stores.log_tables import log_parts, log_segments, predictions
from leeway.stores.opening import MIGRATIONS
from leeway.stores.partitions import is_partitioned, log_days
from leeway.stores.schema import SCHEMA_REVISION, VERSION_TABLE

LOCK_SECONDS = 2.0
NEWEST: dict[str, Select[Any]] = {  # what was recorded last, by the clock of whoever recorded it
    "a file of the prediction log": select(log_parts.c.received_at).order_by(log_parts.c.received_at.desc()).limit(1),
    "a day of predictions": select(log_segments.c.received_day).order_by(log_segments.c.received_day.desc()).limit(1),
    "a decision": select(decisions.c.made_at).order_by(decisions.c.made_at.desc()).limit(1),
    "an alert": select(alerts.c.made_at).order_by(alerts.c.made_at.desc()).limit(1),
}


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What was found at LEEWAY_DATABASE_URL; the last two are known of a database of this version alone."""

    place: str  # as people are told it
    is_there: bool = False  # with a table in it
    revision: str | None = None  # None: its tables are not Leeway's
    ledger_id: str | None = None
    recorded: dict[str, datetime] = field(default_factory=dict)  # what: when the last of it was recorded


def read_database(url: str) -> DatabaseState:
    """Return what is at this address. Raises ParamsError for an address of no kind, StoreError if it cannot be read."""
    address = parse_address(url)
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).exists():
        return DatabaseState(place(address))
    engine = connect(address, lock_timeout_seconds=LOCK_SECONDS)
    try:
        with engine.begin() as connection:
            return _state(connection, place(address))
    except SQLAlchemyError as error:
        raise explain(error, address) from error
    finally:
        engine.dispose()


def known_revisions() -> list[str]:
    """Return the revisions of the schema that this version can bring up to date, its own last."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _state(connection: Connection, named: str) -> DatabaseState:
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        return DatabaseState(named, is_there=bool(tables))
    revision = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    if revision != SCHEMA_REVISION:
        return DatabaseState(named, is_there=True, revision=revision)
    newest = {"a prediction": last_prediction(is_partitioned(connection)), **NEWEST}
    moments = {what: connection.scalar(query) for what, query in newest.items()}
    return DatabaseState(
        named,
        is_there=True,
        revision=revision,
        ledger_id=connection.scalar(select(ledger.c.id)),
        recorded=dict(_known(moments.items())),
    )


def last_prediction(by_day: bool) -> Select[Any]:
    """When the newest row came; partitions are not searched for it."""
    if by_day:
        return select(func.max(log_days.c.received_at))
    return select(predictions.c.received_at).order_by(predictions.c.seq.desc()).limit(1)


def _known(moments: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, datetime]]:
    """Those that were; a day by its beginning."""
    for what, moment in moments:
        if moment is not None:
            yield what, moment if isinstance(moment, datetime) else datetime.combine(moment, time(), UTC)
