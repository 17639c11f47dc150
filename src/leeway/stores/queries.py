"""Questions to the store, as SQL that SQLite and PostgreSQL answer alike."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Update,
    and_,
    case,
    column,
    func,
    not_,
    or_,
    select,
    tuple_,
    update,
    values,
)

from leeway.domain.records import DecisionState, Pick, Status
from leeway.stores import rows
from leeway.stores.tables import (
    alerts,
    check_results,
    decisions,
    draws,
    label_plans,
    labels,
    models,
    predictions,
    releases,
    windows,
)


def _is(table: Any, model: Any, version: Any) -> ColumnElement[bool]:
    return and_(table.c.model == model, table.c.version == version)


def _in_window(model: Any, version: Any, start: Any, end: Any) -> ColumnElement[bool]:
    """start <= occurred_at < end; values or columns."""
    occurred_at = predictions.c.occurred_at
    return and_(_is(predictions, model, version), occurred_at >= start, occurred_at < end)


def model_version(model: str, version: int) -> Select[Any]:
    return select(*rows.MODEL).where(_is(models, model, version))


def versions_of(model: str) -> Select[Any]:
    return select(*rows.MODEL).where(models.c.model == model).order_by(models.c.version)


def predictions_of(model: str, version: int, start: datetime, end: datetime) -> Select[Any]:
    return select(*rows.PREDICTION).where(_in_window(model, version, start, end)).order_by(predictions.c.id)


def predictions_with(ids: Collection[str]) -> Select[Any]:
    return select(*rows.PREDICTION).where(predictions.c.id.in_(ids)).order_by(predictions.c.id)


def digests_of(ids: Collection[str]) -> Select[Any]:
    return select(predictions.c.id, predictions.c.digest).where(predictions.c.id.in_(ids))


def first_prediction_at(model: str, version: int) -> Select[Any]:
    return select(func.min(predictions.c.occurred_at)).where(_is(predictions, model, version))


def cells(model: str, version: int, start: datetime, end: datetime, *, edges: Sequence[float]) -> Select[Any]:
    """(class, bin, slice, count): a bin reaches from its edge up to below the next; -1 without a confidence."""
    key = (predictions.c.predicted_class, _bin(edges), predictions.c.slice)
    return select(*key, func.count()).where(_in_window(model, version, start, end)).group_by(*key)


def _bin(edges: Sequence[float]) -> Any:
    confidence = predictions.c.confidence
    steps = [(confidence < edge, place) for place, edge in enumerate(edges)]
    return case((confidence.is_(None), -1), *steps, else_=len(edges)).label("bin")


def ranked_in_cells(
    model: str, version: int, start: datetime, end: datetime, *, edges: Sequence[float], picks: Sequence[Pick]
) -> Select[Any]:
    """(place, prediction) of the picked ones: each is the rank-th of its cell, by id."""
    said, place, where = predictions.c.predicted_class, _bin(edges), predictions.c.slice
    rank = func.row_number().over(partition_by=(said, place, where), order_by=predictions.c.id).label("rank")
    ranked = select(predictions.c.id, said, place, func.coalesce(where, "").label("slice"), rank)
    wanted = (
        values(column("place", Integer), column("said", String), column("bin", Integer), column("slice", String),
               column("rank", Integer), name="wanted")
        .data([(at, one.predicted_class, one.bin, one.slice or "", one.rank + 1) for at, one in enumerate(picks)])
        .cte("wanted")
    )  # fmt: skip
    drawn_from = select(wanted.c.said, wanted.c.bin, wanted.c.slice)
    of_drawn_cells = tuple_(said, place, func.coalesce(where, "")).in_(drawn_from)  # ranks are within cells: the same
    inside = ranked.where(_in_window(model, version, start, end), of_drawn_cells).subquery("ranked")
    keys = {"predicted_class": "said", "bin": "bin", "slice": "slice", "rank": "rank"}
    same = and_(*(inside.c[ours] == wanted.c[theirs] for ours, theirs in keys.items()))
    query = select(wanted.c.place, *rows.PREDICTION).join_from(wanted, inside, same)
    return query.join(predictions, predictions.c.id == inside.c.id).order_by(wanted.c.place)


def ranked(model: str, version: int, start: datetime, end: datetime, *, ranks: Collection[int]) -> Select[Any]:
    """Predictions at these places, from 0, of the window ordered by id."""
    rank = func.row_number().over(order_by=predictions.c.id).label("rank")
    inside = select(predictions.c.id, rank).where(_in_window(model, version, start, end)).subquery("ranked")
    query = select(*rows.PREDICTION).join(inside, predictions.c.id == inside.c.id)
    return query.where(inside.c.rank.in_([one + 1 for one in ranks])).order_by(predictions.c.id)


def number_after(model: str, version: int, moment: datetime) -> Select[Any]:
    later = predictions.c.occurred_at > moment
    return select(func.count()).select_from(predictions).where(_is(predictions, model, version), later)


def _untaken() -> ColumnElement[bool]:
    """Labels that came with a draw probability and that no plan has taken."""
    return and_(labels.c.draw_probability.is_not(None), labels.c.plan_id.is_(None))


def number_untaken(*, most: int) -> Select[Any]:
    """Number of untaken labels, of all models; stops at `most`."""
    some = select(labels.c.plan_id).where(_untaken()).limit(most)
    return select(func.count()).select_from(some.subquery())


def first_given(model: str, version: int) -> Select[Any]:
    """When the earliest prediction with an untaken label occurred: looks up the prediction of each untaken label."""
    this = and_(predictions.c.id == labels.c.prediction_id, _is(predictions, model, version))
    occurred_at = select(predictions.c.occurred_at).where(this).scalar_subquery()
    return select(func.min(occurred_at)).select_from(labels).where(_untaken())


def first_of_many_given(model: str, version: int) -> Select[Any]:
    """The same: goes through the predictions in order of time, and stops at the first that has an untaken label."""
    labelled = select(labels.c.label).where(labels.c.prediction_id == predictions.c.id, _untaken()).exists()
    query = select(predictions.c.occurred_at).where(_is(predictions, model, version), labelled)
    return query.order_by(predictions.c.occurred_at).limit(1)


def given_tallies(model: str, version: int, start: datetime, end: datetime) -> Select[Any]:
    """(class, label, slice, draw probability, count) of the labels of a window that were given with one."""
    key = (predictions.c.predicted_class, labels.c.label, predictions.c.slice, labels.c.draw_probability)
    query = select(*key, func.count().label("count")).join_from(labels, predictions)
    query = query.where(_in_window(model, version, start, end), _untaken())
    return query.group_by(*key).order_by(*key)


def take_given(model: str, version: int, start: datetime, end: datetime, *, plan_id: str) -> Update:
    inside = select(predictions.c.id).where(_in_window(model, version, start, end))
    return update(labels).where(_untaken(), labels.c.prediction_id.in_(inside)).values(plan_id=plan_id)


def closed_windows(model: str, version: int) -> Select[Any]:
    query = select(*rows.WINDOW, windows.c.start, windows.c.end).where(_is(windows, model, version))
    return query.order_by(windows.c.night)


def number_in(model: str, version: int, start: datetime, end: datetime) -> Select[Any]:
    return select(func.count()).select_from(predictions).where(_in_window(model, version, start, end))


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


def draws_of(plan_id: str) -> Select[Any]:
    return select(*rows.DRAW).where(draws.c.plan_id == plan_id).order_by(draws.c.position)


def groups_drawn(model: str, version: int, *, purpose: str) -> Select[Any]:
    query = select(predictions.c.group).distinct().join_from(label_plans, draws)
    query = query.join(predictions, predictions.c.id == draws.c.prediction_id)
    return query.where(_is(label_plans, model, version), draws.c.purpose == purpose)


def open_draws(model: str) -> Select[Any]:
    """Draws of open plans whose prediction nobody has labelled, the oldest plan first."""
    unlabelled = ~select(labels.c.label).where(labels.c.prediction_id == draws.c.prediction_id).exists()
    query = select(draws.c.plan_id, *rows.PREDICTION).join_from(draws, predictions).join(label_plans)
    query = query.where(label_plans.c.model == model, label_plans.c.closed_at.is_(None), unlabelled)
    return query.order_by(label_plans.c.night, label_plans.c.made_at, draws.c.plan_id, draws.c.position)


def _is_earliest() -> ColumnElement[bool]:
    """Of the labels of one prediction the first given; of two at one time, the labeler first in the alphabet."""
    other = labels.alias("other")
    before = tuple_(other.c.labelled_at, other.c.labeler) < tuple_(labels.c.labelled_at, labels.c.labeler)
    return ~select(other.c.label).where(other.c.prediction_id == labels.c.prediction_id, before).exists()


def answered_draws(plan_id: str) -> Select[Any]:
    said = (predictions.c.predicted_class, predictions.c.group, predictions.c.image, predictions.c.slice)
    query = select(*rows.DRAW, label_plans.c.night, *said, labels.c.label).join_from(draws, label_plans)
    query = query.join(predictions, predictions.c.id == draws.c.prediction_id)
    query = query.join(labels, labels.c.prediction_id == draws.c.prediction_id)
    return query.where(draws.c.plan_id == plan_id, _is_earliest()).order_by(draws.c.position)


def _of_label() -> Any:
    """The model that a label is for: looked up label by label, since a model has far more predictions than labels."""
    labelled = predictions.alias("labelled")
    return select(labelled.c.model).where(labelled.c.id == labels.c.prediction_id).scalar_subquery()


def labels_of(model: str) -> Select[Any]:
    same = predictions.c.id == labels.c.prediction_id
    query = select(*rows.LABEL, *rows.PREDICTION).join_from(labels, predictions, same)
    query = query.where(_of_label() == model, _is_earliest())
    return query.order_by(labels.c.labelled_at, predictions.c.id)


def disagreements_of(model: str) -> Select[Any]:
    """Number of predictions that people have called different things."""
    several = select(labels.c.prediction_id).group_by(labels.c.prediction_id)
    several = several.having(func.count(labels.c.label.distinct()) > 1, _of_label() == model)
    return select(func.count()).select_from(several.subquery())


def numbers_of_labels() -> Select[Any]:
    """(model, number of its predictions that have a label)"""
    model = _of_label().label("model")
    return select(model, func.count(labels.c.prediction_id.distinct())).group_by(model)


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
