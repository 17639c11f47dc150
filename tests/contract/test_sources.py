"""What holds for every source of images."""

import io
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from leeway.data.inspection import inspect
from leeway.data.shards import gather_images
from leeway.data.sources import SOURCES, DigitsSource, FolderSource, ImageSource


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, ImageSource]:
    """One small example of each kind."""
    for label, colour in (("cat", "red"), ("dog", "blue")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (6 + number, 5), colour).save(tmp_path / "photos" / label / f"{number}.png")
    return {"digits": DigitsSource(share=0.05), "folder": FolderSource(path=str(tmp_path / "photos"))}


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest, sources: dict[str, ImageSource]) -> ImageSource:
    return sources[request.param]


def test_lists_everything_sorted_by_a_unique_origin(source: ImageSource) -> None:
    origins = [item.origin for item in source.items()]
    assert origins == sorted(set(origins))
    assert origins


def test_origins_are_relative(source: ImageSource) -> None:
    paths = [PurePosixPath(item.origin) for item in source.items()]
    assert not any(path.is_absolute() or ".." in path.parts for path in paths)


def test_says_the_same_twice(source: ImageSource) -> None:
    def told() -> list[tuple[object, ...]]:
        return [(i.origin, i.label, i.size, i.mtime_ns, i.group, i.slice, i.read()) for i in source.items()]

    assert told() == told()


def test_each_item_is_a_labelled_image_of_the_size_it_says(source: ImageSource) -> None:
    for item in source.items():
        content = item.read()
        assert item.label
        assert len(content) == item.size
        assert inspect(item).finding is None
        assert Image.open(io.BytesIO(content)).width > 0


def test_is_made_again_from_its_params(source: ImageSource) -> None:
    params = source.model_dump(mode="json")
    assert type(source)(**params) == source
    assert SOURCES[params["kind"]] is type(source)


def test_is_gathered(source: ImageSource, tmp_path: Path) -> None:
    found = gather_images(source, tmp_path / "shards")
    assert (found.files, found.inspected, found.unusable) == (len(source.items()), len(source.items()), 0)
    assert source.place


def test_two_shares_of_the_digits_have_nothing_in_common_and_miss_nothing() -> None:
    half = DigitsSource(share=0.5, seed=3)
    taken = {item.origin for item in half.items()}
    left = {item.origin for item in half.other_items()}
    assert len(taken) == round(0.5 * 1797)
    assert not taken & left
    assert taken | left == {item.origin for item in DigitsSource().items()}


def test_another_seed_takes_other_digits() -> None:
    first, second = ({item.origin for item in DigitsSource(share=0.5, seed=seed).items()} for seed in (1, 2))
    assert 350 < len(first & second) < 550  # half of a half by chance


def test_a_digit_is_its_8_by_8_picture() -> None:
    item = DigitsSource().items()[0]
    image = Image.open(io.BytesIO(item.read()))
    assert (item.origin, item.label, image.size, image.mode) == ("digits/0000.png", "0", (8, 8), "L")
    assert [image.getpixel((x, 0)) for x in range(8)] == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0, of 16
