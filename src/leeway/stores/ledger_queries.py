"""Questions to the ledger, as SQL that SQLite and PostgreSQL answer alike."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, func, not_, or_, select, update

from leeway.domain.records import FILE, DecisionState, Status
from leeway.stores import rows
from leeway.stores.ledger_tables import (
    alerts,
    check_results,
    decisions,
    draws,
    epochs,
    label_plans,
    labels,
    models,
    night_claims,
    pins,
    releases,
    windows,
)


def _is(table: Any, model: Any, version: Any) -> ColumnElement[bool]:
    return and_(table.c.model == model, table.c.version == version)


def versions_of(model: str) -> Select[Any]:
    return select(*rows.MODEL).where(models.c.model == model).order_by(models.c.version)


def periods_of(model: str) -> Select[Any]:
    return select(*rows.PERIOD).where(epochs.c.model == model).order_by(epochs.c.id)


def end_of_open_period(model: str, at: datetime) -> Update:
    return update(epochs).where(epochs.c.model == model, epochs.c.ended_at.is_(None)).values(ended_at=at)


def claim_on(model: str, version: int, night: date) -> Select[Any]:
    """(holder, until, token); locked on PostgreSQL, so that a claim and a write come one after the other."""
    kept = night_claims.c
    query = select(kept.holder, kept.until, kept.token).where(_is(night_claims, model, version), kept.night == night)
    return query.with_for_update()


def closed_windows(model: str, version: int) -> Select[Any]:
    return select(*rows.WINDOW).where(_is(windows, model, version)).order_by(windows.c.night)


def plans_of(model: str, version: int) -> Select[Any]:
    """Label plans in short, as LabelPlan has them."""
    plans = label_plans.c
    asked = select(func.count()).where(draws.c.plan_id == plans.id).scalar_subquery()
    given = func.json_array_length(plans.given)
    closing = (plans.closed_at, plans.applied_by)
    query = select(plans.id, plans.model, plans.version, plans.night, plans.made_at, asked, given, *closing)
    return query.where(_is(label_plans, model, version)).order_by(plans.night, plans.made_at, plans.id)


def design_of(plan_id: str) -> Select[Any]:
    return select(*rows.DESIGN).where(label_plans.c.id == plan_id)


def _same_prediction(one: Any, another: Any) -> ColumnElement[bool]:
    return and_(one.c.model == another.c.model, one.c.prediction_id == another.c.prediction_id)


def groups_drawn(model: str, version: int, *, purpose: str) -> Select[Any]:
    query = select(pins.c.group).distinct().join_from(label_plans, draws)
    query = query.join(pins, _same_prediction(pins, draws))
    return query.where(_is(label_plans, model, version), draws.c.purpose == purpose)


def open_draws(model: str) -> Select[Any]:
    """Draws of open plans whose prediction nobody has labelled, the oldest plan first."""
    labelled = select(labels.c.id).where(_same_prediction(labels, draws), labels.c.label.is_not(None))
    query = select(draws.c.plan_id, pins).join_from(draws, label_plans).join(pins, _same_prediction(pins, draws))
    query = query.where(label_plans.c.model == model, label_plans.c.closed_at.is_(None), ~labelled.exists())
    return query.order_by(label_plans.c.night, label_plans.c.made_at, draws.c.plan_id, draws.c.position)


def drawn_among(model: str, ids: Collection[str]) -> Select[Any]:
    """Ids of these predictions that any plan drew."""
    return select(draws.c.prediction_id).distinct().where(draws.c.model == model, draws.c.prediction_id.in_(ids))


def drawn_of(plan_id: str) -> Select[Any]:
    """The draws of a plan in their order, with its night and what is pinned of each."""
    said = (pins.c.predicted_class, pins.c.group, pins.c.image, pins.c.slice)
    query = select(*rows.DRAW, label_plans.c.night, *said).join_from(draws, label_plans)
    query = query.join(pins, _same_prediction(pins, draws))
    return query.where(draws.c.plan_id == plan_id).order_by(draws.c.position)


def labels_of_plan(plan_id: str) -> Select[Any]:
    """What people said about what a plan drew."""
    drawn = select(draws.c.id).where(draws.c.plan_id == plan_id, _same_prediction(labels, draws))
    return _given_labels().where(drawn.exists())


def labels_of(model: str) -> Select[Any]:
    return _given_labels().where(labels.c.model == model)


def labels_on(model: str, ids: Collection[str]) -> Select[Any]:
    return _given_labels().where(labels.c.model == model, labels.c.prediction_id.in_(ids))


def labels_of_several(model: str) -> Select[Any]:
    """Labels of the predictions that have more than one."""
    several = select(labels.c.prediction_id).where(labels.c.model == model).group_by(labels.c.prediction_id)
    return labels_of(model).where(labels.c.prediction_id.in_(several.having(func.count() > 1)))


def _given_labels() -> Select[Any]:
    """In the order in which they were recorded."""
    return select(*rows.LABEL).where(labels.c.label.is_not(None)).order_by(labels.c.id)


def label_counts() -> Select[Any]:
    """(model, number of its predictions that people have labelled)"""
    query = select(labels.c.model, func.count(labels.c.prediction_id.distinct()))
    return query.where(labels.c.label.is_not(None), labels.c.labeler != FILE).group_by(labels.c.model)


def pins_of(model: str, ids: Collection[str]) -> Select[Any]:
    return select(pins).where(pins.c.model == model, pins.c.prediction_id.in_(ids)).order_by(pins.c.prediction_id)


def labelled_pins(model: str) -> Select[Any]:
    labelled = select(labels.c.id).where(_same_prediction(labels, pins), labels.c.label.is_not(None))
    return select(pins).where(pins.c.model == model, labelled.exists())


def models_that_pin(ids: Collection[str]) -> Select[Any]:
    """(id, model), in order; of all models."""
    query = select(pins.c.prediction_id, pins.c.model).where(pins.c.prediction_id.in_(ids))
    return query.where(pins.c.model.in_(select(models.c.model).distinct())).order_by(pins.c.prediction_id, pins.c.model)


def results_of(
    model: str, version: int, *, nights: Sequence[date] | None = None, check: str | None = None
) -> Select[Any]:
    """With their night, in its order; within a night in the policy's. A night has one decision, hence one position."""
    query = select(check_results.c.night, *rows.RESULT).where(_is(check_results, model, version))
    if nights is not None:
        query = query.where(check_results.c.night.in_(nights))
    if check is not None:
        query = query.where(check_results.c.check == check)
    return query.order_by(check_results.c.night, check_results.c.position)


def marks_of(model: str, version: int, *, since: date, only: Status | None = None) -> Select[Any]:
    """Each result in short, in the same order."""
    results = check_results.c
    query = select(results.night, results.check, results.status, results.statistic, results.threshold)
    query = query.where(_is(check_results, model, version), results.night >= since)
    query = query if only is None else query.where(results.status == only)
    return query.order_by(results.night, results.position)


def decisions_of(model: str) -> Select[Any]:
    query = select(*rows.DECISION).where(decisions.c.model == model)
    return query.order_by(decisions.c.made_at, decisions.c.key)


def releases_of(model: str) -> Select[Any]:
    return select(*rows.RELEASE).where(releases.c.model == model).order_by(releases.c.id)


def unsent_alerts() -> Select[Any]:
    return select(*rows.ALERT).where(alerts.c.sent_at.is_(None)).order_by(alerts.c.made_at, alerts.c.key)


def decisions_of_same_model(key: str) -> Select[Any]:
    """Locks them on PostgreSQL, so that two claims of one model come one after the other (SQLite has one writer)."""
    model = select(decisions.c.model).where(decisions.c.key == key).scalar_subquery()
    return select(decisions.c.key).where(decisions.c.model == model).order_by(decisions.c.key).with_for_update()


def lapsed(model: str, *, now: datetime, lease_hours: float) -> Select[Any]:
    """Keys of running decisions that were claimed longer ago than the lease."""
    of_model = and_(decisions.c.model == model, decisions.c.state == DecisionState.RUNNING)
    query = select(decisions.c.key).where(of_model, decisions.c.claimed_at <= now - timedelta(hours=lease_hours))
    return query.order_by(decisions.c.key).with_for_update()


def claim(key: str, *, now: datetime, lease_hours: float) -> Update:
    """Matches one row or none."""
    rival = decisions.alias("rival")
    lapsed_before = now - timedelta(hours=lease_hours)
    lapsed = and_(decisions.c.state == DecisionState.RUNNING, decisions.c.claimed_at <= lapsed_before)
    at_work = and_(rival.c.state == DecisionState.RUNNING, rival.c.claimed_at > lapsed_before)
    rivals = select(rival.c.key).where(rival.c.model == decisions.c.model, rival.c.key != decisions.c.key, at_work)
    free = or_(decisions.c.state == DecisionState.OPEN, lapsed)
    query = update(decisions).where(decisions.c.key == key, free, not_(rivals.exists()))
    return query.values(state=DecisionState.RUNNING, claimed_at=now)
