"""Missing labels in SQL: what label plans drew and nobody has labelled."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from leeway.stores import ledger_queries as queries
from leeway.stores.ledger_tables import draws, label_plans, labels, pins


def open_draws(model: str) -> Select[Any]:
    """(night, plan id, pinned prediction) of draws of open plans that nobody has answered, the oldest plan first."""
    same = and_(pins.c.model == draws.c.model, pins.c.prediction_id == draws.c.prediction_id)
    query = select(label_plans.c.night, draws.c.plan_id, pins).join_from(draws, label_plans).join(pins, same)
    query = query.where(label_plans.c.model == model, label_plans.c.closed_at.is_(None), _unanswered())
    return query.order_by(label_plans.c.night, label_plans.c.made_at, draws.c.plan_id, draws.c.position)


def missed_draws(model: str) -> Select[Any]:
    """Ids of predictions that a closed plan drew and nobody has answered: an answer would still measure."""
    query = select(draws.c.prediction_id).distinct().join_from(draws, label_plans)
    return query.where(label_plans.c.model == model, label_plans.c.labels_upto.is_not(None), _unanswered())


def plans_unanswered(model: str, *, since: datetime) -> Select[Any]:
    """(plan in short, different predictions that it drew and nobody labelled): open plans, and those closed since."""
    plans = label_plans.c
    missing = select(func.count(draws.c.prediction_id.distinct())).where(draws.c.plan_id == plans.id, _unanswered())
    query = queries.all_plans().add_columns(missing.scalar_subquery())
    query = query.where(plans.model == model, plans.late_of.is_(None))
    return query.where(or_(plans.closed_at.is_(None), plans.closed_at >= since))


def _unanswered() -> ColumnElement[bool]:
    """Whether nobody has said anything of the prediction that was drawn."""
    about = and_(labels.c.model == draws.c.model, labels.c.prediction_id == draws.c.prediction_id)
    return ~select(labels.c.id).where(about).exists()
