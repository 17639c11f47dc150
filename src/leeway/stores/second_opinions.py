"""Second opinions in SQL: the draws of open plans in which a contradiction waits for a second person."""

from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from leeway.domain.answers import people, waits_for_second
from leeway.domain.records import ERRORS, MEASURE, NAMED, Label, Prediction
from leeway.stores import ledger_queries as queries
from leeway.stores import rows
from leeway.stores.ledger_tables import draws, label_plans, labels, pins

Waiting = tuple[date, str, Prediction]  # night, plan id


def contradicted(connection: Connection, model: str) -> list[tuple[Waiting, Label]]:
    """Return what waits for a second person, each with the label that does."""
    found = connection.execute(_contradicted_draws(model)).all()
    ids = rows.batches(row.prediction_id for row in found)
    said = people(rows.label_from(one) for some in ids for one in connection.execute(queries.labels_on(model, some)))
    firsts = [waits_for_second(said[model, row.prediction_id], row.predicted_class) for row in found]
    return [
        ((row.night, row.plan_id, rows.pin_from(row)), first)
        for row, first in zip(found, firsts, strict=True)
        if first is not None
    ]


def _contradicted_draws(model: str) -> Select[Any]:
    """(night, plan id, pinned prediction) of measuring draws that somebody has answered otherwise than the model."""
    same = and_(pins.c.model == draws.c.model, pins.c.prediction_id == draws.c.prediction_id)
    about = and_(labels.c.model == draws.c.model, labels.c.prediction_id == draws.c.prediction_id)
    against = select(labels.c.id).where(about, or_(labels.c.answer != NAMED, labels.c.label != pins.c.predicted_class))
    query = select(label_plans.c.night, draws.c.plan_id, pins).join_from(draws, label_plans).join(pins, same)
    query = query.where(label_plans.c.model == model, label_plans.c.closed_at.is_(None), against.exists())
    return query.where(label_plans.c.second_opinion == ERRORS, draws.c.purpose == MEASURE)
