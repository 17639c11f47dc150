"""Inputs of an ingest: the files that a path, a folder, a glob or an address in S3 names."""

from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from leeway.errors import DataError
from leeway.predictions.formats.files import SUFFIXES, format_of

S3 = "s3://"
UNFINISHED = (".tmp", ".crc")  # endings of what is being written, or belongs to it
ENDINGS = f"{', '.join(SUFFIXES)}, with .gz or .zst if compressed"


def find_inputs(named: str) -> list[str]:
    """Return the files that a text names, in order: a path itself, of a folder its parts, of a glob all that match.

    Left out of folders are files that do not end as a prediction log does, and those that are being written: their
    name, or that of a folder, begins with `.` or `_`, or ends in `.tmp` or `.crc`. Raises DataError if none is left.
    """
    if named.startswith(S3):
        from leeway.predictions.s3 import find_objects

        return find_objects(named)
    if "://" in named:
        raise DataError(f"{named}: cannot be read from there; give a path, a folder, a glob or an address s3://...")
    path = Path(named)
    if path.is_dir():
        return _parts_of(path)
    if path.exists() or not has_magic(named):
        return [named]  # that it is not there is said when it is read
    matches = [Path(match) for match in sorted(glob(named, recursive=True))]  # noqa: PTH207 - a whole path
    files = [str(match) for match in matches if match.is_file() and is_finished(match)]
    files += [part for match in matches if match.is_dir() for part in _logs_below(match)]
    return some_of(files, named, looked=f"{len(matches)} match" if matches else "nothing matches it")


@contextmanager
def fetched(name: str) -> Iterator[Path]:
    """Give the path of a file; one from S3 is downloaded, and removed afterwards."""
    if not name.startswith(S3):
        yield Path(name)
        return
    from leeway.predictions.s3 import download

    with TemporaryDirectory(prefix="leeway-ingest-") as folder:
        yield download(name, Path(folder))


def is_log(path: PurePath) -> bool:
    """Return whether a path below a folder ends as a prediction log does, and is not being written."""
    return format_of(path) in SUFFIXES and all(map(is_finished, (path, *path.parents)))


def is_finished(path: PurePath) -> bool:
    """Return whether nothing in a name says that it is being written, or is none of the data."""
    return not (path.name.startswith((".", "_")) or path.name.endswith(UNFINISHED))


def some_of(files: list[str], named: str, *, looked: str) -> list[str]:
    """Return the files. Raises DataError, which says what was looked at, if there are none."""
    if not files:
        raise DataError(f"{named}: no prediction log there ({looked}); the name of one ends in {ENDINGS}")
    return files


def _parts_of(folder: Path) -> list[str]:
    others = sum(path.is_file() for path in folder.rglob("*"))
    looked = f"{others:,} other files" if others > 1 else "1 other file" if others else "the folder is empty"
    return some_of(_logs_below(folder), str(folder), looked=looked)


def _logs_below(folder: Path) -> list[str]:
    below = [path for path in folder.rglob("*") if is_log(path.relative_to(folder)) and path.is_file()]
    return [str(path) for path in sorted(below)]
