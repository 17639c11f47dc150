"""Keeps encoded images in a folder, each under the sha256 of its bytes."""

import hashlib
import re
from pathlib import Path

from leeway import durable
from leeway.bundle.resize import decode
from leeway.data.image_files import read_image
from leeway.errors import DataError

DIGEST = re.compile(r"[0-9a-f]{64}")


class FolderImageStore:
    """`leeway.domain.stores.ImageStore` on files: FOLDER/ab/ab12...; 256 subfolders, so that none grows too large."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """The digest of the image. Its file is safely on disk; one that was damaged is written again.

        Raises DataError if the folder cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        try:
            if not path.exists() or path.read_bytes() != content:
                durable.write_bytes(path, content)
        except OSError as error:
            raise DataError(f"{path}: the image cannot be written: {error.strerror}") from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes. Raises DataError, with the file's name, if they are missing or not what was put."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise DataError(f"{path}: this image is not in the store; is it the right folder?") from None
        except OSError as error:
            raise DataError(f"{path}: the image cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DataError(f"{path}: the image was changed or damaged since it was stored; restore it from a copy")
        return content

    def read(self, image: str) -> bytes:
        """The image that a prediction names, by its digest or by the absolute path of a file. The bytes can be decoded.

        Raises DataError, with the file's name, for what is not to be had or is no image, and for a path behind a link:
        a prediction keeps where its image was when all links had been followed.
        """
        if Path(image).is_absolute():
            return read_image(image)
        content = self.get(image)
        try:
            decode(content)
        except DataError as error:
            raise DataError(f"{self._path(image)}: no image: {error}") from None
        return content

    def _path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):  # a digest from outside must not lead out of the folder
            raise DataError(f"{digest!r} is no image digest; a digest is 64 characters of 0-9 and a-f")
        return self._folder / digest[:2] / digest
