"""Near-duplicates: the same picture in another size, compression or light is found, similar things are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_digits

from leeway.data.near_duplicates import SIDE, leaders, near_pairs, thumbnail
from leeway.errors import DataError


def photo(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def seascape(seed: int) -> Image.Image:
    """Sky over sea, and a ship somewhere on the horizon."""
    pixels = np.full((32, 32), 200, np.uint8)
    pixels[16:] = 60
    place = np.random.default_rng(seed).integers(4, 24)
    pixels[13:16, place : place + 5] = 20
    return Image.fromarray(pixels)


def pairs_among(*images: Image.Image, max_distance: float = 0.05) -> list[tuple[int, int]]:
    grey = [np.frombuffer(thumbnail(image) or b"", np.uint8) for image in images]
    return [(one, other) for one, other in near_pairs(np.stack(grey), max_distance=max_distance).tolist()]


def compressed(image: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=quality)
    return Image.open(content)


@pytest.mark.parametrize("size", [(32, 32), (48, 36), (200, 150), (640, 480)])
def test_the_same_picture_is_found_in_another_size_compression_and_light(size: tuple[int, int]) -> None:
    image = photo(1, size)
    copies = [
        compressed(image, 40),
        image.resize((size[0] * 3 // 2, size[1] * 3 // 2), Image.Resampling.BICUBIC),
        ImageEnhance.Brightness(image).enhance(0.8),
        ImageEnhance.Contrast(image).enhance(0.7),
        image.convert("L"),
    ]
    assert {pair for pair in pairs_among(image, *copies) if pair[0] == 0} == {(0, copy) for copy in range(1, 6)}


def test_other_pictures_are_not_found() -> None:
    assert pairs_among(*(photo(seed) for seed in range(60))) == []


def test_a_horizon_in_the_same_place_makes_no_duplicate() -> None:
    first, second = seascape(1), seascape(3)
    assert first.tobytes() != second.tobytes()
    assert pairs_among(first, second) == []
    assert pairs_among(first, compressed(first, 60)) == [(0, 1)]


def test_pictures_without_detail_are_no_duplicates_of_each_other() -> None:
    assert pairs_among(*(Image.new("L", (20, 20), shade) for shade in (0, 1, 100, 255))) == []


def test_an_image_smaller_than_its_thumbnail_has_none() -> None:
    assert thumbnail(photo(1, (15, 40))) is None
    assert len(thumbnail(photo(1, (16, 40))) or b"") == SIDE * SIDE


def test_most_handwritten_digits_are_told_apart_even_enlarged() -> None:
    digits = [Image.fromarray((image * 15).astype(np.uint8)).resize((32, 32)) for image in load_digits().images[:600]]
    assert len({image for pair in pairs_among(*digits) for image in pair}) < 0.2 * 600


def test_no_pair_is_missed() -> None:
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 256, (40, SIDE * SIDE)).astype(float)
    mixed = np.clip(grey[rng.integers(0, 40, 800)] + rng.normal(0, 25, (800, SIDE * SIDE)), 0, 255).astype(np.uint8)
    centred = mixed.reshape(-1, SIDE, SIDE).astype(float)
    centred -= centred.mean(axis=1, keepdims=True)
    centred -= centred.mean(axis=2, keepdims=True)
    flat = centred.reshape(800, -1) / np.linalg.norm(centred.reshape(800, -1), axis=1, keepdims=True)
    one, other = np.nonzero(np.triu(flat @ flat.T >= 1 - 0.1, 1))
    found = near_pairs(mixed, max_distance=0.1)
    assert len(found) > 300
    assert {tuple(pair) for pair in found.tolist()} == set(zip(one.tolist(), other.tolist(), strict=True))


def test_pairs_come_by_the_later_image() -> None:
    found = pairs_among(
        photo(1), photo(2), compressed(photo(2), 50), compressed(photo(1), 50), compressed(photo(1), 70)
    )
    assert found == [(1, 2), (0, 3), (0, 4), (3, 4)]


def test_nothing_is_near_where_there_is_nothing() -> None:
    assert near_pairs(np.empty((0, SIDE * SIDE), np.uint8), max_distance=0.05).shape == (0, 2)


def test_a_film_of_one_scene_is_refused_before_it_fills_the_memory() -> None:
    frame = np.frombuffer(thumbnail(photo(1)) or b"", np.uint8)
    with pytest.raises(DataError, match=r"lower data\.near_duplicates\.max_distance in params\.yaml"):
        near_pairs(np.tile(frame, (4_600, 1)), max_distance=0.05)


def test_an_image_joins_the_earliest_leader_and_a_film_does_not_become_one_group() -> None:
    chain = np.array([(0, 1), (1, 2), (2, 3), (3, 4)])
    assert leaders(5, chain).tolist() == [0, 0, 2, 2, 4]
    assert leaders(4, np.array([(0, 3), (1, 3)])).tolist() == [0, 1, 2, 0]


def test_what_comes_later_changes_no_leader() -> None:
    rng = np.random.default_rng(5)
    pairs = np.unique(np.sort(rng.integers(0, 300, (900, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
    every = leaders(300, pairs)
    for count in (50, 150, 299):
        assert leaders(count, pairs[pairs[:, 1] < count]).tolist() == every[:count].tolist()
