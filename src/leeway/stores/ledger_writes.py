"""Writes of the ledger: what each does inside its transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from leeway.domain.counting import ids_by_model, last_labels, person
from leeway.domain.records import (
    Alert,
    CheckResult,
    Claim,
    Decision,
    DecisionState,
    Draw,
    Label,
    LabelPlan,
    ModelVersion,
    PlanDesign,
    Prediction,
    RecordedLabels,
    WindowCounts,
)
from leeway.errors import ConflictError, HeldError
from leeway.stores import ledger_queries as queries
from leeway.stores import ledger_tables as tables
from leeway.stores import rows
from leeway.stores.rows import batches

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def record_model(connection: Connection, version: ModelVersion) -> None:
    """Insert the version; raises ConflictError if it is known with another bundle."""
    models = tables.models
    if insert_new(connection, models, [rows.model_values(version)]):
        return
    this = (models.c.model == version.model, models.c.version == version.version)
    known = connection.scalar(select(models.c.bundle_digest).where(*this))
    if known != version.bundle_digest:
        raise ConflictError(
            f"{version.model} version {version.version} is recorded with bundle {known}, "
            f"got bundle {version.bundle_digest}; another bundle needs another version"
        )


def claim_night(connection: Connection, wanted: Claim, *, now: datetime, instead_of: str) -> Claim:
    """Claim the night with a new token; raises HeldError where another holder's lease has not run out."""
    table, key = tables.night_claims, (wanted.model, wanted.version, wanted.night)
    free = dict(zip(("model", "version", "night"), key, strict=True)) | {"holder": "", "until": LONG_AGO, "token": 0}
    insert_new(connection, table, [free])
    known = connection.execute(queries.claim_on(*key)).one()
    if known.holder not in ("", wanted.holder, instead_of) and known.until > now:
        raise HeldError(
            f"the night of {wanted.night} of {wanted.model} version {wanted.version} is being decided by "
            f"{known.holder}, until {known.until:%Y-%m-%d %H:%M} UTC at the latest",
            holder=known.holder,
        )
    claim = Claim(*key, wanted.holder, wanted.until, known.token + 1)
    this = (table.c.model == claim.model, table.c.version == claim.version, table.c.night == claim.night)
    values = {"holder": claim.holder, "until": claim.until, "token": claim.token}
    connection.execute(update(table).where(*this).values(**values))
    return claim


def refuse_stale(connection: Connection, claim: Claim) -> None:
    """Raises HeldError if somebody else has claimed the night meanwhile."""
    known = connection.execute(queries.claim_on(claim.model, claim.version, claim.night)).one_or_none()
    if known is None or known.token != claim.token:
        other = (known.holder or "another one, which has finished") if known is not None else "nobody"
        raise HeldError(
            f"the night of {claim.night} of {claim.model} version {claim.version} was taken over by {other}, while "
            f"{claim.holder} was away; nothing of this was written",
            holder=other,
        )


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


def withdraw_requests(connection: Connection, model: str, *, besides: int, outcome: str) -> list[str]:
    """Withdraw the open retraining requests of other versions of the model; return their keys."""
    withdrawn = []
    for key in connection.scalars(queries.requests_besides(model, besides)).all():
        this = (tables.decisions.c.key == key, tables.decisions.c.state == DecisionState.OPEN)
        values = {"state": DecisionState.WITHDRAWN, "outcome": outcome}
        withdrawn += [key] * connection.execute(update(tables.decisions).where(*this).values(**values)).rowcount
    return withdrawn


def record_plan(
    connection: Connection, plan: LabelPlan, design: PlanDesign, *, draws: Sequence[Draw], pins: Sequence[Prediction]
) -> bool:
    """Record a label plan, its draws and what they drew; False, with nothing written, for a known id."""
    upto = None if plan.closed_at is None else _labels_upto(connection)
    if not insert_new(connection, tables.label_plans, [rows.plan_values(plan, design) | {"labels_upto": upto}]):
        return False
    pin(connection, pins)
    drawn = [rows.values_of(draw) | {"position": position} for position, draw in enumerate(draws)]
    if drawn:
        connection.execute(insert(tables.draws), drawn)
    return True


def close_plan(connection: Connection, plan_id: str, *, closed_at: datetime) -> bool:
    """Close a plan with the labels that are in by now; the first closing stands. False for an unknown id."""
    plans = tables.label_plans
    still_open = update(plans).where(plans.c.id == plan_id, plans.c.closed_at.is_(None))
    connection.execute(still_open.values(closed_at=closed_at, labels_upto=_labels_upto(connection)))
    return connection.scalar(select(plans.c.id).where(plans.c.id == plan_id)) is not None


def _labels_upto(connection: Connection) -> int:
    """The number of the last label that is in; one that is being written comes later, and has a larger one."""
    lock_table(connection, "labels")
    return int(connection.scalar(queries.last_label()) or 0)


def lock_table(connection: Connection, name: str) -> None:
    """Let whoever writes there come one after the other, as on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"))


def pin(connection: Connection, predictions: Sequence[Prediction]) -> None:
    """Pin predictions; of one that is pinned the place of its image is renewed."""
    if not predictions:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(tables.pins)
    renewed = {"image": statement.excluded.image}
    statement = statement.on_conflict_do_update(index_elements=["model", "prediction_id"], set_=renewed)
    connection.execute(statement, [rows.pin_values(one) for one in predictions])


def record_labels(connection: Connection, labels: Sequence[Label]) -> RecordedLabels:
    """Append the labels that say something new."""
    lock_table(connection, "labels")  # two who import one file at once: the second finds it known
    known = _known(connection, labels)
    last = {(key, labeler): said for key, own in last_labels(known).items() for labeler, (_, said) in own.items()}
    stated, new, corrected = set(known), [], list[Label]()
    for one in labels:
        who = ((one.model, one.prediction_id), person(one.labeler))
        before = last.get(who)
        if one in stated or (before and before.said == one.said):
            continue
        corrected += [one] if before else []
        new.append(one)
        stated.add(one)
        if before is None or one.labelled_at >= before.labelled_at:
            last[who] = one
    if new:
        connection.execute(insert(tables.labels), [rows.label_values(one) for one in new])
    return RecordedLabels(len(new), len(labels) - len(new), len(corrected), _measured(connection, corrected))


def _measured(connection: Connection, labels: Sequence[Label]) -> int:
    """How many of these labels are of predictions that a closed plan has measured."""
    ids = ids_by_model(labels)
    asked = [(model, queries.measured_among(model, some)) for model, named in ids.items() for some in batches(named)]
    found = {(model, one) for model, query in asked for one in connection.scalars(query)}
    return sum((one.model, one.prediction_id) in found for one in labels)


def _known(connection: Connection, labels: Sequence[Label]) -> list[Label]:
    asked = [queries.labels_on(model, some) for model, named in ids_by_model(labels).items() for some in batches(named)]
    return [rows.label_from(row) for query in asked for row in connection.execute(query)]


def insert_new(connection: Connection, table: Table, values: list[dict[str, Any]]) -> int:
    """Rows whose key is known are left out. How many went in."""
    if not values:
        return 0
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    return connection.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount
