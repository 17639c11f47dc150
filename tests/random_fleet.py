"""A fleet of models to which everything happens at random: what production, people, clocks and dying processes do."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.random import Generator
from sqlalchemy import update

from invariants import broken
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import WATCHED, Action, DecisionState, Label, Prediction
from leeway.epoch import Epoch
from leeway.errors import RefusedError
from leeway.jobs import epochs as jobs_epochs
from leeway.jobs.nightly import draw_pages, nightly
from leeway.jobs.reopening import reopen
from leeway.monitor.enrol import enrol, read_reference
from leeway.monitor.fleet import watched_policy, write_watched_policy
from leeway.predictions.ingest import ingest
from leeway.settings import Settings
from leeway.stores import ledger_tables as tables
from leeway.stores.opening import open_stores
from leeway.workspace import Workspace
from memory_ports import MemoryNotifier, MemoryRegistry
from prediction_logs import CLASSES, reference, write_log
from tiny_bundle import CLASSES as COLOURS
from tiny_bundle import write_tiny_bundle

FIRST = date(2025, 1, 6)  # a Monday
COLUMNS = ("prediction_id", "occurred_at", "predicted_class", "confidence", "label", "model_version")
HABITS = ("daily", "fridays", "never", "half")
CHANCES = {  # of a day and model
    "silence": 0.03,
    "new version": 0.01,
    "rollback": 0.01,
    "canary": 0.02,
    "late rows": 0.02,
    "the file again": 0.03,
    "changed rows": 0.01,
    "impossible times": 0.01,
    "a foreign class": 0.02,
    "a worse world": 0.004,
    "policy edited": 0.003,
    "nights are reopened": 0.002,
}
MISSED, TWICE, KILLED, CHANNEL_FAILS = 0.06, 0.05, 0.15, 0.02  # of a morning
OWN = "own"  # the model that this workspace trains


class Killed(BaseException):  # no error that a job could keep and go on
    """A process that dies between two calls of a store."""


class Mortal:
    """A store whose user may die before or after any of its calls; `left` None: nobody dies."""

    def __init__(self, store: Any, fate: "Fate") -> None:
        self.__dict__.update(store=store, fate=fate)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.store, name)
        return self.fate.around(value) if callable(value) else value


@dataclass
class Fate:
    """How many calls the process at work has left; None: all it wants."""

    left: int | None = None
    calls: int = 0

    def around(self, method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.left is None:
                return method(*arguments, **named)
            self.left -= 1
            if self.left < 0:
                raise Killed
            answer = method(*arguments, **named)
            if self.left == 0:
                raise Killed
            return answer

        return call


@dataclass
class Model:
    """One model as it is in production."""

    name: str
    habit: str
    census: bool
    serving: int = 1
    canary_until: int = 0
    accuracy: float = 0.95
    newest: int = 1
    yesterday: Path | None = None


@dataclass
class RandomFleet:
    """Models known from files, in one workspace; `live` lets a day and the morning after it pass."""

    folder: Path
    models: int
    seed: int
    often: float = 1.0  # how many times as often as in a usual year anything happens
    stores: Any = None
    fate: Fate = field(default_factory=Fate)
    truths: dict[tuple[str, str], str] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    sent: dict[tuple[str, date], set[str]] = field(default_factory=lambda: defaultdict(set))  # versions, by night

    registry: Any = None
    asked: dict[str, dict[str, Prediction]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        self.rng: Generator = np.random.default_rng(self.seed)
        (self.folder / "monitoring" / "watched").mkdir(parents=True)
        (self.folder / "monitoring" / "policy.yaml").write_text("{}")
        self.settings = Settings(workspace=self.folder).resolved()
        self.notifier = MemoryNotifier()
        self.stores = open_stores(self.settings.database_url, secret=f"seed {self.seed}")
        path = reference(self.folder / "reference.csv")
        with self.workspace() as workspace:
            self.fleet = [self._enrol(workspace, number, path) for number in range(self.models - 1)]
        self._take_own_model_into_service()

    def _take_own_model_into_service(self) -> None:
        (self.folder / "params.yaml").write_text("{}")
        self.settings = self.settings.model_copy(update={"model": OWN})
        self.registry = MemoryRegistry(self.folder / "registry")
        for number, temperature in enumerate((0.05, 0.1, 0.2), start=1):
            bundle = self.folder / f"bundle-{number}"
            write_tiny_bundle(bundle, temperature=temperature)
            self.registry.register(bundle, model=OWN, tags={})
        self.registry.set_alias(OWN, "champion", 1)
        with self.workspace() as workspace:
            jobs_epochs.reconcile(workspace, self.clock(-1, hour=0))
        self.fleet.append(Model(OWN, "daily", census=False))

    def _enrol(self, workspace: Workspace, number: int, path: Path) -> Model:
        name = f"m{number:02d}"
        policy = watched_policy(self.settings, name, source=None, floor=0.8)
        write_watched_policy(self.settings, name, policy)
        enrol(workspace.ledger, name, read_reference(path, columns={}, production=False), policy, name="v1")
        return Model(name, HABITS[number % len(HABITS)], census=number % 10 == 9)

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """As a command opens it, over stores whose user may die."""
        made = Workspace(self.settings)
        stores = type(
            "Mortals", (), {"log": Mortal(self.stores.log, self.fate), "ledger": Mortal(self.stores.ledger, self.fate)}
        )
        made.__dict__.update(stores=stores, notifier=self.notifier, trigger=None, registry=self.registry)
        yield made

    def happens(self, what: str, chance: float | None = None) -> bool:
        found = bool(self.rng.random() < self.often * (CHANCES[what] if chance is None else chance))
        self.happened[what] += found
        return found

    def live(self, day: int) -> bool:
        """Let day `day` (from 0) pass, and the night after it; return whether the monitor has looked."""
        for model in self.fleet:
            self.produce(model, day)
            if self.happens("nights are reopened"):
                self.reopen(model, day)
        self.people_answer(day)
        if self.happens("the channel fails or recovers", CHANNEL_FAILS):
            self.notifier.broken = not self.notifier.broken
        missed = self.happens("a morning is missed", MISSED)
        if not missed:
            self.morning(day)
            if self.happens("the monitor runs twice", TWICE):
                self.morning(day)
        self.train(day)
        return not missed

    # Production

    def produce(self, model: Model, day: int) -> None:
        if self.happens("new version"):
            model.newest += 1
            model.serving = model.newest
        elif model.newest > 1 and self.happens("rollback"):
            model.serving = int(self.rng.integers(1, model.newest + 1))
        if model.newest > 1 and self.happens("canary"):
            model.canary_until = day + 5
        if self.happens("a worse world"):
            model.accuracy = 0.6 if model.accuracy > 0.9 else 0.95
        if model.name != OWN and self.happens("policy edited"):
            path = self.settings.watched / f"{model.name}.yaml"
            content = yaml.safe_load(path.read_text())
            content["accuracy"]["floor"] = 0.85 if content["accuracy"]["floor"] == 0.8 else 0.8
            path.write_text(yaml.safe_dump(content))
        if self.happens("silence"):
            return
        if model.name == OWN:
            self.serve(day)
            return
        night, name = FIRST + timedelta(days=day), f"{model.name}-{day:03d}"
        if day and self.happens("late rows"):
            night, name = night - timedelta(days=int(self.rng.integers(1, min(day, 5) + 1))), f"{name}-late"
        rows = self.rows(model, night, name, count=int(self.rng.integers(20, 60)), day=day)
        if night == FIRST + timedelta(days=day):
            self.due(model, night, rows)
        path = write_log(self.folder / f"{name}.csv", rows, columns=COLUMNS)
        self.take(model, path, day)
        if model.yesterday is not None and self.happens("the file again"):
            self.take(model, model.yesterday, day)
        if self.happens("changed rows"):
            self.take(
                model,
                write_log(self.folder / "x.csv", [{**row, "confidence": "0.5"} for row in rows[:3]], columns=COLUMNS),
                day,
            )
        model.yesterday = path

    def serve(self, day: int) -> None:
        """The own model's production, recorded as `predict` does; now and then an old version still answers."""
        serving = self.registry.aliases(OWN)["champion"]
        version = int(self.rng.integers(1, 4)) if self.happens("an old version answers", 0.03) else serving
        midnight = datetime.combine(FIRST + timedelta(days=day), time(), tzinfo=UTC)
        rows = []
        for index in range(60):
            truth = str(self.rng.choice(COLOURS))
            right = self.rng.random() < (0.95 if day % 100 < 60 else 0.5)
            said = truth if right else str(self.rng.choice([one for one in COLOURS if one != truth]))
            chances = tuple(0.9 if one == said else 0.05 for one in COLOURS)
            prediction = Prediction(
                f"own-{day:03d}-{index:03d}",
                OWN,
                version,
                midnight + timedelta(minutes=index),
                "",
                said,
                0.9,
                chances,
                0.0,
                1.0,
                f"thing-{self.rng.integers(2000)}",
            )
            self.truths[OWN, prediction.id] = truth
            rows.append(prediction)
        versions = {one.version: one for one in self.stores.ledger.versions(OWN)}
        if version in versions:
            batches = [(version, PredictionColumns.of(rows))]
            self.stores.log.record(OWN, batches, received_at=midnight + timedelta(hours=23), strict=True)

    def train(self, day: int) -> None:
        """Whoever trains claims a request, and ends well, badly or never; people move the champion's alias."""
        now, ledger = self.clock(day, hour=5), self.stores.ledger
        for one in ledger.decisions(OWN):
            if one.action is not Action.RETRAIN:
                continue
            if one.state is DecisionState.OPEN and self.rng.random() < 0.5:
                ledger.claim_decision(one.key, now=now)
            elif one.state is DecisionState.RUNNING and self.rng.random() < 0.5:
                ledger.finish_decision(one.key, failed=bool(self.rng.random() < 0.5), outcome="of the test")
        if self.happens("another champion", 0.03):
            self.registry.set_alias(OWN, "champion", int(self.rng.integers(1, 4)))

    def rows(self, model: Model, night: date, name: str, *, count: int, day: int) -> list[dict[str, str]]:
        midnight, rows = datetime.combine(night, time(), tzinfo=UTC), []
        strange = self.happens("impossible times")
        foreign = self.happens("a foreign class")
        for index in range(count):
            truth = str(self.rng.choice(CLASSES))
            right = self.rng.random() < model.accuracy
            said = truth if right else str(self.rng.choice([one for one in CLASSES if one != truth]))
            version = model.serving
            if day < model.canary_until and self.rng.random() < 0.2:
                version = model.newest
            occurred = midnight + timedelta(days=1) * (index / count)
            if strange and index == 0:
                occurred = datetime(1970, 1, 1, tzinfo=UTC) if count % 2 else occurred + timedelta(days=400)
            if foreign and index == 1:
                said = "wombat"
            row = {
                "prediction_id": f"{name}-{index:03d}",
                "occurred_at": occurred.isoformat(),
                "predicted_class": said,
                "confidence": f"{0.97 if right else 0.55:.2f}",
                "label": truth if model.census else "",
                "model_version": f"v{version}",
            }
            self.truths[model.name, row["prediction_id"]] = truth
            rows.append(row)
        return rows

    def due(self, model: Model, night: date, rows: list[dict[str, str]]) -> None:
        """Remember of which versions this night must be decided."""
        own = [one for one in rows if one["occurred_at"][:10] == night.isoformat()]
        self.sent[model.name, night] |= {one["model_version"] for one in own}

    def take(self, model: Model, path: Path, day: int) -> None:
        """`leeway ingest` an hour after midnight; a process that dies is run again."""
        now = self.clock(day, hour=1)
        self.surely(lambda workspace: ingest(workspace.log, workspace.ledger, model.name, path, columns={}, now=now))

    # People

    def people_answer(self, day: int) -> None:
        noon = self.clock(day, hour=0) - timedelta(hours=12)
        friday = (FIRST + timedelta(days=day)).weekday() == 4
        for model in self.fleet:
            if model.habit == "never" or (model.habit == "fridays" and not friday):
                continue
            queue = self.stores.ledger.label_queue(model.name)
            self.asked[model.name] |= {one.id: one for _, one in queue}
            if self.happens("answers come weeks late", 0.02):
                old = [one for one in self.asked[model.name].values() if one.occurred_at < noon - timedelta(days=14)]
                self.stores.ledger.record_labels([self.label(one, noon, "ada") for one in old[:30]])
            some = [one for _, one in queue if model.habit != "half" or self.rng.random() < 0.5]
            said = [self.label(one, noon, "ada") for one in some]
            said += [self.label(one, noon, "bob") for one in some if self.rng.random() < 0.05]
            if said:
                self.stores.ledger.record_labels(said)
            if some and self.rng.random() < 0.1:  # somebody corrects what she said before
                again = [self.label(some[0], noon + timedelta(hours=1), "ada", other=True)]
                self.stores.ledger.record_labels(again)

    def label(self, prediction: Prediction, now: datetime, who: str, *, other: bool = False) -> Label:
        truth = self.truths[prediction.model, prediction.id]
        if other or self.rng.random() < 0.02:
            classes = COLOURS if prediction.model == OWN else CLASSES
            truth = str(self.rng.choice([*classes, "wasp"]))
        return Label(prediction.model, prediction.id, truth, who, now)

    # The monitor

    def reopen(self, model: Model, day: int) -> None:
        """Somebody takes some nights back; what had been decided of them is decided anew."""
        night, now = FIRST + timedelta(days=max(day - int(self.rng.integers(1, 6)), 0)), self.clock(day, hour=1)
        with suppress(RefusedError):  # while a retraining runs
            self.surely(lambda workspace: reopen(workspace, model.name, night, now))

    def morning(self, day: int) -> None:
        now = self.clock(day, hour=2)
        self.surely(lambda workspace: nightly(workspace, now, run=without_pages).failures.raise_first())

    def surely(self, work: Any) -> None:
        """Do it in a process that may die at any call of a store, and then again in one that does not."""
        if self.happens("a process dies", KILLED):
            self.fate.left = int(self.rng.integers(1, 400))
            try:
                with self.workspace() as workspace:
                    work(workspace)
            except Killed:
                self.happened["died"] += 1
                self.bury()
            finally:
                self.fate.left = None
        with self.workspace() as workspace:
            work(workspace)

    def bury(self) -> None:
        """Free what the dead process was sending, as its number does on the machine on which it died."""
        free = update(tables.deliveries).values(until=datetime(1970, 1, 1, tzinfo=UTC))
        with self.stores.ledger.database.transaction(writes=True) as connection:
            connection.execute(free)

    def clock(self, day: int, *, hour: int) -> datetime:
        return datetime.combine(FIRST + timedelta(days=day + 1), time(hour), tzinfo=UTC)

    def broken(self, day: int) -> list[str]:
        """Return what does not hold now of any model's ledger, after a morning that was not missed."""
        now = self.clock(day, hour=3)
        with self.workspace() as workspace:
            found = [one for model in self.fleet for one in broken(epochs_of(workspace, model.name, now), now)]
            found += [problem for model in self.fleet for problem in self.undecided(workspace, model.name)]
        twice = [title for title, times in Counter(self.notifier.sent).items() if times > 1]
        if len(twice) > self.happened["died"]:
            found.append(
                f"{len(twice)} alerts were sent twice, and {self.happened['died']} processes died: {twice[:3]}"
            )
        if not self.notifier.broken and workspace.ledger.pending_alerts():
            found.append(f"{len(workspace.ledger.pending_alerts())} alerts wait, though the channel takes them")
        return found

    def undecided(self, workspace: Workspace, model: str) -> list[str]:
        """Name the nights that had rows of a version, in time, and are not decided for it."""
        numbers = {one.bundle_digest.removeprefix(WATCHED): one.version for one in workspace.ledger.versions(model)}
        decided = {(one.version, one.night) for one in workspace.ledger.decisions(model) if one.nightly}
        return [
            f"{model}: {night} is not decided for {name}"
            for (owner, night), names in self.sent.items()
            for name in names
            if owner == model and (numbers.get(name), night) not in decided
        ]


def epochs_of(workspace: Workspace, model: str, now: datetime) -> list[Epoch]:
    """Return an epoch of each recorded version, from its first prediction on."""
    versions = workspace.ledger.versions(model)
    firsts = [workspace.log.first_at(one) for one in versions]
    return [
        workspace.fleet.epoch(one, now, began_at=first) for one, first in zip(versions, firsts, strict=True) if first
    ]


def without_pages(step: Any, *arguments: Any) -> Any:
    """Run a step of the nightly job; pages take longer than all the rest, and decide nothing."""
    return [] if step is draw_pages else step(*arguments)
