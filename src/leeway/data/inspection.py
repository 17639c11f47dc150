"""Inspects each new file once: can it be decoded, is it one picture, is it what its name says?"""

import hashlib
import io
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from leeway.bundle.resize import EXIF_WITHIN, MAX_PIXELS, decode
from leeway.data.items import IMAGE_EXTENSIONS, Item
from leeway.data.near_duplicates import SAMPLED, thumbnail
from leeway.data.progress import progress
from leeway.domain.text import counted

CHUNK = 16  # files for one thread at once: handing over takes as long as decoding a small image
MAX_BYTES = 128 * 2**20  # of one file: more than MAX_PIXELS need, uncompressed, with four channels
MIN_SIDE = 8  # pixels; the digits' side. What is smaller is a placeholder or a tracking pixel
ORIENTATION = 0x0112  # EXIF's tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_KEPT = threading.local()


class Finding(StrEnum):
    """Why a file is left out."""

    NOT_AN_IMAGE = "not an image file"  # by its name or place: not opened
    EMPTY = "empty"
    UNREADABLE = "unreadable"  # by us (permissions, a link to nowhere), or of no image format
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    DISPLAYABLE = "damaged but displayable"  # a viewer shows it, with a part that is wrong
    ANIMATED = "animated"
    TOO_LARGE = "too large"  # in pixels or bytes: not decoded
    TOO_SMALL = "too small"


class Remark(StrEnum):
    """What is worth knowing of an image that is used."""

    WRONG_EXTENSION = "wrong extension"
    CMYK = "CMYK converted"
    SIXTEEN_BIT = "16-bit converted"
    ALPHA = "alpha removed"
    TURNED = "EXIF orientation applied"


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in an encoded image. With `finding` None it is usable."""

    finding: Finding | None = None
    reason: str | None = None  # of the finding, in words
    remarks: tuple[str, ...] = ()  # on a usable image, each as `Remark: words`
    width: int | None = None  # pixels, upright; of a usable image
    height: int | None = None
    thumbnail: bytes | None = None  # as near_duplicates.thumbnail makes it


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file's content and what was found in it."""

    content: bytes
    asset: str | None  # sha256 of the content; None if it was not read
    found: Examined


class _Header(NamedTuple):
    frames: int
    format: str
    mode: str
    size: tuple[int, int]  # width, height, not upright yet
    alpha: bool
    sixteen_bit: bool
    orientation: int


def inspect_all(items: Sequence[Item]) -> Iterator[tuple[Item, Inspected]]:
    """Each item with its inspection, in order; decoded in threads (decoders let go of the lock while they work)."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        yield from progress(_in_order(items, pool, ahead=4 * workers), "inspecting images", total=len(items))


def _in_order(items: Sequence[Item], pool: ThreadPoolExecutor, *, ahead: int) -> Iterator[tuple[Item, Inspected]]:
    """With at most `ahead` chunks in memory."""
    waiting: deque[Future[list[tuple[Item, Inspected]]]] = deque()
    for start in range(0, len(items), CHUNK):
        waiting.append(
            pool.submit(lambda chunk: [(item, inspect(item)) for item in chunk], items[start : start + CHUNK])
        )
        if len(waiting) == ahead:
            yield from waiting.popleft().result()
    for chunk in waiting:
        yield from chunk.result()


def inspect(item: Item) -> Inspected:
    """Reads and decodes one file. Never raises for what a file may contain."""
    if item.refusal is not None:
        return Inspected(b"", None, Examined(Finding.NOT_AN_IMAGE, item.refusal))
    if item.size > MAX_BYTES:
        told = f"{counted(item.size, 'byte')}; at most {MAX_BYTES:,} are read"
        return Inspected(b"", None, Examined(Finding.TOO_LARGE, told))
    try:
        content = item.read()
    except OSError as error:
        return Inspected(b"", None, Examined(Finding.UNREADABLE, error.strerror or type(error).__name__))
    found = examine(content, os.path.splitext(item.origin)[1])  # noqa: PTH122 - ten times as fast as a Path
    return Inspected(content, hashlib.sha256(content).hexdigest(), found)


def examine(content: bytes, extension: str) -> Examined:
    """What is wrong with an encoded image, or what is worth knowing of it."""
    if not content:
        return Examined(Finding.EMPTY, "0 bytes")
    try:
        header = _plain_jpeg_header(content) or _header(content)
        refused = _refused(header)
        if refused is not None:
            return refused
        if header.format == "JPEG":
            return _examined_jpeg(content, extension, header)
        return _usable(header, extension, thumbnail(decode(content)))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return Examined(Finding.TOO_LARGE, f"more than {MAX_PIXELS:,} pixels")
    except UnidentifiedImageError:  # its own message names an address in memory
        return Examined(Finding.UNREADABLE, "not of a known image format")
    except Exception as error:  # decoders raise anything
        return _damage(error)


def _plain_jpeg_header(content: bytes) -> _Header | None:
    """Of a JPEG without EXIF, as most small ones are, in a thirtieth of the time; None for anything else."""
    if not content.startswith(b"\xff\xd8\xff") or b"Exif\0\0" in content[:EXIF_WITHIN]:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    if colours not in ("YCbCr", "Gray") or width * height > MAX_PIXELS:
        return None
    return _Header(1, "JPEG", "L" if colours == "Gray" else "RGB", (width, height), False, False, 1)


def _header(content: bytes) -> _Header:
    """What stands before the pixels. Raises whatever Pillow raises."""
    with Image.open(io.BytesIO(content), formats=sorted(set(IMAGE_EXTENSIONS.values()))) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        # MPO: a phone's photo with a preview or depth map behind it
        found = "JPEG" if image.format == "MPO" else image.format or "unknown"
        deep = image.mode.startswith("I;16") or (found == "PNG" and content[24:25] == b"\x10")  # its bit depth
        return _Header(
            frames=1 if found == "JPEG" else getattr(image, "n_frames", 1),
            format=found,
            mode=image.mode,
            size=image.size,
            alpha=image.has_transparency_data,
            sixteen_bit=deep,
            orientation=int(image.getexif().get(ORIENTATION, 1)),
        )


def _refused(header: _Header) -> Examined | None:
    if header.frames > 1:
        return Examined(Finding.ANIMATED, counted(header.frames, "frame"))
    if min(header.size) < MIN_SIDE:
        width, height = header.size
        return Examined(Finding.TOO_SMALL, f"{width} x {height} pixels; at least {MIN_SIDE} a side are needed")
    if header.mode in ("I", "F"):
        return Examined(Finding.UNREADABLE, f"32-bit pixels (mode {header.mode}), whose range is not known")
    return None


def _examined_jpeg(content: bytes, extension: str, header: _Header) -> Examined:
    """libjpeg tells of damage inside by a warning, and goes on; simplejpeg makes it an error."""
    colours = {"L": "GRAY", "CMYK": "CMYK"}.get(header.mode, "RGB")
    try:
        buffer = _buffer(header.size[0] * header.size[1] * len(header.mode))
        pixels = simplejpeg.decode_jpeg(content, colorspace=colours, strict=True, buffer=buffer)  # (H, W, channels)
    except ValueError as complaint:
        decode(content)  # raises where even Pillow gives up
        return Examined(Finding.DISPLAYABLE, _words(complaint))
    step = max(min(header.size) // SAMPLED, 1)
    small = pixels[::step].take(np.arange(0, pixels.shape[1], step), axis=1)  # twice as fast as [::step, ::step]
    if header.mode == "L":
        small = small[:, :, 0]
    image = Image.fromarray(small, "CMYK") if header.mode == "CMYK" else Image.fromarray(small)
    if header.orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[header.orientation])
    return _usable(header, extension, thumbnail(image))


def _buffer(size: int) -> np.ndarray:
    """Memory for at least so many bytes, each thread's own and used again: new memory costs a third of a decoding."""
    kept: np.ndarray | None = getattr(_KEPT, "buffer", None)
    if kept is None or len(kept) < size:
        _KEPT.buffer = kept = np.empty(size, np.uint8)
    return kept


def _usable(header: _Header, extension: str, grey: bytes | None) -> Examined:
    width, height = header.size if header.orientation < 5 else header.size[::-1]
    return Examined(None, None, _remarks(header, extension), width, height, grey)


def _remarks(header: _Header, extension: str) -> tuple[str, ...]:
    meant = IMAGE_EXTENSIONS.get(extension.lower(), header.format)
    told = (
        (Remark.WRONG_EXTENSION, f"named {extension}, but is {header.format}", meant != header.format),
        (Remark.CMYK, "to RGB", header.mode == "CMYK"),
        (Remark.SIXTEEN_BIT, "to the upper 8 bits", header.sixteen_bit),
        (Remark.ALPHA, "its colours are used as if nothing were see-through", header.alpha),
        (Remark.TURNED, f"value {header.orientation}", header.orientation in UPRIGHT),
    )
    return tuple(f"{remark.value}: {words}" for remark, words, holds in told if holds)


def _damage(error: Exception) -> Examined:
    reason = _words(error)
    return Examined(Finding.TRUNCATED if "truncated" in reason.lower() else Finding.DAMAGED, reason)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
