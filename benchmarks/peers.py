"""Which monitors alarm falsely, how late, with how many labels?  python benchmarks/peers.py --out docs/peers.md

Each monitor sees the same simulated years. Peers are installed one by one into environments of their own, which are
removed again; Evidently and leeway run in this one. Takes under 20 minutes on one core, and 2 GB of disk for a while.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
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


WORLDS = (
    World("a", "drift", "(a) Nothing changes", "Independent predictions, ten classes of 10 % each, all year."),
    World(
        "b",
        "drift",
        "(b) A benign weekly pattern",
        "On Saturdays and Sundays half of the classes have 15 % more and half 15 % less than on other days, and every "
        "day's shares are drawn anew around that (Dirichlet, 800). The reference week was just the same: an alarm is "
        "false.",
    ),
    World(
        "c",
        "drift",
        "(c) One class gains 10 points",
        f"As (a); from night {CHANGE} on one class has 20 % instead of 10 %, at the cost of all others alike "
        "(total variation 0.10).",
    ),
    World("d", "labels", "(d) Accuracy 92 % all year", "The floor is 90 %: an alarm is false."),
    World(
        "e",
        "labels",
        "(e) Accuracy 92 % to 85 %, and the confidences show it",
        f"From night {CHANGE} on. Confidences stay calibrated: they fall with the accuracy.",
    ),
    World(
        "f",
        "labels",
        "(f) Accuracy 92 % to 85 %, and the confidences do not show it",
        f"From night {CHANGE} on. Confidences stay what they were; the new errors hit each prediction alike.",
    ),
)


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


@dataclass
class Outcome:
    """What came of the monitors of one or more peers."""

    alarms: dict[str, np.ndarray] = field(default_factory=dict)  # "monitor/stream": (years, 365)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # monitor: why there is no row

    def add(self, other: "Outcome") -> None:
        for name in ("alarms", "versions", "seconds", "failures"):
            getattr(self, name).update(getattr(other, name))


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    monitor: str
    stream: str
    years: int
    years_with_false_alarm: int
    false_alarm_nights_per_year: float
    labels_per_year: int
    delay_of_quiet_years: tuple[float, float] | None  # median and 90 %, of the years without a false alarm before
    delay_of_all_years: tuple[float, float] | None  # those with one sort last, as ALREADY


# --- streams ------------------------------------------------------------------------------------------------------


def make_streams(folder: Path, *, years: int, seed: int) -> None:
    for number, world in enumerate(WORLDS):
        (folder / world.kind).mkdir(exist_ok=True)
        make_stream(world.name, years=years, seed=seed + number).save(folder / world.kind / f"{world.name}.npz")


def make_stream(name: str, *, years: int, seed: int) -> Stream:
    rng = np.random.default_rng(seed)
    shares = np.full((years, REFERENCE_NIGHTS + NIGHTS, CLASSES), 1 / CLASSES)
    if name == "b":
        shares = weekly_shares(years, rng)
    if name == "c":
        shares[:, REFERENCE_NIGHTS + CHANGE :] = [0.2] + [0.8 / (CLASSES - 1)] * (CLASSES - 1)
    counts = rng.multinomial(PREDICTIONS, shares)
    calm, shaky = guesses_with_mean(0.08), guesses_with_mean(0.15)
    after = {"e": (shaky, shaky), "f": (calm, calm + (1 - calm) * (0.07 / 0.92))}.get(name, (calm, calm))
    return Stream(
        counts[:, REFERENCE_NIGHTS:],
        counts[:, :REFERENCE_NIGHTS],
        guesses=np.array([calm, after[0]]),
        error_rates=np.array([calm, after[1]]),
        change=CHANGE if name in "cef" else NIGHTS,
        seed=seed,
    )


def weekly_shares(years: int, rng: np.random.Generator) -> np.ndarray:
    """(years, 7 + 365, K); the first night is a Monday."""
    nights = REFERENCE_NIGHTS + NIGHTS
    base = np.full((nights, CLASSES), 1 / CLASSES)
    base[np.arange(nights) % 7 >= 5] *= 1 + 0.15 * np.where(np.arange(CLASSES) % 2, -1, 1)
    drawn = rng.gamma(np.broadcast_to(800 * base, (years, nights, CLASSES)))
    return np.asarray(drawn / drawn.sum(axis=2, keepdims=True))


def guesses_with_mean(mean: float) -> np.ndarray:
    """(N,) chance that an item is wrong, as calibrated confidences of a good classifier have it."""
    ranks = (np.arange(PREDICTIONS) + 0.5) / PREDICTIONS
    guesses = np.minimum(beta.ppf(ranks, 5 * mean, 5 * (1 - mean)), 0.85)
    return np.asarray(guesses * (mean / guesses.mean()))


# --- running ------------------------------------------------------------------------------------------------------


def run_peer(peer: Peer, streams: Path, chosen: argparse.Namespace, *, environments: Path, bar: Progress) -> Outcome:
    steps = sum(chosen.years for one in peer.monitors for world in WORLDS if world.kind in one.kinds)
    task = bar.add_task(peer.name, total=steps)
    environment = environments / peer.name.lower()
    try:
        bar.update(task, description=f"{peer.name}: installing")
        failure = install(environment, peer.packages) if peer.packages else ""
        if failure:
            bar.update(task, description=f"{peer.name}: does not install", completed=steps)
            return Outcome(failures={one.name: f"does not install: {failure}" for one in peer.monitors})
        python = environment / "bin" / "python" if peer.packages else Path(sys.executable)
        return run_worker(python, peer, streams, seconds=chosen.seconds, bar=bar, task=task)
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


def run_worker(python: Path, peer: Peer, streams: Path, *, seconds: float, bar: Progress, task: TaskID) -> Outcome:
    out, errors = streams / f"{peer.name}.npz", streams / f"{peer.name}.log"
    files = ["--streams", str(streams), "--out", str(out), "--seconds", str(seconds)]
    wanted = [f"{kind}/{one.name}" for one in peer.monitors for kind in one.kinds]
    command = [str(python), str(WORKER), *files, *wanted]
    outcome = Outcome()
    one_core = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with (
        errors.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=one_core) as worker,
    ):
        for line in worker.stdout or ():
            listen(line, outcome, bar=bar, task=task, peer=peer.name)
    if worker.returncode:
        last = (errors.read_text().splitlines() or [f"ended with {worker.returncode}"])[-1]
        outcome.failures |= {one.name: f"does not run: {last}" for one in peer.monitors}
        return outcome
    with np.load(out) as kept:
        outcome.alarms.update({name: kept[name] for name in kept.files})
    return outcome


def listen(line: str, outcome: Outcome, *, bar: Progress, task: TaskID, peer: str) -> None:
    kind, monitor, rest = [*line.strip().split(" ", 2), "", ""][:3]
    if kind == "@version":
        outcome.versions[monitor] = rest
        bar.update(task, description=f"{peer}: {monitor}")
    elif kind == "@years":
        bar.advance(task, int(monitor))
    elif kind == "@seconds":
        outcome.seconds[monitor] = outcome.seconds.get(monitor, 0.0) + float(rest)
    elif kind == "@failed":
        outcome.failures[monitor] = f"does not run: {rest}"


# --- counting -----------------------------------------------------------------------------------------------------


def count(alarms: np.ndarray, *, monitor: Monitor, stream: str, change: int) -> Row:
    """alarms (years, 365). The first changed night has delay 1."""
    before, after = alarms[:, :change], alarms[:, change:]
    false = before.any(axis=1)
    delays = quiet = everything = None
    if change < alarms.shape[1]:
        delays = np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, NEVER)
        quiet = median_and_90(delays[~false])
        everything = median_and_90(np.where(false, ALREADY, delays))
    return Row(
        monitor.name,
        stream,
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


def rows_of(outcome: Outcome) -> list[Row]:
    rows = []
    for name, alarms in outcome.alarms.items():
        monitor, _, stream = name.partition("/")
        change = CHANGE if stream in "cef" else NIGHTS
        rows.append(count(alarms, monitor=MONITORS[monitor], stream=stream, change=change))
    return rows


# --- telling ------------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# Monitors side by side, on the same years

Which monitors alarm falsely, how late do they see a change, and with how many labels? Every monitor below saw the same
simulated years of {nights} nights: {predictions:,} predictions a night, {classes} classes, and a reference of
{reference:,} predictions, the week before the year. Those that need labels get {labels} a night, answered at once.
Everything is made up, so that what is false is known.

    {command}

{date}; {years} years of each stream, seeds {first_seed} to {last_seed}; Python {python}, numpy {numpy};
{minutes:.0f} minutes in all. A monitor has {seconds:.0f} seconds for a stream: a slow one sees only the first years,
and its row says how many.

Every monitor is asked once a night, as it comes: at its own default limit, with nothing added against asking 365 times.
A peer's p < 0.05 is a statement about one night. Whoever asks nightly can set another limit; these tools name none for
a year.

## How to read the tables

- **Years with a false alarm**: an alarm on at least one night before anything changed (all year where nothing does).
  0 of 100 years leave room for a true share of up to 3.6 %, 0 of 40 for 8.8 % (two-sided 95 % limits).
- **False alarms a year**: nights that alarmed before anything changed, mean over the years. A stream that changes has
  {change} such nights. A leeway check stays over its line for a while after it has fired; River's starts anew.
- **Delay**: nights from the change to the first alarm after it; an alarm on the first changed night is 1. The median,
  and what nine years of ten do not exceed. *never*: not within the {left} nights that are left.
- **Delay, quiet years**: only the years without a false alarm before the change; their number stands behind.
- **Delay, all years**: a year in which the monitor had alarmed falsely before the change is counted as *already
  alarmed*, worse than *never*: nobody listens to it any more. As the median it means that most years were like that.
"""

HEAD = ("monitor", "years", "years with a false alarm", "false alarms a year")
DELAYS = ("delay, quiet years: median / 90 %", "delay, all years: median / 90 %")
CALLED = """
Evidently: the test behind its report is called; that the report says the same is checked on one night of each method
and stream. Streams (d) to (f) are shown to those that look at labels or confidences; the classes are as in (a) there.
The labelled reference of CBPE is the week before the year; leeway's `accuracy` has the same week as its test split.
Alarms under (b) count as false since the pattern is that of the reference week. A test for exactly equal shares is
right to find a difference there, and of no use to whoever is called at night.
"""


def report(outcome: Outcome, *, command: str, years: int, seed: int, seconds: float, minutes: float) -> str:
    parts = [
        INTRODUCTION.format(
            nights=NIGHTS,
            predictions=PREDICTIONS,
            classes=CLASSES,
            reference=REFERENCE_NIGHTS * PREDICTIONS,
            labels=LABELS,
            command=command,
            date=datetime.now(UTC).date(),
            years=years,
            first_seed=seed,
            last_seed=seed + len(WORLDS) - 1,
            python=platform.python_version(),
            numpy=np.__version__,
            minutes=minutes,
            seconds=seconds,
            change=CHANGE,
            left=NIGHTS - CHANGE,
        )
    ]
    rows = {(row.monitor, row.stream): row for row in rows_of(outcome)}
    parts += [table(world, rows, outcome.failures) for world in WORLDS]
    return "\n".join([*parts, monitors_table(outcome)])


def table(world: World, rows: dict[tuple[str, str], Row], failures: dict[str, str]) -> str:
    changes = world.name in "cef"
    head = [*HEAD, *(DELAYS if changes else ()), "labels a year"]
    lines = [f"## {world.title}\n\n{world.told}\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for monitor in MONITORS.values():
        if world.kind not in monitor.kinds:
            continue
        row = rows.get((monitor.name, world.name))
        cells = row_cells(row, changes=changes) if row else [failures.get(monitor.name, "not run")]
        lines.append(f"| {' | '.join([monitor.title, *cells])} |")
    return "\n".join(lines) + "\n"


def row_cells(row: Row, *, changes: bool) -> list[str]:
    cells = [str(row.years), f"{row.years_with_false_alarm} of {row.years}", f"{row.false_alarm_nights_per_year:.2g}"]
    if row.false_alarm_nights_per_year >= 100:
        cells[2] = f"{row.false_alarm_nights_per_year:.0f}"
    if changes:
        quiet = row.years - row.years_with_false_alarm
        years = f"{quiet} year{'' if quiet == 1 else 's'}"
        cells += [
            f"{written(row.delay_of_quiet_years)} ({years})" if quiet else "no such year",
            written(row.delay_of_all_years),
        ]
    return [*cells, f"{row.labels_per_year:,}"]


def written(delay: tuple[float, float] | None) -> str:
    words = {NEVER: "never", ALREADY: "already alarmed"}
    return " / ".join(words.get(one, f"{one:.0f}") for one in delay or ())


def monitors_table(outcome: Outcome) -> str:
    lines = ["## What was called\n\n| monitor | version | alarms if | minutes |\n|---|---|---|---|"]
    for monitor in MONITORS.values():
        failure = outcome.failures.get(monitor.name)
        released = "" if monitor.name == "seven_day_mean" else outcome.versions.get(monitor.name, "")
        minutes = f"{outcome.seconds.get(monitor.name, 0) / 60:.1f}"
        lines.append(f"| {monitor.title} | {released} | {failure or monitor.rule} | {minutes} |")
    lines.append(CALLED)
    return "\n".join(lines)


def results_json(outcome: Outcome, **settings: Any) -> str:
    rows = [asdict(row) for row in rows_of(outcome)]
    told = {"versions": outcome.versions, "seconds": outcome.seconds, "failures": outcome.failures}
    meaning = {"never": NEVER, "already_alarmed": ALREADY}
    return json.dumps({"settings": settings, **told, "in_place_of_a_delay": meaning, "rows": rows}, indent=2) + "\n"


# --- command ------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=100, help="of each stream")
    parser.add_argument("--seed", type=int, default=2025, help="of the first stream; the next ones follow")
    parser.add_argument("--seconds", type=float, default=50, help="at most, for one monitor and stream")
    parser.add_argument("--environments", type=Path, help="folder for the peers' environments; else a temporary one")
    parser.add_argument("--keep", action="store_true", help="do not remove the environments; used again if there")
    parser.add_argument("--only", nargs="+", metavar="PEER", help=f"of {', '.join(peer.name for peer in PEERS)}")
    parser.add_argument("--out", type=Path, help="Markdown file")
    parser.add_argument("--json", action="store_true", help="write the numbers beside --out, too")
    chosen = parser.parse_args()
    if chosen.json and not chosen.out:
        parser.error("--json writes beside --out: name one")
    started = time.monotonic()
    outcome = run_all(chosen)
    minutes = (time.monotonic() - started) / 60
    command = shlex.join(["python", "benchmarks/peers.py", *sys.argv[1:]])
    settings = {"command": command, "years": chosen.years, "seed": chosen.seed, "seconds": chosen.seconds}
    text = report(outcome, **settings, minutes=minutes)
    print(text)
    if chosen.out:
        chosen.out.write_text(text)
    if chosen.json:
        chosen.out.with_suffix(".json").write_text(results_json(outcome, **settings, minutes=round(minutes, 1)))
    return 0


def run_all(chosen: argparse.Namespace) -> Outcome:
    outcome = Outcome()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory() as scratch, Progress(*columns, console=Console(stderr=True)) as bar:
        streams, environments = Path(scratch, "streams"), chosen.environments or Path(scratch, "environments")
        streams.mkdir()
        make_streams(streams, years=chosen.years, seed=chosen.seed)
        for peer in wanted(PEERS, chosen.only):
            outcome.add(run_peer(peer, streams, chosen, environments=environments, bar=bar))
    return outcome


def wanted(peers: Iterable[Peer], names: Sequence[str] | None) -> list[Peer]:
    return [peer for peer in peers if names is None or peer.name in names]


if __name__ == "__main__":
    sys.exit(main())
