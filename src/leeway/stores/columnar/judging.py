"""Judging: which rows of a source are new, known or changed, and which of its labels and image paths are news."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import DIGEST, content_hashes
from leeway.stores.columnar.horizon import rows_before
from leeway.stores.columnar.manifest import Window
from leeway.stores.columnar.relation import LogContents, predictions_relation, truth_relation
from leeway.stores.columnar.source import Staging
from leeway.stores.duck import as_table, asking

NEW, KNOWN, CHANGED, TOO_OLD = 0, 1, 2, 3  # what becomes of a row
AT_ONCE = 100_000  # rows that are looked at again, at once


@dataclass(slots=True)
class Judgement:
    """What becomes of the rows of a source, by their places in it."""

    states: NDArray[np.uint8]
    versions: NDArray[np.int32]  # of which they are: a known row of which the source does not say keeps its own
    changed: list[str] = field(default_factory=list)
    labels_changed: list[str] = field(default_factory=list)
    labels: pa.Table | None = None  # rows of truth that is news of known predictions
    chances: pa.Table | None = None  # draw probabilities that are news of known labels
    moves: pa.Table | None = None  # images that lie elsewhere now

    def number(self, state: int) -> int:
        return int(np.count_nonzero(self.states == state))


def judge(contents: LogContents, model: str, stagings: Sequence[Staging], numbers: NDArray[np.int64]) -> Judgement:
    """Compare a source with all that is recorded of the model. `numbers` (N,): `u` of its rows."""
    rows = len(numbers)
    verdict = Judgement(np.zeros(rows, np.uint8), np.empty(rows, np.int32))
    for one in stagings:
        verdict.versions[one.first : one.first + one.staged.part.rows] = one.version
    twice = _twice(numbers)
    too_old = rows_before(stagings, contents.horizon, rows)
    verdict.states[too_old] = TOO_OLD
    is_empty = not contents.parts and not contents.segments
    if not rows or (is_empty and not len(twice)):
        return verdict
    relations = predictions_relation(contents, Window(model)) | {"source": _source(stagings)}
    with asking(relations) as cursor:
        _compare(cursor, verdict)
        verdict.states[too_old] = TOO_OLD  # also where a later row bears the id
        if len(twice):
            _compare_within(cursor, verdict, twice)
        verdict.changed = _ids(cursor, np.flatnonzero(verdict.states == CHANGED))
    if verdict.number(KNOWN):
        _judge_known(contents, model, stagings, verdict, doubles=len(twice) > 0)
    return verdict


def _twice(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers that come more than once, each once."""
    ordered = np.sort(numbers)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _source(stagings: Sequence[Staging]) -> str:
    return " UNION ALL BY NAME ".join(one.sql for one in stagings)


def _compare(cursor: Any, verdict: Judgement) -> None:
    """By `u`, then by content; ids tell two predictions with the same number apart, once in a billion."""
    others: list[NDArray[np.int64]] = []
    known = "SELECT s.place, s.h = p.h AS same FROM source AS s JOIN predictions AS p ON s.u = p.u"
    for batch in cursor.sql(known).to_arrow_reader(AT_ONCE):
        places, same = batch["place"].to_numpy(), batch["same"].to_numpy(zero_copy_only=False)
        verdict.states[places[same]] = KNOWN
        others += [places[~same]] if not same.all() else []
    if not others:
        return
    cursor.register("others", pa.table({"place": np.concatenate(others)}))
    query = (
        "SELECT s.*, p.h AS known_h, p.version AS known_version FROM source AS s JOIN others USING (place) "
        "JOIN predictions AS p ON s.u = p.u AND s.id = p.id AND s.h <> p.h"
    )
    for batch in cursor.sql(query).to_arrow_reader(AT_ONCE):
        table = pa.Table.from_batches([batch])
        places, versions = table["place"].to_numpy(), table["known_version"].to_numpy()
        verdict.states[places] = CHANGED
        silent = ~np.asarray(table["stated"]) & (versions != table["version"].to_numpy())
        for version in np.unique(versions[silent]).tolist():
            own = silent & (versions == version)
            rows = _with_groups(table.filter(pa.array(own)))
            again = content_hashes(version, PredictionColumns.from_table(rows)) == rows["known_h"].to_numpy()
            verdict.states[rows["place"].to_numpy()[again]] = KNOWN
            verdict.versions[rows["place"].to_numpy()[again]] = version


def _with_groups(table: pa.Table) -> pa.Table:
    """With the id as the group of a row that is a group of its own, which files of the log leave out."""
    if "group" not in table.column_names:
        return table
    place = table.column_names.index("group")
    return table.set_column(place, "group", pc.coalesce(table["group"], table["id"]))


def _compare_within(cursor: Any, verdict: Judgement, twice: NDArray[np.int64]) -> None:
    """Of what comes twice in the source, and was not recorded before, the first one is taken."""
    cursor.register("twice", pa.table({"u": twice}))
    query = "SELECT place, id, h FROM source JOIN twice USING (u) ORDER BY place"
    first: dict[str, int] = {}
    for place, name, h in cursor.execute(query).fetchall():
        if verdict.states[place] == TOO_OLD:
            continue
        if verdict.states[place] == NEW and name in first:
            verdict.states[place] = KNOWN if h == first[name] else CHANGED
        first.setdefault(name, h)


def _ids(cursor: Any, places: NDArray[np.int64]) -> list[str]:
    if not len(places):
        return []
    cursor.register("named", pa.table({"place": places}))
    found = as_table(cursor, "SELECT id FROM source JOIN named USING (place) ORDER BY place")
    names: list[str] = found["id"].to_pylist()
    return names


def _judge_known(
    contents: LogContents, model: str, stagings: Sequence[Staging], verdict: Judgement, *, doubles: bool
) -> None:
    """Look at the labels and images of rows that were known."""
    states = pa.table(
        {"place": np.arange(len(verdict.states)), "state": verdict.states, "known_version": verdict.versions}
    )
    columns = {name for one in stagings for name in one.columns}
    known = f"SELECT s.* FROM source AS s JOIN states AS t USING (place) WHERE t.state = {KNOWN}"
    if "image" in columns:
        with asking(
            predictions_relation(contents, Window(model)) | {"source": _source(stagings), "states": states}
        ) as cursor:
            moved = (
                f"SELECT s.id, s.image, s.u FROM ({known} AND s.image IS NOT NULL) AS s JOIN predictions AS p "
                "ON s.u = p.u AND s.id = p.id WHERE s.image <> p.image "
                f"AND NOT regexp_full_match(s.image, '{DIGEST.pattern}') ORDER BY s.place"
            )
            verdict.moves = _some(as_table(cursor, moved))
    if "label" in columns:
        with asking(
            truth_relation(contents, Window(model)) | {"source": _source(stagings), "states": states}
        ) as cursor:
            _judge_labels(cursor, verdict, "draw_probability" in columns, doubles=doubles)


def _judge_labels(cursor: Any, verdict: Judgement, with_chances: bool, *, doubles: bool) -> None:
    truth = "SELECT u, id, label, draw_probability FROM given_labels"
    if doubles:  # a row that comes twice is known by its first one, which may be labelled
        truth += (
            f" UNION ALL SELECT s.u, s.id, s.label, {_chance(with_chances)} FROM source AS s "
            f"JOIN states AS t USING (place) WHERE t.state = {NEW} AND s.label IS NOT NULL"
        )
    news = (
        f"SELECT s.*, t.known_version, g.label AS known_label, g.draw_probability AS known_chance FROM source AS s "
        f"JOIN states AS t USING (place) LEFT JOIN ({truth}) AS g ON s.u = g.u AND s.id = g.id "
        f"WHERE t.state = {KNOWN} AND s.label IS NOT NULL AND (g.label IS NULL OR g.label <> s.label "
        f"OR (g.draw_probability IS NULL AND {_chance(with_chances)} IS NOT NULL)) ORDER BY s.place"
    )
    found = as_table(cursor, news)
    if not found.num_rows:
        return
    found = found.set_column(found.column_names.index("version"), "version", found["known_version"])
    is_new = found["known_label"].is_null()
    other = pc.fill_null(pc.not_equal(found["known_label"], found["label"]), False)
    labels = found.filter(is_new)
    if doubles:
        labels, contradicted = _first_of_each(labels)
        verdict.labels_changed += contradicted
    verdict.labels = _some(labels)
    verdict.labels_changed += found.filter(other)["id"].to_pylist()
    verdict.chances = _some(found.filter(pc.and_not(pc.invert(is_new), other)))


def _first_of_each(labels: pa.Table) -> tuple[pa.Table, list[str]]:
    first: dict[str, str] = {}
    kept, contradicted = list[bool](), list[str]()
    for name, label in zip(labels["id"].to_pylist(), labels["label"].to_pylist(), strict=True):
        kept.append(name not in first)
        if first.setdefault(name, label) != label:
            contradicted.append(name)
    return labels.filter(pa.array(kept, pa.bool_())), contradicted


def _chance(given: bool) -> str:
    return "s.draw_probability" if given else "NULL::DOUBLE"


def _some(table: pa.Table) -> pa.Table | None:
    return table if table.num_rows else None


def batches_of(table: pa.Table) -> Iterator[pa.Table]:
    for batch in table.to_batches(AT_ONCE):
        yield pa.Table.from_batches([batch])
