"""Questions to the prediction log, as SQL that SQLite and PostgreSQL answer alike."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    null,
    or_,
    select,
)

from leeway.domain.records import ModelVersion
from leeway.stores.log_tables import NUMBER, log_heads, predictions
from leeway.stores.log_terms import between, in_window, order_in, seq_of, with_these
from leeway.stores.rows import PREDICTION
from leeway.stores.schema import column

wanted = Table(  # of the connection: the cells that are drawn from, so that each row finds its own in an index
    "wanted_cells",
    MetaData(),
    column("predicted_class", String, key=True),
    column("bin", Integer, key=True),
    column("slice", String, key=True),  # as `slice_key` has it
    column("second", String, key=True),  # likewise
    column("most", NUMBER),  # place in the stream up to which predictions are looked at
    prefixes=["TEMPORARY"],
)


def _bin(edges: Sequence[float]) -> Any:
    """A bin reaches from its edge up to below the next; -1 without a confidence."""
    return _by_bin(edges, [-1, *range(len(edges) + 1)]).label("bin")


def _by_bin(edges: Sequence[float], values: Sequence[int]) -> Any:
    """The value of each row's bin; `values`: without a confidence, then of each bin. Found by halving the edges."""
    confidence = predictions.c.confidence

    def between(low: int, high: int) -> Any:
        middle = (low + high) // 2
        if low == high:
            return values[low + 1]
        return case((confidence < edges[middle], between(low, middle)), else_=between(middle + 1, high))

    return case((confidence.is_(None), values[0]), else_=between(0, len(edges)))


def _edges(version: ModelVersion) -> Sequence[float]:
    return version.reference.bin_edges if version.reference.with_confidence else ()


def slice_key(name: str | None) -> str:
    """Return a slice as a text that differs for none and for one without a name."""
    return "" if name is None else f"={name}"


def cell_terms(version: ModelVersion, second: Collection[str]) -> tuple[Any, Any]:
    """The confidence bin and the second class of each row, as `cells` tells cells apart by them."""
    return _bin(_edges(version)), _second(second)


def head(model: str) -> Select[Any]:
    return select(log_heads.c.seq).where(log_heads.c.model == model)


def horizon(model: str) -> Select[Any]:
    return select(log_heads.c.horizon).where(log_heads.c.model == model)


def _second(names: Collection[str]) -> Any:
    """The second class where it is one of these, else null."""
    kept = predictions.c.second_class
    return (case((kept.in_(sorted(names)), kept), else_=None) if names else null()).label("second")


def cells(
    version: ModelVersion, start: datetime, end: datetime, *, upto: str | None, second: Collection[str] = ()
) -> Select[Any]:
    """(class, bin, slice, count), and with `second` the second class"""
    key = (predictions.c.predicted_class, _bin(_edges(version)), predictions.c.slice)
    more = (_second(second),) if second else ()  # it does not stand in the index
    inside = in_window(predictions, version, start, end, upto)
    return select(*key, func.count(), *more).where(inside).group_by(*key, *more)


def copies(
    version: ModelVersion,
    start: datetime,
    end: datetime,
    *,
    images: Collection[str],
    groups: Collection[str],
    upto: str | None,
) -> Select[Any]:
    """(name, class, bin, count) of what shares one of these images, or else one of these groups"""
    kept = predictions.c
    own = kept.image.in_(sorted(images))
    key = (case((own, kept.image), else_=kept.group).label("name"), kept.predicted_class, _bin(_edges(version)))
    inside = and_(in_window(predictions, version, start, end, upto), or_(own, kept.group.in_(sorted(groups))))
    return select(*key, func.count()).where(inside).group_by(*key)


def first_of_cells(
    version: ModelVersion,
    start: datetime,
    end: datetime,
    *,
    stream: str,
    upto: str | None,
    most: Mapping[int, int],
    second: Collection[str] = (),
    names: Sequence[str] = ("seq",),
) -> Select[Any]:
    """(*columns of these names, class, bin, slice, second, place) of what lies below the limit of its cell.

    `most`: the largest limit, by bin. The limit of a row is looked up, not joined: both databases then go through the
    night once. Few rows are below the largest limit of their bin, so that few are looked up.
    """
    edges = _edges(version)
    place, row_bin = order_in(stream), _bin(edges)
    most_of_bin = _by_bin(edges, [most.get(place, 0) for place in range(-1, len(edges) + 1)])
    key_of_slice, row_second = func.coalesce("=" + predictions.c.slice, ""), _second(second)
    cell = and_(
        wanted.c.predicted_class == predictions.c.predicted_class,
        wanted.c.bin == row_bin.element,
        wanted.c.slice == key_of_slice,
        wanted.c.second == (func.coalesce("=" + row_second.element, "") if second else ""),
    )
    limit = select(wanted.c.most).where(cell).correlate(predictions).scalar_subquery()
    query = select(
        *(predictions.c[name] for name in names),
        predictions.c.predicted_class,
        row_bin,
        predictions.c.slice,
        row_second,
        place,
    )
    return query.where(
        in_window(predictions, version, start, end, upto), place.element < most_of_bin, place.element < limit
    )


def first_of_stream(
    version: ModelVersion,
    start: datetime,
    end: datetime,
    k: int,
    *,
    stream: str,
    upto: str | None,
    names: Sequence[str] = ("seq",),
) -> Select[Any]:
    """The columns of these names, of the first k of a window."""
    query = select(*(predictions.c[name] for name in names)).where(in_window(predictions, version, start, end, upto))
    return query.order_by(order_in(stream).element).limit(k)


def with_seqs(seqs: Collection[int], start: datetime | None = None, end: datetime | None = None) -> Select[Any]:
    return select(predictions.c.seq, *PREDICTION).where(predictions.c.seq.in_(seqs), between(predictions, start, end))


def with_ids(model: str, ids: Collection[str], day: date | None = None) -> Select[Any]:
    return with_these(predictions, PREDICTION, model, ids, day)


def stored_content(model: str, ids: Collection[str], day: date | None = None) -> Select[Any]:
    """What a row that comes again is compared with."""
    kept = predictions.c
    columns = (kept.version, kept.occurred_at, kept.predicted_class, kept.confidence, kept.slice, kept.group)
    return with_these(predictions, (kept.id, kept.h, kept.image, *columns), model, ids, day)


def models_with(ids: Collection[str], *, besides: str, table: Table = predictions) -> Select[Any]:
    """(model, number of these ids) of other models; `table`: where their ids stand."""
    others = select(log_heads.c.model).where(log_heads.c.model != besides)
    query = select(table.c.model, func.count()).where(table.c.model.in_(others), table.c.id.in_(ids))
    return query.group_by(table.c.model)


def first_at(version: ModelVersion, since: datetime | None, end: datetime | None = None) -> Select[Any]:
    return select(func.min(predictions.c.occurred_at)).where(in_window(predictions, version, since, end))


def last_at(version: ModelVersion, end: datetime | None, since: datetime | None = None) -> Select[Any]:
    return select(func.max(predictions.c.occurred_at)).where(in_window(predictions, version, since, end))


def rows_by_version(model: str, versions: Collection[int], start: datetime, end: datetime) -> Select[Any]:
    """(version, number of rows); the versions are named, so that each is found in the index."""
    kept = predictions.c
    inside = and_(kept.model == model, kept.version.in_(versions), kept.occurred_at >= start, kept.occurred_at < end)
    return select(kept.version, func.count()).where(inside).group_by(kept.version)


def number_in(version: ModelVersion, start: datetime, end: datetime | None, *, after: str | None) -> Select[Any]:
    query = select(func.count()).select_from(predictions).where(in_window(predictions, version, start, end))
    return query if after is None else query.where(seq_of(predictions) > int(after))
