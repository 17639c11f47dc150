"""Durable writes: replace a file or a folder in one step, on disk before the call returns.

A process that is killed or a machine that loses power leaves the old content or the new one, never a mixture. What was
half written stays behind under a hidden name that ends in `.partial`. Every function raises OSError.
"""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ABANDONED_SECONDS = 24 * 3600  # a half-written file not touched for so long belongs to no running process
STATE = ".leeway"  # the folder in a workspace that holds its databases, production images and caches


def write_text(path: Path, text: str) -> None:
    """Replace the file's content by this text, in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file's content by these bytes."""
    with replacing_file(path) as partial:
        partial.write_bytes(content)


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside `path` to write a file at; at the end it takes the place of `path`.

    The folder is made if need be. If anything is raised, `path` stays as it was and nothing is left beside it.
    """
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # two may write the same file at once
    try:
        yield partial
        move_file(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move_file(finished: Path, path: Path) -> None:
    """Move a file that is written and closed to `path`, on the same disk; it is safely on disk before it is seen."""
    sync(finished)
    finished.replace(path)
    sync(path.parent)


def append_line(path: Path, line: str) -> None:
    """Add a line in one write, so that two processes that append at once are both there. Makes file and folder."""
    make_folder(path.parent)
    is_new = not path.exists()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    if is_new:
        sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make the folder with its parents; each is on disk as soon as it is there. One that is there stays as it is.

    A workspace's `.leeway` is made for its owner alone, and hidden from git: its databases and images hold what
    production was asked and answered.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700 if folder.name == STATE else 0o777, exist_ok=True)
    sync(folder.parent)
    if folder.name == STATE:
        hide_from_git(folder)


def hide_from_git(folder: Path, *, but: str | None = None) -> None:
    """Give the folder a `.gitignore` of its own, so that `git add .` takes no file in it, `but` perhaps one.

    The folder is made if need be; a `.gitignore` that is there stays as it is.
    """
    path = folder / ".gitignore"
    if not path.exists():
        write_text(path, f"*\n!/{but}\n" if but else "*\n")


def remove_abandoned(folder: Path) -> None:
    """Remove half-written files that killed processes left in `folder` a day ago or earlier."""
    for partial in folder.glob(".*.partial"):
        if partial.is_file() and partial.stat().st_mtime < time.time() - ABANDONED_SECONDS:
            partial.unlink(missing_ok=True)


def keep_newest(folder: Path, pattern: str, *, kept: int) -> None:
    """Remove all but the `kept` files of this pattern that were touched last, and what was abandoned half written."""
    for old in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)[kept:]:
        old.unlink(missing_ok=True)
    remove_abandoned(folder)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `folder` to fill; at the end it takes the place of `folder`.

    If anything is raised, `folder` stays as it was and nothing is left beside it.
    """
    partial = partial_folder(folder)
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial)
    try:
        yield partial
        replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_folder(folder: Path) -> Path:
    """Returns the hidden folder that `replacing_folder` fills; a killed process may have left something in it.

    If one was killed between the two renames of `replace_folder`, the old folder is put back first.
    """
    _put_back(folder)
    return folder.with_name(f".{folder.name}.partial")


def replace_folder(finished: Path, folder: Path) -> None:
    """Move the whole of `finished` to `folder`, on the same disk, so that no reader sees a half-written folder."""
    _sync_all(finished)
    _put_back(folder)
    replaced = _replaced(folder)
    if folder.exists():
        folder.rename(replaced)
    try:
        finished.rename(folder)
    except BaseException:
        _put_back(folder)
        raise
    sync(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _put_back(folder: Path) -> None:
    replaced = _replaced(folder)
    if replaced.exists() and not folder.exists():
        replaced.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)


def _replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _sync_all(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        if not path.is_symlink():
            sync(path)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
