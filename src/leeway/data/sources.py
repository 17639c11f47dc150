"""Sources of labelled images. A source is one decorated class whose fields are its params."""

import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from PIL import Image
from pydantic import Field

from leeway.data.split import uniform_number
from leeway.errors import DataError
from leeway.paramsfile import ParamsModel

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
LITTER = {"Thumbs.db", "desktop.ini", "__MACOSX"}  # what file managers leave behind


@dataclass(frozen=True, slots=True)
class Item:
    """One image as a source names it, not read yet. The same (origin, size, mtime_ns) means the same content."""

    origin: str  # relative path; unique within the source
    label: str | None  # None: it stands in no class
    size: int  # bytes
    mtime_ns: int  # 0 where the content follows from the origin
    read: Callable[[], bytes]
    group: str | None = None  # None: a group of its own
    slice: str | None = None
    refusal: str | None = None  # why it is not looked into: not an image by its name or place


class ImageSource(Protocol):
    """A frozen pydantic model with the field `kind`; its other fields are its params."""

    @property
    def place(self) -> str:
        """Where the images are, as an error message names it."""

    def items(self) -> list[Item]:
        """Everything that is there now, sorted by origin."""

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


SOURCES: dict[str, type[ImageSource]] = {}
Source = TypeVar("Source", bound=type[Any])


def source(model: Source) -> Source:
    """Registers a source under the default of its field `kind`."""
    SOURCES[model.model_fields["kind"].default] = model
    return model


@source
class DigitsSource(ParamsModel):
    """scikit-learn's 1,797 handwritten digits (UCI, Alpaydin and Kaynak 1998) as 8 x 8 PNG: needs no network.

    `share` takes a random part of them, drawn by `seed`.
    """

    kind: Literal["digits"] = "digits"
    share: float = Field(default=1.0, gt=0, le=1)
    seed: int = 0

    @property
    def place(self) -> str:
        return "the built-in digits"

    def items(self) -> list[Item]:
        return self._halves()[0]

    def other_items(self) -> list[Item]:
        """The digits that `items` leaves out, sorted by origin: what a simulated production may draw from."""
        return self._halves()[1]

    def _halves(self) -> tuple[list[Item], list[Item]]:
        everything = _digits()
        # Numbers from a generator could change with numpy's version; an order by hash cannot.
        order = sorted(everything, key=lambda item: uniform_number(f"{self.seed}/{item.origin}"))
        taken = {item.origin for item in order[: round(self.share * len(order))]}
        chosen = [item for item in everything if item.origin in taken]
        return chosen, [item for item in everything if item.origin not in taken]


def _digits() -> list[Item]:
    from sklearn.datasets import load_digits  # in the extra `train`: a base install reads folders without it

    digits = load_digits()
    pairs = zip(digits.images, digits.target, strict=True)
    return [_digit_item(number, image, int(label)) for number, (image, label) in enumerate(pairs)]


def _digit_item(number: int, image: np.ndarray, label: int) -> Item:
    """`image` is (8, 8), 0 to 16."""
    content = io.BytesIO()
    pixels = np.rint(image * (255 / 16)).astype(np.uint8)
    # Stored, not deflated: the bytes, and with them the asset's hash, do not depend on the version of zlib.
    Image.fromarray(pixels).save(content, format="PNG", compress_level=0)
    encoded = content.getvalue()
    return Item(f"digits/{number:04d}.png", str(label), len(encoded), 0, read=lambda: encoded)


@source
class FolderSource(ParamsModel):
    """A folder with one folder per class; files in folders further down belong to the class they stand under.

    Nothing in it is passed over in silence: what is not an image by its name or place becomes a refused item.
    """

    kind: Literal["folder"] = "folder"
    path: str = Field(min_length=1)  # relative to the workspace, or absolute

    @property
    def place(self) -> str:
        return f"folder '{self.path}'"

    def items(self) -> list[Item]:
        """Raises DataError if the folder is not there, or nothing is in it."""
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise DataError(f"{self.place} does not exist; params.yaml, data.source.path (relative to the workspace)")
        items = sorted(_folder_items(root), key=lambda item: item.origin)
        if not items:
            raise DataError(
                f"{self.place} is empty; it needs one folder of images per class (params.yaml, data.source.path)"
            )
        return items


def _folder_items(root: Path) -> Iterator[Item]:
    try:
        entries = list(root.iterdir())
    except OSError as error:
        _unreadable_folder(error)
    for entry in entries:
        if _is_litter(entry.name):
            yield _file_item(root, entry, label=None, refusal="hidden")
        elif entry.is_dir():
            yield from _class_items(root, entry)
        else:
            yield _file_item(root, entry, label=None, refusal="stands in no class folder")


def _class_items(root: Path, folder: Path) -> Iterator[Item]:
    label = _text(folder.name)
    empty = True
    for parent, subfolders, names in os.walk(folder, onerror=_unreadable_folder):
        empty = empty and not names
        for name in list(subfolders):
            reason = _folder_refusal(Path(parent, name))
            if reason:
                subfolders.remove(name)
                yield _file_item(root, Path(parent, name), label=label, refusal=reason)
        for name in names:
            yield _file_item(root, Path(parent, name), label=label, refusal=_file_refusal(name))
    if empty:
        yield _file_item(root, folder, label=label, refusal="an empty class folder")


def _unreadable_folder(error: OSError) -> None:
    """What os.walk would pass over in silence."""
    raise DataError(f"folder '{error.filename}' cannot be read: {error.strerror}") from error


def _folder_refusal(path: Path) -> str | None:
    if _is_litter(path.name):
        return "a hidden folder"
    return "a link to a folder is followed for classes only" if path.is_symlink() else None


def _file_refusal(name: str) -> str | None:
    if _is_litter(name):
        return "hidden"
    extension = Path(name).suffix.lower()
    return None if extension in IMAGE_EXTENSIONS else f"extension '{extension}' is not one of an image"


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in LITTER


def _file_item(root: Path, path: Path, *, label: str | None, refusal: str | None) -> Item:
    origin = _text(path.relative_to(root).as_posix())
    try:
        status = path.stat()
    except OSError:  # a link to nowhere, or gone meanwhile: reading it will fail and say so
        return Item(origin, label, 0, 0, read=path.read_bytes, refusal=refusal)
    if refusal is None and not stat.S_ISREG(status.st_mode):
        refusal = "not a regular file"
    return Item(origin, label, status.st_size, status.st_mtime_ns, read=path.read_bytes, refusal=refusal)


def _text(name: str) -> str:
    """File names may hold bytes that are no UTF-8; Parquet's strings may not."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
