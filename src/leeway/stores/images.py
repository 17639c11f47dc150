"""Keeps encoded images in a folder, each under the sha256 of its bytes."""

import hashlib
import os
import re
from pathlib import Path

from leeway import durable
from leeway.data.image_files import begins_as_image, check_image, read_bytes, read_image
from leeway.errors import DataError

DIGEST = re.compile(r"[0-9a-f]{64}")


class FolderImageStore:
    """`leeway.domain.stores.ImageStore` on files: FOLDER/ab/ab12...; 256 subfolders, so that none grows too large."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()  # it may be a link to a larger disk; what lies in it may not

    def put(self, content: bytes) -> str:
        """The digest of the image. Its file is safely on disk; one that was damaged is written again.

        Raises DataError if the folder cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        try:
            if not path.exists() or path.read_bytes() != content:
                durable.hide_from_git(self._folder)  # wherever LEEWAY_IMAGES has it: no photo belongs in a commit
                durable.write_bytes(path, content)
        except OSError as error:
            raise DataError(f"{path}: the image cannot be written: {error.strerror}") from error
        return digest

    def read(self, image: str) -> bytes:
        """The image that a prediction names, by its digest or by the absolute path of a file. The bytes can be decoded.

        Raises DataError, with the file's name, for what is not to be had, is too large, is not what was put or is no
        image, and for what lies behind a link: a prediction keeps where its image was when all links had been followed.
        """
        if Path(image).is_absolute():
            return read_image(image)
        path = self._path(image)
        content = read_bytes(path)
        if hashlib.sha256(content).hexdigest() != image:
            raise DataError(
                f"{path}: the image was changed or damaged since it was stored; restore it from a copy, or run `leeway "
                "predict` on the photo again, which writes it anew"
            )
        check_image(content, path)
        return content

    def holds(self, image: str) -> bool:
        """Whether a file that begins as an image is there; many are asked about at once, and nothing is decoded."""
        if DIGEST.fullmatch(image):
            return begins_as_image(f"{self._folder}/{image[:2]}/{image}")
        return os.path.isabs(image) and begins_as_image(image)  # noqa: PTH117 - a Path for each takes its time

    def _path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):  # a digest from outside must not lead out of the folder
            raise DataError(f"{digest!r} is no image digest; a digest is 64 characters of 0-9 and a-f")
        return self._folder / digest[:2] / digest
