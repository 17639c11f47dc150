"""The manifest: duplicates, conflicts, splits that hold for ever, and what feedback may and may not do."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from given_images import Given, Image
from leeway.adapters.duckdb.dataset_sql import query
from leeway.data.digits_source import DigitsSource
from leeway.data.feedback import FeedbackImage, write_feedback_shard
from leeway.data.manifest import Manifest, build_manifest, read_manifest, write_manifest
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.data.split import SplitShares, split_of
from leeway.errors import DataError

SHARES = SplitShares(val=0.25, test=0.25)
PARAMS = DataParams(source=DigitsSource(), split=SHARES)
Row = dict[str, object]


@pytest.fixture
def ground(picture) -> list[Image]:
    """Forty images of cats and dogs: every split has some of each."""
    return [
        Image(f"{label}/{number:02d}.png", label, picture(100 * place + number))
        for place, label in enumerate(("cat", "dog"))
        for number in range(20)
    ]


@pytest.fixture
def build(tmp_path: Path):
    def run(images: list[Image], feedback: list[FeedbackImage] | None = None) -> Manifest:
        gather_images(Given(images=tuple(images)), tmp_path / "shards")
        if feedback:
            write_feedback_shard(tmp_path / "feedback" / "batch-1.parquet", feedback)
        return build_manifest(tmp_path / "shards", tmp_path / "feedback", PARAMS)

    return run


def rows(manifest: Manifest) -> dict[str, Row]:
    return {row["origin"]: row for row in manifest.table.to_pylist()}


def answered(content: bytes, label: str, origin: str = "prediction 1", group: str | None = None) -> FeedbackImage:
    return FeedbackImage(content, label, origin=origin, labeler="ann", group=group)


def group_in(split: str) -> str:
    return next(name for name in map(str, range(1000)) if split_of(name, SHARES) == split)


def test_each_image_stands_once_with_label_split_and_place(build, ground, picture) -> None:
    manifest = build(ground)
    row = rows(manifest)["dog/03.png"]
    asset = hashlib.sha256(picture(103)).hexdigest()
    assert manifest.classes == ("cat", "dog")
    assert (row["asset"], row["label"], row["group"], row["label_source"]) == (asset, "dog", asset, "original")
    assert (row["split"], row["held_out"]) == (split_of(asset, SHARES), False)
    assert (row["shard"], row["row"]) == ("shards/part-00000.parquet", 23)


def test_exact_duplicates_collapse_to_the_first_origin(build, ground) -> None:
    copy = Image("cat/zz.png", "cat", ground[4].content)
    manifest = build([*ground, copy])
    assert len(manifest.table) == 40
    assert "cat/zz.png" not in rows(manifest)
    assert manifest.conflicts == ()
    assert manifest.digest == build(ground).digest


def test_one_image_under_two_labels_is_left_out_and_listed(build, ground) -> None:
    manifest = build([*ground, Image("dog/zz.png", "dog", ground[4].content)])
    asset = hashlib.sha256(ground[4].content).hexdigest()
    assert asset not in manifest.table["asset"].to_pylist()
    assert manifest.conflicts == (
        (asset, "cat", "original", "cat/04.png"),
        (asset, "dog", "original", "dog/zz.png"),
    )


def test_no_image_changes_its_split_when_data_is_added(build, ground, picture) -> None:
    before = {row["asset"]: row["split"] for row in rows(build(ground)).values()}
    more = [Image(f"cat/new{number}.png", "cat", picture(5_000 + number)) for number in range(40)]
    after = {row["asset"]: row["split"] for row in rows(build([*more, *ground])).values()}
    assert len(after) == 80
    assert {asset: after[asset] for asset in before} == before


def test_no_group_crosses_a_split(build, ground, picture) -> None:
    visits = [Image(f"cat/g{n}.png", "cat", picture(7_000 + n), group=f"patient {n % 5}") for n in range(30)]
    table = [row for row in build([*ground, *visits]).table.to_pylist() if row["group"].startswith("patient")]
    assert len(table) == 30
    assert len({(row["group"], row["split"]) for row in table}) == 5


def test_rows_and_labels_say_where_what_is(build, ground, picture) -> None:
    manifest = build(ground, [answered(picture(900), "cat", group=group_in("val"))])
    every = np.concatenate([manifest.rows(split) for split in ("train", "val", "test")])
    assert sorted(every) == list(range(41))
    assert manifest.rows("val", "feedback").tolist() == [40]
    assert 40 not in manifest.rows("val", "original")
    assert manifest.rows("train").dtype == manifest.labels.dtype == np.int64
    assert manifest.labels.tolist() == [0] * 20 + [1] * 20 + [0]


def test_feedback_is_trained_on_or_validated_on_and_never_tested_on(build, ground, picture) -> None:
    feedback = [answered(picture(9_000 + n), "dog", f"prediction {n}", group=f"thing {n}") for n in range(60)]
    manifest = build(ground, feedback)
    table = [row for row in manifest.table.to_pylist() if row["label_source"] == "feedback"]
    expected = {f"thing {n}": split_of(f"thing {n}", SHARES) for n in range(60)}
    assert "test" in expected.values()
    assert {row["group"]: row["split"] for row in table} == {
        group: "train" if split == "test" else split for group, split in expected.items()
    }
    assert not any(row["held_out"] for row in table)
    assert manifest.rows("test").tolist() == build(ground).rows("test").tolist()


def test_feedback_of_a_group_that_is_tested_on_is_used_nowhere(build, ground, picture) -> None:
    group = group_in("test")
    original = Image("cat/z.png", "cat", picture(800), group=group)
    manifest = build([*ground, original], [answered(picture(801), "cat", group=group)])
    row = rows(manifest)["prediction 1"]
    assert (row["split"], row["held_out"]) == ("test", True)
    assert all(len(manifest.rows(split, "feedback")) == 0 for split in ("train", "val", "test"))
    assert not rows(manifest)["cat/z.png"]["held_out"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_feedback_goes_where_the_originals_of_its_group_are(build, ground, picture, split: str) -> None:
    original = Image("cat/z.png", "cat", picture(800), group=group_in(split))
    manifest = build([*ground, original], [answered(picture(801), "cat", group=group_in(split))])
    assert rows(manifest)["prediction 1"]["split"] == split
    assert not rows(manifest)["prediction 1"]["held_out"]


def test_feedback_on_an_image_of_the_original_data_is_dropped(build, ground) -> None:
    manifest = build(ground, [answered(ground[0].content, "cat")])
    assert "prediction 1" not in rows(manifest)
    assert manifest.conflicts == ()
    assert manifest.digest == build(ground).digest


def test_feedback_that_contradicts_the_original_label_is_listed_and_the_original_stands(build, ground) -> None:
    manifest = build(ground, [answered(ground[0].content, "dog")])
    assert rows(manifest)["cat/00.png"]["label"] == "cat"
    assert "prediction 1" not in rows(manifest)
    assert [(label, source, origin) for _, label, source, origin in manifest.conflicts] == [
        ("cat", "original", "cat/00.png"),
        ("dog", "feedback", "prediction 1"),
    ]


def test_two_people_who_disagree_leave_the_image_out(build, ground, picture) -> None:
    feedback = [answered(picture(900), "cat", "prediction 1"), answered(picture(900), "dog", "prediction 2")]
    manifest = build(ground, feedback)
    assert len(manifest.table) == 40
    assert [line[3] for line in manifest.conflicts] == ["prediction 1", "prediction 2"]


def test_two_people_who_agree_count_once(build, ground, picture) -> None:
    feedback = [answered(picture(900), "cat", "prediction 1"), answered(picture(900), "cat", "prediction 2")]
    manifest = build(ground, feedback)
    assert len(manifest.table) == 41
    assert manifest.conflicts == ()


def test_a_feedback_label_that_is_no_class_names_file_label_and_classes(build, ground, picture) -> None:
    with pytest.raises(DataError, match=r"feedback/batch-1\.parquet: label 'dgo' .* classes: cat, dog"):
        build(ground, [answered(picture(900), "dgo")])


def test_a_split_without_images_is_refused(build, picture) -> None:
    images = [Image(f"{label}/{n}.png", label, picture(n + 10 * len(label))) for label in ("a", "bb") for n in range(3)]
    lonely = [Image(image.origin, image.label, image.content, group="one thing") for image in images]
    with pytest.raises(DataError, match=r"no image falls into the .* split, of 6 images in all"):
        build(lonely)


def test_the_digest_follows_the_content_and_not_the_place(build, ground, tmp_path, picture) -> None:
    digest = build(ground).digest
    renamed = [Image(f"elsewhere/{n:02d}.png", one.label, one.content) for n, one in enumerate(reversed(ground))]
    assert build(renamed).digest == digest
    relabelled = [Image(ground[0].origin, "dog", ground[0].content), *ground[1:]]
    assert build(relabelled).digest != digest
    assert build(ground, [answered(picture(900), "cat")]).digest != digest


def test_is_read_back_as_it_was_written(build, ground, tmp_path, picture) -> None:
    torn = Image("cat/torn.png", "cat", b"torn")
    manifest = build([*ground, torn], [answered(ground[0].content, "dog"), answered(picture(900), "cat", "p,2")])
    write_manifest(manifest, tmp_path / "dataset")
    assert read_manifest(tmp_path / "dataset") == manifest
    assert manifest.findings == (("cat/torn.png", "unreadable", "not of a known image format"),)


def test_no_cell_of_the_lists_begins_a_formula_and_the_lists_are_read_back(build, ground, tmp_path) -> None:
    folder = tmp_path / "dataset"
    evil = [Image("=cmd()/a, b.png", "cat", b"torn"), Image("@evil.png", "dog", ground[0].content)]
    manifest = build([*ground, *evil])
    write_manifest(manifest, folder)
    for name in ("findings", "conflicts"):
        with (folder / f"{name}.csv").open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if cell.startswith(("=", "@"))] == []
        assert [cell for cell in cells if cell.startswith(("'=", "'@"))] != []
    assert read_manifest(folder) == manifest
    files = {path.name: path for path in folder.iterdir()}
    assert query("SELECT origin FROM findings", files).rows == [("=cmd()/a, b.png",)]


def test_writes_the_lists_for_people_and_the_counts(build, ground, tmp_path) -> None:
    folder = tmp_path / "dataset"
    manifest = build([*ground, Image("cat/torn.png", "cat", b"torn"), Image("dog/zz.png", "dog", ground[4].content)])
    write_manifest(manifest, folder)
    with (folder / "findings.csv").open() as file:
        assert [line["origin"] for line in csv.DictReader(file)] == ["cat/torn.png"]
    with (folder / "conflicts.csv").open() as file:
        assert [line["label"] for line in csv.DictReader(file)] == ["cat", "dog"]
    summary = json.loads((folder / "dataset.json").read_text())
    assert (summary["digest"], summary["classes"], summary["images"]) == (manifest.digest, ["cat", "dog"], 39)
    assert (summary["findings"], summary["conflicts"], summary["held_out"]) == (1, 2, 0)
    assert sum(count for counts in summary["original"].values() for count in counts.values()) == 39


def test_writing_twice_gives_the_same_bytes_and_leaves_nothing_beside(build, ground, tmp_path) -> None:
    folder = tmp_path / "out" / "dataset"
    write_manifest(build(ground), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_manifest(build(ground), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_a_manifest_that_does_not_fit_its_digest_is_refused(build, ground, tmp_path) -> None:
    write_manifest(build(ground), tmp_path / "one")
    write_manifest(build(ground[1:]), tmp_path / "other")
    (tmp_path / "other" / "manifest.parquet").replace(tmp_path / "one" / "manifest.parquet")
    with pytest.raises(DataError, match=r"manifest\.parquet is not the one dataset\.json describes"):
        read_manifest(tmp_path / "one")


def test_a_dataset_that_is_not_there_says_how_to_make_it(tmp_path) -> None:
    with pytest.raises(DataError, match="run `dvc repro prepare`"):
        read_manifest(tmp_path)
