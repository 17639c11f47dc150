"""Folders of photos that a person scores: what is no image is named, and stops none of the others."""

import logging
import os
from pathlib import Path

import pytest

from broken_images import BROKEN, write_broken
from leeway.data.image_files import LARGEST_BYTES
from leeway.errors import DataError, RefusedError
from leeway.predictions.score import score_files
from leeway.stores.opening import Stores
from production import epoch_of, folder_of_images
from tiny_bundle import square, write_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def scored(stores: Stores, photos: Path, bundle: Path) -> dict[str, str]:
    """What each file shows, by its name."""
    epoch = epoch_of(stores, 1, images=folder_of_images(photos.parent))
    return {path.name: one.predicted_class for path, one in score_files(epoch, [photos], bundle=bundle)}


def test_every_kind_of_broken_image_is_named_and_the_others_are_scored(
    stores: Stores, tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = tmp_path / "photos"
    write_broken(photos)
    for name in ("blue", "green", "red"):
        (photos / f"{name}.png").write_bytes(square(name))
    with caplog.at_level(logging.WARNING, "leeway.score"):
        assert scored(stores, photos, bundle) == {"blue.png": "blue", "green.png": "green", "red.png": "red"}
    lines = [one.getMessage() for one in caplog.records]
    assert [name for name in BROKEN if not any(line.startswith(f"left out: {photos / name}: ") for line in lines)] == []
    assert f"{len(BROKEN)} of {len(BROKEN) + 3} files" in lines[-1]


def test_what_is_no_file_and_a_name_that_is_no_text_stop_nothing(stores: Stores, tmp_path: Path, bundle: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    os.mkfifo(photos / "pipe.png")
    (photos / "folder.png").mkdir()
    (photos / "nowhere.png").symlink_to("gone.png")
    (photos / "round.png").symlink_to("round.png")
    (photos / "huge.png").write_bytes(square("red") + bytes(LARGEST_BYTES))
    Path(os.fsdecode(os.fsencode(photos) + b"/\xff.png")).write_bytes(square("blue"))
    (photos / "red.png").write_bytes(square("red"))
    assert scored(stores, photos, bundle) == {os.fsdecode(b"\xff.png"): "blue", "red.png": "red"}


def test_a_folder_of_broken_images_alone_is_refused(stores: Stores, tmp_path: Path, bundle: Path) -> None:
    write_broken(tmp_path / "photos")
    with pytest.raises(RefusedError, match=f"none of {len(BROKEN)} files is a usable image"):
        scored(stores, tmp_path / "photos", bundle)


def test_a_stored_image_that_a_crash_damaged_is_mended_when_its_photo_is_scored_again(
    stores: Stores, tmp_path: Path, bundle: Path
) -> None:
    photos, epoch = tmp_path / "photos", epoch_of(stores, 1, images=folder_of_images(tmp_path))
    photos.mkdir()
    (photos / "red.png").write_bytes(square("red"))
    [(_, before)] = score_files(epoch, [photos], bundle=bundle)
    stored = tmp_path / "images" / before.image[:2] / before.image
    stored.write_bytes(bytes(len(square("red"))))
    with pytest.raises(DataError, match="run `leeway predict` on the photo again"):
        epoch.images.read(before.image)
    assert score_files(epoch, [photos], bundle=bundle) == [(photos / "red.png", before)]
    assert epoch.images.read(before.image) == square("red")
