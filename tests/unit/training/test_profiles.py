"""Augmentation profiles and how params override them."""

from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml

from leeway.errors import ParamsError
from leeway.paramsfile import parse_section
from leeway.training.params import TrainParams
from leeway.training.profiles import PROFILES, Augmentation, AugmentationParams

ROOT = Path(__file__).parents[3]


def parsed(**keys: object) -> AugmentationParams:
    return parse_section(keys, AugmentationParams, where="params.yaml", prefix="train.augmentation")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_by_its_name_is_what_is_spelled_out(name: str) -> None:
    assert parsed(profile=name).resolved() == PROFILES[name]


def test_a_key_beside_the_profile_replaces_its_number_and_no_other() -> None:
    changed = parsed(profile="natural", rotation_degrees=5, horizontal_flip=0).resolved()
    assert asdict(changed) == asdict(PROFILES["natural"]) | {"rotation_degrees": 5, "horizontal_flip": 0}


def test_every_number_of_a_profile_has_its_key() -> None:
    assert {one.name for one in fields(Augmentation)} == set(AugmentationParams.model_fields) - {"profile"}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_stays_within_the_limits_of_its_keys(name: str) -> None:
    assert parsed(profile="none", **asdict(PROFILES[name])).resolved() == PROFILES[name]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"profile": "photos"}, r"train\.augmentation\.profile: .*'natural'.*got 'photos'"),
        ({"profile": "none", "rotate_degrees": 5}, r"unknown key\. Did you mean rotation_degrees"),
        ({"profile": "none", "crop_scale": 0}, r"crop_scale: .*greater than 0, got 0"),
        ({}, r"train\.augmentation\.profile: is missing"),
    ],
)
def test_what_is_no_augmentation_is_refused(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        parsed(**keys)


def test_the_page_shows_the_numbers_of_every_profile() -> None:
    page = (ROOT / "docs" / "training_input.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    table = {row[0].partition(":")[0].strip("`"): row[1:] for row in rows if len(row) == len(PROFILES) + 1}
    assert table.pop("key") == list(PROFILES)
    for key, cells in table.items():
        for cell, profile in zip(cells, PROFILES.values(), strict=True):
            value = getattr(profile, key)
            assert cell == ({True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:.4g}")
    assert set(table) == {one.name for one in fields(Augmentation)}


@pytest.mark.parametrize("size", [16, [24, 32], None])
def test_the_image_size_is_a_side_or_two_or_left_to_the_weights(size: object) -> None:
    content = _committed() | {"image_size": size}
    wanted = tuple(size) if isinstance(size, list) else size
    assert parse_section(content, TrainParams, where="params.yaml", prefix="train").image_size == wanted


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("image_size", [24], r"train\.image_size: should be 8 to 1024 pixels, \[height, width\], or null; got \[24\]"),
        ("image_size", 4, r"train\.image_size: should be 8 to 1024 pixels"),
        ("image_size", [24, True], r"train\.image_size: should be 8 to 1024 pixels"),
        ("fit", "squeeze", r"train\.fit: .*'stretch', 'crop' or 'pad', got 'squeeze'"),
        ("channels", 4, r"train\.channels: .*1 or 3, got 4"),
        ("mean", [2.0], r"train\.mean"),
        ("std", [0], r"train\.std\.0: .*greater than 0, got 0"),
    ],
)
def test_what_is_no_preprocessing_is_refused(key: str, value: object, told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        parse_section(_committed() | {key: value}, TrainParams, where="params.yaml", prefix="train")


def _committed() -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]
    return content
