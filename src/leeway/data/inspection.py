"""Inspects each new file once: can it be decoded, is it one picture, is it what its name says?"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TypeVar

from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import track

from leeway.bundle.resize import MAX_PIXELS, decode
from leeway.data.sources import IMAGE_EXTENSIONS, Item

BATCH = 64  # files in memory at once
MAX_BYTES = 128 * 2**20  # of one file: more than MAX_PIXELS need, uncompressed, with four channels
Element = TypeVar("Element")


class Finding(StrEnum):
    """Why a file is left out."""

    NOT_AN_IMAGE = "not an image file"  # by its name or place: not opened
    EMPTY = "empty"
    UNREADABLE = "unreadable"  # by us (permissions, a link to nowhere), or of no image format
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    ANIMATED = "animated"
    TOO_LARGE = "too large"  # in pixels or bytes: not decoded


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file's content and what was found. With `finding` None it is usable; a `reason` is then only a remark."""

    content: bytes
    asset: str | None  # sha256 of the content; None if it was not read
    finding: Finding | None
    reason: str | None


def inspect_all(items: Sequence[Item]) -> Iterator[tuple[Item, Inspected]]:
    """Each item with its inspection, in order; decoded in threads (Pillow lets go of the lock while it decodes)."""
    with ThreadPoolExecutor() as pool:
        batches = (items[start : start + BATCH] for start in range(0, len(items), BATCH))
        inspected = (pair for batch in batches for pair in zip(batch, pool.map(inspect, batch), strict=True))
        yield from progress(inspected, "inspecting images", total=len(items))


def progress(elements: Iterable[Element], description: str, *, total: int) -> Iterable[Element]:
    """The elements, behind a progress bar on stderr; none where stderr is not a terminal."""
    console = Console(stderr=True)
    silent = total == 0 or not console.is_terminal
    return track(elements, description, total=total, console=console, disable=silent, transient=True)


def inspect(item: Item) -> Inspected:
    """Reads and decodes one file. Never raises for what a file may contain."""
    if item.refusal is not None:
        return Inspected(b"", None, Finding.NOT_AN_IMAGE, item.refusal)
    if item.size > MAX_BYTES:
        return Inspected(b"", None, Finding.TOO_LARGE, f"{item.size:,} bytes; at most {MAX_BYTES:,} are read")
    try:
        content = item.read()
    except OSError as error:
        return Inspected(b"", None, Finding.UNREADABLE, error.strerror or type(error).__name__)
    finding, reason = examine(content, PurePosixPath(item.origin).suffix)
    return Inspected(content, hashlib.sha256(content).hexdigest(), finding, reason)


def examine(content: bytes, extension: str) -> tuple[Finding | None, str | None]:
    """What is wrong with an encoded image, and the reason in words."""
    if not content:
        return Finding.EMPTY, "0 bytes"
    try:
        frames, found = _header(content)
        if frames == 1:
            decode(content)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return Finding.TOO_LARGE, f"more than {MAX_PIXELS:,} pixels"
    except UnidentifiedImageError:  # its own message names an address in memory
        return Finding.UNREADABLE, "not of a known image format"
    except Exception as error:  # decoders raise anything
        return _kind_of_damage(error)
    if frames > 1:
        return Finding.ANIMATED, f"{frames} frames"
    meant = IMAGE_EXTENSIONS.get(extension.lower(), found)
    return None, None if found == meant else f"named {extension}, but is {found}"


def _header(content: bytes) -> tuple[int, str]:
    """Frames and format, without decoding. Raises whatever Pillow raises."""
    with Image.open(io.BytesIO(content), formats=sorted(set(IMAGE_EXTENSIONS.values()))) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        if image.format == "MPO":  # a phone's photo with a preview or depth map behind it
            return 1, "JPEG"
        return getattr(image, "n_frames", 1), image.format or "unknown"


def _kind_of_damage(error: Exception) -> tuple[Finding, str]:
    reason = " ".join(str(error).split()) or type(error).__name__
    return (Finding.TRUNCATED if "truncated" in reason.lower() else Finding.DAMAGED), reason
