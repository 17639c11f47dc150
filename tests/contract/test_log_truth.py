"""The prediction log, wherever it is kept: truth that came with it, counted and sampled."""

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from test_log_nights import SLICES, in_order

from battery import BIRDS, CLASSES, END, START, VERSION, TwoStores, prediction, recorded, with_labels
from leeway.domain.records import GIVEN, Label, Prediction, Tally

HOUR = timedelta(hours=1)
Truth = tuple[Prediction, str | None, float | None]


def random_truth(rows: int = 600) -> list[Truth]:
    """A labelled night, and what lies around it: some labels without a draw probability, some rows without a label."""
    draw = random.Random(7)
    return [
        (
            prediction(
                f"p{place}",
                predicted_class=draw.choice(CLASSES),
                slice=draw.choice(SLICES),
                occurred_at=START + draw.randrange(-3, 27) * HOUR,
            ),
            draw.choice([*CLASSES, None]),
            draw.choice([0.125, 0.1, None]),
        )
        for place in range(rows)
    ]


def give(stores: TwoStores, truth: list[Truth], *, received_at: datetime = START, model: str = "pets") -> None:
    rows, labels, chances = zip(*truth, strict=True)
    stores.log.record(model, [with_labels(rows, labels, chances)], received_at=received_at)


def tallied(truth: list[Truth]) -> list[Tally]:
    """Plainly counted, in order; of no slice first."""
    counts = Counter(
        (one.predicted_class, label, one.slice is not None, one.slice or "", chance)
        for one, label, chance in truth
        if START <= one.occurred_at < END and label is not None and chance is not None
    )
    return [
        Tally(said, label, name if named else None, chance, count)
        for (said, label, named, name, chance), count in sorted(counts.items())
    ]


def test_counts_like_answers_of_a_night_together(stores: TwoStores) -> None:
    truth = random_truth()
    give(stores, truth)
    assert stores.log.given_tallies(VERSION, START, END) == tallied(truth)
    assert stores.log.given_tallies(BIRDS, START, END) == []


def test_up_to_a_position_the_tallies_stay_as_they_were(stores: TwoStores) -> None:
    truth = random_truth()
    early = truth[:300]
    give(stores, early)
    upto = stores.log.position("pets")
    rows = [one for one, _, _ in truth]
    labels = [label or "cat" for _, label, _ in truth]  # what came without a label comes again with one
    give(stores, list(zip(rows, labels, [0.5] * len(rows), strict=True)), received_at=END)
    assert stores.log.given_tallies(VERSION, START, END, upto=upto) == tallied(early)
    assert sum(one.count for one in stores.log.given_tallies(VERSION, START, END)) > sum(
        one.count for one in tallied(early)
    )
    assert stores.log.given_tallies(VERSION, START, END, upto=stores.log.position("pets")) == (
        stores.log.given_tallies(VERSION, START, END)
    )


GROUPS = ("", "g", "Tür 7", "p3")  # the last is named after a row of its own


def grouped_truth(rows: int = 400) -> list[Truth]:
    """The night of `random_truth`, with things that were photographed often, seldom and once."""
    draw = random.Random(8)
    truth = random_truth(rows)
    groups = [draw.choice([*GROUPS, one.id, one.id]) for one, _, _ in truth]
    named = ["p3" if one.id == "p3" else group for (one, _, _), group in zip(truth, groups, strict=True)]
    return [(replace(one, group=group), *more) for (one, *more), group in zip(truth, named, strict=True)]


def pairs_alike(truth: list[Truth]) -> dict[str, float]:
    """Plainly, pair by pair."""
    measuring = [(one, 1 / p) for one, label, p in truth if START <= one.occurred_at < END and label and p]
    found: dict[str, float] = {}
    for (one, weight), (other, its_weight) in permutations(measuring, 2):
        if one.group != other.group:
            continue
        parts = ["all"]
        parts += [f"class {one.predicted_class}"] if one.predicted_class == other.predicted_class else []
        parts += [f"slice {one.slice}"] if one.slice == other.slice is not None else []
        for part in parts:
            found[part] = found.get(part, 0.0) + weight * its_weight
    return found


def test_counts_the_pairs_of_labels_of_one_group_in_all_and_in_each_part(stores: TwoStores) -> None:
    truth = grouped_truth()
    give(stores, truth)
    assert stores.log.given_alike(VERSION, START, END) == pytest.approx(pairs_alike(truth))
    assert stores.log.given_alike(BIRDS, START, END) == {}


def test_no_labels_are_alike_where_each_is_of_a_group_of_its_own(stores: TwoStores) -> None:
    truth: list[Truth] = [(replace(one, group=one.id), label, chance) for one, label, chance in random_truth()]
    give(stores, truth)
    assert stores.log.given_tallies(VERSION, START, END)
    assert stores.log.given_alike(VERSION, START, END) == {}


def test_pairs_between_two_positions_are_those_of_the_labels_that_came_there(stores: TwoStores) -> None:
    truth = grouped_truth()
    early, late = [(one, label if at % 3 else None, p) for at, (one, label, p) in enumerate(truth)], truth
    give(stores, early)
    middle = stores.log.position("pets")
    give(stores, late, received_at=END)
    end = stores.log.position("pets")
    came_late = [(one, None if at % 3 else label, p) for at, (one, label, p) in enumerate(truth)]
    for between, expected in (
        ({"upto": middle}, early),
        ({"after": middle, "upto": end}, came_late),
        ({"upto": end, "rows_upto": middle}, truth),
        ({"upto": end, "rows_upto": "1"}, [(one, None, None) for one, _, _ in truth]),
    ):
        assert stores.log.given_alike(VERSION, START, END, **between) == pytest.approx(pairs_alike(expected)), between


def test_gives_the_first_labels_of_a_window_in_the_order_of_the_stream(stores: TwoStores) -> None:
    truth = random_truth()
    give(stores, truth)
    recorded(stores.log, "without")
    labels = {one.id: Label("pets", one.id, label, "file", START, GIVEN) for one, label, _ in truth if label}
    windows = [(START, END), (None, None), (START, None), (None, END)]
    for start, end in windows:
        inside = [
            one
            for one, label, _ in truth
            if label and (start is None or one.occurred_at >= start) and (end is None or one.occurred_at < end)
        ]
        expected = [(labels[one.id], one) for one in in_order(inside, "page")]
        for k in (0, 1, 50, len(expected) + 1):
            assert stores.log.given(VERSION, start, end, k, stream="page") == expected[:k]


def test_finds_the_first_label_that_came_with_a_draw_probability(stores: TwoStores) -> None:
    assert stores.log.first_given(VERSION, None) is None
    give(stores, [(prediction("bird", model="birds", occurred_at=START - HOUR), "cat", 1.0)], model="birds")
    give(stores, [(prediction("other", version=2, occurred_at=START), "cat", 1.0)])
    give(stores, [(prediction("no chance", occurred_at=START), "cat", None)])
    assert stores.log.first_given(VERSION, None) is None
    give(stores, [(prediction(name, occurred_at=START + 4 * HOUR), "cat", 1.0) for name in "xyz"])
    give(stores, [(prediction("earliest", occurred_at=START + 3 * HOUR), "cat", 0.5)])
    assert stores.log.first_given(VERSION, None) == START + 3 * HOUR
    assert stores.log.first_given(VERSION, START + 3 * HOUR) == START + 3 * HOUR
    assert stores.log.first_given(VERSION, START + 3 * HOUR + timedelta(microseconds=1)) == START + 4 * HOUR
    assert stores.log.first_given(VERSION, START + 5 * HOUR) is None
