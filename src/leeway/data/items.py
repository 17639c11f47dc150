"""Item: one image as a source names it; and what a source has to offer."""

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

IMAGE_EXTENSIONS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


class Item(NamedTuple):
    """One image as a source names it, not read yet. The same (origin, size, mtime_ns) means the same content.

    A named tuple, since a second run makes one per file and does little else: a frozen dataclass takes 4 times as long.
    """

    origin: str  # relative path; unique within the source
    label: str | None  # None: it stands in no class
    size: int  # bytes; 0 where that is known only once it is read
    mtime_ns: int  # 0 where the content follows from the origin
    read: Callable[[], bytes]
    group: str | None = None  # None: a group of its own, or of its near-duplicates
    slice: str | None = None
    split: str | None = None  # one of GIVEN_SPLITS; None: the group's hash decides
    refusal: str | None = None  # why it is not looked into: not an image by its name or place


class ImageSource(Protocol):
    """A frozen pydantic model with the field `kind`; its other fields are its params."""

    @property
    def place(self) -> str:
        """Where the images are, as an error message names it."""

    def items(self) -> list[Item]:
        """Everything that is there now, sorted by origin."""

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


def file_item(
    origin: str,
    label: str | None,
    *,
    path: str,
    status: os.stat_result | None,
    group: str | None = None,
    slice: str | None = None,  # noqa: A002 - the word for it everywhere else
    split: str | None = None,
    refusal: str | None = None,
) -> Item:
    """`status` None: a link to nowhere, or gone meanwhile. Reading it will fail and say so."""
    if status is not None and refusal is None and not stat.S_ISREG(status.st_mode):
        refusal = "not a regular file"
    size, mtime_ns = (0, 0) if status is None else (status.st_size, status.st_mtime_ns)
    return Item(origin, label, size, mtime_ns, partial(_content, path), group, slice, split, refusal)


def as_text(name: str) -> str:
    """File names may hold bytes that are no UTF-8; Parquet's strings may not."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _content(path: str) -> bytes:
    return Path(path).read_bytes()
