"""Folder: a source with one folder per class."""

import os
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Literal

from leeway.data.items import IMAGE_EXTENSIONS, Item, as_text, file_item
from leeway.errors import DataError
from leeway.paramsfile import ParamsModel, setting

LITTER = {"Thumbs.db", "desktop.ini", "__MACOSX"}  # what file managers leave behind
Entry = os.DirEntry[str]


class FolderSource(ParamsModel):
    """A folder with one folder per class; files in folders further down belong to the class they stand under.

    Nothing in it is passed over in silence: what is not an image by its name or place becomes a refused item.
    """

    kind: Literal["folder"] = "folder"
    path: str = setting("the folder, relative to the workspace or absolute", min_length=1)

    @property
    def place(self) -> str:
        return f"folder '{self.path}'"

    def items(self) -> list[Item]:
        """Raises DataError if the folder is not there, or nothing is in it."""
        root = Path(self.path).expanduser()
        if not root.is_dir():
            raise DataError(f"{self.place} does not exist; params.yaml, data.source.path (relative to the workspace)")
        items = sorted(_folder_items(str(root)), key=itemgetter(0))
        if not items:
            raise DataError(
                f"{self.place} is empty; it needs one folder of images per class (params.yaml, data.source.path)"
            )
        return items


def _folder_items(root: str) -> Iterator[Item]:
    for entry in _entries(root):
        name = as_text(entry.name)
        if _is_litter(entry.name):
            yield _entry_item(entry, name, None, refusal="hidden")
        elif entry.is_dir():
            class_items = list(_class_items(entry.path, name, name))
            yield from class_items or [_entry_item(entry, name, name, refusal="an empty class folder")]
        else:
            yield _entry_item(entry, name, None, refusal="stands in no class folder")


def _class_items(folder: str, prefix: str, label: str) -> Iterator[Item]:
    """`prefix` is the folder's place below the source."""
    for entry in _entries(folder):
        origin = f"{prefix}/{as_text(entry.name)}"
        if not entry.is_dir():
            yield _entry_item(entry, origin, label, refusal=_file_refusal(entry.name))
        elif _is_litter(entry.name):
            yield _entry_item(entry, origin, label, refusal="a hidden folder")
        elif entry.is_symlink():
            yield _entry_item(entry, origin, label, refusal="a link to a folder is followed for classes only")
        else:
            yield from _class_items(entry.path, origin, label)


def _entries(folder: str) -> list[Entry]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"folder '{error.filename}' cannot be read: {error.strerror}") from error


def _file_refusal(name: str) -> str | None:
    if _is_litter(name):
        return "hidden"
    extension = os.path.splitext(name)[1].lower()  # noqa: PTH122 - ten times as fast as a Path
    return None if extension in IMAGE_EXTENSIONS else f"extension '{extension}' is not one of an image"


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in LITTER


def _entry_item(entry: Entry, origin: str, label: str | None, *, refusal: str | None) -> Item:
    try:
        status = entry.stat()
    except OSError:
        status = None
    return file_item(origin, label, path=entry.path, status=status, refusal=refusal)
