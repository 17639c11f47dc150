"""The pixel array and its cache."""

import os
from pathlib import Path

import numpy as np
import pytest

from leeway.bundle.resize import ResizeRule, decode
from leeway.data.feedback import FeedbackImage, write_feedback_shard
from leeway.data.folder_source import FolderSource
from leeway.data.manifest import Manifest, build_manifest
from leeway.data.params import DataParams
from leeway.data.pixels import KEPT, encoded_images, pixel_array
from leeway.data.shards import gather_images
from leeway.data.split import SplitShares
from leeway.errors import DataError

RULE = ResizeRule(height=6, width=8)


@pytest.fixture
def data(photos, picture, tmp_path: Path) -> Path:
    """A workspace's data folder with two parts and a feedback shard."""
    root = photos(cat=12, dog=12)
    source = FolderSource(path=str(root))
    gather_images(source, tmp_path / "data" / "shards")
    (root / "cat" / "0000.png").write_bytes(picture(900))  # sorts among the first, stands in the second part
    gather_images(source, tmp_path / "data" / "shards")
    write_feedback_shard(
        tmp_path / "data" / "feedback" / "a.parquet", [FeedbackImage(picture(901), "dog", origin="p", labeler="ann")]
    )
    return tmp_path / "data"


@pytest.fixture
def manifest(data: Path) -> Manifest:
    params = DataParams(source=FolderSource(path="photos"), split=SplitShares(val=0.3, test=0.3))
    return build_manifest(data / "shards", data / "feedback", params)


def test_encoded_images_come_in_the_order_asked(manifest: Manifest, data: Path, picture) -> None:
    origins = manifest.table["origin"].to_pylist()
    wanted = [len(origins) - 1, origins.index("cat/0000.png"), origins.index("dog/003.png")]
    assert encoded_images(manifest, data, wanted) == [picture(901), picture(900), picture(1003)]
    assert encoded_images(manifest, data, np.array(wanted)[::-1]) == [picture(1003), picture(900), picture(901)]


def test_each_row_holds_the_pixels_that_serving_would_see(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    pixels = pixel_array(manifest, data, RULE, tmp_path / "cache")
    assert (pixels.shape, pixels.dtype) == ((26, 6, 8, 3), np.uint8)
    for row, content in enumerate(encoded_images(manifest, data, range(26))):
        np.testing.assert_array_equal(pixels[row], RULE.apply(decode(content)))


def test_grey_rows_of_any_size_hold_one_channel(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    rule = ResizeRule(height=5, width=9, fit="pad", channels=1)
    pixels = pixel_array(manifest, data, rule, tmp_path / "cache")
    assert (pixels.shape, pixels.dtype) == ((26, 5, 9, 1), np.uint8)
    for row, content in enumerate(encoded_images(manifest, data, range(26))):
        np.testing.assert_array_equal(pixels[row], rule.apply(decode(content)))


def test_is_decoded_once(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    first = np.array(pixel_array(manifest, data, RULE, tmp_path / "cache"))
    for path in (data / "shards").glob("part-*.parquet"):
        path.unlink()
    np.testing.assert_array_equal(pixel_array(manifest, data, RULE, tmp_path / "cache"), first)


def test_another_size_is_another_entry(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    pixel_array(manifest, data, RULE, tmp_path / "cache")
    assert pixel_array(manifest, data, ResizeRule(height=4, width=4), tmp_path / "cache").shape == (26, 4, 4, 3)
    assert pixel_array(manifest, data, RULE, tmp_path / "cache").shape == (26, 6, 8, 3)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize("size", [0, 60, 1000])
def test_half_an_entry_is_made_again(manifest: Manifest, data: Path, tmp_path: Path, size: int) -> None:
    first = np.array(pixel_array(manifest, data, RULE, tmp_path / "cache"))
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(entry.read_bytes()[:size])
    np.testing.assert_array_equal(pixel_array(manifest, data, RULE, tmp_path / "cache"), first)


def test_an_entry_of_another_shape_is_made_again(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    pixel_array(manifest, data, RULE, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    np.save(entry, np.zeros((26, 6, 8), np.uint8))
    assert pixel_array(manifest, data, RULE, tmp_path / "cache").shape == (26, 6, 8, 3)


def test_the_entries_used_last_are_kept(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for width in range(1, KEPT + 1):
        pixel_array(manifest, data, ResizeRule(height=2, width=width), cache)
    for path in cache.iterdir():  # long ago, the narrowest first
        os.utime(path, (np.load(path).shape[2],) * 2)
    pixel_array(manifest, data, ResizeRule(height=2, width=1), cache)
    pixel_array(manifest, data, ResizeRule(height=2, width=KEPT + 1), cache)
    widths = sorted(np.load(path).shape[2] for path in cache.iterdir())
    assert widths == [1, *range(3, KEPT + 2)]


def test_what_a_killed_run_left_long_ago_is_cleared_away(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    for name, age_days in (("old", 2), ("running", 0)):
        path = tmp_path / "cache" / f".pixels-{name}.npy.1.partial"
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_mtime - 86_400 * age_days,) * 2)
    pixel_array(manifest, data, RULE, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").glob("*.partial")] == [".pixels-running.npy.1.partial"]


def test_cannot_be_changed_by_accident(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    pixels = pixel_array(manifest, data, RULE, tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0


def test_a_shard_that_is_missing_is_named(manifest: Manifest, data: Path, tmp_path: Path) -> None:
    (data / "shards" / "part-00001.parquet").unlink()
    with pytest.raises(DataError, match=r"part-00001\.parquet: not a readable Parquet file .*dvc checkout"):
        pixel_array(manifest, data, RULE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
