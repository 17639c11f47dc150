"""Diagnosis: what doctor says of one part of a workspace, and what it looks at to say so."""

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from leeway.settings import Settings
from leeway.workspace import Workspace


class Health(StrEnum):
    """How a part is: only `fail` is an error; `not used` says that there is nothing to look at."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    NOT_USED = "not used"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found of one part, in a plain sentence, and where it is not well what mends it."""

    name: str
    status: Health
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found of everything, in the order in which it was looked at."""

    checks: tuple[Diagnosis, ...]
    failed: int  # of the checks

    @property
    def failing(self) -> list[str]:
        """Names of the parts that fail, each once."""
        return list(dict.fromkeys(one.name for one in self.checks if one.status is Health.FAIL))


@dataclass(frozen=True, slots=True)
class Installed:
    """What leeway needs, as its metadata says, and what is installed of it."""

    requires_python: str
    requires_of: Callable[[str], Sequence[str]]  # a package's requirements, those of its extras with their marker
    version_of: Callable[[str], str | None]  # None: not installed


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What doctor looks at: everything of the outside comes in here."""

    folder: Path
    now: datetime
    environment: Mapping[str, str]
    installed: Installed
    free_bytes: Callable[[Path], int]
    settings: Settings | None = None  # None outside of a workspace


@dataclass(frozen=True, slots=True)
class Patient:
    """A workspace under examination, opened for reading."""

    surroundings: Surroundings
    workspace: Workspace

    @property
    def settings(self) -> Settings:
        return self.workspace.settings

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    @property
    def now(self) -> datetime:
        return self.surroundings.now


def ok(name: str, found: str) -> Diagnosis:
    """Return that this part is well."""
    return Diagnosis(name, Health.OK, found)


def warn(name: str, found: str, mend: str) -> Diagnosis:
    """Return that this part works, and what may go wrong with it."""
    return Diagnosis(name, Health.WARN, found, mend)


def fail(name: str, found: str, mend: str) -> Diagnosis:
    """Return that this part does not work."""
    return Diagnosis(name, Health.FAIL, found, mend)


def not_used(name: str, found: str, mend: str = "") -> Diagnosis:
    """Return that there is nothing to look at, and what to do where one is wanted."""
    return Diagnosis(name, Health.NOT_USED, found, mend)


def read_installed() -> Installed:
    """Return what the metadata of the installed packages says; that of a leeway which is only on the path is empty."""
    return Installed(_python_of("leeway"), _requires_of, _version_of)


def _python_of(package: str) -> str:
    try:
        return importlib.metadata.metadata(package)["Requires-Python"] or ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def _requires_of(package: str) -> Sequence[str]:
    try:
        return importlib.metadata.requires(package) or ()
    except importlib.metadata.PackageNotFoundError:
        return ()


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
