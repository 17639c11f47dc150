"""Groups, given splits, near-duplicates, corrections and changed classes, as they become a dataset version."""

import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from given_images import Given, Image
from leeway.data.classes import ClassParams
from leeway.data.corrections import Correction, write_corrections
from leeway.data.digits_source import DigitsSource
from leeway.data.feedback import FeedbackImage, write_feedback_shard
from leeway.data.leakage import LEAK_COLUMNS, find_leaks
from leeway.data.manifest import Manifest, build_manifest, read_manifest, write_manifest
from leeway.data.near_duplicates import NearDuplicateParams, thumbnail
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.data.split import SplitShares, split_of
from leeway.errors import DataError, ParamsError
from leeway.paramsfile import parse_section

SHARES = SplitShares(val=0.25, test=0.25)
Row = dict[str, object]


def photo(seed: int, quality: int = 95) -> bytes:
    """Another quality is a near-duplicate."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Pillow.fromarray(pixels).resize((32, 32), Pillow.Resampling.BICUBIC).save(content, "JPEG", quality=quality)
    return content.getvalue()


@pytest.fixture
def ground() -> list[Image]:
    """Forty photos of cats and dogs: every split has some of each."""
    return [
        Image(f"{label}/{number:02d}.jpg", label, photo(100 * place + number))
        for place, label in enumerate(("cat", "dog"), 1)
        for number in range(20)
    ]


class Workspace:
    """A data folder that grows."""

    def __init__(self, folder: Path) -> None:
        self.shards, self.feedback = folder / "shards", folder / "feedback"

    def gather(self, *images: Image) -> None:
        gather_images(Given(images=images), self.shards)

    def answer(self, name: str, *images: FeedbackImage) -> None:
        write_feedback_shard(self.feedback / f"{name}.parquet", images)

    def build(
        self, split: SplitShares = SHARES, max_distance: float | None = 0.05, classes: ClassParams | None = None
    ) -> Manifest:
        near = NearDuplicateParams(max_distance=max_distance)
        params = DataParams(source=DigitsSource(), split=split, near_duplicates=near, classes=classes or ClassParams())
        return build_manifest(self.shards, self.feedback, params)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def by_origin(manifest: Manifest) -> dict[str, Row]:
    return {row["origin"]: row for row in manifest.table.to_pylist()}


def answered(content: bytes, label: str, origin: str) -> FeedbackImage:
    return FeedbackImage(content, label, origin=origin, labeler="ann")


def seeds_in(split: str, count: int = 1) -> list[int]:
    """Of photos whose own hash puts them there."""
    found = (seed for seed in range(10_000, 20_000) if own_split(photo(seed)) == split)
    return [next(found) for _ in range(count)]


def own_split(content: bytes) -> str:
    return split_of(hashlib.sha256(content).hexdigest(), SHARES)


# Given splits and shares


def test_a_split_that_the_source_gives_goes_before_the_hash(workspace, ground) -> None:
    splits = ("train", "val", "test", "held_out")
    given = [Image(f"cat/g{n}.jpg", "cat", photo(900 + n), split=splits[n % 4]) for n in range(16)]
    workspace.gather(*ground, *given)
    rows = by_origin(workspace.build())
    assert [rows[image.origin]["split"] for image in given] == [splits[n % 4] for n in range(16)]
    assert [rows[image.origin]["held_out"] for image in given] == [n % 4 == 3 for n in range(16)]


def test_val_is_cut_from_what_is_given_for_training_and_test_is_not(workspace, ground) -> None:
    given = [Image(f"cat/g{n}.jpg", "cat", photo(900 + n), split="trainval") for n in range(60)]
    workspace.gather(*ground, *given)
    rows = by_origin(workspace.build())
    assert {rows[image.origin]["split"] for image in given} == {"train", "val"}


def test_a_share_is_held_out_without_being_used(workspace, ground) -> None:
    workspace.gather(*ground)
    before = by_origin(workspace.build())
    manifest = workspace.build(SplitShares(val=0.25, test=0.25, held_out=0.2))
    held_out = {origin: row for origin, row in by_origin(manifest).items() if row["split"] == "held_out"}
    assert held_out
    assert all(row["held_out"] and row["reason"] == "by data.split.held_out" for row in held_out.values())
    assert {before[origin]["split"] for origin in held_out} == {"train"}  # it takes from no other split
    used = np.concatenate([manifest.rows(split) for split in ("train", "val", "test")])
    assert len(used) == 40 - len(held_out)


def test_of_a_group_with_contradicting_splits_the_test_images_stay(workspace, ground) -> None:
    visits = [
        Image("cat/g1.jpg", "cat", photo(901), group="patient 1", split="train"),
        Image("cat/g2.jpg", "cat", photo(902), group="patient 1", split="val"),
        Image("cat/g3.jpg", "cat", photo(903), group="patient 1", split="test"),
    ]
    workspace.gather(*ground, *visits)
    rows = by_origin(workspace.build())
    assert [rows[image.origin]["held_out"] for image in visits] == [True, True, False]
    assert rows["cat/g1.jpg"]["reason"] == "its group is in test"


def test_the_same_image_in_two_given_splits_is_in_the_higher_one(workspace, ground) -> None:
    workspace.gather(
        *ground,
        Image("cat/a.jpg", "cat", photo(901), split="train"),
        Image("cat/b.jpg", "cat", photo(901), split="test"),
    )
    assert by_origin(workspace.build())["cat/a.jpg"]["split"] == "test"


# Near-duplicates


def test_near_duplicates_are_one_group_in_the_split_of_the_first(workspace, ground) -> None:
    copies = [Image(f"cat/z{n}.jpg", "cat", photo(100 + n, quality=70)) for n in range(20)]
    workspace.gather(*ground, *copies)
    rows = by_origin(workspace.build())
    for number, copy in enumerate(copies):
        first = rows[f"cat/{number:02d}.jpg"]
        assert (rows[copy.origin]["group"], rows[copy.origin]["split"]) == (first["asset"], first["split"])
    assert len({row["group"] for row in rows.values()}) == 40
    alone = by_origin(workspace.build(max_distance=None))
    assert len({row["group"] for row in alone.values()}) == 60


def test_a_near_duplicate_joins_the_group_that_the_source_gave(workspace, ground) -> None:
    workspace.gather(
        *ground,
        Image("cat/a.jpg", "cat", photo(901), group="patient 1"),
        Image("cat/b.jpg", "cat", photo(901, quality=70)),
    )
    rows = by_origin(workspace.build())
    assert (rows["cat/b.jpg"]["group"], rows["cat/b.jpg"]["split"]) == ("patient 1", rows["cat/a.jpg"]["split"])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_near_duplicate_of_a_given_test_image_is_not_trained_on(workspace, ground, order) -> None:
    pair = [
        Image("cat/a.jpg", "cat", photo(901), split="test"),
        Image("cat/b.jpg", "cat", photo(901, 70), split="train"),
    ]
    for one in order:  # whichever came first
        workspace.gather(*ground, *pair[: one + 1]) if one == 0 else workspace.gather(*ground, pair[1])
    workspace.gather(*ground, *pair)
    rows = by_origin(workspace.build())
    assert (rows["cat/a.jpg"]["held_out"], rows["cat/b.jpg"]["held_out"]) == (False, True)


def test_a_newcomer_near_to_two_splits_is_held_out_and_the_old_ones_stay(workspace, ground) -> None:
    (train,), (test,) = seeds_in("train"), seeds_in("test")
    one, other = (np.asarray(Pillow.open(io.BytesIO(photo(seed))), float) for seed in (train, test))
    between = io.BytesIO()
    Pillow.fromarray(((one + other) / 2).astype(np.uint8)).save(between, "PNG")
    old = [Image("cat/a.jpg", "cat", photo(train)), Image("cat/b.jpg", "cat", photo(test))]
    workspace.gather(*ground, *old)
    workspace.gather(*ground, *old, Image("cat/between.png", "cat", between.getvalue()))
    rows = by_origin(workspace.build(max_distance=0.45))
    assert rows["cat/between.png"]["held_out"]
    assert "near-duplicate of cat/" in str(rows["cat/between.png"]["reason"])
    assert not rows["cat/a.jpg"]["held_out"]
    assert not rows["cat/b.jpg"]["held_out"]


def test_feedback_near_to_a_test_image_is_used_nowhere_and_near_to_a_training_image_is_trained_on(
    workspace, ground
) -> None:
    train = next(one for one in seeds_in("train", 20) if own_split(photo(one, 70)) != "val")
    (test,) = seeds_in("test")
    workspace.gather(*ground, Image("cat/a.jpg", "cat", photo(train)), Image("cat/b.jpg", "cat", photo(test)))
    workspace.answer("night-1", answered(photo(train, 70), "cat", "p1"), answered(photo(test, 70), "cat", "p2"))
    rows = by_origin(workspace.build())
    assert (rows["p1"]["split"], rows["p1"]["held_out"]) == ("train", False)
    assert rows["p2"]["held_out"]


def test_no_image_ever_changes_its_split_whatever_is_added(workspace, ground) -> None:
    rng = np.random.default_rng(9)
    images, before = list(ground), {}
    for step in range(5):
        workspace.gather(*images)
        workspace.answer(
            f"{9 - step}",
            *(answered(photo(int(rng.integers(100, 400)), 60 + step), "cat", f"p{step}{n}") for n in range(8)),
        )
        after = {row["asset"]: row["split"] for row in workspace.build().table.to_pylist()}
        assert {asset: after[asset] for asset in before if asset in after} == {
            asset: split for asset, split in before.items() if asset in after
        }
        before |= after
        quality = 80 - 3 * step
        names = [f"{('cat', 'dog')[n % 2]}/{chr(97 + n)}{step}.jpg" for n in range(12)]  # they sort among the others
        images += [Image(name, name[:3], photo(int(rng.integers(100, 400)), quality)) for name in names]
    assert len(before) > 100


def test_the_digits_are_not_glued_together(tmp_path: Path) -> None:
    gather_images(DigitsSource(), tmp_path / "shards")
    manifest = build_manifest(
        tmp_path / "shards", tmp_path / "feedback", DataParams(source=DigitsSource(), split=SHARES)
    )
    assert len(set(manifest.table["group"].to_pylist())) == len(manifest.table) == 1797


# Leaks


def test_a_dataset_version_has_no_leak_and_a_planted_one_is_seen(workspace, ground) -> None:
    copies = [Image(f"cat/z{n}.jpg", "cat", photo(100 + n, quality=70)) for n in range(20)]
    workspace.gather(*ground, *copies)
    manifest = workspace.build()
    assert manifest.leaks == ()
    table = manifest.table.to_pylist()
    grey = {row["asset"]: thumbnail(Pillow.open(io.BytesIO(content(row)))) for row in table}
    assert find_leaks(manifest.table, grey, max_distance=0.05) == ()
    row = next(row for row in table if row["origin"] == "cat/z3.jpg")
    row["split"], row["group"] = ("val" if row["split"] == "train" else "train"), "elsewhere"
    planted = type(manifest.table).from_pylist(table, manifest.table.schema)
    ((kind, *pair),) = find_leaks(planted, grey, max_distance=0.05)
    assert kind == "near-duplicate"
    assert {pair[0], pair[2]} == {"cat/03.jpg", "cat/z3.jpg"}
    assert find_leaks(planted, grey, max_distance=None) == ()


def content(row: Row) -> bytes:
    name = str(row["origin"])
    number = int(name[5:-4]) if "z" in name else int(name[4:-4])
    return photo(100 + number, 70) if "z" in name else photo((200 if name.startswith("dog") else 100) + number)


@pytest.mark.parametrize(("column", "kind"), [("asset", "same image"), ("group", "same group")])
def test_the_same_image_or_group_in_two_splits_is_a_leak(workspace, ground, column: str, kind: str) -> None:
    workspace.gather(*ground)
    table = workspace.build().table.to_pylist()
    one = next(row for row in table if row["split"] == "train")
    other = next(row for row in table if row["split"] == "test")
    other[column] = one[column]
    planted = type(workspace.build().table).from_pylist(table, workspace.build().table.schema)
    assert find_leaks(planted, {}, max_distance=0.05) == (
        (kind, *(str(row[name]) for row in sorted((one, other), key=table.index) for name in ("origin", "split"))),
    )
    other["held_out"] = True
    assert find_leaks(type(planted).from_pylist(table, planted.schema), {}, max_distance=0.05) == ()


def test_leaks_and_renamed_classes_are_read_back(workspace, ground, tmp_path) -> None:
    workspace.gather(*ground)
    made = workspace.build(classes=ClassParams(rename={"cat": "kitty"}))
    leak = ("near-duplicate", "a", "train", "b", "test")
    made = Manifest(made.digest, made.classes, made.table, leaks=(leak,), renamed=made.renamed)
    write_manifest(made, tmp_path / "dataset")
    assert read_manifest(tmp_path / "dataset") == made
    assert (tmp_path / "dataset" / "leaks.csv").read_text().splitlines()[0] == ",".join(LEAK_COLUMNS)


# Corrections


def test_a_correction_decides_over_original_and_feedback_and_solves_a_conflict(workspace, ground) -> None:
    torn = Image("dog/zz.jpg", "dog", ground[4].content)
    workspace.gather(*ground, torn)
    workspace.answer("night-1", answered(photo(901), "cat", "p1"))
    before = workspace.build()
    assert len(before.conflicts) == 2
    by = {row["origin"]: row["asset"] for row in before.table.to_pylist()}
    asset = before.conflicts[0][0]
    labels = {asset: "cat", by["cat/00.jpg"]: "dog", by["p1"]: "dog"}
    write_corrections(workspace.feedback, [Correction(one, label, "bob") for one, label in labels.items()])
    after = workspace.build()
    rows = by_origin(after)
    assert after.conflicts == ()
    assert [rows[origin]["label"] for origin in ("cat/04.jpg", "cat/00.jpg", "p1")] == ["cat", "dog", "dog"]
    assert [rows[origin]["split"] for origin in ("cat/00.jpg", "p1")] == [
        by_origin(before)[origin]["split"] for origin in ("cat/00.jpg", "p1")
    ]


def test_a_correction_without_a_label_leaves_the_image_out_and_a_later_one_brings_it_back(workspace, ground) -> None:
    workspace.gather(*ground)
    asset = str(by_origin(workspace.build())["cat/00.jpg"]["asset"])
    write_corrections(workspace.feedback, [Correction(asset, None, "bob")])
    row = by_origin(workspace.build())["cat/00.jpg"]
    assert (row["held_out"], row["reason"]) == (True, "left out by bob")
    write_corrections(workspace.feedback, [Correction(asset, "cat", "ann")])
    assert not by_origin(workspace.build())["cat/00.jpg"]["held_out"]


def test_a_correction_to_what_is_no_class_is_told(workspace, ground) -> None:
    workspace.gather(*ground)
    asset = str(by_origin(workspace.build())["cat/00.jpg"]["asset"])
    write_corrections(workspace.feedback, [Correction(asset, "dgo", "bob")])
    with pytest.raises(DataError, match=r"a correction: label 'dgo' of cat/00\.jpg is not a class; classes: cat, dog"):
        workspace.build()


# Classes


@pytest.fixture
def animals(ground) -> list[Image]:
    return [*ground, *(Image(f"wolf/{n:02d}.jpg", "wolf", photo(700 + n)) for n in range(20))]


def test_two_names_merge_into_one(workspace, animals) -> None:
    workspace.gather(*animals)
    workspace.answer("night-1", answered(photo(901), "wolf", "p1"), answered(photo(902), "canine", "p2"))
    manifest = workspace.build(classes=ClassParams(rename={"dog": "canine", "wolf": "canine"}))
    assert manifest.classes == ("canine", "cat")
    assert Counter(manifest.table["label"].to_pylist()) == {"cat": 20, "canine": 42}
    assert manifest.renamed == {"dog": "canine", "wolf": "canine"}
    splits = {origin: row["split"] for origin, row in by_origin(manifest).items()}
    assert splits == {
        origin: row["split"]
        for origin, row in by_origin(workspace.build(classes=ClassParams(rename={"wolf": "canine"}))).items()
    }


def test_images_of_a_retired_class_are_held_out(workspace, animals) -> None:
    workspace.gather(*animals)
    workspace.answer("night-1", answered(photo(901), "wolf", "p1"))
    manifest = workspace.build(classes=ClassParams(retire=("wolf",)))
    wolves = [row for row in manifest.table.to_pylist() if row["label"] == "wolf"]
    assert manifest.classes == ("cat", "dog")
    assert len(wolves) == 21
    assert all(row["held_out"] and row["reason"] == "class wolf is retired" for row in wolves)
    assert set(manifest.labels.tolist()) == {-1, 0, 1}
    assert sum(manifest.counts("original")["train"].values()) == len(manifest.rows("train", "original"))


def test_feedback_of_an_added_class_may_be_tested_on(workspace, ground) -> None:
    workspace.gather(*ground)
    fish = [answered(photo(900 + n), "fish", f"p{n:02d}") for n in range(30)]
    workspace.answer("night-1", *fish, *(answered(photo(800 + n), "cat", f"c{n:02d}") for n in range(20)))
    with pytest.raises(DataError, match=r"label 'fish' .* is not a class; .* name it in data\.classes\.add"):
        workspace.build()
    manifest = workspace.build(classes=ClassParams(add=("fish", "bird")))
    assert manifest.classes == ("cat", "dog", "fish")  # nothing shows a bird yet
    tested = {manifest.table["label"][int(row)].as_py() for row in manifest.rows("test", "feedback")}
    assert tested == {"fish"}


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ({"rename": {"emu": "bird"}}, "rename: no image is labelled 'emu'; labels: cat, dog"),
        ({"retire": ["emu"]}, "retire: no image is labelled 'emu'"),
        ({"retire": ["cat"]}, "only dog is left; a classifier needs two"),
        ({"rename": {"cat": "dog"}}, "only dog is left"),
    ],
)
def test_a_name_that_nothing_carries_is_told(workspace, ground, classes, told: str) -> None:
    workspace.gather(*ground)
    with pytest.raises(DataError) as error:
        workspace.build(classes=ClassParams(**classes))
    assert told in str(error.value)
    assert "params.yaml, data.classes" in str(error.value)


def test_two_unicode_forms_of_a_name_are_one_class_and_alike_names_are_two(workspace, ground) -> None:
    names = ("caf\u00e9", "cafe\u0301", "Cat", "wolf ")
    more = [Image(f"{name}/{n}.jpg", name, photo(700 + 20 * k + n)) for k, name in enumerate(names) for n in range(20)]
    workspace.gather(*ground, *more)
    manifest = workspace.build()
    assert manifest.classes == ("Cat", "caf\u00e9", "cat", "dog", "wolf")
    assert Counter(manifest.table["label"].to_pylist())["caf\u00e9"] == 40
    assert manifest.renamed == {"cafe\u0301": "caf\u00e9", "wolf ": "wolf"}
    assert manifest.conflicts == ()
    merged = workspace.build(classes=ClassParams(rename={"Cat": "cat", "wolf": "dog"}))
    assert merged.classes == ("caf\u00e9", "cat", "dog")
    assert merged.renamed == {"Cat": "cat", "wolf": "dog", "cafe\u0301": "caf\u00e9", "wolf ": "dog"}


def test_the_names_in_params_may_be_of_another_unicode_form(workspace, animals) -> None:
    workspace.gather(*animals, *(Image(f"e{n}.jpg", "\u00e9mu", photo(800 + n)) for n in range(20)))
    assert workspace.build(classes=ClassParams(rename={"e\u0301mu": "dog"})).classes == ("cat", "dog", "wolf")


def test_the_digest_of_a_dataset_with_clean_names_stays(workspace, ground) -> None:
    workspace.gather(*ground)
    manifest = workspace.build()
    columns = [
        [row[name] for row in sorted(manifest.table.to_pylist(), key=lambda row: row["asset"])]
        for name in ("asset", "label", "split", "label_source", "group", "held_out")
    ]
    assert manifest.digest == hashlib.sha256(json.dumps([["cat", "dog"], columns]).encode()).hexdigest()
    assert manifest.renamed == {}


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ({"rename": {"a": "b", "b": "a"}}, "rename: 'a' is an old and a new name"),
        ({"rename": {"a": "a"}}, "rename: 'a' is an old and a new name"),
        ({"rename": {"a": "b", "b": "c"}}, "rename: 'b' is an old and a new name"),
        ({"rename": {"a": "b"}, "retire": ["a"]}, "retire: 'a' is renamed to 'b'"),
        ({"add": ["a"], "retire": ["a"]}, "add: 'a' is retired, too"),
    ],
)
def test_names_that_go_round_in_circles_are_refused(classes: dict[str, object], told: str) -> None:
    with pytest.raises(ParamsError) as error:
        parse_section(classes, ClassParams, where="params.yaml", prefix="data.classes")
    assert told in str(error.value)
