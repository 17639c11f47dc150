"""The files of a log that lies in a folder or a bucket: which there are, since when, and what times they hold."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leeway import durable
from leeway.errors import LogError, in_one_line
from leeway.stores.external.address import KEYS, S3, LogAddress
from leeway.stores.s3 import open_s3

AT_ONCE = 16  # footers that are read at a time
WILD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the footer of a file says."""

    rows: int
    first: datetime | None  # None: it does not say
    last: datetime | None
    names: Mapping[str, tuple[datetime, datetime, int]] = field(default_factory=dict)  # of model_version; "": without


@dataclass(frozen=True, slots=True)
class Object:
    """A file as it was found. One that is rewritten is another object."""

    path: str
    size: int
    modified: int  # nanoseconds
    seen: int  # the look that found it, from 1
    facts: Facts
    gone: int | None = None  # the look that missed it, or found it rewritten

    def overlaps(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether it may hold a row of start <= occurred_at < end."""
        facts = self.facts
        after = start is None or facts.last is None or facts.last >= start
        return after and (end is None or facts.first is None or facts.first < end)


@dataclass(frozen=True, slots=True)
class Listing:
    """A look at the files, as it is stored: which look, a hash of what it found, and the newest file of it."""

    look: int
    digest: str
    newest: int

    @classmethod
    def parse(cls, text: str) -> "Listing":
        kind, _, rest = text.partition(":")
        parts = rest.split(".")
        if kind != "objects" or len(parts) != 3:
            raise LogError(f"position {text!r} is not one of a log of files: the log lay elsewhere when it was stored")
        return cls(int(parts[0]), parts[1], int(parts[2]))

    def __str__(self) -> str:
        return f"objects:{self.look}.{self.digest}.{self.newest}"


class Objects:
    """The files at an address, and what is remembered of them from one look to the next."""

    def __init__(
        self, address: LogAddress, memory: Path | None, *, index: Callable[[Any, str], Facts], key: str, writing: bool
    ) -> None:
        self.address, self._memory, self._index, self._key = address, memory, index, key
        self._writing = writing
        self._objects: list[Object] | None = None
        self._digests: dict[int, str] = {}
        self.look_number = 0
        self.filesystem, self._pattern = open_filesystem(address)

    @property
    def all(self) -> list[Object]:
        """Every file that was ever found, those that are gone among them; looked for once."""
        if self._objects is None:
            self.look()
        assert self._objects is not None
        return self._objects

    @property
    def present(self) -> list[Object]:
        """The files that are there, in order of path."""
        return [one for one in self.all if one.gone is None]

    def look(self) -> Listing:
        """List the files anew, read the footers of new ones, and remember them."""
        known = self._recalled() if self._objects is None else self._objects
        found = self.listed()
        number = self.look_number + 1
        known = [replace(one, gone=None) if found.get(one.path) == (one.size, one.modified) else one for one in known]
        here = {one.path: one for one in known if one.gone is None}  # what was put back is as it was
        same = {path for path, one in here.items() if found.get(path) == (one.size, one.modified)}
        missing = [replace(one, gone=number) for path, one in here.items() if path not in same]
        new = self._new({path: found[path] for path in sorted(found.keys() - same)}, number)
        kept = [one for one in known if one.gone is not None or one.path in same]
        if new or missing:
            self.look_number = number
        self._objects = sorted([*kept, *missing, *new], key=lambda one: (one.path, one.seen))
        position = self._position()
        if (new or missing) and self._writing:
            self._remember()
        return position

    def at(self, position: Listing, *, present: bool = False) -> Callable[[Object], bool]:
        """Return whether a file had been seen by this position; with `present` whether it still was there.

        Where the look is not remembered (another machine counted), files that are no newer than its newest count.
        """
        if self._digests.get(position.look) == position.digest:
            return lambda one: one.seen <= position.look and not (present and 0 < (one.gone or 0) <= position.look)
        return lambda one: one.modified <= position.newest

    def listed(self) -> dict[str, tuple[int, int]]:
        """(size, modified) of each file that is there, by path. Raises LogError where none is, or nobody may look."""
        from pyarrow.fs import FileSelector, FileType

        base = _base(self._pattern)
        fits = re.compile(as_regex(self._pattern))
        try:
            selector = FileSelector(base, recursive=True)
            infos = self.filesystem.get_file_info(selector)
        except OSError as error:
            raise LogError(
                f"{self.address.text}: {base} cannot be listed: {in_one_line(error)[:300]}{self._hint()}"
            ) from error
        files = [one for one in infos if one.type == FileType.File and fits.fullmatch(one.path) and one.size]
        if not files:
            raise LogError(f"{self.address.text}: no file is there that this address names{self._hint()}")
        return {one.path: (one.size, one.mtime_ns or 0) for one in files}

    def _hint(self) -> str:
        return f" (keys come from {KEYS})" if self.address.kind == S3 else ""

    def _new(self, found: Mapping[str, tuple[int, int]], number: int) -> list[Object]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            facts = pool.map(lambda path: self._index(self.filesystem, path), found)
            return [Object(path, *found[path], number, one) for path, one in zip(found, facts, strict=True)]

    def _position(self) -> Listing:
        present = self.present
        listed = "\n".join(f"{one.path} {one.size} {one.modified}" for one in present)
        digest = hashlib.sha256(listed.encode()).hexdigest()[:12]
        self._digests[self.look_number] = digest
        return Listing(self.look_number, digest, max((one.modified for one in present), default=0))

    def _recalled(self) -> list[Object]:
        """What was remembered of this very address and these columns; nothing if that cannot be read."""
        try:
            stored = json.loads(self._memory.read_text(encoding="utf-8")) if self._memory else {}
            if stored.get("of") != self._key:
                return []
            self.look_number = stored["look"]
            self._digests = {int(look): digest for look, digest in stored["digests"].items()}
            return [_object(row) for row in stored["objects"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _remember(self) -> None:
        if self._memory is None or self._objects is None:
            return
        stored = {"of": self._key, "look": self.look_number, "digests": self._digests}
        durable.make_folder(self._memory.parent)
        durable.write_text(self._memory, json.dumps(stored | {"objects": [_row(one) for one in self._objects]}))


def open_filesystem(address: LogAddress) -> tuple[Any, str]:
    """Return pyarrow's file system and the pattern in it; S3 with keys and endpoint from the AWS_* variables."""
    from pyarrow import fs

    if address.kind != S3:
        path = Path(address.path)
        return fs.LocalFileSystem(), str(path / "**" / "*.parquet" if path.is_dir() else path)
    pattern = address.path if WILD.search(address.path) or address.path.endswith(".parquet") else ""
    opened = open_s3(address.path.partition("/")[0])
    return opened, pattern or f"{address.path.rstrip('/')}/**/*.parquet"


def overlapping(objects: Iterable[Object], start: datetime | None, end: datetime | None) -> list[Object]:
    """Return the files that may hold rows of a window."""
    return [one for one in objects if one.overlaps(start, end)]


def _base(pattern: str) -> str:
    """The folder below which a pattern's files lie."""
    parts = pattern.split("/")
    wild = next((at for at, part in enumerate(parts) if WILD.search(part)), len(parts) - 1)
    return "/".join(parts[:wild]) or "/"


def as_regex(pattern: str) -> str:
    """Return a pattern as a regular expression: `*` and `?` stay in a folder, `**` goes through any number of them."""
    kinds = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(kinds.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def _row(one: Object) -> list[Any]:
    names = [[name, *map(_text, span[:2]), span[2]] for name, span in one.facts.names.items()]
    facts = [one.facts.rows, _text(one.facts.first), _text(one.facts.last), names]
    return [one.path, one.size, one.modified, one.seen, one.gone, *facts]


def _object(row: list[Any]) -> Object:
    path, size, modified, seen, gone, rows, first, last, names = row
    spans = {name: (_moment(low), _moment(high), number) for name, low, high, number in names}
    facts = Facts(rows, _moment(first), _moment(last), spans)  # type: ignore[arg-type]
    return Object(path, size, modified, seen, facts, gone)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
