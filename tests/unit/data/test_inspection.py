"""What is found in a file: each kind of bad file, and never a crash."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leeway.data.inspection import Finding, examine, inspect, inspect_all
from leeway.data.sources import Item

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
    assert examine(picture(1, kind), extension) == (None, None)


@pytest.mark.parametrize(
    ("kind", "extension"), [("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".bmp"), ("GIF", ".gif"), ("TIFF", ".tif")]
)
def test_half_a_file_is_truncated(picture, kind: str, extension: str) -> None:
    content = picture(1, kind, (40, 40))
    finding, reason = examine(content[: len(content) // 2], extension)
    assert finding is Finding.TRUNCATED
    assert reason


def test_a_file_of_zero_bytes_is_empty() -> None:
    assert examine(b"", ".png") == (Finding.EMPTY, "0 bytes")


@pytest.mark.parametrize("content", [b"not a picture at all", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(500)])
def test_what_is_no_image_format_is_unreadable(content: bytes) -> None:
    assert examine(content, ".png") == (Finding.UNREADABLE, "not of a known image format")


def test_a_changed_byte_in_a_png_is_damage(picture) -> None:
    content = bytearray(picture(1, size=(40, 40)))
    content[100] ^= 255
    assert examine(bytes(content), ".png")[0] is Finding.DAMAGED


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_are_an_animation(kind: str) -> None:
    assert examine(animation(kind), f".{kind.lower()}") == (Finding.ANIMATED, "3 frames")


@pytest.mark.parametrize("side", [4_001, 10_000, 60_000])
def test_a_bomb_is_told_from_its_header(side: int) -> None:
    finding, reason = examine(blank_png(side, side), ".png")
    assert finding is Finding.TOO_LARGE
    assert reason == "more than 16,000,000 pixels"


def test_a_file_of_many_bytes_is_not_read() -> None:
    huge = Item("cat/1.tif", "cat", 10**12, 1, read=lambda: pytest.fail("was read"))
    assert inspect(huge).finding is Finding.TOO_LARGE


def test_a_wrong_extension_is_kept_with_a_remark(picture) -> None:
    found = inspect(item(picture(1, "JPEG"), "cat/1.png"))
    assert (found.finding, found.reason) == (None, "named .png, but is JPEG")
    assert found.content


def test_a_phone_photo_with_a_preview_behind_it_is_one_image() -> None:
    content = io.BytesIO()
    photo = Image.fromarray(np.zeros((20, 20, 3), np.uint8))
    photo.save(content, format="MPO", save_all=True, append_images=[photo.resize((8, 8))])
    assert examine(content.getvalue(), ".jpg") == (None, None)


def test_a_file_that_cannot_be_read_is_told_without_its_place_on_this_machine(tmp_path: Path) -> None:
    missing = tmp_path / "gone.png"
    found = inspect(Item("cat/gone.png", "cat", 5, 1, read=missing.read_bytes))
    assert found.finding is Finding.UNREADABLE
    assert found.asset is None
    assert str(tmp_path) not in str(found.reason)


def test_a_refused_item_is_not_opened() -> None:
    refused = Item("cat/notes.txt", "cat", 5, 1, read=lambda: pytest.fail("was read"), refusal="hidden")
    assert (inspect(refused).finding, inspect(refused).reason) == (Finding.NOT_AN_IMAGE, "hidden")


def test_no_mutation_of_a_file_makes_it_crash(picture) -> None:
    rng = np.random.default_rng(5)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        original = picture(3, kind)
        for _ in range(60):
            content = bytearray(original[: rng.integers(1, len(original) + 1)])
            for place in rng.integers(0, len(content), 4):
                content[place] = rng.integers(0, 256)
            finding, reason = examine(bytes(content), ".png")
            assert finding is None or reason
            assert "\n" not in (reason or "")


def test_items_come_back_in_order(picture) -> None:
    items = [item(picture(number), f"cat/{number:03d}.png") for number in range(200)]
    pairs = list(inspect_all(items))
    assert [one.origin for one, _ in pairs] == [one.origin for one in items]
    assert all(found.content == one.read() for one, found in pairs)


def test_inspects_nothing_without_items() -> None:
    assert list(inspect_all([])) == []
