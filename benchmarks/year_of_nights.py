"""P16: a night after 365 earlier ones, beside the same night as the eighth of a fresh store; `status` of a fleet.

    python benchmarks/year_of_nights.py [--predictions 5000] [--filled 365] [--page] [--flow] [--profile] [--json FILE]
    python benchmarks/year_of_nights.py --fleet 100 [--profile] [--json FILE]

Two SQLite stores of one watched model, 20 labels a night. Eight nights are lived through by the monitor itself; one
store then gets copies of its seventh up to night 365, dates shifted. The night that is measured holds the same
predictions in both, and the labels of the plan before it come in. They alternate, after a round that no one counts;
what the night left is removed between rounds. Statements and their seconds are counted in a round of their own (rows
that are fetched later are not in those seconds). Target: 1.1 times the eighth night.

`--fleet N`: N models of 365 nights in one workspace, and the CPU seconds of the command `leeway status` there, start
included, beside the same command in a workspace of one model with one night. Target: 1.5 s.
"""

import argparse
import cProfile
import json
import os
import pstats
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sqlalchemy import Engine, event

from leeway.bundle.reference import count_answers
from leeway.checks.policy import Policy
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import Label, ModelVersion
from leeway.jobs.step import RunStep, call
from leeway.monitor.enrol import enrol
from leeway.stores.opening import Stores, open_stores

MODEL = "birds"
FIRST = date(2025, 3, 1)
LIVED = 8  # nights that the monitor itself decides; the one before the last is what is copied
YEAR = 365
SLICES = ("north", "south", "east", "west")
REFERENCE_ROWS = 10_000
FLEET_PREDICTIONS = 100  # a night and model
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
NUMBERED = ("labels", "predictions")
OWN_NIGHT = {"windows": "night", "decisions": "night", "check_results": "night", "label_plans": "night"}


# --- what is measured: the only calls into the monitor ----------------------------------------------------------------


def live_one_night(stores: Stores, night: date, *, page: Path | None = None, run: RunStep = call) -> list[str]:
    """Everything that the monitor does of this night on the morning after; the predictions people shall label."""
    from leeway.epoch import Epoch
    from leeway.jobs.failures import Failures
    from leeway.jobs.nightly import look
    from leeway.stores.images import FolderImageStore

    as_of, failures, version = morning_after(night), Failures(), stores.ledger.versions(MODEL)[-1]
    images, began_at = FolderImageStore(Path("no images")), stores.log.first_at(version) or as_of
    epoch = Epoch(version, Policy(), stores.log, stores.ledger, images, as_of, began_at)
    looked = look(epoch, failures, run=run)
    failures.raise_first()
    if looked is None or [one.night for one in looked.nights] != [night]:
        raise RuntimeError(f"the nights decided are {looked and looked.nights}, expected {night}")
    if page:
        from leeway.monitor.night_facts import night_page
        from leeway.pages.night import write_night_page

        write_night_page(page / "night.html", night_page(epoch, epoch.history.windows[-1]))
    return [prediction.id for _, prediction in stores.ledger.label_queue(MODEL)]


def look_at_fleet(folder: Path) -> str:
    """What `leeway status` prints, in this process."""
    from leeway.monitor.overview import fleet_overview
    from leeway.settings import Settings
    from leeway.workspace import open_workspace

    with open_workspace(Settings(workspace=folder).resolved()) as workspace:
        return fleet_overview(workspace.fleet, datetime.now(UTC))


# --- stores -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    """What production sends each night."""

    predictions: int
    classes: int

    @property
    def names(self) -> list[str]:
        return [f"species_{number:04}" for number in range(self.classes)]

    def night(self, night: date) -> PredictionColumns:
        """The same each night but for the date, in order of time."""
        said, confidence, rng = self._answers(self.predictions, seed=5)
        seconds = np.sort(rng.integers(86_400, size=self.predictions)).tolist()
        times = [f"{night} {at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000000" for at in seconds]
        nothing: list[None] = [None] * self.predictions
        return PredictionColumns(
            ids=[f"{MODEL}/{night}/{number:08x}" for number in rng.permutation(self.predictions).tolist()],
            occurred_at=times,
            predicted=[self.names[one] for one in said.tolist()],
            labels=nothing,
            draw_probabilities=nothing,
            confidence=confidence.tolist(),
            slices=[SLICES[one] for one in rng.integers(len(SLICES), size=self.predictions).tolist()],
        )

    def enrol(self, stores: Stores) -> ModelVersion:
        said, confidence, rng = self._answers(REFERENCE_ROWS, seed=1)
        truth = np.where(rng.random(REFERENCE_ROWS) < 0.05, 0, said)
        reference = count_answers(self.names, said, truth=truth, confidence=confidence, production=True)
        return enrol(stores.ledger, MODEL, reference, Policy())

    def _answers(self, rows: int, *, seed: int) -> tuple[Any, Any, np.random.Generator]:
        """(predicted classes, confidences, the generator): classes are of unequal shares."""
        rng = np.random.default_rng(seed)
        shares = np.arange(self.classes, 0, -1) + self.classes
        said = rng.choice(self.classes, size=rows, p=shares / shares.sum())
        return said, np.round(rng.beta(9, 1.2, size=rows), 4), rng


def make_store(path: Path, world: World, *, earlier: int, filled: int) -> date:
    """A store of so many decided nights and the predictions of one more, which is returned; the last plan is open.

    Of the nights that are copied the last `filled` have their predictions.
    """
    with closing(open_stores(f"sqlite:///{path}")) as stores:
        world.enrol(stores)
        for number in range(LIVED):
            live_and_label(stores, world, FIRST + timedelta(days=number))
        tonight = FIRST + timedelta(days=earlier)
        rest = [FIRST + timedelta(days=number) for number in range(max(LIVED, earlier - filled), earlier + 1)]
        send(stores, world, rest)
    with direct(path) as connection:
        forget(connection, FIRST + timedelta(days=LIVED - 1))
        rows = template_rows(connection, FIRST + timedelta(days=LIVED - 2))
        for number in range(LIVED - 1, earlier):
            insert_rows(connection, rows, days=number - (LIVED - 2))
        connection.execute("UPDATE windows SET position = (SELECT seq FROM log_heads)")  # nothing came late
    return tonight


def live_and_label(stores: Stores, world: World, night: date) -> None:
    """People answer what they were asked, rightly."""
    columns = world.night(night)
    send(stores, world, [night])
    answers = dict(zip(columns.ids, columns.predicted, strict=True))
    asked = sorted(set(live_one_night(stores, night)))
    at = morning_after(night) + timedelta(hours=4)
    stores.ledger.record_labels([Label(MODEL, one, answers[one], "ada", at) for one in asked])


def send(stores: Stores, world: World, nights: list[date]) -> None:
    received_at = datetime(2026, 6, 1, tzinfo=UTC)
    stores.log.record(MODEL, ((1, world.night(night)) for night in nights), received_at=received_at)


def morning_after(night: date) -> datetime:
    return datetime(night.year, night.month, night.day, 6, tzinfo=UTC) + timedelta(days=1)


@contextmanager
def direct(path: Path) -> Iterator[sqlite3.Connection]:
    """Past the store: quick, and nothing is checked."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("PRAGMA synchronous = off")
        with connection:
            yield connection


Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]


def template_rows(connection: sqlite3.Connection, night: date, *, predictions: bool = False) -> Rows:
    """Table -> (columns, rows) of all that is known of this night, labels included."""
    planned = "SELECT id FROM label_plans WHERE night = :night"
    drawn = f"SELECT prediction_id FROM draws WHERE plan_id IN ({planned})"
    conditions = {
        "predictions": "substr(occurred_at, 1, 10) = :night",
        **{table: f"{column} = :night" for table, column in OWN_NIGHT.items()},
        "pins": f"prediction_id IN ({drawn})",
        "draws": f"plan_id IN ({planned})",
        "labels": f"prediction_id IN ({drawn})",
    }
    if not predictions:
        del conditions["predictions"]
    found: Rows = {}
    for table, condition in conditions.items():
        cursor = connection.execute(f"SELECT * FROM {table} WHERE {condition}", {"night": night.isoformat()})
        names = [one[0] for one in cursor.description]
        numbered = int(table in NUMBERED)  # whose first column the database gives
        found[table] = (names[numbered:], [row[numbered:] for row in cursor])
    return found


def insert_rows(connection: sqlite3.Connection, rows: Rows, *, days: int, model: str = MODEL) -> None:
    """The rows so many days later, of another model."""
    shift = shifting(days, model)
    for table, (columns, found) in rows.items():
        names, marks = ", ".join(map(json.dumps, columns)), ", ".join("?" * len(columns))
        moved = [tuple(shift(value) if isinstance(value, str) else value for value in row) for row in found]
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", moved)


def shifting(days: int, model: str) -> Callable[[str], str]:
    """Every date in a text, and the model's name. Most texts hold neither."""
    known: dict[str, str] = {}

    def later(found: re.Match[str]) -> str:
        told = found.group()
        if told not in known:
            known[told] = (date.fromisoformat(told) + timedelta(days=days)).isoformat()
        return known[told]

    return lambda text: ISO_DATE.sub(later, text.replace(MODEL, model))


def forget(connection: sqlite3.Connection, night: date) -> None:
    """What was concluded from this night and later ones, and what people said of it."""
    planned = "SELECT id FROM label_plans WHERE night >= :night"
    drawn = f"SELECT prediction_id FROM draws WHERE plan_id IN ({planned})"
    for table, condition in (
        ("labels", f"prediction_id IN ({drawn})"),
        ("draws", f"plan_id IN ({planned})"),
        ("label_plans", "night >= :night"),
        ("check_results", "night >= :night"),
        ("alerts", "substr(made_at, 1, 10) > :night"),
        ("decisions", "night >= :night"),
        ("windows", "night >= :night"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {condition}", {"night": night.isoformat()})


def begin_again(path: Path, tonight: date) -> None:
    """As before this night was looked at: the plan of the one before is answered, and nobody has closed it."""
    with direct(path) as connection:
        forget(connection, tonight)
        last = (tonight - timedelta(days=1)).isoformat()
        connection.execute("UPDATE label_plans SET closed_at = NULL, applied_by = NULL WHERE night = ?", (last,))


# --- a night ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statements:
    """What went to the database; `seconds` of CPU."""

    count: int
    seconds: float


def time_night(path: Path, tonight: date, *, page: Path | None, run: RunStep = call) -> float:
    """CPU seconds; opening the store is not in them."""
    begin_again(path, tonight)
    with closing(open_stores(f"sqlite:///{path}")) as stores:
        started = time.process_time()
        live_one_night(stores, tonight, page=page, run=run)
        return time.process_time() - started


def count_statements(work: Callable[[], Any]) -> Statements:
    times: list[float] = []

    def before(*_: Any) -> None:
        times.append(-time.process_time())

    def after(*_: Any) -> None:
        times[-1] += time.process_time()

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        work()
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)
    return Statements(len(times), sum(times))


def measure_nights(
    world: World, *, filled: int, rounds: int, folder: Path, page: bool, profile: bool, run: RunStep = call
) -> dict[str, Any]:
    stores = {"eighth": LIVED - 1, "year": YEAR}  # decided nights before tonight
    pages = folder if page else None
    paths = {name: folder / f"{name}.db" for name in stores}
    nights = {name: make_store(paths[name], world, earlier=before, filled=filled) for name, before in stores.items()}
    seconds: dict[str, list[float]] = {name: [] for name in stores}
    for number in range(rounds + 1):
        for name in stores:
            took = time_night(paths[name], nights[name], page=pages, run=run)
            seconds[name] += [took] if number else []
    counted = {
        name: asdict(count_statements(lambda name=name: time_night(paths[name], nights[name], page=pages)))  # type: ignore[misc]
        for name in stores
    }
    if profile:
        show_profile(lambda: time_night(paths["year"], nights["year"], page=pages))
    return {"cpu_seconds": seconds, "statements": counted}


def measure_in_a_flow(world: World, *, folder: Path, **shared: Any) -> dict[str, Any]:
    """The same, each step a task of one flow run; the CPU seconds of Prefect's temporary server are not in them."""
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_LOGGING_LEVEL": "ERROR"}
    from leeway.adapters.prefect.trigger import quiet_prefect

    quiet_prefect()
    from prefect import flow

    from leeway.adapters.prefect.tasks import as_task

    @flow(name="year of nights")
    def measured() -> dict[str, Any]:
        return measure_nights(world, folder=folder, run=as_task, **shared)

    return measured()


def show_profile(work: Callable[[], Any]) -> None:
    """Functions by the time they took with all that they called, and alone."""
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(work)
    for order, rows in (("cumulative", 50), ("tottime", 20)):
        pstats.Stats(profiler).strip_dirs().sort_stats(order).print_stats(rows)


# --- a fleet ----------------------------------------------------------------------------------------------------------


def make_fleet(folder: Path, *, models: int, nights: int, predictions: int) -> Path:
    """A workspace that watches so many models, each with copies of the seventh night of one."""
    from leeway.jobs.init import init_watching
    from leeway.monitor.fleet import write_watched_policy
    from leeway.settings import Settings

    init_watching(folder)
    settings = Settings(workspace=folder).resolved()
    path, world = folder / ".leeway" / "leeway.db", World(predictions, classes=10)
    with closing(open_stores(f"sqlite:///{path}")) as stores:
        version = world.enrol(stores)
        for number in range(LIVED):
            live_and_label(stores, world, FIRST + timedelta(days=number))
        names = [f"{MODEL}_{number:03}" for number in range(models)]
        for name in names:
            stores.ledger.record_model(replace(version, model=name))
            write_watched_policy(settings, name, Policy())
    with direct(path) as connection:
        connection.execute("PRAGMA foreign_keys = off")
        rows = template_rows(connection, FIRST + timedelta(days=LIVED - 2), predictions=True)
        for name in names:
            for number in range(nights):
                insert_rows(connection, rows, days=number - (LIVED - 2), model=name)
    return folder


def time_status(folder: Path) -> float:
    """CPU seconds, user and system, of the command."""
    command = [sys.executable, "-c", "from leeway.cli.app import main; main()", "status"]
    before = os.times()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def measure_fleet(models: int, *, rounds: int, folder: Path, predictions: int, profile: bool) -> dict[str, Any]:
    folders = {
        "one": make_fleet(folder / "one", models=1, nights=1, predictions=predictions),
        "fleet": make_fleet(folder / "fleet", models=models, nights=YEAR, predictions=predictions),
    }
    seconds: dict[str, list[float]] = {name: [] for name in folders}
    for number in range(rounds + 1):
        for name, place in folders.items():
            took = time_status(place)
            seconds[name] += [took] if number else []
    counted = {
        name: asdict(count_statements(lambda place=place: look_at_fleet(place))) for name, place in folders.items()
    }  # type: ignore[misc]
    if profile:
        show_profile(lambda: look_at_fleet(folders["fleet"]))
    return {"cpu_seconds": seconds, "statements": counted}


# --- telling ----------------------------------------------------------------------------------------------------------


def table(found: dict[str, Any], titles: dict[str, str]) -> str:
    lines = []
    for name, title in titles.items():
        times, statements = found["cpu_seconds"][name], found["statements"][name]
        spread = f"{min(times):.3f} to {max(times):.3f}"
        told = f"{statements['count']:5} statements, {statements['seconds']:.3f} CPU s in them"
        lines.append(f"{title:44} {median(times):7.3f} CPU s ({spread})  {told}")
    first, last = (median(found["cpu_seconds"][name]) for name in titles)
    return "\n".join([*lines, f"{'ratio':44} {last / first:7.2f}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=5_000, help="a night")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--filled", type=int, default=YEAR, help="earlier nights whose predictions are there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", action="store_true", help="draw the night's page, too")
    parser.add_argument("--flow", action="store_true", help="each step a Prefect task, as in the nightly flow")
    parser.add_argument("--profile", action="store_true", help="show where the night after a year spends its time")
    parser.add_argument("--fleet", type=int, default=0, metavar="MODELS", help="measure `leeway status` instead")
    parser.add_argument("--fleet-predictions", type=int, default=FLEET_PREDICTIONS, help="a night and model")
    parser.add_argument("--scratch", type=Path, help="folder for the stores; else a temporary one")
    parser.add_argument("--json", type=Path, help="seconds of every round")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
        folder, shared = Path(scratch), {"rounds": chosen.rounds, "profile": chosen.profile}
        if chosen.fleet:
            found = measure_fleet(chosen.fleet, folder=folder, predictions=chosen.fleet_predictions, **shared)
            titles = {"one": "status, 1 model x 1 night", "fleet": f"status, {chosen.fleet} models x {YEAR} nights"}
        else:
            world = World(chosen.predictions, chosen.classes)
            measure = measure_in_a_flow if chosen.flow else measure_nights
            found = measure(world, folder=folder, page=chosen.page, filled=chosen.filled, **shared)
            titles = {"eighth": f"night {LIVED} of {chosen.predictions:,}", "year": f"night {YEAR + 1}"}
    print(table(found, titles))
    if chosen.json:
        told = {name: value for name, value in vars(chosen).items() if name not in ("json", "scratch")}
        chosen.json.write_text(json.dumps(told | found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
