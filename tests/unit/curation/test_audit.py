"""The audit: what it counts, and what it warns of."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from leeway.curation.audit import ClassBalance, audit
from leeway.data.manifest import TABLE_SCHEMA, Manifest


def images(label: str, split: str, number: int, **more: Any) -> list[dict[str, Any]]:
    """Rows of the manifest's table, each image a group of its own unless `more` says otherwise."""
    names = [f"{label}/{split}{place}.png" for place in range(number)]
    return [
        {
            **{"asset": name, "origin": name, "group": name, "label": label, "split": split, "shard": "s", "row": 0},
            **{"label_source": "original", "held_out": False, "width": 8, "height": 8, **more},
        }
        for name in names
    ]


def dataset(*rows: list[dict[str, Any]], **more: Any) -> Manifest:
    flat = [row for some in rows for row in some]
    classes = tuple(sorted({row["label"] for row in flat}))
    return Manifest(digest="d" * 64, classes=classes, table=pa.Table.from_pylist(flat, TABLE_SCHEMA), **more)


def balanced(test: int = 120) -> list[list[dict[str, Any]]]:
    return [
        images(label, split, number)
        for label in ("cat", "dog")
        for split, number in (("train", 200), ("val", 40), ("test", test))
    ]


def class_of(name: str, manifest: Manifest) -> ClassBalance:
    return next(one for one in audit(manifest).classes if one.name == name)


def test_a_sound_dataset_gives_no_warning() -> None:
    assert audit(dataset(*balanced())).warnings == ()


def test_counts_each_class_in_each_split_and_what_is_held_out() -> None:
    found = audit(
        dataset(*balanced(), images("cat", "test", 7, label_source="feedback", held_out=True, reason="by the source"))
    )
    assert found.splits == {"train": 400, "val": 80, "test": 240}
    assert (found.images, found.held_out) == (727, {"by the source": 7})
    assert found.classes[0].images == {"train": 200, "val": 40, "test": 120}
    assert [one.held_out for one in found.classes] == [7, 0]
    assert found.sources == {"original": 720, "feedback": 7}


def test_near_duplicates_that_are_held_out_are_counted_together() -> None:
    rows = [
        images("cat", "train", 1, held_out=True, reason=f"near-duplicate of {number}.jpg in test", group=str(number))
        for number in range(3)
    ]
    assert audit(dataset(*balanced(), *rows)).held_out == {"near-duplicate of an image in another split": 3}


def test_labels_that_a_correction_decides_are_counted_as_such() -> None:
    sources = audit(dataset(*balanced()), corrected={"cat/train0.png", "dog/val3.png", "of another dataset"}).sources
    assert sources == {"original": 718, "correction": 2}


def test_many_images_lost_as_near_duplicates_are_a_warning_that_names_the_setting() -> None:
    near = images("cat", "train", 60, held_out=True, reason="near-duplicate of 1.jpg in test")
    (warning,) = audit(dataset(*balanced(), near)).warnings
    assert "60 of 780" in warning
    assert "data.near_duplicates.max_distance" in warning


def test_images_of_a_retired_class_are_held_out_and_no_class() -> None:
    retired = images("eel", "train", 4, held_out=True, reason="class eel is retired")
    manifest = replace(dataset(*balanced(), retired), classes=("cat", "dog"))
    found = audit(manifest)
    assert [one.name for one in found.classes] == ["cat", "dog"]
    assert found.held_out == {"class eel is retired": 4}


@pytest.mark.parametrize(("test", "told"), [(99, True), (100, False)])
def test_warns_of_classes_with_under_100_test_images_and_how_wide_their_interval_is(test: int, told: bool) -> None:
    warnings = audit(dataset(*balanced(test))).warnings
    assert [("under 100 test images: 'cat' 99, 'dog' 99" in one and "83% to 94%" in one) for one in warnings] == (
        [True] if told else []
    )


def test_images_of_one_group_count_once_for_the_interval() -> None:
    alone = class_of("cat", dataset(*balanced()))
    grouped = class_of(
        "cat", dataset(*balanced()[:2], images("cat", "test", 120, group="one patient"), *balanced()[3:])
    )
    assert (alone.test_groups, grouped.test_groups) == (120, 1)
    assert grouped.recall_high - grouped.recall_low > 0.5 > alone.recall_high - alone.recall_low
    told = audit(dataset(*balanced()[:2], images("cat", "test", 120, group="one patient"), *balanced()[3:])).warnings
    assert "under 100 independent test images (groups): 'cat' 1" in told[0]


def test_warns_of_a_class_that_a_split_lacks() -> None:
    told = audit(dataset(*balanced(), images("eel", "train", 200), images("eel", "test", 120))).warnings
    assert told == ("without any image: 'eel' in val; add images of them, or take the class away",)


@pytest.mark.parametrize(("many", "told"), [(2000, False), (2001, True)])
def test_warns_where_classes_are_further_apart_than_10_to_1(many: int, told: bool) -> None:
    more = [images("eel", split, number) for split, number in (("train", many), ("val", 40), ("test", 120))]
    warnings = audit(dataset(*balanced(), *more)).warnings
    assert [f"'eel' has {many:,} training images, 'cat' 200: 10 to 1" in one for one in warnings] == [True] * told


def test_groups_are_images_that_stay_together() -> None:
    found = audit(
        dataset(*balanced(), images("cat", "train", 5, group="a"), images("dog", "train", 2, group="b"))
    ).groups
    assert (found.count, found.images, found.largest, found.largest_name) == (2, 7, 5, "a")


def test_findings_are_counted_by_kind_with_the_first_of_each() -> None:
    lines = (("1.jpg", "truncated", "early end"), ("2.jpg", "remark", "is PNG"), ("3.jpg", "truncated", "late"))
    found = audit(dataset(*balanced(), findings=lines)).findings
    assert [(one.kind, one.count, one.example) for one in found] == [
        ("truncated", 2, "1.jpg: early end"),
        ("remark", 1, "2.jpg: is PNG"),
    ]


def test_an_image_with_contradicting_labels_is_one_conflict() -> None:
    lines = (("a", "cat", "original", "1.jpg"), ("a", "dog", "original", "2.jpg"), ("b", "dog", "feedback", "3"))
    found = audit(dataset(*balanced(), conflicts=lines))
    assert found.conflicts == 2
    assert "labels that contradict each other: 2" in found.warnings[0]


def test_a_leak_is_warned_of_first_but_for_missing_classes() -> None:
    manifest = replace(dataset(*balanced(50)), leaks=(("a", "b"),))
    assert audit(manifest).leaks == 1
    assert [one[:6] for one in audit(manifest).warnings] == ["images", "under "]


def test_sizes_are_those_of_the_images_as_they_were_gathered() -> None:
    sizes = audit(
        dataset(*balanced(), images("cat", "train", 1, width=30, height=20), images("dog", "val", 1, width=4, height=4))
    ).sizes
    assert sizes is not None
    assert (sizes.smallest, sizes.median, sizes.largest) == ((4, 4), (8, 8), (30, 20))
    assert sizes.distinct == 3
    assert sizes.square == pytest.approx(721 / 722)


def test_sizes_that_nobody_recorded_are_not_invented() -> None:
    assert (
        audit(dataset(images("cat", "train", 2, width=None, height=None), images("dog", "val", 1, width=None))).sizes
        is None
    )


def test_alike_class_names_are_told_in_pairs() -> None:
    rows = [
        images(label, split, number)
        for label in ("Cat", "cat", "1", "1.0", "dog")
        for split, number in (("train", 200), ("val", 40), ("test", 120))
    ]
    assert audit(dataset(*rows)).warnings == (
        "classes whose names are alike: '1' and '1.0', 'Cat' and 'cat'; if they are one, merge them with "
        "data.classes.rename in params.yaml",
    )


def test_names_that_became_one_by_their_unicode_form_are_told() -> None:
    [warning] = audit(dataset(*balanced(), renamed={"cafe\u0301": "caf\u00e9", "kitty": "cat"})).warnings
    assert r"'cafe\u0301' counts as 'caf\xe9'" in warning
    assert "kitty" not in warning


def test_a_class_that_a_table_reads_as_no_label_is_told() -> None:
    rows = [images("none", split, number) for split, number in (("train", 200), ("val", 40), ("test", 120))]
    assert audit(dataset(*balanced(), *rows)).warnings == (
        "classes whose name reads as no label in a table: 'none'; rename them (data.classes.rename)",
    )
