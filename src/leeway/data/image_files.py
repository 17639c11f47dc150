"""Image files that a text from outside names: read only below that text's own folder, and only if they are images.

A prediction log, a list of images, a must-pass set may come from somebody else. What they name is not followed out of
their folder, neither by `..` nor by a link: `../../.ssh/id_rsa` must not end up among the pictures that labelers get.
"""

import errno
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from leeway.bundle.resize import decode
from leeway.errors import DataError

LARGEST_BYTES = 20_000_000  # of an image that is shown to people or that a release must pass
BEGINNING = re.compile(  # of the formats that `leeway.bundle.resize.decode` reads
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP|GIF8[79]a|BM|II\*\0|MM\0\*|MM\*\0|II\0\*|II\+\0|MM\0\+", re.DOTALL
)
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # without the last, opening a FIFO waits for a writer


class ImageFolder:
    """Resolves the names that a file in this folder gives; each folder is resolved once, since lists are long."""

    def __init__(self, folder: Path) -> None:
        self._root = os.path.realpath(folder)
        self._below = os.path.join(self._root, "")  # noqa: PTH118 - a Path for each row takes its time
        self._folders: dict[str, str] = {}  # a name's part before its last slash: where that leads

    def resolve(self, name: str) -> str:
        """The absolute path without links; nothing need be there. Raises DataError if it leads out of the folder."""
        if "\0" in name or not _is_encodable(name):
            raise DataError(f"{name[:200]!r} is no file name; write the path as it is on the disk")
        path = self._path(name)
        if path != self._root and not path.startswith(self._below):
            raise DataError(
                f"{name[:200]!r} leads out of {self._root}, where the file that names it lies; images must be in that "
                "folder or below, links included: copy them there"
            )
        return path

    def resolve_file(self, name: str) -> str:
        """The same, of a regular file that is there; it is not opened."""
        path = self.resolve(name)
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                return path
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; paths are relative to {self._root}") from None
        raise DataError(f"{path}: not a regular file; name an image file")

    def resolve_image(self, name: str) -> str:
        """The same, of a file that begins as an image does: what decoding it would say is not looked at.

        A log may name a million images: their first bytes keep keys, texts and empty files out. Whoever takes the bytes
        to people or to a model decodes them first (`read_image`).
        """
        path = self.resolve_file(name)
        try:
            begins = _first_bytes(path)
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; is the image readable?") from None
        if not BEGINNING.match(begins):
            what = "does not begin as an image" if begins else "is empty"
            raise DataError(f"{path}: {what}; name a PNG, JPEG, WebP, BMP, GIF or TIFF file")
        return path

    def _path(self, name: str) -> str:
        before, last = os.path.split(name)
        if last in ("", ".", ".."):
            before, last = name, ""
        folder = self._folders.get(before)
        if folder is None:
            folder = self._folders[before] = os.path.realpath(os.path.join(self._root, before))  # noqa: PTH118
        if not last or not os.path.join(folder, "").startswith(self._below):  # noqa: PTH118
            return folder  # outside, nothing is looked at
        path = os.path.join(folder, last)  # noqa: PTH118
        return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114


def _is_encodable(name: str) -> bool:
    """Whether the system can have such a name; JSON can hold half of a surrogate pair."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def begins_as_image(path: str) -> bool:
    """Whether there is a file that begins as an image does: a quick look at many; only decoding tells whether it is."""
    try:
        return BEGINNING.match(_first_bytes(path)) is not None
    except (OSError, ValueError):
        return False


def _first_bytes(path: str) -> bytes:
    """The first 16 bytes of a file, which is no link. Raises OSError."""
    file = os.open(path, _FILE)
    try:
        return os.read(file, 16)
    finally:
        os.close(file)


def read_image(path: str | Path) -> bytes:
    """The bytes of a file that holds a decodable image; `path` is absolute and has no links, as ImageFolder gives it.

    Raises DataError for anything else, also for a link that has taken the place of the file or of a folder since.
    """
    content = read_bytes(path)
    check_image(content, path)
    return content


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a regular file, read without following links. Raises DataError, also above LARGEST_BYTES."""
    try:
        with open_file(path) as file:
            content = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', error)}; is the image where it was?") from None
    if len(content) > LARGEST_BYTES:
        raise DataError(f"{path}: larger than {LARGEST_BYTES:,} bytes; make the image smaller")
    return content


def read_file(path: Path) -> bytes:
    """The bytes of a regular file that a person named; links are followed. Raises DataError, also above LARGEST_BYTES.

    It never waits: a FIFO, a socket or a device among the files of a folder is no image.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError("not a regular file")
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_BYTES:
        raise DataError(f"larger than {LARGEST_BYTES:,} bytes; make the image smaller")
    return content


def check_image(content: bytes, path: str | Path) -> None:
    """Raises DataError, with the name of the file that they come from, if these bytes cannot be decoded."""
    try:
        decode(content)
    except DataError as error:
        raise DataError(f"{path}: no image: {error}") from None


def open_file(path: str | Path) -> BinaryIO:
    """A regular file, opened; its path is absolute. Raises OSError for anything else, also for a link in the path."""
    file = open(path, "rb", opener=_open_without_links)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return file


def _open_without_links(path: str, _flags: int) -> int:
    """Opens folder by folder, so that no link is followed, whoever makes one meanwhile."""
    root, *folders, last = Path(path).parts
    folder = os.open(root, _FOLDER)
    try:
        for name in folders:
            above, folder = folder, os.open(name, _FOLDER, dir_fd=folder)
            os.close(above)
        return os.open(last, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OSError(error.errno, "a link, which is not followed, stands in its path") from None
        raise
    finally:
        os.close(folder)
