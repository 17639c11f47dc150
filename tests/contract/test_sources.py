"""What holds for every source of images."""

import io
import struct
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from leeway.data.csv_source import CsvSource
from leeway.data.digits_source import DigitsSource
from leeway.data.folder_source import FolderSource
from leeway.data.inspection import inspect
from leeway.data.items import ImageSource
from leeway.data.params import SOURCES
from leeway.data.shards import gather_images
from leeway.data.torchvision_source import TorchvisionSource
from leeway.errors import DataError, ParamsError


def write_fashion(root: Path, *, train: int, test: int) -> None:
    """FashionMNIST in its own format (Xiao 2017): two files for each part, big-endian heads, then bytes."""
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", train), ("t10k", test)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 2
        head = struct.pack(">IIII", 0x803, count, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, ImageSource]:
    """One small example of each kind."""
    for label, colour in (("cat", "red"), ("dog", "blue")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (9 + number, 8), colour).save(tmp_path / "photos" / label / f"{number}.png")
    lines = "".join(f"photos/{label}/{number}.png,{label}\n" for label in ("cat", "dog") for number in range(4))
    (tmp_path / "list.csv").write_text(f"path,label\n{lines}")
    write_fashion(tmp_path / "datasets", train=8, test=4)
    return {
        "digits": DigitsSource(share=0.05),
        "folder": FolderSource(path=str(tmp_path / "photos")),
        "csv": CsvSource(path=str(tmp_path / "list.csv")),
        "torchvision": TorchvisionSource(name="FashionMNIST", root=str(tmp_path / "datasets")),
    }


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
        assert item.size in (len(content), 0)
        assert inspect(item).found.finding is None
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


def test_torchvision_images_keep_their_pixels_labels_and_official_test_part(tmp_path: Path) -> None:
    write_fashion(tmp_path, train=6, test=4)
    items = TorchvisionSource(name="FashionMNIST", root=str(tmp_path)).items()
    assert [item.origin for item in items[3:5]] == ["fashionmnist/test/00003.png", "fashionmnist/train/00000.png"]
    assert [item.split for item in items] == ["test"] * 4 + ["trainval"] * 6
    assert [item.label for item in items[:2]] == ["T-shirt/top", "Trouser"]
    expected = np.random.default_rng(4).integers(0, 256, (4, 28, 28), dtype=np.uint8)[2]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(items[2].read()))), expected)


def test_a_torchvision_dataset_without_parts_is_left_to_the_hash(tmp_path: Path) -> None:
    for label in ("Forest", "River"):
        (tmp_path / "eurosat" / "2750" / label).mkdir(parents=True)
        Image.new("RGB", (64, 64), "green").save(tmp_path / "eurosat" / "2750" / label / "1.jpg")
    items = TorchvisionSource(name="EuroSAT", root=str(tmp_path)).items()
    assert [(item.origin, item.label, item.split) for item in items] == [
        ("eurosat/all/00000.png", "Forest", None),
        ("eurosat/all/00001.png", "River", None),
    ]


def test_official_validation_parts_of_torchvision_are_used(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / "country211" / part / "CH").mkdir(parents=True)
        Image.new("RGB", (64, 64), "red").save(tmp_path / "country211" / part / "CH" / "1.jpg")
    items = TorchvisionSource(name="Country211", root=str(tmp_path)).items()
    assert [(item.origin, item.split) for item in items] == [
        ("country211/test/00000.png", "test"),
        ("country211/train/00000.png", "train"),
        ("country211/valid/00000.png", "val"),
    ]


def test_a_torchvision_dataset_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CIFAR10\(root='.*', download=True\)") as error:
        TorchvisionSource(name="CIFAR10", root=str(tmp_path)).items()
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["CIFAR11", "FakeData", "VisionDataset", "CocoDetection", "os"])
def test_a_name_that_is_no_classification_dataset_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: data\.source\.name"):
        TorchvisionSource(name=name, root=str(tmp_path)).items()
