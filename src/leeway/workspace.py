"""Workspace: the places of one workspace and its adapters, each opened when it is first needed. No verbs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from leeway.bundle.embedder import Embed, Embedder
from leeway.domain.ports import DataRepository, Notifier, PageWriter, Registry, RetrainTrigger
from leeway.domain.records import ModelVersion
from leeway.domain.stores import ImageStore, Ledger
from leeway.errors import RegistryError
from leeway.evaluation.reads import LEDGER
from leeway.monitor.fleet import Fleet
from leeway.release.versions import Versions
from leeway.settings import Settings, read_settings

if TYPE_CHECKING:
    from leeway.stores.external.routing import RoutedLog
    from leeway.stores.opening import Stores


class Workspace:
    """One workspace, for one command, flow run or request. Heavy libraries are loaded by the property that needs them.

    What is kept are connections. Policies, watched models and versions are read whenever they are asked for, so that a
    process that runs for months sees what was changed meanwhile.
    """

    def __init__(self, settings: Settings, *, reading: bool = False) -> None:
        self.settings, self.reading = settings, reading
        self.model = settings.model
        self.folder = settings.workspace

    # Places

    @property
    def reports(self) -> Path:
        """Pages and lists for people."""
        return self.folder / "reports"

    @property
    def night_pages(self) -> Path:
        return self.reports / "nights"

    @property
    def dataset(self) -> Path:
        """The current dataset version."""
        return self.folder / "data" / "dataset"

    @property
    def feedback(self) -> Path:
        """Shards of labels from production, and of corrections."""
        return self.folder / "data" / "feedback"

    @property
    def bundle(self) -> Path:
        """What `dvc repro` made."""
        return self.folder / "models" / "bundle"

    @property
    def start(self) -> Path:
        """What a retraining starts from."""
        return self.folder / "models" / "start"

    @property
    def checklist(self) -> Path:
        """As the evaluate stage wrote it."""
        return self.reports / "checklist.json"

    @property
    def test_reads(self) -> Path:
        """Who has looked at the frozen test split."""
        return self.folder / LEDGER

    # Stores and adapters

    @cached_property
    def stores(self) -> "Stores":
        from leeway.stores.mark import read_mark, write_mark
        from leeway.stores.opening import open_stores

        known = read_mark(self.folder)
        secret = self.settings.ledger_secret or None
        stores = open_stores(self.settings.database_url, reading=self.reading, secret=secret, expected=known)
        if known is None and not self.reading:
            write_mark(self.folder, stores.ledger.id)
        return stores

    @cached_property
    def log(self) -> "RoutedLog":
        """The prediction log: of each model where it lies."""
        from leeway.stores.external.routing import RoutedLog

        places = {"watched": self.settings.watched, "folder": self.folder}
        return RoutedLog(self.stores.log, self.ledger, **places, writing=not self.reading)

    @property
    def ledger(self) -> Ledger:
        return self.stores.ledger

    @cached_property
    def images(self) -> ImageStore:
        from leeway.stores.images import FolderImageStore

        return FolderImageStore(self.settings.images)

    @cached_property
    def registry(self) -> Registry:
        from leeway.adapters.mlflow.registry import open_registry

        return open_registry(self.settings.mlflow_uri)

    @property
    def versions(self) -> Versions:
        return Versions(self.model, lambda: self.registry, self.ledger, self.folder / ".leeway" / "bundles")

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.settings, self.log, self.ledger, self.images)

    @cached_property
    def embedder(self) -> Embedder:
        """Embeds production's images with the bundle of their version."""
        return Embedder(self.folder / ".leeway" / "embeddings", self._embed)

    def _embed(self, version: ModelVersion) -> Embed:
        """Load the version's bundle. Raises RegistryError or BundleError where it is not to be had."""
        from leeway.bundle.predictor import Predictor

        if version.model != self.model:
            raise RegistryError(f"model {version.model} is not made in this workspace, whose model is {self.model}")
        predictor = Predictor.load(self.versions.bundle(version.version))
        return lambda images: predictor.predict(images).embedding

    @cached_property
    def notifier(self) -> Notifier:
        from leeway.adapters.apprise.notifiers import AppriseNotifier, PrintNotifier

        urls = self.settings.alert_urls.split()
        return AppriseNotifier(urls) if urls else PrintNotifier()

    @cached_property
    def repository(self) -> DataRepository:
        from leeway.adapters.dvc.repository import open_repository

        return open_repository(self.folder)

    @cached_property
    def trigger(self) -> RetrainTrigger | None:
        """None where no Prefect server is configured: whoever monitors then retrains directly afterwards."""
        from leeway.adapters.prefect.trigger import open_trigger

        return open_trigger()

    @cached_property
    def page_writer(self) -> PageWriter:
        from leeway.adapters.evidently.report import write_page

        return write_page

    def close(self) -> None:
        if "log" in self.__dict__:
            self.log.close()
        if "stores" in self.__dict__:
            self.stores.close()


@contextmanager
def open_workspace(settings: Settings | None = None, *, reading: bool = False) -> Iterator[Workspace]:
    """The workspace of these settings, by default of the current folder and LEEWAY_*; closed at the end.

    `reading`: whoever only reads makes and migrates no database.
    """
    workspace = Workspace(settings or read_settings(), reading=reading)
    try:
        yield workspace
    finally:
        workspace.close()
