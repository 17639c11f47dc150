"""Questions to the truth that came with the prediction log, as SQL that SQLite and PostgreSQL answer alike."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, func, literal, select, union_all

from leeway.domain.records import ModelVersion
from leeway.stores.log_tables import given_labels, log_heads, predictions
from leeway.stores.log_terms import between, in_window, order_in, seq_of, with_these
from leeway.stores.rows import PREDICTION


def first_given(version: ModelVersion, since: datetime | None, end: datetime | None = None) -> Select[Any]:
    inside = in_window(given_labels, version, since, end)
    query = select(given_labels.c.occurred_at).where(inside, given_labels.c.draw_probability.is_not(None))
    return query.order_by(given_labels.c.occurred_at).limit(1)


def given_tallies(
    version: ModelVersion,
    start: datetime,
    end: datetime,
    *,
    after: str | None,
    upto: str | None,
    rows_upto: str | None,
) -> Select[Any]:
    """(class, label, slice, draw probability, count)"""
    given = given_labels.c
    key = (given.predicted_class, given.label, given.slice, given.draw_probability)
    query = select(*key, func.count().label("count"))
    query = _measuring(query, version, start, end, after=after, upto=upto, rows_upto=rows_upto)
    order = (given.predicted_class, given.label, given.slice.nulls_first(), given.draw_probability)
    return query.group_by(*key).order_by(*order)


def given_alike(
    version: ModelVersion,
    start: datetime,
    end: datetime,
    *,
    after: str | None,
    upto: str | None,
    rows_upto: str | None,
) -> CompoundSelect[Any]:
    """(part, the sum of w_i w_j over its pairs of labels of one group, w = 1 / draw probability), parts with a pair."""
    given = given_labels.c
    weight, key = 1 / given.draw_probability, (given.group, given.predicted_class, given.slice)
    query = select(*key, func.sum(weight).label("weight"), func.sum(weight * weight).label("square"))
    query = _measuring(query, version, start, end, after=after, upto=upto, rows_upto=rows_upto)
    alike = query.where(given.group.is_not(None)).group_by(*key).cte("alike").c
    return union_all(
        _pairs(alike, literal("all")),
        _pairs(alike, "class " + alike.predicted_class),
        _pairs(alike, "slice " + alike.slice),
    )


def _pairs(alike: Any, part: Any) -> Select[Any]:
    named = select(alike.group, part.label("part"), alike.weight, alike.square).where(part.is_not(None)).subquery().c
    weight, square = func.sum(named.weight), func.sum(named.square)
    groups = select(named.part, (weight * weight - square).label("pairs")).group_by(named.group, named.part)
    found = groups.subquery().c
    return select(found.part, func.sum(found.pairs)).group_by(found.part).having(func.sum(found.pairs) > 0)


def _measuring(
    query: Select[Any],
    version: ModelVersion,
    start: datetime,
    end: datetime,
    *,
    after: str | None,
    upto: str | None,
    rows_upto: str | None,
) -> Select[Any]:
    """Of labels with a draw probability that came between two positions, of rows that were there at a third."""
    given = given_labels.c
    query = query.where(in_window(given_labels, version, start, end, upto), given.draw_probability.is_not(None))
    query = query if after is None else query.where(seq_of(given_labels) > int(after))
    if rows_upto not in (None, upto):  # a label never comes before its prediction
        query = query.join_from(given_labels, predictions, _same(start, end))
        query = query.where(seq_of(predictions) <= int(rows_upto))
    return query


def given_in(
    version: ModelVersion, start: datetime | None, end: datetime | None, k: int, *, stream: str
) -> Select[Any]:
    """(label, received_at, prediction) of the first k labels of a window."""
    query = select(given_labels.c.label, given_labels.c.received_at, *PREDICTION)
    query = query.join_from(given_labels, predictions, _same(start, end))
    query = query.where(in_window(given_labels, version, start, end))
    return query.order_by(order_in(stream).element).limit(k)


def _same(start: datetime | None, end: datetime | None) -> ColumnElement[bool]:
    """A label and its prediction, which occurred at one moment of the window."""
    given, kept = given_labels.c, predictions.c
    same = and_(kept.model == given.model, kept.id == given.id, kept.occurred_at == given.occurred_at)
    return and_(same, between(predictions, start, end))


def given_with(model: str, ids: Collection[str], day: date | None = None) -> Select[Any]:
    kept = given_labels.c
    columns = (kept.id, kept.label, kept.received_at, kept.draw_probability)
    return with_these(given_labels, columns, model, ids, day)


def given_counts() -> Select[Any]:
    return select(log_heads.c.model, log_heads.c.given).where(log_heads.c.given > 0)
