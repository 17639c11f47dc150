"""What is found in a file: each kind of bad file, and never a crash."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leeway.bundle.resize import decode
from leeway.data.inspection import Examined, Finding, examine, inspect, inspect_all
from leeway.data.items import Item
from leeway.data.near_duplicates import thumbnail

# Pillow tells of some damage by a warning before it fails or goes on; a run prints it, and so may a test.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def item(content: bytes, origin: str = "cat/1.png") -> Item:
    return Item(origin, "cat", len(content), 1, read=lambda: content)


def blank_png(width: int, height: int) -> bytes:
    """A PNG that says it is so large; its pixels are not there, so it costs nothing to make."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    content = io.BytesIO()
    frames[0].save(content, format=kind, save_all=True, append_images=frames[1:])
    return content.getvalue()


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("PNG", ".png"),
        ("JPEG", ".jpg"),
        ("JPEG", ".JPEG"),
        ("WEBP", ".webp"),
        ("BMP", ".bmp"),
        ("GIF", ".gif"),
        ("TIFF", ".tif"),
    ],
)
def test_a_good_image_of_each_format_is_usable(picture, kind: str, extension: str) -> None:
    assert examine(picture(1, kind), extension) == Examined(width=12, height=9)


@pytest.mark.parametrize(
    ("kind", "extension"), [("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".bmp"), ("GIF", ".gif"), ("TIFF", ".tif")]
)
def test_half_a_file_is_truncated(picture, kind: str, extension: str) -> None:
    content = picture(1, kind, (40, 40))
    found = examine(content[: len(content) // 2], extension)
    assert found.finding is Finding.TRUNCATED
    assert found.reason


def test_a_file_of_zero_bytes_is_empty() -> None:
    assert examine(b"", ".png") == Examined(Finding.EMPTY, "0 bytes")


@pytest.mark.parametrize("content", [b"not a picture at all", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(500)])
def test_what_is_no_image_format_is_unreadable(content: bytes) -> None:
    assert examine(content, ".png") == Examined(Finding.UNREADABLE, "not of a known image format")


def test_a_changed_byte_in_a_png_is_damage(picture) -> None:
    content = bytearray(picture(1, size=(40, 40)))
    content[100] ^= 255
    assert examine(bytes(content), ".png").finding is Finding.DAMAGED


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_are_an_animation(kind: str) -> None:
    assert examine(animation(kind), f".{kind.lower()}") == Examined(Finding.ANIMATED, "3 frames")


@pytest.mark.parametrize("side", [4_001, 10_000, 60_000])
def test_a_bomb_is_told_from_its_header(side: int) -> None:
    assert examine(blank_png(side, side), ".png") == Examined(Finding.TOO_LARGE, "more than 16,000,000 pixels")


def test_a_file_of_many_bytes_is_not_read() -> None:
    huge = Item("cat/1.tif", "cat", 10**12, 1, read=lambda: pytest.fail("was read"))
    assert inspect(huge).found.finding is Finding.TOO_LARGE


def test_a_wrong_extension_is_kept_with_a_remark(picture) -> None:
    found = inspect(item(picture(1, "JPEG"), "cat/1.png"))
    assert found.found.finding is None
    assert found.found.remarks == ("wrong extension: named .png, but is JPEG",)
    assert found.content


def test_a_phone_photo_with_a_preview_behind_it_is_one_image() -> None:
    content = io.BytesIO()
    photo = Image.fromarray(np.zeros((20, 20, 3), np.uint8))
    photo.save(content, format="MPO", save_all=True, append_images=[photo.resize((8, 8))])
    found = examine(content.getvalue(), ".jpg")
    assert (found.finding, found.remarks, found.width, found.height) == (None, (), 20, 20)


def test_a_file_that_cannot_be_read_is_told_without_its_place_on_this_machine(tmp_path: Path) -> None:
    missing = tmp_path / "gone.png"
    found = inspect(Item("cat/gone.png", "cat", 5, 1, read=missing.read_bytes))
    assert found.found.finding is Finding.UNREADABLE
    assert found.asset is None
    assert str(tmp_path) not in str(found.found.reason)


def test_a_refused_item_is_not_opened() -> None:
    refused = Item("cat/notes.txt", "cat", 5, 1, read=lambda: pytest.fail("was read"), refusal="hidden")
    assert inspect(refused).found == Examined(Finding.NOT_AN_IMAGE, "hidden")


def test_no_mutation_of_a_file_makes_it_crash(picture) -> None:
    rng = np.random.default_rng(5)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        original = picture(3, kind)
        for _ in range(60):
            content = bytearray(original[: rng.integers(1, len(original) + 1)])
            for place in rng.integers(0, len(content), 4):
                content[place] = rng.integers(0, 256)
            found = examine(bytes(content), ".png")
            assert found.finding is None or found.reason
            assert "\n" not in (found.reason or "")


def test_items_come_back_in_order(picture) -> None:
    items = [item(picture(number), f"cat/{number:03d}.png") for number in range(200)]
    pairs = list(inspect_all(items))
    assert [one.origin for one, _ in pairs] == [one.origin for one in items]
    assert all(found.content == one.read() for one, found in pairs)


def test_inspects_nothing_without_items() -> None:
    assert list(inspect_all([])) == []


def photo(seed: int, size: tuple[int, int] = (160, 120), mode: str = "RGB") -> Image.Image:
    """Smooth shapes, so that a JPEG of it is like one of a photo."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, format=kind, **options)
    return content.getvalue()


def test_damage_inside_a_jpeg_that_viewers_show_is_its_own_finding() -> None:
    content = bytearray(encoded(photo(1, (320, 240)), quality=95))
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    Image.open(io.BytesIO(bytes(content))).load()  # Pillow says nothing
    found = examine(bytes(content), ".jpg")
    assert found.finding is Finding.DISPLAYABLE
    assert "orrupt" in str(found.reason)


@pytest.mark.parametrize("side", [(7, 100), (100, 7), (1, 1)])
def test_an_image_under_8_pixels_a_side_is_too_small(side: tuple[int, int]) -> None:
    found = examine(encoded(photo(1, side), "PNG"), ".png")
    assert found.finding is Finding.TOO_SMALL
    assert f"{side[0]} x {side[1]} pixels" in str(found.reason)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (encoded(photo(1, mode="CMYK")), "CMYK converted: to RGB"),
        (encoded(Image.fromarray(np.full((9, 9), 300, np.uint16)), "PNG"), "16-bit converted: to the upper 8 bits"),
        (encoded(photo(1, mode="RGBA"), "PNG"), "alpha removed: "),
        (encoded(photo(1, mode="LA"), "PNG"), "alpha removed: "),
    ],
)
def test_what_is_converted_is_used_with_a_remark(content: bytes, told: str) -> None:
    found = examine(content, "")
    assert found.finding is None
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith(told)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_is_seen_upright_with_a_remark(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(photo(1), exif=exif)
    found, upright = examine(content, ".jpg"), decode(content)
    assert found.remarks == (f"EXIF orientation applied: value {orientation}",)
    assert (found.width, found.height) == upright.size
    seen, expected = (np.frombuffer(one, np.uint8).astype(int) for one in (found.thumbnail, thumbnail(upright)))
    assert np.abs(seen - expected).max() <= 1  # rounded before or after it was turned


def test_pixels_of_32_bits_have_no_known_range() -> None:
    content = encoded(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF")
    assert examine(content, ".tif").finding is Finding.UNREADABLE


def test_a_grey_jpeg_is_one_image_with_a_thumbnail() -> None:
    found = examine(encoded(photo(1, mode="L")), ".jpg")
    assert (found.finding, found.remarks, len(found.thumbnail or b"")) == (None, (), 256)


@pytest.mark.parametrize(
    "options", [{}, {"quality": 40}, {"subsampling": 0}, {"subsampling": 1, "progressive": True}, {"optimize": True}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(8, 8), (33, 31), (160, 120)])
def test_a_jpeg_has_the_same_pixels_as_pillow_gives_it(size, mode: str, options: dict[str, object]) -> None:
    content = encoded(photo(2, size, mode), **options)
    np.testing.assert_array_equal(np.asarray(decode(content)), np.asarray(Image.open(io.BytesIO(content))))


def test_a_damaged_jpeg_that_viewers_show_is_decoded_as_they_do() -> None:
    content = bytearray(encoded(photo(1, (320, 240)), quality=95))
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    np.testing.assert_array_equal(
        np.asarray(decode(bytes(content))), np.asarray(Image.open(io.BytesIO(bytes(content))))
    )
