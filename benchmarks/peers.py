"""Which monitors alarm falsely, how late, with how many labels?  python benchmarks/peers.py --jobs 2

    python benchmarks/peers.py --jobs 2                   # every row that is not there yet
    python benchmarks/peers.py --jobs 2 --again leeway    # those of these monitors once more
    python benchmarks/peers.py --page                     # only writes the page anew

Each monitor sees the same simulated years. Peers are installed one by one into environments of their own, which are
removed again (2 GB of disk for a while); Evidently and leeway run in this one. Each row is written to docs/peers.json
when it is done, so that a run that was stopped goes on; docs/peers.md is the page.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from peers_worker import LABELS, NIGHTS, REFERENCE_NIGHTS, Stream
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from scipy.stats import beta

from leeway.checks.policy import Policy

WORKER = Path(__file__).with_name("peers_worker.py")
CLASSES = 10
PREDICTIONS = 1000  # a night
CHANGE = 180
NEVER, ALREADY = 1e6, 2e6  # in the place of a delay, so that they sort after every real one


@dataclass(frozen=True)
class World:
    """A stream as the table tells it."""

    name: str
    kind: str  # which monitors see it: "drift" or "labels"
    title: str
    told: str
    predictions: int = PREDICTIONS
    change: int = NIGHTS  # first changed night; NIGHTS: none
    alike: int = 1  # predictions that are of one thing


WORLDS = (
    World("a", "drift", "Nothing changes", "Independent predictions, ten classes of 10 % each, all year."),
    World(
        "b",
        "drift",
        "A benign weekly pattern",
        "On Saturdays and Sundays half of the classes have 15 % more and half 15 % less than on other days, and every "
        "day's shares are drawn anew around that (Dirichlet, 800). The reference week was just the same: an alarm is "
        "false.",
    ),
    World(
        "c",
        "drift",
        "The same weekly pattern, 20,000 predictions a night",
        "As (b), and twenty times as many predictions: chance is smaller, the pattern is not.",
        predictions=20_000,
    ),
    World(
        "d",
        "drift",
        "Groups of ten alike images",
        "As (a), but predictions come in groups of ten that are of one thing and get the same answer: a hundred things "
        "a night. No monitor is told which belong together.",
        alike=10,
    ),
    World(
        "e",
        "drift",
        "Nights that differ",
        "As (a), but every night has shares of its own, drawn around 10 % each (Dirichlet, 200: a class has between 6 "
        "and 14 % on most nights). The reference nights were just the same.",
    ),
    World(
        "f",
        "drift",
        "One class gains 10 points",
        f"As (a); from night {CHANGE} on one class has 20 % instead of 10 %, at the cost of all others alike "
        "(total variation 0.10).",
        change=CHANGE,
    ),
    World("g", "labels", "Accuracy 92 % all year", "The floor is 90 %: an alarm is false."),
    World(
        "h",
        "labels",
        "Accuracy 92 % on average, and nights differ",
        "As (g), but each night has an accuracy of its own: normal, 92 % on average with a standard deviation of 3 "
        "points, and confidences that show it. The reference nights were just the same.",
    ),
    World(
        "i",
        "labels",
        "Accuracy 92 % to 85 %, and the confidences show it",
        f"From night {CHANGE} on. Confidences stay calibrated: they fall with the accuracy.",
        change=CHANGE,
    ),
    World(
        "j",
        "labels",
        "Accuracy 92 % to 85 %, and the confidences do not show it",
        f"From night {CHANGE} on. Confidences stay what they were; the new errors hit each prediction alike.",
        change=CHANGE,
    ),
)
BY_NAME = {world.name: world for world in WORLDS}


@dataclass(frozen=True)
class Monitor:
    """What is compared."""

    name: str
    kinds: tuple[str, ...]
    title: str
    rule: str
    labels: int = 0  # a year


@dataclass(frozen=True)
class Peer:
    """Monitors that share an environment; without `packages` it is this one."""

    name: str
    monitors: tuple[Monitor, ...]
    packages: tuple[str, ...] = ()


DRIFT, ACCURACY = ("drift",), ("labels",)
POLICY = Policy()
PER_YEAR = LABELS * NIGHTS


def ours(check: str) -> str:
    return f"fires, default policy: false-alarm probability {POLICY.alpha(POLICY.checks[check]):.2g} a year"


PEERS = (
    Peer(
        "leeway and Evidently",
        (
            Monitor(
                "leeway_prediction_drift",
                (*DRIFT, *ACCURACY),
                "**leeway** `prediction_drift`",
                f"{ours('prediction_drift')}; it looks at classes, and at classes with thirds of the confidence",
            ),
            Monitor(
                "evidently_default",
                DRIFT,
                "Evidently, default method",
                "`ValueDrift(column=...)`: Jensen-Shannon distance of at least 0.1, above 1,000 reference rows",
            ),
            Monitor(
                "evidently_chi_square",
                DRIFT,
                "Evidently, `chisquare`",
                '`ValueDrift(column=..., method="chisquare")`: p < 0.05',
            ),
            Monitor(
                "leeway_accuracy_planned",
                ACCURACY,
                "**leeway** `accuracy`, labels by its plan",
                f"{ours('accuracy')}; {LABELS} draws a night where its plan wants them",
                PER_YEAR,
            ),
            Monitor(
                "leeway_accuracy_uniform",
                ACCURACY,
                "**leeway** `accuracy`, uniform labels",
                f"{ours('accuracy')}; the {LABELS} uniform labels a night that the others get",
                PER_YEAR,
            ),
            Monitor(
                "seven_day_mean",
                ACCURACY,
                "7-day accuracy under 90 %",
                f"mean of the last {7 * LABELS} uniform labels, from the seventh night on",
                PER_YEAR,
            ),
        ),
    ),
    Peer(
        "NannyML",
        (
            Monitor(
                "nannyml_chi_square",
                DRIFT,
                "NannyML, univariate chi-square",
                "`alert` of `UnivariateDriftCalculator`, method `chi2`, a chunk a night: p < 0.05",
            ),
            Monitor(
                "nannyml_cbpe",
                ACCURACY,
                "NannyML, CBPE accuracy",
                "`alert` of `CBPE`, a chunk a night: estimated accuracy more than 3 standard deviations from the mean "
                "of the reference chunks, either way; it needs labels for the reference only",
            ),
        ),
        ("nannyml", "statsmodels"),  # 0.13.1 imports statsmodels and does not ask for it
    ),
    Peer(
        "alibi-detect",
        (Monitor("alibi_chi_square", DRIFT, "alibi-detect, chi-square", "`is_drift` of `ChiSquareDrift`: p < 0.05"),),
        ("alibi-detect",),
    ),
    Peer(
        "Frouros",
        (
            Monitor(
                "frouros_chi_square",
                DRIFT,
                "Frouros, chi-square",
                "`p_value` of `ChiSquareTest` < 0.05; it leaves the limit to its user",
            ),
        ),
        ("frouros",),
    ),
    Peer(
        "River",
        (
            Monitor(
                "river_page_hinkley",
                ACCURACY,
                "River, Page-Hinkley",
                '`PageHinkley(mode="up")`, else defaults (delta 0.005, threshold 50), on the errors among the uniform '
                "labels; it starts anew after an alarm",
                PER_YEAR,
            ),
        ),
        ("river",),
    ),
)
MONITORS = {monitor.name: monitor for peer in PEERS for monitor in peer.monitors}


@dataclass(frozen=True)
class Row:
    """A line of a table; it stands in the JSON file."""

    monitor: str
    stream: str
    years: int
    years_with_false_alarm: int
    false_alarm_nights_per_year: float
    labels_per_year: int
    delay_of_quiet_years: Sequence[float] | None  # median and 90 %, of the years without a false alarm before
    delay_of_all_years: Sequence[float] | None  # those with one sort last, as ALREADY
    version: str = ""
    seconds: float = 0.0
    date: str = ""


Rows = dict[str, Row]  # "monitor/stream"


# --- streams ------------------------------------------------------------------------------------------------------


def make_streams(folder: Path, names: Iterable[str], *, years: int, seed: int) -> None:
    for number, world in enumerate(WORLDS):
        if world.name in names:
            make_stream(world, years=years, seed=seed + number).save(folder / f"{world.name}.npz")


def make_stream(world: World, *, years: int, seed: int) -> Stream:
    rng, nights = np.random.default_rng(seed), REFERENCE_NIGHTS + NIGHTS
    shares = np.full((years, nights, CLASSES), 1 / CLASSES)
    if world.name in "bc":
        shares = drawn_around(weekly(), 800, years=years, rng=rng)
    if world.name == "e":
        shares = drawn_around(shares[0], 200, years=years, rng=rng)
    if world.name == "f":
        shares[:, REFERENCE_NIGHTS + CHANGE :] = [0.2] + [0.8 / (CLASSES - 1)] * (CLASSES - 1)
    counts = world.alike * rng.multinomial(world.predictions // world.alike, shares)
    calm, shaky = (guesses_with_mean(mean, world.predictions) for mean in (0.08, 0.15))
    guesses, rates = np.array([calm, shaky]), np.array([calm, shaky])
    kinds = np.broadcast_to(np.arange(nights) >= REFERENCE_NIGHTS + world.change, (years, nights)).astype(int)
    if world.name == "h":
        means = np.arange(0.005, 0.2, 0.005)
        wanted = rng.normal(0.08, 0.03, (years, nights))
        kinds = 1 + np.abs(wanted[..., None] - means).argmin(axis=2)
        guesses = rates = np.array([calm, *(guesses_with_mean(mean, world.predictions) for mean in means)])
    if world.name == "j":
        guesses, rates = np.array([calm, calm]), np.array([calm, calm + (1 - calm) * (0.07 / 0.92)])
    return Stream(
        counts[:, REFERENCE_NIGHTS:],
        counts[:, :REFERENCE_NIGHTS],
        guesses=guesses,
        error_rates=rates,
        kinds=kinds,
        change=world.change,
        alike=world.alike,
        seed=seed,
    )


def weekly() -> np.ndarray:
    """(7 + 365, K) shares; the first night is a Monday."""
    nights = np.arange(REFERENCE_NIGHTS + NIGHTS)
    base = np.full((len(nights), CLASSES), 1 / CLASSES)
    base[nights % 7 >= 5] *= 1 + 0.15 * np.where(np.arange(CLASSES) % 2, -1, 1)
    return base


def drawn_around(base: np.ndarray, concentration: float, *, years: int, rng: np.random.Generator) -> np.ndarray:
    """(years, 7 + 365, K) shares of each night, Dirichlet."""
    drawn = rng.gamma(np.broadcast_to(concentration * base, (years, *base.shape)))
    return np.asarray(drawn / drawn.sum(axis=2, keepdims=True))


def guesses_with_mean(mean: float, predictions: int) -> np.ndarray:
    """(N,) chance that an item is wrong, as calibrated confidences of a good classifier have it."""
    ranks = (np.arange(predictions) + 0.5) / predictions
    guesses = np.minimum(beta.ppf(ranks, 5 * mean, 5 * (1 - mean)), 0.85)
    return np.asarray(guesses * (mean / guesses.mean()))


# --- running ------------------------------------------------------------------------------------------------------


@dataclass
class Book:
    """The rows that are there, and why others are not; on disk after each."""

    path: Path
    settings: dict[str, Any]
    rows: Rows = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # "monitor/stream"

    @classmethod
    def opened(cls, path: Path, settings: dict[str, Any]) -> "Book":
        """Raises SystemExit for rows that were lived in other years."""
        if not path.exists():
            return cls(path, settings)
        kept = json.loads(path.read_text())
        if kept["settings"] != settings:
            raise SystemExit(f"{path} is of {kept['settings']}, and {settings} are asked for: name another --out")
        rows = {name: Row(**row) for name, row in kept["rows"].items()}
        return cls(path, settings, rows, kept["failures"])

    def write(self) -> None:
        rows = {name: asdict(self.rows[name]) for name in every_row() if name in self.rows}
        told = {"settings": self.settings, "in_place_of_a_delay": {"never": NEVER, "already_alarmed": ALREADY}}
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({**told, "failures": self.failures, "rows": rows}, indent=1) + "\n")
        fresh.replace(self.path)

    def add(self, row: Row) -> None:
        self.rows[f"{row.monitor}/{row.stream}"] = row
        self.failures.pop(f"{row.monitor}/{row.stream}", None)
        self.write()

    def fail(self, names: Iterable[str], reason: str) -> None:
        self.failures |= dict.fromkeys(names, reason)
        self.write()


def every_row() -> Iterator[str]:
    """`monitor/stream` in the order of the page."""
    for world in WORLDS:
        yield from (f"{one.name}/{world.name}" for one in MONITORS.values() if world.kind in one.kinds)


def run_peer(
    peer: Peer, wanted: list[str], streams: Path, chosen: argparse.Namespace, *, book: Book, bar: Progress
) -> None:
    task = bar.add_task(peer.name, total=chosen.years * len(wanted))
    environments = chosen.environments or streams
    environment = environments / peer.name.lower()
    try:
        bar.update(task, description=f"{peer.name}: installing")
        failure = install(environment, peer.packages) if peer.packages else ""
        if failure:
            bar.update(task, description=f"{peer.name}: does not install", completed=chosen.years * len(wanted))
            return book.fail(wanted, f"does not install: {failure}")
        python = environment / "bin" / "python" if peer.packages else Path(sys.executable)
        run_worker(python, wanted, streams, jobs=chosen.jobs, book=book, bar=bar, task=task)
    finally:
        if peer.packages and not chosen.keep:
            shutil.rmtree(environment, ignore_errors=True)


def install(environment: Path, packages: Sequence[str]) -> str:
    """Last line of the error, or nothing. An environment that is there is used as it is."""
    if (environment / ".ready").exists():
        return ""
    venv.create(environment, clear=True, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*pip, "--no-cache-dir", *packages], capture_output=True, text=True)
    if done.returncode == 0:
        (environment / ".ready").touch()
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
    return lines[-1].strip() if lines else f"pip ended with {done.returncode}"


def run_worker(
    python: Path, wanted: list[str], streams: Path, *, jobs: int, book: Book, bar: Progress, task: TaskID
) -> None:
    files = ["--streams", str(streams), "--out", str(streams), "--jobs", str(jobs)]
    command, errors = [str(python), str(WORKER), *files, *wanted], streams / "errors.log"
    one_core = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (
        errors.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=one_core) as worker,
    ):
        released = ""
        for line in worker.stdout or ():
            kind, what, rest = [*line.strip().split(" ", 2), "", ""][:3]
            if kind == "@version":
                released = rest
                bar.update(task, description=what)
            elif kind == "@years":
                bar.advance(task, int(what))
            elif kind == "@done":
                monitor, _, stream = what.partition("/")
                alarms = np.load(streams / f"{monitor}-{stream}.npy")
                row = count(alarms, monitor=MONITORS[monitor], world=BY_NAME[stream])
                today = datetime.now(UTC).date().isoformat()
                book.add(replace(row, version=released, seconds=float(rest), date=today))
            elif kind == "@failed":
                book.fail([what], f"does not run: {rest}")
    if worker.returncode:
        last = (errors.read_text().splitlines() or [f"ended with {worker.returncode}"])[-1]
        book.fail([name for name in wanted if name not in book.rows], f"does not run: {last}")


# --- counting -----------------------------------------------------------------------------------------------------


def count(alarms: np.ndarray, *, monitor: Monitor, world: World) -> Row:
    """alarms (years, 365). The first changed night has delay 1."""
    before, after = alarms[:, : world.change], alarms[:, world.change :]
    false = before.any(axis=1)
    delays = quiet = everything = None
    if after.shape[1]:
        delays = np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, NEVER)
        quiet = median_and_90(delays[~false])
        everything = median_and_90(np.where(false, ALREADY, delays))
    return Row(
        monitor.name,
        world.name,
        years=len(alarms),
        years_with_false_alarm=int(false.sum()),
        false_alarm_nights_per_year=float(before.sum(axis=1).mean()),
        labels_per_year=monitor.labels,
        delay_of_quiet_years=quiet,
        delay_of_all_years=everything,
    )


def median_and_90(values: np.ndarray) -> tuple[float, float] | None:
    """Values that half, and nine tenths, do not exceed."""
    if not len(values):
        return None
    median, ninety = np.quantile(values, [0.5, 0.9], method="inverted_cdf")
    return float(median), float(ninety)


# --- telling ------------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# Monitors side by side, on the same years

Which monitors alarm falsely, how late do they see a change, and with how many labels? Every monitor below saw the same
{years} simulated years of {nights} nights in each stream: {predictions:,} predictions a night where nothing else is
said, {classes} classes, and a reference of seven nights, the week before the year. Those that need labels get {labels}
a night, answered at once. Everything is made up, so that what is false is known.

    {command}

{dates}; seeds {first_seed} to {last_seed}; Python {python}, numpy {numpy}. No monitor is cut short: every row has
{years} years.

Every monitor is asked once a night, as it comes: at its own default limit, with nothing added against asking 365 times.
A peer's p < 0.05 is a statement about one night. Whoever asks nightly can set another limit; these tools name none for
a year.

## How to read the tables

- **Years with a false alarm**: an alarm on at least one night before anything changed (all year where nothing does).
  0 of 100 years leave room for a true share of up to 3.6 % (two-sided 95 % limit).
- **False alarms a year**: nights that alarmed before anything changed, mean over the years. A stream that changes has
  {change} such nights. A leeway check stays over its line for a while after it has fired; River's starts anew.
- **Delay**: nights from the change to the first alarm after it; an alarm on the first changed night is 1. The median,
  and what nine years of ten do not exceed. *never*: not within the {left} nights that are left.
- **Delay, quiet years**: only the years without a false alarm before the change; their number stands behind.
- **Delay, all years**: a year in which the monitor had alarmed falsely before the change is counted as *already
  alarmed*, worse than *never*: nobody listens to it any more. As the median it means that most years were like that.
"""

HEAD = ("monitor", "years with a false alarm", "false alarms a year")
DELAYS = ("delay, quiet years: median / 90 %", "delay, all years: median / 90 %")
CALLED = """
The peers' verdicts on classes are functions of a night's counts. In the first ten years of each stream (one of (c))
their own code gives them; the years after are by the same formula (two-sample chi-square; chi-square against exact
shares and Jensen-Shannon distance for Evidently), and a row stands here only if the two said the same on every night
of those years. CBPE likewise: it is fitted to the reference of every year, and after ten years its own calibration and
limits are put to each night's mean confidence. River is its own code in all years. Evidently: the test behind its
report is called; that the report says the same is checked on one night of each method and stream. NannyML gets its
column of classes as a pandas category, which it counts faster than strings.
leeway `prediction_drift`: the check's statistic for all years at once (`leeway.simulate.drift`, the engine behind
[docs/years.md](years.md)); that the check itself first alarms on the same night is checked in the first year of each
stream. `accuracy` is the check itself.
Streams (g) to (j) are shown to those that look at labels or confidences; the classes are as in (a) there. The labelled
reference of CBPE is the week before the year; leeway's `accuracy` has a test split of as many items, at 92 %.
Alarms under (b) to (e) count as false since the reference nights were just the same. A test for exactly equal shares
is right to find a difference there, and of no use to whoever is called at night.
"""


def report(book: Book, *, command: str) -> str:
    years, seed = book.settings["years"], book.settings["seed"]
    dates = sorted({row.date for row in book.rows.values()}) or ["nothing is run yet"]
    parts = [
        INTRODUCTION.format(
            nights=NIGHTS,
            predictions=PREDICTIONS,
            classes=CLASSES,
            labels=LABELS,
            command=command,
            dates=dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}",
            years=years,
            first_seed=seed,
            last_seed=seed + len(WORLDS) - 1,
            python=platform.python_version(),
            numpy=np.__version__,
            change=CHANGE,
            left=NIGHTS - CHANGE,
        )
    ]
    parts += [table(world, book) for world in WORLDS]
    return "\n".join([*parts, monitors_table(book)])


def table(world: World, book: Book) -> str:
    changes = world.change < NIGHTS
    head = [*HEAD, *(DELAYS if changes else ()), "labels a year"]
    lines = [f"## ({world.name}) {world.title}\n\n{world.told}\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for monitor in MONITORS.values():
        if world.kind not in monitor.kinds:
            continue
        name = f"{monitor.name}/{world.name}"
        row = book.rows.get(name)
        cells = row_cells(row, changes=changes) if row else [book.failures.get(name, "not run")]
        lines.append(f"| {' | '.join([monitor.title, *cells, *[''] * (len(head) - 1 - len(cells))])} |")
    return "\n".join(lines) + "\n"


def row_cells(row: Row, *, changes: bool) -> list[str]:
    nightly = row.false_alarm_nights_per_year
    cells = [f"{row.years_with_false_alarm} of {row.years}", f"{nightly:.0f}" if nightly >= 100 else f"{nightly:.2g}"]
    if changes:
        quiet = row.years - row.years_with_false_alarm
        years = f"{quiet} year{'' if quiet == 1 else 's'}"
        cells += [
            f"{written(row.delay_of_quiet_years)} ({years})" if quiet else "no such year",
            written(row.delay_of_all_years),
        ]
    return [*cells, f"{row.labels_per_year:,}"]


def written(delay: Sequence[float] | None) -> str:
    words = {NEVER: "never", ALREADY: "already alarmed"}
    return " / ".join(words.get(one, f"{one:.0f}") for one in delay or ())


def monitors_table(book: Book) -> str:
    lines = ["## What was called\n\n| monitor | version | alarms if | minutes |\n|---|---|---|---|"]
    for monitor in MONITORS.values():
        rows = [row for row in book.rows.values() if row.monitor == monitor.name]
        versions = "" if monitor.name == "seven_day_mean" else ", ".join(sorted({row.version for row in rows}))
        minutes = sum(row.seconds for row in rows) / 60
        lines.append(f"| {monitor.title} | {versions} | {monitor.rule} | {minutes:.1f} |")
    lines.append(CALLED)
    return "\n".join(lines)


# --- command ------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=100, help="of each stream")
    parser.add_argument("--seed", type=int, default=2025, help="of the first stream; the next ones follow")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--environments", type=Path, help="folder for the peers' environments; else a temporary one")
    parser.add_argument("--keep", action="store_true", help="do not remove the environments; used again if there")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="rows (monitor/stream) that contain it")
    parser.add_argument("--again", nargs="+", default=[], metavar="TEXT", help="such rows, though they are there")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--out", type=Path, default=Path("docs/peers.md"), help="the numbers lie beside it, as JSON")
    chosen = parser.parse_args()
    settings = {"years": chosen.years, "seed": chosen.seed}
    book = Book.opened(chosen.out.with_suffix(".json"), settings)
    if not chosen.page:
        run_all(chosen, book)
    chosen.out.write_text(report(book, command=f"python benchmarks/peers.py --years {chosen.years} --jobs 2"))
    missing = [name for name in every_row() if name not in book.rows]
    print(f"{len(book.rows)} rows in {chosen.out}; not run: {', '.join(missing) or 'none'}")
    return 0


def run_all(chosen: argparse.Namespace, book: Book) -> None:
    def asked(name: str) -> bool:
        again = any(text in name for text in chosen.again)
        return again or (name not in book.rows and any(text in name for text in chosen.only))

    wanted = [name for name in every_row() if asked(name)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory() as scratch, Progress(*columns, console=Console(stderr=True)) as bar:
        make_streams(Path(scratch), {name[-1] for name in wanted}, years=chosen.years, seed=chosen.seed)
        for peer in PEERS:
            own = [name for name in wanted if name.partition("/")[0] in {one.name for one in peer.monitors}]
            if own:
                run_peer(peer, own, Path(scratch), chosen, book=book, bar=bar)


if __name__ == "__main__":
    sys.exit(main())
