"""The gate over bundles: answers are compared by the names that classes have now, and nothing passes unchecked."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leeway.data.manifest import TABLE_SCHEMA, Manifest
from leeway.domain.records import Cause, Draw, LabelledDraw, ModelVersion, Verdict
from leeway.epoch import Epoch
from leeway.evaluation.checklist import Checklist, ChecklistItem, write_checklist
from leeway.evaluation.reads import EVALUATE, readers_of, record_read
from leeway.release import judge, release
from leeway.release.gate import with_checklist
from leeway.release.versions import Versions
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores
from memory_ports import MemoryRegistry
from production import epoch_of, morning, night
from tiny_bundle import CLASSES, square, write_tiny_bundle

EACH = 40  # test images of a colour: enough that equal models mostly pass
SWAPPED = ("green", "blue", "red")  # of a bundle that calls blue green, and green blue


@dataclass
class World:
    """A registry, a store, and test images of three colours under the labels that the dataset gives them."""

    folder: Path
    stores: Stores
    registry: MemoryRegistry
    images: FolderImageStore

    def version(self, classes: tuple[str, ...] = CLASSES, *, temperature: float = 0.05) -> ModelVersion:
        bundle = self.folder / f"{'-'.join(classes)}-{temperature}"
        write_tiny_bundle(bundle, classes=classes, temperature=temperature)
        return self.versions.register(bundle, reason="test")

    @property
    def versions(self) -> Versions:
        return Versions("tiny", lambda: self.registry, self.stores.ledger, self.folder / "bundles")

    def manifest(self, labels: Mapping[str, str] | None = None, renamed: Mapping[str, str] | None = None) -> Manifest:
        """`labels`: the class of each colour; a colour without one has no images."""
        labels = labels if labels is not None else dict(zip(CLASSES, CLASSES, strict=True))
        contents = [(square(colour, shade=n % 20), labels[colour]) for colour in labels for n in range(EACH)]
        (self.folder / "data" / "shards").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"bytes": [one for one, _ in contents]}), self.folder / "data" / "shards" / "a.parquet")
        rows = [
            {
                "asset": hashlib.sha256(content).hexdigest(),
                "shard": "shards/a.parquet",
                "row": row,
                "label": label,
                "label_source": "original",
                "split": "test",
                "group": str(row),
                "held_out": False,
                "origin": f"{row}.png",
            }
            for row, (content, label) in enumerate(contents)
        ]
        table = pa.Table.from_pylist(rows, TABLE_SCHEMA)
        return Manifest("d" * 64, tuple(sorted({*labels.values()})), table, renamed=dict(renamed or {}))

    def judge(
        self,
        challenger: ModelVersion,
        champion: ModelVersion | None,
        *,
        manifest: Manifest | None = None,
        labels: Sequence[LabelledDraw] = (),
        checklist: Checklist | None = None,
    ) -> Verdict:
        passing = Checklist(challenger.bundle_digest, (ChecklistItem("head", "pass", "3 of 3"),))
        write_checklist(checklist or passing, self.report)
        grounds = judge.Grounds(
            manifest or self.manifest(),
            self.folder / "data",
            self.report,
            self.folder / "reads.jsonl",
            morning(1),
            labels,
        )
        epoch, serving = self.epoch(challenger), self.epoch(champion) if champion else None
        return judge.judge(epoch, serving, self.versions, grounds)

    def epoch(self, version: ModelVersion) -> Epoch:
        return epoch_of(self.stores, 1, version=version, images=self.images)

    @property
    def report(self) -> Path:
        return self.folder / "reports" / "checklist.json"

    def reads(self, version: ModelVersion) -> tuple[str, ...]:
        return readers_of(self.folder / "reads.jsonl", version.bundle_digest)

    def labelled(self, colour: str, label: str, *, count: int = 12) -> list[LabelledDraw]:
        """Gate labels of `count` squares that production sent."""
        draws = [Draw(f"d{n}", "plan", "tiny", f"{colour}-{n}", "gate", "all", 0.01, 0.1) for n in range(count)]
        return [
            LabelledDraw(draw, night(1), label, label, draw.id, self.images.put(square(colour, shade=n)))
            for n, draw in enumerate(draws)
        ]


@pytest.fixture
def world(stores: Stores, tmp_path: Path) -> World:
    return World(tmp_path, stores, MemoryRegistry(tmp_path / "registry"), FolderImageStore(tmp_path / "images"))


def test_a_first_model_that_answers_rightly_passes_with_its_checklist(world: World) -> None:
    verdict = world.judge(world.version(), None)
    assert verdict.passed
    assert verdict.numbers["accuracy"]["value"] == 1.0
    assert verdict.numbers["parts"]["checklist"] == "passed"


def test_without_a_checklist_the_gate_cannot_tell_and_says_how_to_get_one(world: World) -> None:
    version = world.version()
    found = judge.checklist_of(version, report=world.report, registry=world.registry)
    assert found is None
    verdict = with_checklist(world.judge(version, None), found)
    assert (verdict.passed, verdict.outcome) == (False, "cannot tell")
    assert "no checklist of this bundle; run `dvc repro`" in verdict.reasons[0]


def test_a_failed_item_refuses_a_model_that_would_pass(world: World) -> None:
    version = world.version()
    leaking = Checklist(version.bundle_digest, (ChecklistItem("no leakage between splits", "fail", "2 images leak"),))
    verdict = world.judge(version, None, checklist=leaking)
    assert verdict.outcome == "failed"
    assert "2 images leak" in verdict.reasons[0]


def test_a_promotion_later_is_judged_by_the_checklist_that_the_release_kept(world: World) -> None:
    """In between `dvc repro` made another bundle, whose checklist now lies in reports/."""
    first, report = world.version(), world.report
    own = Checklist(first.bundle_digest, (ChecklistItem("must-pass set", "fail", "a.png is red, called „blau“"),))
    write_checklist(own, report)
    assert judge.checklist_of(first, report=report, registry=world.registry) == own
    verdict = world.judge(first, None, checklist=own)
    release.release(world.epoch(first), verdict, world.registry)
    write_checklist(Checklist("another bundle", ()), report)
    assert judge.checklist_of(first, report=report, registry=world.registry) == own
    assert judge.checklist_of(world.version(temperature=0.1), report=report, registry=world.registry) is None


def test_every_look_at_the_test_split_is_counted_for_both_bundles(world: World) -> None:
    old, new = world.version(), world.version(temperature=0.1)
    record_read(world.folder / "reads.jsonl", new.bundle_digest, by=EVALUATE, at=morning(1))
    verdict = world.judge(new, old)
    assert (world.reads(old), world.reads(new)) == (("gate",), ("evaluate", "gate"))
    assert verdict.numbers["test_reads"] == {"evaluate": 1, "gate": 1}
    assert world.judge(new, old).numbers["test_reads"] == {"evaluate": 1, "gate": 2}
    assert world.judge(new, new).numbers["test_reads"] == {"evaluate": 1, "gate": 3}, "itself: one look"


def test_models_of_one_class_list_are_compared_as_ever(world: World) -> None:
    old, new = world.version(SWAPPED), world.version()
    verdict = world.judge(new, old, labels=world.labelled("blue", "blue"))
    assert verdict.passed
    assert verdict.numbers["original"]["gained"] == 2 * EACH
    assert verdict.numbers["recent"] == verdict.numbers["recent"] | {"images": 12, "gained": 12, "lost": 0}


def test_labels_of_what_is_trained_on_are_left_out_and_counted(world: World) -> None:
    """A group that was trained on before the gate's share was raised; its image, and another image of its group."""
    manifest = world.manifest()
    labels = world.labelled("blue", "blue")
    table = manifest.table.to_pylist()
    train = [table[0] | {"split": "train", "group": "d1", "asset": "x"}, table[1] | {"split": "val", "asset": "y"}]
    train[1]["asset"] = labels[2].image
    trained = Manifest(manifest.digest, manifest.classes, pa.Table.from_pylist([*table, *train], TABLE_SCHEMA))
    verdict = world.judge(world.version(), world.version(SWAPPED), manifest=trained, labels=labels)
    assert verdict.numbers["recent"]["images"] == 10
    assert verdict.reasons[-2].startswith("2 gate labels are left out: their groups are trained on")
    assert verdict.passed


def test_a_version_registered_without_a_cause_is_held_to_the_stricter_rule(world: World) -> None:
    old, new = world.version(), world.version(temperature=0.1)
    assert world.judge(new, old).numbers["rule"]["gain"] == "asked for"
    assert "cause" in world.registry.tags("tiny", new.version)


def test_a_cause_is_fixed_when_the_bundle_is_first_registered(world: World) -> None:
    old, bundle = world.version(), world.folder / "by-hand"
    write_tiny_bundle(bundle, temperature=0.1)
    new = world.versions.register(bundle, reason="a person", cause=Cause.HAND)
    assert world.versions.register(bundle, reason="an alarm", cause=Cause.ACCURACY) == new
    verdict = world.judge(new, old)
    assert (verdict.numbers["rule"]["cause"], verdict.numbers["parts"]["gain"]) == ("hand", "passed")


def test_a_renamed_class_is_one_class(world: World) -> None:
    """The champion says green, which the dataset calls lime now; what a labeler called green is lime, too."""
    renamed = {"green": "lime"}
    dataset = world.manifest({"blue": "blue", "green": "lime", "red": "red"}, renamed)
    old, new = world.version(), world.version(("blue", "lime", "red"))
    verdict = world.judge(new, old, manifest=dataset, labels=world.labelled("green", "green"))
    assert (verdict.numbers["original"]["gained"], verdict.numbers["original"]["lost"]) == (0, 0)
    assert verdict.numbers["recent"]["images"] == 12
    assert verdict.numbers["class_lists"] == {"compared": 3, "new": [], "retired": [], "renamed": {"green": "lime"}}
    assert list(verdict.numbers["per_class"]) == ["blue", "lime", "red"]
    assert verdict.numbers["parts"]["gain"] == "passed", "the new name is what the release is for"


def test_an_answer_that_maps_to_the_merged_class_is_right(world: World) -> None:
    """Blue and green became cold: the champion that mixes them up is right about cold things."""
    renamed = {"blue": "cold", "green": "cold"}
    dataset = world.manifest({"blue": "cold", "green": "cold", "red": "red"}, renamed)
    verdict = world.judge(world.version(), world.version(SWAPPED), manifest=dataset)
    assert (verdict.numbers["original"]["gained"], verdict.numbers["original"]["lost"]) == (0, 0)
    assert verdict.numbers["original"]["images"] == 3 * EACH
    assert list(verdict.numbers["per_class"]) == ["cold", "red"]


def test_a_new_class_is_held_to_the_floor_and_the_champion_is_not_blamed_for_it(world: World) -> None:
    dataset = world.manifest({"blue": "blue", "green": "lime", "red": "red"})  # lime is new, green was retired
    old, new = world.version(), world.version(("blue", "lime", "red"))
    labels = [*world.labelled("green", "lime"), *world.labelled("red", "red"), *world.labelled("green", "green")]
    verdict = world.judge(new, old, manifest=dataset, labels=labels)
    assert verdict.numbers["original"] == verdict.numbers["original"] | {"images": 2 * EACH, "gained": 0}
    assert verdict.numbers["recent"]["images"] == 12, "lime is unknown to the champion, and green to the dataset"
    assert verdict.numbers["new_classes"]["lime"]["value"] == 1.0
    assert verdict.numbers["class_lists"] == {"compared": 2, "new": ["lime"], "retired": ["green"], "renamed": {}}
    bad = world.judge(world.version(("lime", "blue", "red")), old, manifest=dataset)
    assert bad.outcome == "failed"
    assert any("recall of lime is 0.0%" in reason for reason in bad.reasons)


def test_a_new_class_without_test_images_cannot_be_told(world: World) -> None:
    dataset = world.manifest({"blue": "blue", "red": "red"})
    dataset = Manifest(dataset.digest, ("blue", "lime", "red"), dataset.table, renamed={})
    old, new = world.version(SWAPPED), world.version(("blue", "lime", "red"))
    verdict = world.judge(new, old, manifest=dataset, labels=world.labelled("blue", "blue"))
    assert verdict.outcome == "cannot tell"
    assert "no test image for recall of lime" in verdict.reasons[0]


def test_a_challenger_of_an_older_class_list_fails_for_what_it_does_not_know(world: World) -> None:
    dataset = world.manifest({"blue": "blue", "green": "lime", "red": "red"})
    old, new = world.version(), world.version(("blue", "lime", "red"))
    verdict = world.judge(old, new, manifest=dataset)
    assert verdict.outcome == "failed"
    assert any("recall of lime is 0.0%" in reason for reason in verdict.reasons)


def test_a_first_model_is_asked_by_the_names_of_its_dataset(world: World) -> None:
    verdict = world.judge(
        world.version(), None, manifest=world.manifest({"blue": "blue", "green": "lime", "red": "red"})
    )
    assert verdict.outcome == "failed"
    assert "recall of lime is 0.0%" in " ".join(verdict.reasons)


def test_a_recent_image_that_is_gone_is_left_out_and_the_verdict_says_how_many(world: World) -> None:
    old, new = world.version(SWAPPED), world.version()
    labels = world.labelled("blue", "blue")
    labels[3], labels[5] = replace(labels[3], image="ab" * 32), replace(labels[5], image=world.images.put(b"no image"))
    verdict = world.judge(new, old, labels=labels)
    assert verdict.passed
    assert (verdict.numbers["recent"]["images"], verdict.numbers["recent_left_out"]) == (10, 2)
    assert any("2 of 12 images cannot be read" in reason and "blue-3: " in reason for reason in verdict.reasons)
    assert "recent_left_out" not in world.judge(new, old, labels=labels[:3]).numbers


def test_where_no_recent_image_can_be_read_the_gate_says_so(world: World) -> None:
    labels = [replace(one, image="ab" * 32) for one in world.labelled("blue", "blue", count=3)]
    verdict = world.judge(world.version(), world.version(temperature=0.1), labels=labels)
    assert not verdict.passed
    assert verdict.numbers["recent_left_out"] == 3
    assert any("3 of 3 images cannot be read" in reason for reason in verdict.reasons)
