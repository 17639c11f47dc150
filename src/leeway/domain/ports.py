"""The outer systems as Protocols: the rooms see these, adapters implement them, the workspace connects them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from leeway.domain.commit import Commit
from leeway.domain.records import Decision, Prediction


class Channel(Protocol):
    """One address at which people are told."""

    @property
    def name(self) -> str:
        """The same for the same address, wherever it stands among the others; it holds no secret."""

    def send(self, title: str, body: str) -> None:
        """Raises AlertError if the channel did not take it."""

    def check(self) -> None:
        """Look at the address without sending anything. Raises ParamsError if nothing can be sent there."""


class Notifier(Protocol):
    @property
    def channels(self) -> Sequence[Channel]: ...


class Tracker(Protocol):
    """Where a run's numbers and pictures are kept for comparison."""

    def run(self, name: str, *, tags: Mapping[str, str]) -> AbstractContextManager["TrackedRun"]: ...

    def run_of_bundle(self, bundle_digest: str, *, name: str) -> AbstractContextManager["TrackedRun"]:
        """The run that made this bundle, reopened; a new one if it is not known."""


class TrackedRun(Protocol):
    def log_params(self, params: Mapping[str, Any]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None: ...

    def log_dataset(self, *, name: str, digest: str, source: str) -> None: ...

    def log_files(self, path: Path, *, under: str) -> None: ...

    def set_tags(self, tags: Mapping[str, str]) -> None: ...


class Registry(Protocol):
    """Model versions and the aliases champion, challenger, previous."""

    def register(self, bundle: Path, *, model: str, tags: Mapping[str, str]) -> int:
        """The version of this bundle: a known bundle digest gives its existing version."""

    def versions(self, model: str) -> list[int]: ...

    def aliases(self, model: str) -> dict[str, int]: ...

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Raises RegistryError if it does not read back."""

    def drop_alias(self, model: str, alias: str) -> None: ...

    def describe(self, model: str, version: int, *, text: str, tags: Mapping[str, str]) -> None: ...

    def tags(self, model: str, version: int) -> dict[str, str]: ...

    def tag(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        """Adds the tags, or gives them new values."""

    def fetch(self, model: str, version: int, folder: Path) -> Path:
        """The version's bundle as a folder, checked."""


class DataRepository(Protocol):
    """The workspace's files under DVC and git."""

    def reproduce(self) -> None: ...

    def add(self, path: Path) -> None:
        """Puts a file under DVC."""

    def commit(self, message: str, *, only_if_clean: bool = False) -> Commit:
        """Commits what made the model and nothing else; `only_if_clean`: not while other known files are changed."""


class PageWriter(Protocol):
    """Draws a night's page for people; the verdict is not made there."""

    def __call__(
        self,
        path: Path,
        *,
        reference: Sequence[Prediction],
        current: Sequence[Prediction],
        classes: Sequence[str],
        title: str,
        alarm_under_p: float,
    ) -> None: ...


class RetrainTrigger(Protocol):
    def request(self, decision: Decision) -> str:
        """Starts the training flow once for this decision; returns what was started, in words."""
