"""Questions to the ledger, as SQL that SQLite and PostgreSQL answer alike."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, func, not_, or_, select, update

from leeway.domain.records import FILE, MEASURE, Action, DecisionState, Status
from leeway.stores import rows
from leeway.stores.ledger_tables import (
    alerts,
    check_results,
    decisions,
    deliveries,
    draws,
    epochs,
    label_plans,
    labels,
    models,
    night_claims,
    pins,
    releases,
    reopenings,
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


def held_nights(model: str, now: datetime) -> Select[Any]:
    kept = night_claims.c
    query = select(kept.model, kept.version, kept.night, kept.holder, kept.until, kept.token)
    return query.where(kept.model == model, kept.until > now, kept.holder != "").order_by(kept.version, kept.night)


def closed_windows(model: str, version: int) -> Select[Any]:
    return select(*rows.WINDOW).where(_is(windows, model, version)).order_by(windows.c.night)


def bounds_of_windows(model: str, version: int) -> Select[Any]:
    return select(windows.c.night, windows.c.start, windows.c.end).where(_is(windows, model, version))


def plans_of(model: str, version: int) -> Select[Any]:
    return all_plans().where(_is(label_plans, model, version))


def all_plans() -> Select[Any]:
    """Label plans in short, as LabelPlan has them, in order of night; to be narrowed down."""
    plans = label_plans.c
    asked = select(func.count()).where(draws.c.plan_id == plans.id).scalar_subquery()
    given = func.json_array_length(plans.given)
    closing = (plans.closed_at, plans.applied_by, plans.late_of, plans.second_opinion)
    query = select(plans.id, plans.model, plans.version, plans.night, plans.made_at, asked, given, *closing)
    return query.order_by(plans.night, plans.made_at, plans.id)


def design_of(plan_id: str) -> Select[Any]:
    return select(*rows.DESIGN).where(label_plans.c.id == plan_id)


def _same_prediction(one: Any, another: Any) -> ColumnElement[bool]:
    return and_(one.c.model == another.c.model, one.c.prediction_id == another.c.prediction_id)


def groups_drawn(model: str, version: int, *, purpose: str) -> Select[Any]:
    query = select(pins.c.group).distinct().join_from(label_plans, draws)
    query = query.join(pins, _same_prediction(pins, draws))
    return query.where(_is(label_plans, model, version), draws.c.purpose == purpose)


def plans_with(model: str, ids: Collection[str]) -> Select[Any]:
    """(version, plan id) of the plans that drew any of these predictions, late ones left out."""
    query = select(label_plans.c.version, label_plans.c.id).distinct().join_from(draws, label_plans)
    return query.where(draws.c.model == model, draws.c.prediction_id.in_(ids), label_plans.c.late_of.is_(None))


def late_draws(model: str, version: int, *, since: date) -> Select[Any]:
    """Draws that were answered after their plan had closed, and that no late plan holds yet, in their order."""
    another, holder = draws.alias("another"), label_plans.alias("holder")
    held = select(another.c.id).join(holder, holder.c.id == another.c.plan_id)
    held = held.where(_same_prediction(another, draws), holder.c.late_of == label_plans.c.id)
    answers, upto = _answers(draws), label_plans.c.labels_upto
    query = select(*rows.DRAW).join_from(draws, label_plans)
    query = query.where(_is(label_plans, model, version), label_plans.c.night >= since, label_plans.c.late_of.is_(None))
    query = query.where(answers.where(labels.c.id > upto).exists(), ~answers.where(labels.c.id <= upto).exists())
    return query.where(~held.exists()).order_by(label_plans.c.night, draws.c.plan_id, draws.c.position)


def measured_among(model: str, ids: Collection[str]) -> Select[Any]:
    """Ids of these predictions that a closed plan has measured, by an answer that was in when it closed."""
    upto = label_plans.c.labels_upto
    answered = _answers(draws).where(or_(upto.is_(None), labels.c.id <= upto))
    query = select(draws.c.prediction_id).distinct().join_from(draws, label_plans)
    query = query.where(draws.c.model == model, draws.c.prediction_id.in_(ids), draws.c.purpose == MEASURE)
    return query.where(label_plans.c.closed_at.is_not(None), answered.exists())


def _answers(drawn: Any) -> Select[Any]:
    """What people said of the prediction that was drawn."""
    return select(labels.c.id).where(_same_prediction(labels, drawn))


def drawn_among(model: str, ids: Collection[str]) -> Select[Any]:
    """Ids of these predictions that any plan drew."""
    return select(draws.c.prediction_id).distinct().where(draws.c.model == model, draws.c.prediction_id.in_(ids))


def drawn_of(plan_id: str) -> Select[Any]:
    """The draws of a plan in their order, with its night and what is pinned of each."""
    said = (pins.c.predicted_class, pins.c.group, pins.c.image, pins.c.slice)
    query = select(*rows.DRAW, label_plans.c.night, label_plans.c.second_opinion, *said).join_from(draws, label_plans)
    query = query.join(pins, _same_prediction(pins, draws))
    return query.where(draws.c.plan_id == plan_id).order_by(draws.c.position)


def labels_of_plan(plan_id: str, *, as_closed: bool) -> Select[Any]:
    """What people said about what a plan drew; with `as_closed` what they had said when it closed."""
    drawn = select(draws.c.id).where(draws.c.plan_id == plan_id, _same_prediction(labels, draws))
    query = _given_labels().where(drawn.exists())
    upto = select(label_plans.c.labels_upto).where(label_plans.c.id == plan_id).scalar_subquery()
    return query.where(or_(upto.is_(None), labels.c.id <= upto)) if as_closed else query


def last_label() -> Select[Any]:
    """The number of the label that was recorded last, 0 before there is one."""
    return select(func.coalesce(func.max(labels.c.id), 0))


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
    return select(*rows.LABEL).order_by(labels.c.id)


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


def reopenings_of(model: str) -> Select[Any]:
    return select(*rows.REOPENING).where(reopenings.c.model == model).order_by(reopenings.c.id)


def unsent_alerts() -> Select[Any]:
    return select(*rows.ALERT).where(alerts.c.sent_at.is_(None)).order_by(alerts.c.made_at, alerts.c.key)


def deliveries_of_unsent() -> Select[Any]:
    query = select(*rows.DELIVERY).join(alerts, alerts.c.key == deliveries.c.key).where(alerts.c.sent_at.is_(None))
    return query.order_by(deliveries.c.key, deliveries.c.channel)


def free_deliveries(keys: Sequence[str], channel: str, *, now: datetime, instead_of: Collection[str]) -> Select[Any]:
    """Neither sent nor held; `instead_of`: holders that are dead. Locks them on PostgreSQL."""
    table = deliveries.c
    free = or_(table.holder.in_(["", *instead_of]), table.until <= now)
    query = select(table.key).where(table.key.in_(keys), table.channel == channel, table.sent_at.is_(None), free)
    return query.order_by(table.key).with_for_update()


def taken_deliveries(keys: Sequence[str], channel: str, *, holder: str, until: datetime) -> Update:
    this = and_(deliveries.c.key.in_(keys), deliveries.c.channel == channel)
    return update(deliveries).where(this).values(holder=holder, until=until)


def concluded_deliveries(keys: Sequence[str], channel: str, *, holder: str, at: datetime, error: str) -> Update:
    """What was sent is sent, whoever holds it by now; a failure is told by its holder alone."""
    table, values = deliveries.c, {"error": error, "tried_at": at, "holder": ""}
    this = and_(table.key.in_(keys), table.channel == channel, table.sent_at.is_(None))
    if error:
        this = and_(this, table.holder == holder)
    return update(deliveries).where(this).values(tries=table.tries + 1, sent_at=None if error else at, **values)


def decisions_of_same_model(key: str) -> Select[Any]:
    """Locks them on PostgreSQL, so that two claims of one model come one after the other (SQLite has one writer)."""
    model = select(decisions.c.model).where(decisions.c.key == key).scalar_subquery()
    return select(decisions.c.key).where(decisions.c.model == model).order_by(decisions.c.key).with_for_update()


def lapsed(model: str, *, now: datetime, lease_hours: float) -> Select[Any]:
    """Keys of running decisions that were claimed longer ago than the lease."""
    of_model = and_(decisions.c.model == model, decisions.c.state == DecisionState.RUNNING)
    query = select(decisions.c.key).where(of_model, decisions.c.claimed_at <= now - timedelta(hours=lease_hours))
    return query.order_by(decisions.c.key).with_for_update()


def requests_besides(model: str, version: int) -> Select[Any]:
    """Keys of open retraining requests of the model's other versions."""
    wanted = and_(decisions.c.action == Action.RETRAIN, decisions.c.state == DecisionState.OPEN)
    query = select(decisions.c.key).where(decisions.c.model == model, decisions.c.version != version, wanted)
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
