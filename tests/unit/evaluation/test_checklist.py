"""The checklist: what is wrong fails, what was not measured is unknown, and nothing passes by being absent."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leeway.bundle.contents import Contents, read_contents
from leeway.bundle.resize import ResizeRule
from leeway.evaluation.checklist import (
    Checklist,
    ChecklistItem,
    all_required_right,
    bundle_agrees,
    checklist_from,
    head_matches,
    images_per_class,
    latency_within,
    majority_share,
    no_leakage,
    preprocessing_matches,
    read_checklist,
    weights_loaded,
    write_checklist,
)
from leeway.evaluation.must_pass import Required
from tiny_bundle import CLASSES, write_tiny_bundle

IMAGENET = SimpleNamespace(rule=ResizeRule(224, 224, 256), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    write_tiny_bundle(folder)
    return read_contents(folder)


@pytest.fixture
def pretrained(contents: Contents) -> Contents:
    return replace(
        contents, weights="IMAGENET1K_V1", resize=IMAGENET.rule, mean=IMAGENET.mean, std=IMAGENET.std, training={}
    )


def training(start: str, first: float | None) -> dict[str, object]:
    return {"start": start, "first_epoch_accuracy": first}


@pytest.mark.parametrize(
    ("start", "first", "outcome"),
    [
        ("IMAGENET1K_V1", 0.6, "pass"),
        ("IMAGENET1K_V1", 0.3, "fail"),
        ("champion 0123456789ab", 0.1, "fail"),
        ("scratch", 0.6, "pass"),
        ("scratch", 0.3, "unknown"),  # nothing was there to load, and a slow start is no fault
        ("IMAGENET1K_V1", None, "unknown"),
    ],
)
def test_loaded_weights_answer_above_chance_from_the_first_epoch(start: str, first: float | None, outcome: str) -> None:
    assert weights_loaded(training(start, first), majority_share=0.3).outcome == outcome


def test_an_empty_validation_split_leaves_chance_unknown() -> None:
    assert majority_share(np.array([], dtype=np.int64)) is None
    assert majority_share(np.array([0, 1, 1, 1])) == 0.75
    assert weights_loaded(training("DEFAULT", 0.9), majority_share=None).outcome == "unknown"


def test_preprocessing_as_the_weights_have_it_passes(pretrained: Contents, contents: Contents) -> None:
    assert preprocessing_matches(pretrained, IMAGENET).outcome == "pass"
    assert preprocessing_matches(contents, None).outcome == "pass"


def test_another_mean_or_std_than_the_weights_fails_with_both_numbers(pretrained: Contents) -> None:
    found = preprocessing_matches(replace(pretrained, mean=(0.5, 0.5, 0.5)), IMAGENET)
    assert found.outcome == "fail"
    assert "mean (0.5, 0.5, 0.5) in the bundle, (0.485, 0.456, 0.406) with IMAGENET1K_V1" in found.reason


def test_another_size_is_a_choice_that_is_told_and_does_not_fail(pretrained: Contents) -> None:
    found = preprocessing_matches(replace(pretrained, resize=ResizeRule(160, 160, 183)), IMAGENET)
    assert found.outcome == "unknown"
    assert "height (160, theirs 224)" in found.reason


@pytest.mark.parametrize(
    ("warning", "outcome"),
    [
        ("params.yaml: train.mean is 0.1, but the champion was trained with 0.5; null takes that", "fail"),
        ("params.yaml: train.fit is pad, but the champion was trained with stretch; null takes that", "unknown"),
        ("12 classes have under 100 images", "pass"),  # of something else
    ],
)
def test_what_training_warned_about_counts_without_published_weights(
    contents: Contents, warning: str, outcome: str
) -> None:
    assert preprocessing_matches(replace(contents, training={"warnings": [warning]}), None).outcome == outcome


def test_a_leak_fails_and_is_named() -> None:
    assert no_leakage(()).outcome == "pass"
    found = no_leakage([("near", "a.png", "train", "b.png", "test")] * 7)
    assert found.outcome == "fail"
    assert "7 images leak: near: a.png (train) and b.png (test)" in found.reason
    assert "and 2 more" in found.reason


@pytest.mark.parametrize(
    ("milliseconds", "budget", "outcome"),
    [(3.0, 10.0, "pass"), (30.0, 10.0, "fail"), (3.0, None, "unknown"), (None, 10.0, "unknown")],
)
def test_latency_is_held_against_its_budget(milliseconds: float | None, budget: float | None, outcome: str) -> None:
    assert latency_within(milliseconds, budget=budget).outcome == outcome


def test_a_head_of_other_classes_than_the_dataset_fails(contents: Contents) -> None:
    assert head_matches(contents, CLASSES, outputs=3).outcome == "pass"
    assert head_matches(contents, CLASSES, outputs=1000).outcome == "fail"
    assert head_matches(contents, CLASSES[::-1], outputs=3).outcome == "fail"
    found = head_matches(contents, ("blue", "green", "teal"), outputs=3)
    assert "only the bundle has red, only the dataset teal" in found.reason


@pytest.mark.parametrize(
    ("apart", "outcome"), [(2e-6, "pass"), (2e-4, "fail"), (float("nan"), "fail"), (None, "unknown")]
)
def test_bundle_and_network_agree_to_a_ten_thousandth(apart: float | None, outcome: str) -> None:
    assert bundle_agrees(apart, images=5, why_not="by hand").outcome == outcome


def test_a_class_without_test_images_fails_and_few_images_are_told() -> None:
    assert images_per_class({"cat": 120, "dog": 0}).outcome == "fail"
    few = images_per_class({"cat": 120, "dog": 20})
    assert few.outcome == "unknown"
    assert "dog has the fewest, 20: a recall of 90 % has an interval 27 points wide there" in few.reason
    assert images_per_class({"cat": 120, "dog": 150}).outcome == "pass"


def required(path: str, answer: str, *, trained_on: bool = False, confidence: float = 0.9) -> Required:
    return Required(path, "red", answer, confidence, trained_on)


def test_one_wrong_image_of_the_must_pass_set_fails() -> None:
    assert all_required_right([]).outcome == "unknown"
    assert all_required_right([required("a.png", "red")]).outcome == "pass"
    found = all_required_right([required("a.png", "red", trained_on=True), required("b.png", "blue")])
    assert found.outcome == "fail"
    assert "b.png is red, called blue" in found.reason
    assert "1 of them the model was trained on" in found.reason
    assert all_required_right([required("a.png", "red", confidence=float("nan"))]).outcome == "fail"


def test_a_checklist_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = Checklist("b1", (ChecklistItem("head", "pass", "3 of 3"), ChecklistItem("leaks", "fail", "žluť leaks")))
    write_checklist(written, tmp_path / "reports" / "checklist.json")
    assert read_checklist(tmp_path / "reports" / "checklist.json") == written
    assert [item.name for item in written.failed] == ["leaks"]
    assert written.to_json(longest=4)["items"][1]["reason"] == "žluť"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"bundle_digest": "b", "items": [{"name": "a"}]}', "null",
     '{"bundle_digest": "b", "items": [{"name": "a", "outcome": "fine", "reason": ""}]}'],
)  # fmt: skip
def test_what_is_no_checklist_is_none(text: str, tmp_path: Path) -> None:
    assert checklist_from(text) is None
    assert read_checklist(tmp_path / "none.json") is None
