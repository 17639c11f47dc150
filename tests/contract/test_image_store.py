"""What an image store keeps its word on: an image as it was put, or an error that names the file."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from leeway.data.image_files import LARGEST_BYTES
from leeway.domain.stores import ImageStore
from leeway.errors import DataError
from leeway.stores.images import FolderImageStore
from tiny_bundle import square

IMAGE = square("red", shade=7)
DIGEST = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def images(folder: Path) -> ImageStore:
    return FolderImageStore(folder)


def files_in(folder: Path) -> list[Path]:
    return [
        path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".gitignore"
    ]


def test_gives_the_bytes_back_that_were_put(images: ImageStore) -> None:
    assert images.put(IMAGE) == DIGEST
    assert images.read(DIGEST) == IMAGE
    assert images.read(images.put(square("blue"))) == square("blue")


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
    with pytest.raises(DataError, match=f"{folder}/{DIGEST[:2]}/{DIGEST}: No such file or directory; is the image"):
        images.read(DIGEST)


def test_an_image_that_was_changed_is_never_given_out(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    (folder / DIGEST[:2] / DIGEST).write_bytes(IMAGE[:-1] + b"!")
    with pytest.raises(DataError, match=f"{DIGEST}: the image was changed or damaged"):
        images.read(DIGEST)


def test_an_image_cut_short_by_a_crash_is_mended_when_it_is_put_again(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    (folder / DIGEST[:2] / DIGEST).write_bytes(IMAGE[:100])
    images.put(IMAGE)
    assert images.read(DIGEST) == IMAGE


def test_an_image_that_became_zeros_in_a_crash_is_mended_when_it_is_put_again(images: ImageStore, folder: Path) -> None:
    images.put(IMAGE)
    (folder / DIGEST[:2] / DIGEST).write_bytes(bytes(len(IMAGE)))
    images.put(IMAGE)
    assert images.read(DIGEST) == IMAGE


@pytest.mark.parametrize("digest", ["", "../../secret", DIGEST.upper(), DIGEST[:-1], DIGEST + "\n", "g" * 64])
def test_refuses_what_is_no_digest(images: ImageStore, digest: str) -> None:
    with pytest.raises(DataError, match="is no image digest; a digest is 64 characters"):
        images.read(digest)


def test_reads_an_image_by_its_digest_or_its_path(images: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(square("red"))
    assert images.read(images.put(square("blue"))) == square("blue")
    assert images.read(str(tmp_path / "1.png")) == square("red")
    for name in ("../1.png", ""):
        with pytest.raises(DataError, match="is no image digest"):
            images.read(name)


def too_large() -> bytes:
    """An image that can be decoded, with more behind it than the limit."""
    return IMAGE + bytes(LARGEST_BYTES)


def too_many_pixels() -> bytes:
    made = io.BytesIO()
    Image.new("1", (4001, 4000)).save(made, "PNG")
    return made.getvalue()


@pytest.mark.parametrize("named_by", ["digest", "path"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (too_large(), "larger than 20,000,000 bytes"),
        (too_many_pixels(), "no image: 4001 x 4000 pixels; at most 16,000,000"),
        (IMAGE[:45], "no image: cannot be decoded"),
        (b"no picture", "no image: cannot be decoded"),
        (b"", "no image: cannot be decoded"),
    ],
    ids=["too many bytes", "too many pixels", "cut short", "a text", "nothing"],
)
def test_the_same_limits_hold_for_an_image_named_by_its_digest_and_by_its_path(
    images: ImageStore, folder: Path, tmp_path: Path, named_by: str, content: bytes, told: str
) -> None:
    (tmp_path / "1.png").write_bytes(content)
    digest = images.put(content)
    name, path = {
        "digest": (digest, folder / digest[:2] / digest),
        "path": (str(tmp_path / "1.png"), tmp_path / "1.png"),
    }[named_by]
    with pytest.raises(DataError, match=f"{path}: {told}"):
        images.read(name)


def test_what_lies_behind_a_link_is_not_read_whether_named_by_its_digest_or_its_path(
    images: ImageStore, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(IMAGE)
    (tmp_path / "link.png").symlink_to("1.png")
    stored = folder / DIGEST[:2] / DIGEST
    stored.parent.mkdir(parents=True)
    stored.symlink_to(tmp_path / "1.png")
    for name, path in [(str(tmp_path / "link.png"), tmp_path / "link.png"), (DIGEST, stored)]:
        with pytest.raises(DataError, match=f"{path}: a link, which is not followed"):
            images.read(name)


def test_the_folder_of_the_store_may_itself_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    folder.symlink_to(tmp_path / "large disk")
    images = FolderImageStore(folder)
    assert images.read(images.put(IMAGE)) == IMAGE


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=f"{DIGEST}: the image cannot be written"):
        FolderImageStore(tmp_path / "file").put(IMAGE)


@pytest.mark.parametrize("named_by", ["digest", "path"])
def test_tells_whether_an_image_is_there_without_decoding_it(
    images: ImageStore, folder: Path, tmp_path: Path, named_by: str
) -> None:
    digest, path = images.put(IMAGE), tmp_path / "1.png"
    path.write_bytes(IMAGE)
    name, file = {"digest": (digest, folder / digest[:2] / digest), "path": (str(path), path)}[named_by]
    assert images.holds(name)
    for content in (b"no picture at all", b""):
        file.write_bytes(content)
        assert not images.holds(name)
    file.unlink()
    assert not images.holds(name)
    file.symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "elsewhere.png").write_bytes(IMAGE)
    assert not images.holds(name)


@pytest.mark.parametrize("name", ["", "1.png", "../1.png", DIGEST.upper(), "/no\0where.png"])
def test_holds_nothing_under_what_is_neither_a_digest_nor_a_path(images: ImageStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "1.png").write_bytes(IMAGE)
    assert not images.holds(name)
