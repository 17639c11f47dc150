"""Files that are named as images and are none, each broken in a way of its own."""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

from tiny_bundle import square


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + _chunk(b"IEND", b"")


def _encoded(form: str, side: int = 64) -> bytes:
    made = io.BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(made, form)
    return made.getvalue()


def _png_with_garbage_exif() -> bytes:
    good = square("red")
    return good[:33] + _chunk(b"eXIf", b"garbage that is no TIFF header") + good[33:]


PIXELS = zlib.compress(b"".join(b"\0" + bytes(30) for _ in range(10)))
BROKEN: dict[str, bytes] = {
    "empty.png": b"",
    "zeros.png": bytes(4096),
    "text.png": b"-----BEGIN PRIVATE KEY-----\n",
    "page.jpg": b"<!doctype html><html>404 not found</html>",
    "vector.png": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "archive.png": b"PK\x03\x04" + bytes(200),
    "garbage-exif.png": _png_with_garbage_exif(),
    "truncated.png": _encoded("PNG")[:3000],
    "truncated.jpg": _encoded("JPEG")[:900],
    "truncated.webp": _encoded("WEBP")[:500],
    "truncated.tif": _encoded("TIFF")[:60],
    "truncated.bmp": _encoded("BMP")[:300],
    "signature-only.png": b"\x89PNG\r\n\x1a\n",
    "no-pixels.png": _png(10, 10),
    "damaged-pixels.png": _png(10, 10, _chunk(b"IDAT", b"\xff" * 40)),
    "no-width.png": _png(0, 10, _chunk(b"IDAT", PIXELS)),
    "too-many-pixels.png": _png(60_000, 60_000, _chunk(b"IDAT", PIXELS)),
    "no-frames.gif": b"GIF89a\x0a\0\x0a\0\0\0\0;",
    "loop.tif": b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\xff\xff\xff\xff\0\0\0\0\x08\0\0\0",
}


def write_broken(folder: Path) -> list[Path]:
    """Write every one of them into the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BROKEN.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in BROKEN]
