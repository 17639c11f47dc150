"""Wiring: one workspace with its adapters, each opened when it is first needed."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from leeway.checks.policy import Policy, load_policy
from leeway.data.manifest import read_manifest
from leeway.domain.ports import DataRepository, ImageStore, Notifier, PageWriter, Registry, RetrainTrigger, Store
from leeway.domain.records import Decision, LabelledDraw, ModelVersion, Release, Verdict
from leeway.errors import ParamsError, in_one_line
from leeway.evaluation.reads import GATE, LEDGER, record_read
from leeway.labels import answers
from leeway.monitor import enrol
from leeway.monitor.alerts import NoNotifier, deliver_alerts
from leeway.monitor.night import Watch
from leeway.monitor.pages_due import PageTools, draw_missing
from leeway.release import judge, release, retrain
from leeway.settings import Settings, read_settings

CHECKLIST = Path("reports/checklist.json")  # as the evaluate stage writes it
log = logging.getLogger("leeway.workspace")


class Workspace:
    """A workspace at work. Heavy libraries are loaded by the property that needs them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model = settings.model
        self.folder = settings.workspace

    @cached_property
    def policy(self) -> Policy:
        """The workspace's policy, with this model's part of the yearly budget that all watched models share."""
        return load_policy(self.settings.policy_path).shared_by(self.models_watched)

    @cached_property
    def watched(self) -> tuple[str, ...]:
        """Names of the models that are known from files only."""
        return tuple(sorted(path.stem for path in self.settings.watched.glob("*.yaml")))

    @property
    def trains(self) -> bool:
        """Whether this workspace makes a model of its own."""
        return (self.folder / "params.yaml").is_file()

    @property
    def models_watched(self) -> int:
        return len(self.watched) + self.trains

    def classes_of(self, model: str) -> tuple[str, ...]:
        """Of its last version. Raises ParamsError for a model without one."""
        versions = self.store.versions(model)
        if not versions:
            raise ParamsError(f"no model '{model}' is watched here; known: {', '.join(self.watched) or 'none'}")
        return versions[-1].reference.classes

    def policy_of(self, model: str) -> Policy:
        """With this model's part of the workspace's yearly budget."""
        if model not in self.watched:
            return self.policy
        own = load_policy(self.settings.watched / f"{model}.yaml")
        part = self.policy.false_alarm_probability_per_year
        return own.model_copy(update={"false_alarm_probability_per_year": part})

    @cached_property
    def store(self) -> Store:
        from leeway.stores.sql import open_store

        return open_store(self.settings.database_url)

    @cached_property
    def registry(self) -> Registry:
        from leeway.adapters.mlflow.registry import open_registry

        return open_registry(self.settings.mlflow_uri)

    @cached_property
    def images(self) -> ImageStore:
        from leeway.stores.images import FolderImageStore

        return FolderImageStore(self.settings.images)

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

    @property
    def pages(self) -> Path:
        return self.folder / "reports" / "nights"

    @property
    def feedback(self) -> Path:
        return self.folder / "data" / "feedback"

    def close(self) -> None:
        if "store" in self.__dict__:
            self.store.close()

    # What the adapters are for

    def draw_pages(self, at: Watch) -> list[Path]:
        """Draws what is missing of the last week's pages, alarm nights by Evidently too. Whatever fails stops nothing.

        Returns the pages that were drawn.
        """
        try:
            from leeway.pages.night import write_night_page

            tools = PageTools(self.pages, self.images, write_night_page, self.page_writer)
            return draw_missing(at, tools)
        except Exception as error:
            log.warning("%s version %d: no pages: %s", at.champion.model, at.champion.version, in_one_line(error))
            return []

    def bundle(self, version: int) -> Path:
        """The version's bundle as a local folder."""
        folder = self.folder / ".leeway" / "bundles" / f"{self.model}-{version}"
        return self.registry.fetch(self.model, version, folder)

    def champion(self, now: datetime) -> ModelVersion:
        """For commands that write: its epoch begins now if it never did. Raises RegistryError if there is none yet."""
        return release.champion_of(self.model, registry=self.registry, store=self.store, fetch=self.bundle, now=now)

    def serving_champion(self, now: datetime) -> ModelVersion | None:
        """The same; None if there is none yet."""
        found = self.find_champion()
        return None if found is None else release.with_epoch(found, self.store, now=now)

    def find_champion(self) -> ModelVersion | None:
        """For readers: nothing is written. None if there is none yet."""
        return release.find_champion(self.model, registry=self.registry, store=self.store, fetch=self.bundle)

    def watches(self, as_of: datetime, model: str | None = None) -> list[Watch]:
        """What there is to look at this morning: the champion, and every version of the models known from files.

        With `model` that one alone. Nothing is written: `morning.watches` begins the epoch of a champion that never
        served. Raises ParamsError for a name that is not watched, RegistryError where there is nothing to look at yet.
        """
        found = [one for name in self.models(model) for one in self.watches_of(name, as_of)]
        if not found and self.trains and model in (None, self.model):
            self.champion(as_of)  # raises: it says why there is nothing to look at
        return found

    def models(self, model: str | None = None) -> list[str]:
        """Names of all that is watched here, the workspace's own model first, or of `model` alone."""
        own = [self.model] if self.trains else []
        known = [*own, *(one for one in self.watched if one not in own)]
        if model is not None and model not in known:
            told = ", ".join(known) or "none"
            raise ParamsError(f"no model '{model}' is watched here; known: {told} (`leeway watch init {model} ...`)")
        return known if model is None else [model]

    def watches_of(self, model: str, as_of: datetime) -> list[Watch]:
        """Of one model; empty while it has no version to look at."""
        if self.trains and model == self.model:
            champion = self.find_champion()
            return [Watch(self.store, self.policy, champion, as_of)] if champion else []
        versions = [enrol.serving_since(self.store, one, now=as_of) for one in self.store.versions(model)]
        policy = self.policy_of(model)
        epochs = [Watch(self.store, policy, one, as_of).epoch for one in versions]
        return [
            Watch(self.store, policy, one, as_of, until=until)
            for one, until in zip(versions, [*epochs[1:], None], strict=True)
        ]

    def register(self, *, reason: str) -> ModelVersion:
        """The bundle that `dvc repro` made."""
        bundle = self.folder / "models" / "bundle"
        return release.register(bundle, model=self.model, registry=self.registry, store=self.store, reason=reason)

    def version(self, version: int) -> ModelVersion:
        """A registered version. Raises RegistryError, which lists the known ones."""
        return release.find_version(self.model, version, registry=self.registry, store=self.store, fetch=self.bundle)

    def judge(
        self,
        challenger: ModelVersion,
        champion: ModelVersion | None,
        *,
        gate_labels: Sequence[LabelledDraw] | None = None,
    ) -> Verdict:
        """The gate, on the frozen test split and `gate_labels`, by default those since the champion's last alarm.

        That the test split was read is written down with the time of the clock, whatever `now` a flow lives in.
        """
        if gate_labels is None and champion is not None:
            alarm = answers.alarm_before(self.store.decisions(self.model), champion)
            gate_labels = answers.gate_labels(self.store, champion, since=alarm.night if alarm else None)
        return judge.gate(
            challenger,
            champion,
            policy=self.policy,
            manifest=read_manifest(self.folder / "data" / "dataset"),
            data=self.folder / "data",
            gate_labels=gate_labels or (),
            images=self.images,
            fetch=self.bundle,
            checklist=judge.checklist_of(challenger, report=self.folder / CHECKLIST, registry=self.registry),
            record_read=partial(record_read, self.folder / LEDGER, by=GATE, at=now_utc()),
        )

    def release(
        self,
        challenger: ModelVersion,
        champion: ModelVersion | None,
        verdict: Verdict,
        *,
        now: datetime,
        approved_by: str | None = None,
    ) -> Release:
        return release.release(
            challenger,
            champion,
            verdict,
            registry=self.registry,
            store=self.store,
            policy=self.policy,
            now=now,
            approved_by=approved_by,
        )

    def rollback(self, *, now: datetime) -> Release:
        return release.rollback(
            self.champion(now), registry=self.registry, store=self.store, policy=self.policy, now=now
        )

    def claim(self, request: str | None, champion: ModelVersion, *, now: datetime) -> Decision | None:
        """The request, now ours; without one the calendar asks, if there is enough to learn. None: nothing to do."""
        if request is None:
            if not retrain.is_worth_it(self.store, champion, self.policy, folder=self.feedback):
                return None
            request = self.request(champion, asked_by="the calendar", now=now).key
        return retrain.claim(self.store, self.model, request, now=now)

    def request(self, champion: ModelVersion, *, asked_by: str, now: datetime) -> Decision:
        return retrain.request(self.store, champion, self.policy, asked_by=asked_by, now=now)

    @contextmanager
    def at_work(self, decision: Decision, *, now: datetime) -> Iterator[None]:
        """Around the work on a claimed request; whatever happens, people are told at the end."""
        try:
            with retrain.told(self.store, decision, self.policy, now=now):
                yield
        finally:
            self.deliver_alerts(now=now)

    def deliver_alerts(self, *, now: datetime) -> list[str]:
        """Returns what went wrong. Addresses that no notifier can be made of leave the alerts in the outbox too."""
        try:
            notifier = self.notifier
        except Exception as error:
            log.warning("alerts: %s", in_one_line(error))
            notifier = NoNotifier(error)
        return deliver_alerts(self.store, notifier, now=now)

    def reproduce(self) -> None:
        self.repository.reproduce()

    def finish(self, decision: Decision, challenger: ModelVersion, made: Release) -> str:
        return retrain.finish(
            self.store, decision, made, repository=self.repository, dataset_digest=challenger.dataset_digest
        )

    def add_labels(self, champion: ModelVersion, decision: Decision) -> Path | None:
        return retrain.add_labels(
            self.store,
            champion,
            self.policy,
            decision,
            images=self.images,
            repository=self.repository,
            folder=self.feedback,
        )

    def fetch_champion(self, decision: Decision) -> Path | None:
        return retrain.fetch_champion(self.registry, decision, folder=self.folder / "models" / "start")


@contextmanager
def open_workspace(settings: Settings | None = None) -> Iterator[Workspace]:
    """The workspace of these settings, by default of the current folder and LEEWAY_*; closed at the end."""
    workspace = Workspace(settings or read_settings())
    try:
        yield workspace
    finally:
        workspace.close()


def now_utc() -> datetime:
    return datetime.now(UTC)
