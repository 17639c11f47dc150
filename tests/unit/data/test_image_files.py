"""Files that a list names: never outside its folder, never anything but an image."""

import os
from pathlib import Path

import pytest
from PIL import Image

from broken_images import write_broken
from leeway.data.image_files import LARGEST_BYTES, ImageFolder, read_file, read_image
from leeway.errors import DataError
from tiny_bundle import square

SECRET = b"-----BEGIN PRIVATE KEY-----"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a list with an image in it, and beside it a key and another image."""
    made = tmp_path / "lists"
    (made / "shots").mkdir(parents=True)
    (made / "shots" / "1.png").write_bytes(square("red"))
    (made / "inside.png").symlink_to("shots/1.png")
    (made / "album").symlink_to("shots")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "id_rsa").write_bytes(SECRET)
    (tmp_path / "lists-of-others").mkdir()
    (tmp_path / "lists-of-others" / "1.png").write_bytes(square("blue"))
    (made / "leak.png").symlink_to("../keys/id_rsa")
    (made / "twice.png").symlink_to("leak.png")
    (made / "shots" / "keys").symlink_to(tmp_path / "keys")
    return made


@pytest.mark.parametrize(
    "name",
    ["shots/1.png", "./shots//1.png", "shots/../shots/1.png", "inside.png", "album/1.png", "album/../shots/1.png"],
)
def test_a_name_leads_to_the_file_whatever_links_inside_it_takes(folder: Path, name: str) -> None:
    assert ImageFolder(folder).resolve_file(name) == str(folder / "shots" / "1.png")
    assert ImageFolder(folder).resolve_file(str(folder / name)) == str(folder / "shots" / "1.png")


def test_the_folder_itself_may_be_behind_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert ImageFolder(tmp_path / "link").resolve_file("shots/1.png") == str(folder / "shots" / "1.png")


@pytest.mark.parametrize(
    "name",
    [
        "../keys/id_rsa",
        "shots/../../keys/id_rsa",
        "../lists-of-others/1.png",
        "..",
        "shots/../..",
        "/",
        "/dev/zero",
        "/proc/self/environ",
        "/etc/passwd",
        "leak.png",
        "twice.png",
        "shots/keys",
        "shots/keys/id_rsa",
        "shots/keys/../keys/id_rsa",
        "../nowhere/1.png",
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match="leads out of"):
        ImageFolder(folder).resolve(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("shots", "not a regular file"),
        (".", "not a regular file"),
        ("", "not a regular file"),
        ("pipe", "not a regular file"),
        ("gone.png", "No such file"),
        ("gone/1.png", "No such file"),
        ("shots/1.png/2.png", "Not a directory"),
        ("..\\keys\\id_rsa", "No such file"),
        ("round.png", "not a regular file"),
        ("x" * 300, "File name too long"),
        ("shots/1.png\0.txt", "is no file name"),
        ("\ud800.png", "is no file name"),
    ],
)
def test_a_name_of_no_file_is_refused(folder: Path, name: str, told: str) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "round.png").symlink_to("round.png")
    with pytest.raises(DataError, match=told):
        ImageFolder(folder).resolve_file(name)


def test_an_image_is_read(folder: Path) -> None:
    assert read_image(folder / "shots" / "1.png") == square("red")


@pytest.mark.parametrize("link", ["inside.png", "leak.png", "album/1.png", "shots/keys/id_rsa"])
def test_no_link_is_followed_when_the_bytes_are_read(folder: Path, link: str) -> None:
    with pytest.raises(DataError, match="a link, which is not followed, stands in its path"):
        read_image(folder / link)


def test_what_is_no_image_is_not_given_out(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe")
    with (folder / "huge.png").open("wb") as file:
        file.write(square("red"))
        file.truncate(LARGEST_BYTES + 1)  # sparse
    (folder / "cut.png").write_bytes(square("red")[:45])
    (folder / "empty.png").touch()
    for path, told in [
        (tmp_path / "keys" / "id_rsa", "no image: cannot be decoded"),
        (folder / "cut.png", "no image: cannot be decoded"),
        (folder / "empty.png", "no image: cannot be decoded"),
        (folder / "huge.png", "larger than 20,000,000 bytes"),
        (folder / "shots", "Is a directory"),
        (folder / "pipe", "not a regular file"),
        (folder / "gone.png", "No such file"),
        (Path("/dev/zero"), "not a regular file"),
    ]:
        with pytest.raises(DataError, match=told):
            read_image(path)


def test_a_file_that_does_not_begin_as_an_image_is_none(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    write_broken(folder)
    assert ImageFolder(folder).resolve_image("inside.png") == str(folder / "shots" / "1.png")
    for name, told in [
        ("pipe.png", "not a regular file"),
        ("shots", "not a regular file"),
        ("gone.png", "No such file"),
        ("leak.png", "leads out of"),
        ("empty.png", "is empty"),
        ("zeros.png", "does not begin as an image"),
        ("text.png", "does not begin as an image"),
        ("page.jpg", "does not begin as an image"),
    ]:
        with pytest.raises(DataError, match=told):
            ImageFolder(folder).resolve_image(name)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_that_is_decoded_begins_as_an_image(folder: Path, form: str) -> None:
    Image.new("RGB", (10, 10)).save(folder / "made", form)
    assert read_image(ImageFolder(folder).resolve_image("made")) == (folder / "made").read_bytes()


def test_a_file_that_a_person_names_is_read_through_links_and_never_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert read_file(folder / "inside.png") == square("red")
    for path in (folder / "pipe.png", folder / "shots", folder / "gone.png", Path("/dev/zero")):
        with pytest.raises(DataError):
            read_file(path)
