"""Writes of the store: what each does inside its transaction."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from leeway.domain.records import (
    Alert,
    CheckResult,
    Decision,
    DecisionState,
    Draw,
    LabelPlan,
    ModelVersion,
    PlanDesign,
    PredictionColumns,
    Recorded,
    WindowCounts,
)
from leeway.errors import ConflictError, StoreError, first_few
from leeway.stores import queries, rows, tables
from leeway.stores.bulk import batches, insert_columns


def record_model(connection: Connection, version: ModelVersion) -> None:
    """Insert the version, or update since when it serves; raises ConflictError for another bundle."""
    models = tables.models
    this = (models.c.model == version.model, models.c.version == version.version)
    if insert_new(connection, models, [rows.model_values(version)]):
        return
    known = connection.scalar(select(models.c.bundle_digest).where(*this))
    if known != version.bundle_digest:
        raise ConflictError(
            f"{version.model} version {version.version} is recorded with bundle {known}, "
            f"got bundle {version.bundle_digest}; another bundle needs another version"
        )
    if version.serving_since is not None:
        connection.execute(update(models).where(*this).values(serving_since=version.serving_since))


def record_all(
    connection: Connection, model: str, batches: Iterable[tuple[int, PredictionColumns]], *, received_at: datetime
) -> Recorded:
    """Record every row of a prediction log; raises ConflictError if one is recorded with other content."""
    total = Recorded()
    for version, columns in batches:
        total += insert_columns(connection, model, version, columns, received_at=received_at)
    refused = total.changed + total.labels_changed
    if refused:
        raise ConflictError(
            f"{len(refused)} rows are recorded with other content: {first_few(refused)}; nothing was written. "
            "A prediction never changes: give a new one a new id"
        )
    return total


def record_night(
    connection: Connection,
    window: WindowCounts,
    results: Sequence[CheckResult],
    decision: Decision,
    *,
    alerts: Sequence[Alert],
    applied: Sequence[str],
) -> bool:
    """Record the decision with all that it rests on; False, with nothing written, for a known key."""
    if not insert_new(connection, tables.decisions, [rows.decision_values(decision)]):
        return False
    concluded = [rows.result_values(result, window, decision, at) for at, result in enumerate(results)]
    insert_new(connection, tables.check_results, concluded)
    insert_new(connection, tables.alerts, [rows.values_of(alert) for alert in alerts])
    plans = tables.label_plans
    for some in batches(applied):
        connection.execute(update(plans).where(plans.c.id.in_(some)).values(applied_by=decision.key))
    return True


def give_up_lapsed(connection: Connection, model: str, *, now: datetime, lease_hours: float) -> list[str]:
    """Fail the running decisions whose claim is older than the lease; return their keys."""
    outcome = f"gave no sign for {lease_hours:g} hours: its process is taken for dead"
    lapsed = connection.scalars(queries.lapsed(model, now=now, lease_hours=lease_hours)).all()
    for key in lapsed:
        this = (tables.decisions.c.key == key, tables.decisions.c.state == DecisionState.RUNNING)
        given_up = {"state": DecisionState.FAILED, "outcome": outcome}
        connection.execute(update(tables.decisions).where(*this).values(**given_up))
    return list(lapsed)


def record_plan(connection: Connection, plan: LabelPlan, design: PlanDesign, *, draws: Sequence[Draw]) -> bool:
    """Record a label plan and its draws; False, with nothing written, for a known id."""
    if not insert_new(connection, tables.label_plans, [rows.plan_values(plan, design)]):
        return False
    drawn = [rows.values_of(draw) | {"position": position} for position, draw in enumerate(draws)]
    if drawn:
        connection.execute(insert(tables.draws), drawn)
    return True


def insert_new(connection: Connection, table: Table, values: list[dict[str, Any]]) -> int:
    """Rows whose key is known are left out. How many went in."""
    if not values:
        return 0
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    return connection.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount


def refuse_other_content(connection: Connection, values: list[dict[str, Any]]) -> None:
    digests = {row.id: row.digest for row in _found(connection, [one["id"] for one in values])}
    others = sorted({one["id"] for one in values if digests[one["id"]] != one["digest"]})
    if others:
        raise ConflictError(
            f"{len(others)} of {len(values)} predictions are recorded with other content: {first_few(others)}; "
            "nothing of this call was written. A prediction never changes: give a new one a new id"
        )


def refuse_unknown(connection: Connection, ids: Sequence[str]) -> None:
    unknown = sorted(set(ids) - {row.id for row in _found(connection, ids)})
    if unknown:
        listed = first_few(unknown)
        raise StoreError(
            f"{len(unknown)} labels are for predictions that are not recorded: {listed}; nothing was written"
        )


def _found(connection: Connection, ids: Sequence[str]) -> Iterator[Row[Any]]:
    for some in batches(ids):
        yield from connection.execute(queries.digests_of(some))
