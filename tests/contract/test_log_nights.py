"""The prediction log, wherever it is kept: a night is counted and drawn from as a plain loop does it."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from battery import BIRDS, CLASSES, DAY, END, NIGHT, SECRET, START, VERSION, TwoStores, prediction, record, recorded
from leeway.checks.windows import count_window
from leeway.domain.identity import STREAMS
from leeway.domain.records import Cell, Copies, ModelVersion, Pick, Prediction, WindowCounts
from leeway.stores.opening import Stores
from leeway.stores.prediction_log import SqlPredictionLog
from memory_stores import MemoryLog

EDGES = [0.6, 0.9, 0.6 - 1e-16, 0.9 + 1e-16, 0.0, 1.0, None]
SLICES = [None, "", "door", "Tür 7", "a'b\"%s?:x"]
NEXT = replace(VERSION, version=2)
BINS = (0.6, 0.9)
NAMES = ("ab" * 32, "cd" * 32, "it's \"%s?:x", "Tür 7")  # of images and groups
Key = tuple[str, int, str | None]


def random_log(rows: int = 3_000) -> list[Prediction]:
    """Two models, two versions, three classes and a foreign one; a night, and what lies around it."""
    draw = random.Random(5)
    return [
        prediction(
            f"p{draw.randrange(10 * rows)}-{place}",
            model=draw.choice(["pets", "pets", "birds"]),
            version=draw.choice([1, 1, 1, 2]),
            predicted_class=draw.choice([*CLASSES, "horse"]),
            confidence=draw.choice([*EDGES, draw.random()]),
            slice=draw.choice(SLICES),
            second_class=draw.choice([*CLASSES, None]),
            image=draw.choice([*NAMES, ""]),
            group=draw.choice(NAMES),
            occurred_at=START + timedelta(hours=draw.randrange(-3, 27), microseconds=draw.randrange(2)),
        )
        for place in range(rows)
    ]


LOG = random_log()


def fill(stores: TwoStores, rows: Sequence[Prediction] = LOG) -> None:
    for model in ("pets", "birds"):
        record(stores.log, *(one for one in rows if one.model == model))


def night_of(version: ModelVersion, rows: Iterable[Prediction] = LOG) -> list[Prediction]:
    same = [one for one in rows if (one.model, one.version) == (version.model, version.version)]
    return [one for one in same if START <= one.occurred_at < END]


def key_of(one: Prediction) -> Key:
    place = -1 if one.confidence is None else sum(one.confidence >= edge for edge in BINS)
    return one.predicted_class, place, one.slice


def in_order(rows: Iterable[Prediction], stream: str) -> list[Prediction]:
    """By the distance of each row's number from where the stream begins on the circle."""
    begin = STREAMS.index(stream) * 2**60 // len(STREAMS)

    def distance(one: Prediction) -> int:
        number = int(hashlib.md5(f"{SECRET}{one.id}".encode()).hexdigest()[:15], 16)
        return number - begin if number >= begin else number - begin + 2**60

    return sorted(rows, key=distance)


def by_cell(rows: Iterable[Prediction], stream: str) -> dict[Key, list[Prediction]]:
    cells: dict[Key, list[Prediction]] = {}
    for one in in_order(rows, stream):
        cells.setdefault(key_of(one), []).append(one)
    return cells


def random_picks(cells: dict[Key, list[Prediction]], number: int) -> list[Pick]:
    draw = random.Random(number)
    chosen = [draw.choice(list(cells)) for _ in range(number)]
    return [Pick(*cell, rank=draw.randrange(len(cells[cell])), among=len(cells[cell])) for cell in chosen]


# Counts


@pytest.mark.parametrize("version", [VERSION, NEXT, BIRDS], ids=["pets 1", "pets 2", "birds 1"])
def test_counts_a_night_as_a_loop_in_python_does(stores: TwoStores, version: ModelVersion) -> None:
    fill(stores)
    rows = night_of(version)
    cells = stores.log.cells(version, START, END)
    expected = [Cell(*key, count) for key, count in Counter(map(key_of, rows)).items()]
    assert Counter(cells) == Counter(expected)
    order = [(one.predicted_class, one.slice is not None, one.slice or "", one.bin) for one in cells]
    assert order == sorted(order)
    assert stores.log.count(version, START, END) == len(rows)


def test_without_confidence_there_is_one_bin(stores: TwoStores) -> None:
    fill(stores)
    version = replace(VERSION, reference=replace(VERSION.reference, with_confidence=False))
    expected = Counter((one.predicted_class, -1 if one.confidence is None else 0) for one in night_of(VERSION))
    counted: Counter[tuple[str, int]] = Counter()
    for cell in stores.log.cells(version, START, END):
        counted[cell.predicted_class, cell.bin] += cell.count
    assert counted == expected


def test_counts_an_empty_window_as_zeros(stores: TwoStores) -> None:
    counted = count_window(VERSION, NIGHT, stores.log.cells(VERSION, START, END))
    assert counted == WindowCounts("pets", 1, NIGHT, CLASSES, ((0, 0, 0),) * 3, histogram=(0, 0, 0))
    assert stores.log.count(VERSION, START, END) == 0
    assert stores.log.sample(VERSION, START, END, 5, stream="page") == []
    assert stores.log.pick(VERSION, START, END, [Pick("dog", 1, None, 0, 1)], stream="plan", upto=None) == []


def test_a_window_reaches_from_its_start_up_to_before_its_end(stores: TwoStores) -> None:
    moments = {"before": START - timedelta(microseconds=1), "first": START, "end": END}
    record(stores.log, *(prediction(name, occurred_at=at) for name, at in moments.items()))
    assert [one.id for one in stores.log.sample(VERSION, START, END, 9, stream="page")] == ["first"]
    assert stores.log.count(VERSION, START, END) == 1
    assert stores.log.count(VERSION, START, None) == 2
    assert stores.log.count(VERSION, END, None) == 1


# Draws


@pytest.mark.parametrize("stream", STREAMS)
def test_picks_the_predictions_at_these_ranks_of_their_cells(stores: TwoStores, stream: str) -> None:
    fill(stores)
    cells = by_cell(night_of(VERSION), stream)
    picks = random_picks(cells, 300)
    picks += [Pick(*key, rank=rank, among=len(rows)) for key, rows in cells.items() for rank in (0, len(rows) - 1)]
    expected = [cells[one.predicted_class, one.bin, one.slice][one.rank] for one in picks]
    assert stores.log.pick(VERSION, START, END, picks, stream=stream, upto=None) == expected


def test_a_pick_beyond_the_end_of_its_cell_is_left_out(stores: TwoStores) -> None:
    fill(stores)
    cells = by_cell(night_of(VERSION), "plan")
    key, rows = next(iter(cells.items()))
    picks = [Pick(*key, rank, len(rows)) for rank in (len(rows), 0, len(rows) + 5)]
    picks.append(Pick("nothing", 0, None, 0, 1))
    assert stores.log.pick(VERSION, START, END, picks, stream="plan", upto=None) == [rows[0]]
    assert stores.log.pick(VERSION, START, END, [], stream="plan", upto=None) == []


def test_no_slice_and_one_without_a_name_are_two_cells(stores: TwoStores) -> None:
    none, empty = prediction("none", slice=None), prediction("empty", slice="")
    record(stores.log, none, empty)
    assert {one.slice for one in stores.log.cells(VERSION, START, END)} == {None, ""}
    picks = [Pick("dog", 1, "", 0, 1), Pick("dog", 1, None, 0, 1), Pick("dog", 1, "", 1, 1)]
    assert stores.log.pick(VERSION, START, END, picks, stream="plan", upto=None) == [empty, none]
    assert stores.log.pick(VERSION, START, END, picks[1:2], stream="plan", upto=None) == [none]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("version", [VERSION, BIRDS], ids=["pets", "birds"])
def test_samples_the_first_of_a_window_in_the_order_of_the_stream(
    stores: TwoStores, version: ModelVersion, stream: str
) -> None:
    fill(stores)
    expected = in_order(night_of(version), stream)
    for k in (0, 1, 20, len(expected), len(expected) + 1):
        assert stores.log.sample(version, START, END, k, stream=stream) == expected[:k]


def test_looks_again_where_too_few_lie_below_the_first_limit(sql_stores: Stores) -> None:
    """As in a cell whose numbers happen to be large: here the count of the cell is said too large."""
    names = [f"p{place}" for place in range(200)]
    log = SqlPredictionLog(sql_stores.ledger.database, secret=SECRET)
    expected = in_order(recorded(log, *names), "gate")
    picks = [Pick("dog", 1, "door", rank, among=1_000_000) for rank in (150, 0)]
    looks = []

    def look(*call: object) -> None:
        if str(call[2]).startswith("INSERT INTO wanted_cells"):
            looks.append(call)

    engine = log.database.engine
    event.listen(engine, "before_cursor_execute", look)
    found = log.pick(VERSION, START, END, picks, stream="gate", upto=None)
    event.remove(engine, "before_cursor_execute", look)
    assert found == [expected[150], expected[0]]
    assert len(looks) > 5


def test_all_give_the_same_answers_to_every_question(stores: TwoStores) -> None:
    twin = MemoryLog(SECRET)
    for model in ("pets", "birds"):
        rows = [one for one in LOG if one.model == model]
        record(twin, *rows[::2])
        record(stores.log, *rows[::2])
    positions = {model: (stores.log.position(model), twin.position(model)) for model in ("pets", "birds")}
    for model in ("pets", "birds"):
        rows = [one for one in LOG if one.model == model]
        record(twin, *rows)
        record(stores.log, *rows)
    for version in (VERSION, NEXT, BIRDS):
        own, twins = positions[version.model]
        for upto in ((None, None), (own, twins)):
            assert digest(stores, version, upto[0]) == digest(twin_of(twin), version, upto[1])


def twin_of(log: MemoryLog) -> TwoStores:
    return type("Twin", (), {"log": log})()  # type: ignore[no-any-return]


def digest(stores: TwoStores, version: ModelVersion, upto: str | None) -> str:
    """Of the counts and draws of a night."""
    cells = stores.log.cells(version, START, END, upto=upto)
    picks = [Pick(*(one.predicted_class, one.bin, one.slice), one.count // 2, one.count) for one in cells]
    answers = [
        cells,
        [stores.log.pick(version, START, END, picks, stream=stream, upto=upto) for stream in STREAMS],
        [stores.log.sample(version, START, END, 200, stream=stream, upto=upto) for stream in STREAMS],
        stores.log.copies(version, START, END, images=NAMES[:2], groups=NAMES, upto=upto),
        stores.log.first_at(version),
        stores.log.count(version, START, END),
    ]
    return hashlib.sha256(repr(answers).encode()).hexdigest()


def test_counts_what_shares_an_image_or_else_a_group_as_a_loop_in_python_does(stores: TwoStores) -> None:
    fill(stores)
    expected: Counter[tuple[str, str, int]] = Counter()
    for one in night_of(VERSION):
        name = one.image if one.image == NAMES[0] else one.group
        if one.image == NAMES[0] or one.group in NAMES[1:3]:
            expected[name, *key_of(one)[:2]] += 1
    counted = stores.log.copies(VERSION, START, END, images=[NAMES[0]], groups=NAMES[1:3])
    assert counted == [Copies(*key, count) for key, count in sorted(expected.items())]
    assert stores.log.copies(VERSION, START, END, images=[], groups=[]) == []


# Positions


def test_up_to_a_position_a_night_stays_as_it_was_and_after_it_stands_what_came_late(stores: TwoStores) -> None:
    early, late = LOG[:1_500], LOG[1_500:]
    fill(stores, early)
    upto = stores.log.position("pets")
    before = digest(stores, VERSION, None), digest(stores, VERSION, upto)
    recorded(stores.log, "other", model="birds")
    assert stores.log.count(VERSION, START, END, after=upto) == 0
    fill(stores, early)  # once more the same
    fill(stores, late)
    seen = stores.log.cells(VERSION, START, END, upto=upto)
    assert Counter(seen) == Counter(
        Cell(*key, count) for key, count in Counter(map(key_of, night_of(VERSION, early))).items()
    )
    assert (
        stores.log.sample(VERSION, START, END, 50, stream="page", upto=upto)
        == in_order(night_of(VERSION, early), "page")[:50]
    )
    cells = by_cell(night_of(VERSION, early), "plan")
    picks = random_picks(cells, 100)
    expected = [cells[one.predicted_class, one.bin, one.slice][one.rank] for one in picks]
    assert stores.log.pick(VERSION, START, END, picks, stream="plan", upto=upto) == expected
    assert stores.log.count(VERSION, START, END, after=upto) == len(night_of(VERSION, late))
    assert stores.log.count(VERSION, START, END) == len(night_of(VERSION))
    assert before[0] != digest(stores, VERSION, None)


def test_before_anything_came_the_position_is_the_beginning(stores: TwoStores) -> None:
    upto = stores.log.position("pets")
    recorded(stores.log, "a", "b")
    assert stores.log.count(VERSION, START, END, after=upto) == 2
    assert stores.log.cells(VERSION, START, END, upto=upto) == []
    assert stores.log.cells(VERSION, START, END, upto=stores.log.position("pets")) == [Cell("dog", 1, "door", 2)]


def test_nights_are_told_apart(stores: TwoStores) -> None:
    def at(moment: datetime, *names: str) -> None:
        recorded(stores.log, *names, occurred_at=moment)

    at(START, "a", "b")
    at(START + DAY, "c")
    upto = stores.log.position("pets")
    at(START, "late")
    assert [stores.log.count(VERSION, START + day * DAY, END + day * DAY, after=upto) for day in (0, 1)] == [1, 0]


# Second classes


def key_with_second(names: Collection[str]) -> Callable[[Prediction], tuple[str, int, str | None, str | None]]:
    return lambda one: (*key_of(one), one.second_class if one.second_class in names else None)


@pytest.mark.parametrize("names", [["cat"], ["dog", "horse"], []])
def test_cells_are_told_apart_by_the_second_classes_that_are_asked_for(stores: TwoStores, names: list[str]) -> None:
    fill(stores)
    rows, key = night_of(VERSION), key_with_second(names)
    cells = stores.log.cells(VERSION, START, END, second=names)
    expected = Counter(map(key, rows))
    assert {(one.predicted_class, one.bin, one.slice, one.second): one.count for one in cells} == expected
    assert len(cells) == len(expected)
    if not names:
        assert cells == stores.log.cells(VERSION, START, END)


@pytest.mark.parametrize("stream", STREAMS)
def test_picks_inside_cells_of_second_classes(stores: TwoStores, stream: str) -> None:
    fill(stores)
    key = key_with_second(["cat", "dog"])
    cells: dict[tuple[str, int, str | None, str | None], list[Prediction]] = {}
    for one in in_order(night_of(VERSION), stream):
        cells.setdefault(key(one), []).append(one)
    assert {second for *_, second in cells} == {"cat", "dog", None}
    picks = [
        Pick(*cell, rank, len(rows), second)
        for (*cell, second), rows in cells.items()
        for rank in sorted({0, len(rows) // 2, len(rows) - 1})
    ]
    expected = [cells[one.predicted_class, one.bin, one.slice, one.second][one.rank] for one in picks]
    found = stores.log.pick(VERSION, START, END, picks, stream=stream, upto=None, second=["cat", "dog"])
    assert found == expected
