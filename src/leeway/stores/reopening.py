"""Reopening: takes back what nights from one on concluded, and keeps what was taken, in one transaction."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, or_, select, update

from leeway.domain.records import DecisionState, nightly_key
from leeway.domain.reopening import Reopening
from leeway.errors import HeldError, RefusedError, first_few
from leeway.stores.ledger_tables import (
    alerts,
    check_results,
    decisions,
    deliveries,
    draws,
    label_plans,
    night_claims,
    windows,
)
from leeway.stores.ledger_tables import reopenings as kept
from leeway.stores.ledger_writes import lock_table
from leeway.stores.rows import batches

Content = dict[str, list[Any]]


def removable(connection: Connection, model: str, night: date) -> Content:
    """Return the rows that a reopening takes, by table, and the ids of the plans whose labels are applied again."""
    since = connection.execute(_since(decisions, model, night)).all()
    found = [row for row in since if row.key == nightly_key(row.model, row.version, row.night)]
    keys, others = [row.key for row in found], [row.key for row in since if row not in found]  # by hand, the calendar
    drawn = select(draws.c.id).where(draws.c.plan_id == label_plans.c.id).exists()
    queries = {
        "windows": _since(windows, model, night).order_by(windows.c.version, windows.c.night),
        "label_plans": _since(label_plans, model, night).where(~drawn).order_by(label_plans.c.id),
        "alerts": _alerts_of(model).order_by(alerts.c.key),
    }
    content = {name: [_as_json(row) for row in connection.execute(query)] for name, query in queries.items()}
    told = [
        one
        for one in content["alerts"]
        if _is_of(str(one["key"]), keys, model, night) and not _is_about(str(one["key"]), others)
    ]
    removed = {str(one["id"]) for one in content["label_plans"]}
    return content | {
        "decisions": [_as_json(row) for row in found],
        "check_results": [_as_json(row) for row in _results_of(connection, keys)],
        "alerts": told,
        "deliveries": [_as_json(row) for row in _deliveries_of(connection, (str(one["key"]) for one in told))],
        "applied_again": sorted(_applied_by(connection, keys) - removed),
    }


def reopen(connection: Connection, model: str, night: date, *, at: datetime, instead_of: Collection[str]) -> Reopening:
    """Take the nights from `night` on back. See `leeway.domain.stores.Ledger.reopen`."""
    lock_table(connection, "night_claims")
    _refuse_while_held(connection, model, night, at=at, instead_of=instead_of)
    content = removable(connection, model, night)
    running = [one["key"] for one in content["decisions"] if one["state"] == DecisionState.RUNNING]
    if running:
        raise RefusedError(
            f"{model}: the retraining that {first_few(running)} asked for is running; wait for its end, or end it"
        )
    _remove(connection, content)
    connection.execute(
        update(night_claims)
        .where(night_claims.c.model == model, night_claims.c.night >= night)
        .values(token=night_claims.c.token + 1, holder="")  # whoever claimed one of them writes no more
    )
    made = Reopening(model, night, at, content)
    connection.execute(insert(kept), {"at": at, "model": model, "from_night": night, "content": content})
    return made


def _remove(connection: Connection, content: Mapping[str, list[Any]]) -> None:
    for some in batches(str(one["key"]) for one in content["decisions"]):
        again = update(label_plans).where(label_plans.c.applied_by.in_(some))
        connection.execute(again.values(applied_by=None))
        connection.execute(delete(check_results).where(check_results.c.decision_key.in_(some)))
        connection.execute(delete(decisions).where(decisions.c.key.in_(some)))
    for some in batches(str(one["id"]) for one in content["label_plans"]):
        connection.execute(delete(label_plans).where(label_plans.c.id.in_(some)))
    for some in batches(str(one["key"]) for one in content["alerts"]):
        connection.execute(delete(deliveries).where(deliveries.c.key.in_(some)))
        connection.execute(delete(alerts).where(alerts.c.key.in_(some)))
    for one in content["windows"]:
        this = (windows.c.model == one["model"], windows.c.version == one["version"])
        connection.execute(delete(windows).where(*this, windows.c.night == date.fromisoformat(one["night"])))


def _refuse_while_held(
    connection: Connection, model: str, night: date, *, at: datetime, instead_of: Collection[str]
) -> None:
    held = night_claims.c
    query = select(held.holder, held.night).where(held.model == model, held.night >= night, held.until > at)
    for row in connection.execute(query.where(held.holder.not_in(["", *instead_of])).order_by(held.night)):
        raise HeldError(
            f"the night of {row.night} of {model} is being decided by {row.holder}; wait for its end, and then reopen",
            holder=row.holder,
        )


def _since(table: Any, model: str, night: date) -> Select[Any]:
    return select(table).where(table.c.model == model, table.c.night >= night)


def _results_of(connection: Connection, keys: Iterable[str]) -> list[Row[Any]]:
    queries = [select(check_results).where(check_results.c.decision_key.in_(some)) for some in batches(keys)]
    return [row for query in queries for row in connection.execute(query)]


def _deliveries_of(connection: Connection, keys: Iterable[str]) -> list[Row[Any]]:
    queries = [select(deliveries).where(deliveries.c.key.in_(some)) for some in batches(keys)]
    return [row for query in queries for row in connection.execute(query)]


def _applied_by(connection: Connection, keys: Iterable[str]) -> set[str]:
    queries = [select(label_plans.c.id).where(label_plans.c.applied_by.in_(some)) for some in batches(keys)]
    return {one for query in queries for one in connection.scalars(query)}


def _alerts_of(model: str) -> Select[Any]:
    starts = [f"{model}/", f"late/{model}/", f"silent/{model}/"]
    return select(alerts).where(or_(*(alerts.c.key.startswith(one, autoescape=True) for one in starts)))


def _is_of(key: str, decided: Iterable[str], model: str, night: date) -> bool:
    """Whether an alert belongs to one of these decisions, or tells of these nights: late, or silent."""
    if key.startswith(f"{model}/"):
        return _is_about(key, decided)
    return key.rpartition("/")[2] >= night.isoformat()


def _is_about(key: str, decided: Iterable[str]) -> bool:
    return any(key.startswith(f"{one}/") for one in decided)


def _as_json(row: Row[Any]) -> dict[str, Any]:
    """The row as JSON has it: times and days as text."""
    return {
        name: value.isoformat() if isinstance(value, date) else value  # a datetime is a date, too
        for name, value in row._mapping.items()
    }
