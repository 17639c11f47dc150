"""Prediction logs in S3, and what speaks as S3 does: finds objects and downloads them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from leeway.domain.text import counted
from leeway.errors import DataError, in_one_line
from leeway.stores.s3 import open_s3

SETTINGS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
SCHEME = "s3://"


def find_objects(address: str) -> list[str]:
    """Return the addresses of prediction logs: an object itself, those below a prefix, or those that a glob matches."""
    from pyarrow import fs

    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    if not bucket or has_magic(bucket):
        raise DataError(f"{address}: names no bucket; write s3://bucket/key, s3://bucket/folder/ or s3://bucket/*.csv")
    with _asking(address):
        store = open_s3(bucket)
        if has_magic(key):
            return _matches(store, address, bucket, key)
        info = store.get_file_info(f"{bucket}/{key}".rstrip("/"))
        if info.type == fs.FileType.File:
            return [address]
        return _chosen(_keys_below(store, bucket, key.strip("/")), address, bucket, key.strip("/"))


def download(address: str, folder: Path) -> Path:
    """Copy an object into a folder under its own name, and return where it lies."""
    from pyarrow import fs

    place = address.removeprefix(SCHEME)
    copied = folder / PurePosixPath(place).name
    with _asking(address):
        store = open_s3(place.partition("/")[0])
        fs.copy_files(place, str(copied), source_filesystem=store, destination_filesystem=fs.LocalFileSystem())
    return copied


def matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Return whether the parts of a key match those of a glob; `**` is any number of parts."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(matches(parts[skipped:], patterns[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and matches(parts[1:], patterns[1:])


def _matches(store: Any, address: str, bucket: str, key: str) -> list[str]:
    patterns = key.split("/")
    fixed = next(place for place, part in enumerate(patterns) if has_magic(part))
    found = _keys_below(store, bucket, "/".join(patterns[:fixed]))
    return _chosen([one for one in found if matches(one.split("/"), patterns)], address, bucket, "", asked=len(found))


def _keys_below(store: Any, bucket: str, prefix: str) -> list[str]:
    from pyarrow import fs

    below = fs.FileSelector(f"{bucket}/{prefix}".rstrip("/"), recursive=True)
    files = [info.path for info in store.get_file_info(below) if info.type == fs.FileType.File]
    return sorted(path.removeprefix(f"{bucket}/") for path in files)


def _chosen(keys: Sequence[str], address: str, bucket: str, prefix: str, *, asked: int | None = None) -> list[str]:
    """The prediction logs among keys, judged by what stands below the prefix."""
    from leeway.predictions.inputs import is_finished, is_log, some_of

    judge = is_log if asked is None else is_finished
    logs = [key for key in keys if judge(PurePosixPath(key.removeprefix(prefix).strip("/")))]
    looked = f"of {counted(len(keys) if asked is None else asked, 'object')} there"
    return some_of([f"{SCHEME}{bucket}/{key}" for key in logs], address, looked=looked)


@contextmanager
def _asking(address: str) -> Iterator[None]:
    """Say what S3 answers in one line."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{address}: there is nothing in the bucket under this name; check the address") from None
    except OSError as error:
        words = in_one_line(error).partition(" (Request ID")[0].removeprefix("OSError: ")
        raise DataError(
            f"{address}: S3 refused: {words}; check the address, and {SETTINGS} in the environment"
        ) from error
