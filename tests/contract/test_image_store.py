"""What an image store keeps its word on: the bytes that were put, or an error that names the file."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leeway.domain.stores import ImageStore
from leeway.errors import DataError
from leeway.stores.images import FolderImageStore
from tiny_bundle import square

IMAGE = bytes(range(256)) * 40
DIGEST = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def images(folder: Path) -> ImageStore:
    return FolderImageStore(folder)


def files_in(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]


def test_gives_the_bytes_back_that_were_put(images: ImageStore) -> None:
    assert images.put(IMAGE) == DIGEST
    assert images.get(DIGEST) == IMAGE
    assert images.get(images.put(b"")) == b""


def test_keeps_one_file_for_an_image_however_often_it_is_put(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    images.put(b"another")
    before = {path: (folder / path).stat().st_mtime_ns for path in files_in(folder)}
    assert images.put(IMAGE) == DIGEST
    assert {path: (folder / path).stat().st_mtime_ns for path in files_in(folder)} == before
    assert Path(DIGEST[:2]) / DIGEST in before
    assert len(before) == 2


def test_leaves_nothing_else_behind_when_many_put_the_same_image(images: ImageStore, folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(images.put, [IMAGE] * 40)) == {DIGEST}
    assert files_in(folder) == [Path(DIGEST[:2]) / DIGEST]


def test_an_image_that_is_missing_is_an_error_that_names_its_file(images: ImageStore, folder: Path) -> None:
    with pytest.raises(DataError, match=f"{folder}/{DIGEST[:2]}/{DIGEST}: this image is not in the store"):
        images.get(DIGEST)


def test_an_image_that_was_changed_is_never_given_out(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    (folder / DIGEST[:2] / DIGEST).write_bytes(IMAGE[:-1] + b"!")
    with pytest.raises(DataError, match=f"{DIGEST}: the image was changed or damaged"):
        images.get(DIGEST)


def test_an_image_cut_short_by_a_crash_is_mended_when_it_is_put_again(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    (folder / DIGEST[:2] / DIGEST).write_bytes(IMAGE[:100])
    images.put(IMAGE)
    assert images.get(DIGEST) == IMAGE


def test_an_image_that_became_zeros_in_a_crash_is_mended_when_it_is_put_again(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    (folder / DIGEST[:2] / DIGEST).write_bytes(bytes(len(IMAGE)))
    images.put(IMAGE)
    assert images.get(DIGEST) == IMAGE


@pytest.mark.parametrize("digest", ["", "../../secret", DIGEST.upper(), DIGEST[:-1], DIGEST + "\n", "g" * 64])
def test_refuses_what_is_no_digest(images: ImageStore, digest: str) -> None:
    with pytest.raises(DataError, match="is no image digest; a digest is 64 characters"):
        images.get(digest)


def test_reads_an_image_by_its_digest_or_its_path_and_nothing_that_is_no_image(
    images: ImageStore, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(square("red"))
    (tmp_path / "link.png").symlink_to("1.png")
    assert images.read(images.put(square("blue"))) == square("blue")
    assert images.read(str(tmp_path / "1.png")) == square("red")
    for name, told in [
        (images.put(IMAGE), "no image: cannot be decoded"),
        (str(tmp_path / "link.png"), "a link, which is not followed"),
        ("../1.png", "is no image digest"),
        ("", "is no image digest"),
    ]:
        with pytest.raises(DataError, match=told):
            images.read(name)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=f"{DIGEST}: the image cannot be written"):
        FolderImageStore(tmp_path / "file").put(IMAGE)
