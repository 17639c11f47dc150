"""Ports kept in memory, for tests of steps: they do what the adapters do, without MLflow, DVC or a network."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leeway.bundle.contents import bundle_digest, verify_bundle
from leeway.domain.commit import Commit
from leeway.domain.records import Decision
from leeway.errors import AlertError, RegistryError


@dataclass
class MemoryRegistry:
    """`leeway.domain.ports.Registry` over copies of bundles in a folder."""

    folder: Path
    moved: list[tuple[str, int | None]] = field(default_factory=list)  # each move of an alias, in order
    _tags: list[dict[str, str]] = field(default_factory=list)
    _texts: dict[int, str] = field(default_factory=dict)
    _aliases: dict[str, int] = field(default_factory=dict)

    def register(self, bundle: Path, *, model: str, tags: Mapping[str, str]) -> int:
        verify_bundle(bundle)
        digest = bundle_digest(bundle)
        for version, known in enumerate(self._tags, start=1):
            if known["bundle_digest"] == digest:
                return version
        self._tags.append({**tags, "bundle_digest": digest})
        shutil.copytree(bundle, self.folder / str(len(self._tags)))
        return len(self._tags)

    def versions(self, model: str) -> list[int]:
        return list(range(1, len(self._tags) + 1))

    def aliases(self, model: str) -> dict[str, int]:
        return dict(self._aliases)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.moved.append((alias, version))
        self._aliases[alias] = version

    def drop_alias(self, model: str, alias: str) -> None:
        self.moved.append((alias, None))
        self._aliases.pop(alias, None)

    def describe(self, model: str, version: int, *, text: str, tags: Mapping[str, str]) -> None:
        self._texts[version] = text
        self.tag(model, version, tags)

    def tag(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        self._tags[version - 1] |= tags

    def text(self, version: int) -> str:
        return self._texts[version]

    def tags(self, model: str, version: int) -> dict[str, str]:
        if version not in self.versions(model):
            raise RegistryError(f"no version {version}")
        return dict(self._tags[version - 1])

    def fetch(self, model: str, version: int, folder: Path) -> Path:
        shutil.copytree(self.folder / str(version), folder, dirs_exist_ok=True)
        return folder

    def bundle(self, version: int) -> Path:
        return self.folder / str(version)


@dataclass
class MemoryNotifier:
    """Its one channel takes every alert, or, `broken`, none."""

    broken: bool = False
    sent: list[tuple[str, str]] = field(default_factory=list)
    name: str = "memory"

    @property
    def channels(self) -> "list[MemoryNotifier]":
        return [self]

    def send(self, title: str, body: str) -> None:
        if self.broken:
            raise AlertError(f"alert '{title}' was not taken by the test")
        self.sent.append((title, body))

    def check(self) -> None:
        """It takes everything."""


@dataclass
class MemoryRepository:
    """Remembers what it was asked to do."""

    added: list[Path] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def reproduce(self) -> None: ...

    def add(self, path: Path) -> None:
        self.added.append(path)

    def commit(self, message: str, *, only_if_clean: bool = False) -> Commit:
        self.messages.append(message)
        return Commit(f"commit-{len(self.messages)}", is_new=True)


@dataclass
class MemoryTrigger:
    """Starts one run for each decision, however often it is asked."""

    runs: dict[str, int] = field(default_factory=dict)

    def request(self, decision: Decision) -> str:
        self.runs.setdefault(decision.key, len(self.runs) + 1)
        return f"run {self.runs[decision.key]}"
