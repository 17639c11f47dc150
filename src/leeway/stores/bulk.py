"""Puts whole columns of predictions into the log: a million rows in seconds, each id of a model once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, text, update

from leeway.domain.columns import PredictionColumns
from leeway.domain.forgetting import behind_horizon
from leeway.domain.identity import DIGEST, content_hashes, permanent_number
from leeway.domain.records import Recorded, utc_text
from leeway.stores import copying, given_queries, log_queries, log_tables
from leeway.stores.days import days_of_ids
from leeway.stores.partitions import is_partitioned

CHUNK = 100_000  # rows that are turned into tuples at once


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the rows of one source have in common."""

    model: str
    received_at: datetime
    number: int  # of their labels
    secret: str
    horizon: datetime | None = None  # older rows are refused


def next_number(connection: Connection) -> int:
    """Take a number from those of the predictions: larger than all before it, smaller than all after it."""
    if connection.dialect.name == "sqlite":
        kept = "SELECT 1 FROM sqlite_sequence WHERE name = 'predictions'"
        connection.execute(text(f"INSERT INTO sqlite_sequence SELECT 'predictions', 0 WHERE NOT EXISTS ({kept})"))
        connection.execute(text("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'predictions'"))
        return int(connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'predictions'")))
    return int(connection.scalar(text("SELECT nextval(pg_get_serial_sequence('predictions', 'seq'))")))


def move_head(connection: Connection, arrival: Arrival, *, given: int) -> None:
    """Let the model's log end behind all that was written."""
    number = next_number(connection)
    connection.execute(
        text(
            "INSERT INTO log_heads (model, seq, given) VALUES (:model, :seq, :given) ON CONFLICT (model) DO UPDATE "
            "SET seq = excluded.seq, given = log_heads.given + excluded.given"
        ),
        {"model": arrival.model, "seq": number, "given": given},
    )


def insert_columns(connection: Connection, arrival: Arrival, version: int, given: PredictionColumns) -> Recorded:
    """Ids that are known stay as they are: those whose content differs are named, and their labels left out."""
    given, too_old = behind_horizon(given, arrival.horizon)
    if not len(given.ids):
        return Recorded(too_old=too_old)
    hashes, given = content_hashes(version, given).tolist(), given.lists()
    columns = _prediction_columns(connection, arrival, version, given) | {"h": hashes}
    new = insert_rows(connection, log_tables.predictions, columns)
    changed: tuple[str, ...] = ()
    versions: dict[str, int] = {}  # of known rows, where the source does not say
    if new < len(given.ids):
        stored = _stored(connection, arrival.model, given)
        versions = {} if given.version_stated else {one: row.version for one, row in stored.items()}
        changed = _changed(version, given, hashes, stored)
        _move_images(connection, arrival.model, given, stored, set(changed))
    of_rows = [versions.get(one, version) for one in given.ids]
    labels, refused = _insert_labels(connection, arrival, given, of_rows, set(changed))
    known = len(given.ids) - new - len(changed)
    return Recorded(new, known, changed, labels, refused, too_old)


def _prediction_columns(
    connection: Connection, arrival: Arrival, version: int, given: PredictionColumns
) -> dict[str, Sequence[Any]]:
    rows = len(given.ids)
    nothing: list[None] = [None] * rows
    return {
        "model": [arrival.model] * rows,
        "id": given.ids,
        "version": [version] * rows,
        "occurred_at": [_moment(connection, text) for text in given.occurred_at],
        "image": given.images or [""] * rows,
        "predicted_class": given.predicted,
        "second_class": given.second or nothing,
        "confidence": [None if one != one else one for one in given.confidence] or nothing,  # no NaN
        "probabilities": given.probabilities or ["[]"] * rows,
        "energy": given.energy or nothing,
        "latency_ms": given.latency_ms or nothing,
        "group": given.groups or given.ids,
        "slice": given.slices or nothing,
        "review": given.review or nothing,
        "received_at": [_moment(connection, utc_text(arrival.received_at))] * rows,
        "u": [permanent_number(one, arrival.secret) for one in given.ids],
    }


def _insert_labels(
    connection: Connection, arrival: Arrival, given: PredictionColumns, versions: Sequence[int], changed: set[str]
) -> tuple[int, tuple[str, ...]]:
    """(new labels, predictions whose label from a file is another already)."""
    chosen = [
        place for place, label in enumerate(given.labels) if label is not None and given.ids[place] not in changed
    ]
    if not chosen:
        return 0, ()
    ids, labels = [given.ids[place] for place in chosen], [given.labels[place] for place in chosen]
    chances, nothing = given.draw_probabilities, [None] * len(ids)
    columns: dict[str, Sequence[Any]] = {
        "model": [arrival.model] * len(ids),
        "id": ids,
        "version": [versions[place] for place in chosen],
        "occurred_at": [_moment(connection, given.occurred_at[place]) for place in chosen],
        "predicted_class": [given.predicted[place] for place in chosen],
        "slice": [given.slices[place] for place in chosen] if given.slices else nothing,
        "label": labels,
        "draw_probability": [chances[place] for place in chosen] if chances else nothing,
        "received_at": [_moment(connection, utc_text(arrival.received_at))] * len(ids),
        "seq": [arrival.number] * len(ids),
        "group": _shared_groups(given, chosen) if given.groups else nothing,
    }
    new = insert_rows(connection, log_tables.given_labels, columns)
    if new == len(ids):
        return new, ()
    known: dict[str, Row[Any]] = {}
    for day, some in days_of_ids(connection, arrival.model, ids):
        known |= {row.id: row for row in connection.execute(given_queries.given_with(arrival.model, some, day))}
    chance_of = dict(zip(ids, columns["draw_probability"], strict=True))
    same = [one for one, label in zip(ids, labels, strict=True) if known[one].label == label]
    late = [one for one in same if known[one].draw_probability is None and chance_of[one] is not None]
    moment_of = dict(zip(given.ids, given.occurred_at, strict=True))
    _state_chances(connection, arrival, {one: (chance_of[one], moment_of[one]) for one in late})
    return new, tuple(one for one, label in zip(ids, labels, strict=True) if known[one].label != label)


def _shared_groups(given: PredictionColumns, chosen: Sequence[int]) -> list[str | None]:
    """Return the group of each of these rows; None for one that bears the name of its row, and is no other row's."""
    shared = {group for group, one in zip(given.groups, given.ids, strict=True) if group != one}
    return [given.groups[place] if given.groups[place] in shared else None for place in chosen]


def _state_chances(connection: Connection, arrival: Arrival, chances: Mapping[str, tuple[float, str]]) -> None:
    """Labels that were known without a draw probability measure from now on: else those that came later would alone."""
    table = log_tables.given_labels
    for one, (chance, written) in chances.items():
        moment = datetime.fromisoformat(written).replace(tzinfo=UTC)
        this = (table.c.model == arrival.model, table.c.id == one, table.c.occurred_at == moment)
        connection.execute(update(table).where(*this).values(draw_probability=chance, seq=arrival.number))


def insert_rows(connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]) -> int:
    """Rows whose key is known are left out; how many went in."""
    if is_partitioned(connection):
        put = copying.put_predictions if table is log_tables.predictions else copying.put_labels
        return put(connection, columns)
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * len(columns))
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'
    rows, new = len(next(iter(columns.values()))), 0
    for start in range(0, rows, CHUNK):
        some = [column[start : start + CHUNK] for column in columns.values()]
        new += connection.exec_driver_sql(statement, list(zip(*some, strict=True))).rowcount
    return new


def _stored(connection: Connection, model: str, given: PredictionColumns) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for day, some in days_of_ids(connection, model, given.ids):
        found |= {row.id: row for row in connection.execute(log_queries.stored_content(model, some, day))}
    return found


def _changed(
    version: int, given: PredictionColumns, hashes: Sequence[int], stored: Mapping[str, Row[Any]]
) -> tuple[str, ...]:
    """Ids that are recorded with another content. A source that states no version says nothing of theirs."""
    by_version = {version: hashes}
    if not given.version_stated:
        others = {row.version for row in stored.values()}
        by_version |= {other: content_hashes(other, given).tolist() for other in others}
    return tuple(
        one
        for place, one in enumerate(given.ids)
        if _hash_of(stored[one]) != by_version.get(stored[one].version, hashes)[place]
    )


def _hash_of(row: Row[Any]) -> int:
    """`h` of a recorded row; of one from before it was kept it is made now."""
    if row.h is not None:
        return int(row.h)
    columns = PredictionColumns(
        ids=[row.id],
        occurred_at=[utc_text(row.occurred_at)],
        predicted=[row.predicted_class],
        confidence=[row.confidence],
        slices=[row.slice],
        groups=[row.group],
        images=[row.image],
    )
    return int(content_hashes(row.version, columns)[0])


def _move_images(
    connection: Connection, model: str, given: PredictionColumns, stored: Mapping[str, Row[Any]], changed: set[str]
) -> None:
    """The files of a log may lie elsewhere than when it came first."""
    moved = {
        one: image
        for one, image in zip(given.ids, given.images, strict=False)
        if image and image != stored[one].image and one not in changed and not DIGEST.fullmatch(image)
    }
    if is_partitioned(connection):
        copying.move_images(connection, model, moved, {one: stored[one].occurred_at for one in moved})
        return
    table = log_tables.predictions
    for one, image in moved.items():
        this = (table.c.model == model, table.c.id == one, table.c.occurred_at == stored[one].occurred_at)
        connection.execute(update(table).where(*this).values(image=image))


def _moment(connection: Connection, written: str) -> str:
    """UTC in the database's own text."""
    return written if connection.dialect.name == "sqlite" else f"{written}+00"
