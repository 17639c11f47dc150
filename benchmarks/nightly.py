"""How long does a night take, and whose memory does it need?  nice python benchmarks/nightly.py --out docs/nightly.md

Closing a night's window, running all checks, concluding and drawing the label plan, at 1e5, 1e6 and 1e7 predictions;
beside DuckDB's own GROUP BY on the same rows, and the drift tests of Evidently, NannyML and alibi-detect. Each is a
process of its own that has loaded what it needs; they are asked in turn. The peers are installed into an environment of
their own, which is removed again. Takes a quarter of an hour on a busy machine, and 3 GB of disk for a while.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

# Peers run this file where there is no leeway: what needs it imports it inside.

SIZES = (100_000, 1_000_000, 10_000_000)
HISTORIES = ((20_000, 0), (20_000, 365), (1_000_000, 0), (1_000_000, 28))  # predictions a night, closed nights before
HEADING = "## The night"
Told = dict[str, Any]
Work = Callable[[], Told]  # seconds by name, and what else is worth telling
Pair = tuple[float, float]  # wall and CPU seconds: where others use the machine, the second is what can be compared


# Distribution that has the version, and whether it is one of the peers, which have an environment of their own.
CONTESTANTS = {
    "leeway": ("leeway", False),
    "duckdb": ("duckdb", False),
    "evidently": ("evidently", False),
    "nannyml": ("nannyml", True),
    "alibi": ("alibi-detect", True),
}
PACKAGES = ("nannyml", "statsmodels", "alibi-detect")  # NannyML 0.13.1 imports statsmodels and asks for none
ROWS = {  # of the tables, by the name under which the seconds come
    "leeway": "**leeway**: all but the page",
    "leeway_cells": "of that, counting the night in cells",
    "leeway_window": "the rest of closing the window: its repeats, writing it down",
    "leeway_checks": "all checks, conclusion",
    "leeway_plan": "drawing the label plan",
    "duckdb": "DuckDB's own `GROUP BY` of the same cells",
    "evidently_report": "Evidently, `Report([ValueDrift])`",
    "evidently_test": "Evidently, the test behind it alone",
    "evidently_file": "Evidently's report, the classes read from the same file",
    "nannyml": "NannyML, univariate chi-square",
    "alibi": "alibi-detect, `ChiSquareDrift`",
}


# --- workers: run in the environment of what they call ----------------------------------------------------------------


def work(name: str, folder: Path) -> int:
    """Loads, says so, and does its work once for every line that comes in."""
    os.environ.update(EVIDENTLY_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", NML_DISABLE_USAGE_LOGGING="true")
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    task = WORKERS[name](folder, json.loads((folder / "night.json").read_text()))
    print(json.dumps({"megabytes": peak_megabytes()}), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(task() | {"megabytes": peak_megabytes()}), file=answers, flush=True)
    return 0


def peak_megabytes() -> float:
    """Of this program alone: getrusage also counts what the process was before it began this program."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def timed(task: Callable[[], Any]) -> tuple[Pair, Any]:
    """((wall seconds, CPU seconds), result)"""
    started, used = time.perf_counter(), time.process_time()
    result = task()
    return (time.perf_counter() - started, time.process_time() - used), result


def duck(folder: Path, night: Told) -> Work:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    query = cells_query(f"read_parquet('{folder / 'night.parquet'}')", night["edges"])

    def once() -> Told:
        seconds, found = timed(lambda: connection.execute(query).fetchall())
        return {"duckdb": seconds, "cells": digest_of(found)}

    return once


def cells_query(source: str, edges: Sequence[float], where: str = "") -> str:
    steps = " ".join(f"WHEN confidence < {edge!r} THEN {place}" for place, edge in enumerate(edges))
    place = f"CASE WHEN confidence IS NULL THEN -1 {steps} ELSE {len(edges)} END"
    return f"SELECT predicted_class, {place} AS bin, slice, count(*) FROM {source} {where} GROUP BY 1, 2, 3"


def digest_of(cells: Sequence[Sequence[Any]]) -> str:
    return sha256(repr(sorted(map(tuple, cells))).encode()).hexdigest()[:12]


def leeway_night(folder: Path, night: Told) -> Work:
    """Stores, an epoch and a night that nobody has looked at, each time."""
    from leeway.jobs.claims import claimed
    from leeway.monitor import night as nights
    from leeway.stores.opening import open_stores

    tonight, database = date.fromisoformat(night["start"]), folder / "leeway.db"

    def once() -> Told:
        forget(database, tonight)
        with ExitStack() as open_here:
            stores = open_here.enter_context(closing(open_stores(f"sqlite:///{database}")))
            epoch = fresh_epoch(stores, night["model"], tonight)
            open_here.enter_context(claimed(epoch, tonight))
            position = stores.log.position(night["model"])
            cells, counted = timed(lambda: epoch.history.cells(tonight, upto=position))  # kept for what comes
            rest, window = timed(lambda: nights.close_window(epoch, tonight))
            checks, _ = timed(lambda: nights.conclude(epoch, window, nights.run_checks(epoch, window)))
            plan, _ = timed(lambda: nights.plan_labels(epoch, tonight))
        parts = {"leeway_cells": cells, "leeway_window": rest, "leeway_checks": checks, "leeway_plan": plan}
        whole = tuple(sum(clock) for clock in zip(*parts.values(), strict=True))
        found = digest_of([(one.predicted_class, one.bin, one.slice, one.count) for one in counted])
        return parts | {"leeway": whole, "cells": found, "night_megabytes": peak_megabytes()}

    return once


def fresh_epoch(stores: Any, model: str, night: date) -> Any:
    """As of the morning after."""
    from leeway.checks.policy import Policy
    from leeway.epoch import Epoch
    from leeway.stores.images import FolderImageStore

    as_of = datetime(night.year, night.month, night.day, 6, tzinfo=UTC) + timedelta(days=1)
    version = stores.ledger.versions(model)[-1]
    images, began_at = FolderImageStore(Path("no images")), stores.log.first_at(version) or as_of
    return Epoch(version, Policy(), stores.log, stores.ledger, images, as_of, began_at)


def forget(database: Path, night: date) -> None:
    """What was concluded from this night and later ones."""
    planned = "SELECT id FROM label_plans WHERE night >= :night"
    conditions = {"draws": f"plan_id IN ({planned})", "alerts": "key LIKE '%/' || :night || '/%'"}
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in ("draws", "label_plans", "check_results", "alerts", "decisions", "windows"):
            condition = conditions.get(table, "night >= :night")
            connection.execute(f"DELETE FROM {table} WHERE {condition}", {"night": night.isoformat()})


def rows_of(folder: Path) -> tuple[Any, Any]:
    """(reference, tonight) as the class of each row; (N,) int64."""
    return np.load(folder / "reference.npy").astype(np.int64), np.load(folder / "night.npy").astype(np.int64)


def tables_of(folder: Path, night: Told) -> list[Any]:
    """The same as pandas tables of text."""
    import pandas as pd

    names = np.array(night["classes"], dtype=object)
    return [pd.DataFrame({"predicted": pd.Series(names[one], dtype="object")}) for one in rows_of(folder)]


def evidently(folder: Path, night: Told) -> Work:
    """The report as its documents have it, without a page; the test that it calls; the report from the file."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.legacy.calculations.stattests.registry import get_stattest
    from evidently.legacy.core import ColumnType
    from evidently.metrics import ValueDrift

    tables = tables_of(folder, night)
    definition = DataDefinition(categorical_columns=["predicted"])
    reference, current = (Dataset.from_pandas(table, data_definition=definition) for table in tables)
    columns = [table["predicted"] for table in tables]
    test = get_stattest(*columns, ColumnType.Categorical, "chisquare")

    def report_on(night: Any) -> Told:
        told: Told = Report([ValueDrift(column="predicted", method="chisquare")]).run(night, reference).dict()
        return told

    def from_file() -> Told:
        found = pd.read_parquet(folder / "night.parquet", columns=["predicted_class"])
        found = found.rename(columns={"predicted_class": "predicted"}).astype({"predicted": "object"})
        return report_on(Dataset.from_pandas(found, data_definition=definition))

    def once() -> Told:
        report, told = timed(lambda: report_on(current))
        alone, found = timed(lambda: test(*columns, ColumnType.Categorical, 0.05))
        p = [float(told["metrics"][0]["value"]), float(found.drift_score)]
        peak = peak_megabytes()
        file, _ = timed(from_file)
        seconds = {"evidently_report": report, "evidently_test": alone, "evidently_file": file}
        return seconds | {"p": p, "night_megabytes": peak}

    return once


def nannyml(folder: Path, night: Told) -> Work:
    """One chunk; fitted before."""
    import nannyml as nml

    reference, current = tables_of(folder, night)
    calculator = nml.UnivariateDriftCalculator(
        column_names=["predicted"], treat_as_categorical=["predicted"], categorical_methods=["chi2"], chunk_number=1
    ).fit(reference)

    def once() -> Told:
        seconds, found = timed(lambda: calculator.calculate(current).filter(period="analysis").to_df())
        return {"nannyml": seconds, "statistic": float(found[("predicted", "chi2", "value")].iloc[0])}

    return once


def alibi(folder: Path, _night: Told) -> Work:
    from alibi_detect.cd import ChiSquareDrift

    reference, current = (rows[:, None] for rows in rows_of(folder))
    detector = ChiSquareDrift(reference)

    def once() -> Told:
        seconds, found = timed(lambda: detector.predict(current)["data"])
        return {"alibi": seconds, "p": float(found["p_val"][0])}

    return once


WORKERS: dict[str, Callable[[Path, Told], Work]] = {
    "leeway": leeway_night,
    "duckdb": duck,
    "evidently": evidently,
    "nannyml": nannyml,
    "alibi": alibi,
}


# --- nights -----------------------------------------------------------------------------------------------------------


def make_night(folder: Path, predictions: int) -> str:
    """The log and the peers' files; says how the rows came into it."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from ingest import CLASSES, REFERENCE_ROWS, night_table

    folder.mkdir(parents=True)
    table = night_table(predictions, seed=5)
    pq.write_table(table, folder / "night.parquet")
    reference = night_table(REFERENCE_ROWS, seed=1)  # the one that the model is enrolled with
    for name, rows in (("night", table), ("reference", reference)):
        codes = pc.index_in(rows["predicted_class"], pa.array(CLASSES)).to_numpy()
        np.save(folder / f"{name}.npy", codes.astype(np.int8))
    return ingest_night(folder, table)


def ingest_night(folder: Path, table: Any) -> str:
    """By `leeway ingest`."""
    from ingest import MODEL, NIGHT, RECEIVED, enrolled_stores

    from leeway.predictions.ingest import ingest

    with enrolled_stores(folder) as stores:
        seconds, _ = timed(
            lambda: ingest(stores.log, stores.ledger, MODEL, folder / "night.parquet", columns={}, now=RECEIVED)
        )
    describe(folder, NIGHT, predictions=table.num_rows)
    return f"ingested from Parquet in {seconds[1]:.1f} CPU s ({seconds[0]:.0f})"


def describe(folder: Path, night: date, *, predictions: int) -> None:
    """What the workers have to know."""
    from ingest import CLASSES, MODEL

    from leeway.stores.opening import open_stores

    with closing(open_stores(f"sqlite:///{folder / 'leeway.db'}")) as stores:
        edges = stores.ledger.versions(MODEL)[-1].reference.bin_edges
    bounds = {"start": str(night), "end": str(night + timedelta(days=1))}
    told = {"model": MODEL, "classes": CLASSES, "edges": edges, "predictions": predictions, **bounds}
    (folder / "night.json").write_text(json.dumps(told))


def make_history(folder: Path, predictions: int, nights: int) -> None:
    """As many closed nights, and one that is not."""
    from ingest import MODEL, NIGHT, enrolled_stores, night_table, write_table

    from leeway.jobs.claims import claimed
    from leeway.monitor import night as nights_of
    from leeway.predictions.ingest import ingest

    days = [NIGHT + timedelta(days=place) for place in range(nights + 1)]
    with enrolled_stores(folder) as stores:
        for place, day in enumerate(days):
            path = write_table(night_table(predictions, seed=10 + place, night=day), folder / "night.parquet")
            received_at = datetime(day.year, day.month, day.day, 5, tzinfo=UTC) + timedelta(days=1)
            ingest(stores.log, stores.ledger, MODEL, path, columns={}, now=received_at)
            if day != days[-1]:
                epoch = fresh_epoch(stores, MODEL, day)
                with claimed(epoch, day):
                    window = nights_of.close_window(epoch, day)
                    nights_of.conclude(epoch, window, nights_of.run_checks(epoch, window))
    describe(folder, days[-1], predictions=predictions)


# --- running ----------------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """Of one size."""

    seconds: dict[str, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    megabytes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # loaded, after the night, end
    told: Told = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


class Worker:
    """A process that answers in lines of JSON."""

    def __init__(self, name: str, folder: Path, *, python: Path) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        one_core = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [str(python), __file__, "--worker", name, "--folder", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=one_core,
            )

    def listen(self) -> Told:
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            said = [one for one in self.log.read_text().splitlines() if one.strip()]
            raise RuntimeError(said[-1] if said else "ended without a word")
        answer: Told = json.loads(line)
        return answer

    def ask(self) -> Told:
        if self.process.stdin:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self.listen()

    def close(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()


def race(folder: Path, pythons: Mapping[str, Path], *, rounds: int) -> Outcome:
    """In turn; the first round, which no one counts, brings the database into memory."""
    outcome = Outcome()
    with ExitStack() as stack:
        workers = []
        for name, python in pythons.items():
            workers.append(Worker(name, folder, python=python))
            stack.callback(workers[-1].close)
        for worker in list(workers):
            heard(worker, worker.listen, outcome, workers)
        for number in range(rounds + 1):
            for worker in list(workers):
                answer = heard(worker, worker.ask, outcome, workers)
                for name in ROWS.keys() & answer.keys() if number else ():
                    outcome.seconds[name].append(answer[name])
                told = {name: value for name, value in answer.items() if name in ("cells", "p", "statistic")}
                outcome.told |= {f"{worker.name} {name}": value for name, value in told.items()}
            print(f"round {number}: {shown(outcome)}", file=sys.stderr, flush=True)
    counts = {value for name, value in outcome.told.items() if name.endswith("cells")}
    if len(counts) > 1:
        raise RuntimeError(f"the counts differ: {outcome.told}")
    return outcome


def heard(worker: Worker, listen: Callable[[], Told], outcome: Outcome, workers: list[Worker]) -> Told:
    """What it says; one that fails is listed as such, and the others go on."""
    try:
        answer = listen()
    except (RuntimeError, OSError) as error:
        outcome.failures[worker.name] = " ".join(str(error).split())[:200]
        workers.remove(worker)
        return {}
    peaks = outcome.megabytes[worker.name]
    if len(peaks) == 1 and "night_megabytes" in answer:
        peaks.append(answer["night_megabytes"])
    peaks.append(answer["megabytes"])
    return answer


def shown(outcome: Outcome) -> str:
    return ", ".join(f"{name} {times[-1][0]:.3f} ({times[-1][1]:.3f})" for name, times in outcome.seconds.items())


def prepare(environment: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """(Python of each contestant, why the others have none)"""
    from peers import install

    failure = install(environment, PACKAGES)
    own, theirs = Path(sys.executable), environment / "bin" / "python"
    there = {name: theirs if peer else own for name, (_, peer) in CONTESTANTS.items() if not (peer and failure)}
    return there, {name: f"does not install: {failure}" for name in CONTESTANTS if name not in there}


def own_only() -> tuple[dict[str, Path], dict[str, str]]:
    """Those that need no environment of their own."""
    there = {name: Path(sys.executable) for name, (_, peer) in CONTESTANTS.items() if not peer}
    return there, {name: "not asked" for name in CONTESTANTS if name not in there}


def released(python: Path, distribution: str) -> str:
    ask = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([str(python), "-c", ask], capture_output=True, text=True).stdout.strip()


# --- telling ----------------------------------------------------------------------------------------------------------

TOLD = """\
{heading}

    {command}

{date}; {machine};
Python {python}.
Medians of {rounds}; each in a process of its own with one thread, asked in turn. A first round, which brings the files
into the memory of the machine and loads DuckDB, is not counted. Others used the machine meanwhile: CPU seconds are what
can be compared, and the wall's stand behind them. One night of a watched model: ten classes, four slices, {bins}
confidence bins, a reference of {reference:,} rows from the same world: nothing has changed.

- **leeway**: `close_window`, `run_checks` (all checks), `conclude`, `plan_labels`, with stores and an `Epoch` of their
  own each time; it reads the log and writes window, results, decision and plan, each transaction durable.
- *DuckDB* counts the same cells (class x confidence bin x slice) from the Parquet file that was ingested, with one
  thread; that both find the same is checked.
- The peers have the night in memory already, as a column of classes, and are fitted to the reference; loading it is not
  counted. They hold the classes against the reference, and do nothing else.
{how}

| CPU seconds (wall) | {columns} |
|---|{rule}|
{seconds}

| ratio of CPU seconds | {columns} |
|---|{rule}|
{ratios}

{versions}

### Memory

Peak of the process in MB (`VmHWM`): after loading, and what the work added in all rounds. What leeway and DuckDB load
is their own code, the peers load the night, too.

| | {columns} |
|---|{rule}|
{memory}

### With nights before it

Closed nights, each ingested by itself; medians of {rounds} rounds.

| predictions a night | closed nights before | all but the page: CPU s (wall) | counting | label plan |
|---|---|---|---|---|
{histories}
"""


def section(found: Mapping[int, Outcome], histories: Mapping[tuple[int, int], Outcome], **told: Any) -> str:
    outcomes = list(found.values())
    return TOLD.format(
        heading=HEADING,
        date=datetime.now(UTC).date(),
        python=platform.python_version(),
        columns=" | ".join(f"{size:,}" for size in found),
        rule="|".join(["---"] * len(found)),
        seconds="\n".join(line(ROWS[name], [cell(one, name) for one in outcomes]) for name in ROWS),
        ratios="\n".join(ratio_lines(outcomes)),
        memory="\n".join(memory_lines(outcomes)),
        histories="\n".join(history_lines(histories)),
        **told,
    )


def line(title: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([title, *cells])} |"


def cell(outcome: Outcome, name: str) -> str:
    if outcome.seconds.get(name):
        return f"{written(middle(outcome, name, 1))} ({written(middle(outcome, name, 0))})"
    return outcome.failures.get(name.partition("_")[0], "not run")


def middle(outcome: Outcome, name: str, clock: int) -> float:
    """Median seconds of the wall (0) or the CPU (1)."""
    return median(one[clock] for one in outcome.seconds[name])


def written(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}" if seconds >= 0.01 else f"{seconds:.4f}"


def ratio_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    pairs = [("leeway", "duckdb"), ("leeway_cells", "duckdb")]
    pairs += [(name, "leeway") for name in ROWS if name.startswith(("evidently", "nannyml", "alibi"))]
    for above, below in pairs:
        cells = [f"{ratio(one, above, below):.2f}" for one in outcomes]
        titles = [ROWS[name].removeprefix("of that, ").replace("**", "") for name in (above, below)]
        short = ["leeway" if title.startswith("leeway") else title for title in titles]
        yield line(" / ".join(short), cells)


def ratio(outcome: Outcome, above: str, below: str) -> float:
    """Of CPU seconds."""
    if not (outcome.seconds.get(above) and outcome.seconds.get(below)):
        return float("nan")
    return middle(outcome, above, 1) / middle(outcome, below, 1)


MEMORY = (  # contestant, which of its peaks, title
    ("leeway", 1, "**leeway**"),
    ("leeway", -1, "**leeway**, with the label plan"),
    ("duckdb", -1, "DuckDB"),
    ("evidently", 1, "Evidently, the night in memory"),
    ("evidently", -1, "Evidently, and once more read from the file"),
    ("nannyml", -1, "NannyML"),
    ("alibi", -1, "alibi-detect"),
)


def memory_lines(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for name, place, title in MEMORY:
        peaks = [one.megabytes.get(name, []) for one in outcomes]
        yield line(
            title, [f"{one[0]:,.0f} + {one[place] - one[0]:,.0f}" if len(one) > 1 else "not run" for one in peaks]
        )


def history_lines(histories: Mapping[tuple[int, int], Outcome]) -> Iterator[str]:
    for (predictions, nights), one in histories.items():
        cells = [cell(one, name) for name in ("leeway", "leeway_cells", "leeway_plan")]
        yield line(f"{predictions:,}", [str(nights), *cells])


# --- command ----------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: int(float(text)), nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, help="else 5, and 3 from 10,000,000 on")
    parser.add_argument("--environment", type=Path, default=Path("/tmp/w/p10env"), help="of the peers: made")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="NannyML and alibi-detect")
    parser.add_argument("--keep", action="store_true", help="do not remove the environment; used again if there")
    parser.add_argument("--scratch", type=Path, help="folder on the disk that is measured; else a temporary one")
    parser.add_argument("--out", type=Path, help="Markdown file; its other sections stay")
    parser.add_argument("--json", type=Path, help="seconds of every round")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        return work(chosen.worker, chosen.folder)
    try:
        return run(chosen)
    finally:
        if not chosen.keep:
            shutil.rmtree(chosen.environment, ignore_errors=True)


def run(chosen: argparse.Namespace) -> int:
    from ingest import put_section

    found: dict[int, Outcome] = {}
    histories: dict[tuple[int, int], Outcome] = {}
    how, bins = [], 0
    ready, failures = prepare(chosen.environment) if chosen.peers else own_only()
    for size in chosen.sizes:
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
            how.append(f"- {size:,}: {make_night(Path(scratch, 'night'), size)}.")
            print(how[-1], file=sys.stderr, flush=True)
            bins = len(json.loads(Path(scratch, "night", "night.json").read_text())["edges"]) + 1
            found[size] = race(Path(scratch, "night"), ready, rounds=chosen.rounds or (5 if size < 10**7 else 3))
        found[size].failures |= failures
    for size, nights in [one for one in HISTORIES if one[0] <= max(chosen.sizes)]:
        with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
            make_history(Path(scratch, "night"), size, nights)
            own = {"leeway": ready["leeway"]}
            histories[size, nights] = race(Path(scratch, "night"), own, rounds=chosen.rounds or 5)
    text = section(found, histories, **told_about(chosen, ready, how, bins))
    print(text)
    if chosen.out:
        put_section(chosen.out, text)
    if chosen.json:
        chosen.json.write_text(as_json(found, histories))
    return 0


def told_about(chosen: argparse.Namespace, pythons: Mapping[str, Path], how: Sequence[str], bins: int) -> Told:
    from ingest import REFERENCE_ROWS, machine

    versions = [
        f"{name} {released(pythons[key], name)}"
        for key, (name, _) in CONTESTANTS.items()
        if key in pythons and key != "leeway"
    ]
    return {
        "command": shlex.join(["python", "benchmarks/nightly.py", *sys.argv[1:]]),
        "machine": machine(),
        "rounds": f"{chosen.rounds} rounds" if chosen.rounds else "5 rounds (3 with 10,000,000)",
        "reference": REFERENCE_ROWS,
        "bins": bins,
        "how": "\n".join(how),
        "versions": f"Versions: {', '.join(versions)}.",
    }


def as_json(found: Mapping[int, Outcome], histories: Mapping[tuple[int, int], Outcome]) -> str:
    def told(one: Outcome) -> Told:
        return {"seconds": one.seconds, "megabytes": one.megabytes, "told": one.told, "failures": one.failures}

    nights = {str(size): told(one) for size, one in found.items()}
    after = {f"{size} after {before} nights": told(one) for (size, before), one in histories.items()}
    return json.dumps({"nights": nights, "histories": after}, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
