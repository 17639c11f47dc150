"""How fast do prediction logs go into the store?  nice python benchmarks/ingest.py --out docs/nightly.md

A million rows as CSV, Parquet and JSON lines, and ten million as CSV, through `leeway.predictions.ingest` into a fresh
workspace; the same rows once more, each compared; and the same bytes once more, which are known. Beside them a bare
copy: pyarrow reads the file and writes Parquet. Each file of each round has a process of its own with one thread. Takes
about 10 minutes and 5 GB of disk for a while; `--large 0` leaves the ten million out.
"""

import argparse
import json
import os
import platform
import shlex
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from leeway.checks.policy import Policy
from leeway.checks.windows import night_bounds
from leeway.domain.records import Recorded
from leeway.domain.text import counted
from leeway.monitor.enrol import enrol, read_reference
from leeway.predictions.formats.files import read_predictions
from leeway.predictions.ingest import ingest
from leeway.stores.opening import Stores, open_stores

MODEL = "birds"
CLASSES = tuple(f"species_{number}" for number in range(10))
SLICES = ("north", "south", "east", "west")
NIGHT = date(2026, 3, 2)
RECEIVED = datetime(2026, 3, 3, 5, tzinfo=UTC)
REFERENCE_ROWS = 10_000
DAY = 86_400_000_000  # microseconds
SECRET = "of the benchmark"
MILLION, GROUP = 1_000_000, 122_880
COMPARED = ("predicted_class", "confidence", "slice")
TIMES = ("first", "compared", "known")
HEADING = "## Ingest"
Row = tuple[Any, ...]


class Seconds(NamedTuple):
    """What a wait is, and what of it was work: where others use the machine, the second is what can be compared."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Outcome:
    """What became of one file in a process of its own."""

    first: Seconds
    compared: Seconds  # the same rows once more, each of them compared
    known: Seconds  # the same bytes once more
    peak_mb: float  # of the process by the end of the first
    peak_again_mb: float  # by the end of all
    disk_mb: float  # of the workspace after the first


@dataclass(frozen=True)
class Case:
    """One kind of file; those of the same `content` are the same rows."""

    name: str
    content: str
    suffix: str
    title: str


CASES = (
    Case("csv", "plain", "csv", "CSV"),
    Case("parquet", "plain", "parquet", "Parquet"),
    Case("jsonl", "plain", "jsonl", "JSON lines"),
    Case("census", "census", "csv", "CSV, a label in every row"),
    Case("probabilities", "probabilities", "csv", "CSV, 10 columns `p_<class>`"),
)
LARGE = Case("large", "large", "csv", "CSV, {rows:,} rows")


Measured = tuple[dict[str, list[Outcome]], dict[str, list[Seconds]]]

# --- rows -----------------------------------------------------------------------------------------------------------


def night_table(rows: int, *, seed: int, night: date = NIGHT, part: tuple[int, int] = (0, 1)) -> pa.Table:
    """Predictions of one UTC day in order of time, under random ids; classes and slices are of unequal shares.

    `part` (k, n) is the k-th of n equal parts of the day, from 0.
    """
    rng = np.random.default_rng(seed)
    digits = np.array(list("0123456789abcdef")).astype("S1")
    ids = digits[rng.integers(16, size=(rows, 32), dtype=np.int8)].view("S32").ravel()
    place, parts = part
    begin = np.datetime64(night, "us").astype(np.int64) + place * DAY // parts
    moments = np.sort(rng.integers(DAY // parts, size=rows)) + begin
    return pa.table(
        {
            "prediction_id": pa.array(ids).cast(pa.string()),
            "occurred_at": pa.array(moments, pa.timestamp("us", "UTC")),
            "predicted_class": _drawn(CLASSES, rows, rng),
            "confidence": np.round(rng.beta(9, 1.2, size=rows), 4),
            "slice": _drawn(SLICES, rows, rng),
        }
    )


def _drawn(names: Sequence[str], rows: int, rng: np.random.Generator) -> pa.Array:
    shares = np.arange(len(names), 0, -1) + len(names)
    return pa.array(names).take(pa.array(rng.choice(len(names), size=rows, p=shares / shares.sum())))


def with_labels(table: pa.Table, *, seed: int) -> pa.Table:
    """19 of 20 rows are right."""
    wrong = pa.array(np.random.default_rng(seed).random(table.num_rows) < 0.05)
    return table.append_column("label", pc.if_else(wrong, pa.scalar(CLASSES[0]), table["predicted_class"]))


def with_probabilities(table: pa.Table) -> pa.Table:
    """What the predicted class leaves over is shared by the others alike."""
    said = pc.index_in(table["predicted_class"], pa.array(CLASSES)).to_numpy()
    confidence = table["confidence"].to_numpy()
    for place, name in enumerate(CLASSES):
        shares = np.where(said == place, confidence, np.round((1 - confidence) / (len(CLASSES) - 1), 5))
        table = table.append_column(f"p_{name}", pa.array(shares))
    return table


def write_table(table: pa.Table, path: Path) -> Path:
    """As its suffix says; times are ISO 8601 text but in Parquet."""
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return path
    texts = table.set_column(1, "occurred_at", table["occurred_at"].cast(pa.string()))
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(texts, path)
        return path
    with path.open("w") as file:
        for batch in texts.to_batches(max_chunksize=50_000):
            file.writelines(f"{json.dumps(row)}\n" for row in batch.to_pylist())
    return path


def write_large(path: Path, rows: int) -> Path:
    """As CSV, a million rows of the night at a time."""
    parts = -(-rows // MILLION)
    tables = (night_table(rows // parts, seed=100 + place, part=(place, parts)) for place in range(parts))
    texts = (table.set_column(1, "occurred_at", table["occurred_at"].cast(pa.string())) for table in tables)
    first = next(texts)
    with pyarrow.csv.CSVWriter(path, first.schema) as writer:
        for table in (first, *texts):
            writer.write_table(table)
    return path


# --- rows for a database that is filled without the store (benchmarks/nightly.py) ------------------------------------


# --- what is timed --------------------------------------------------------------------------------------------------


@contextmanager
def enrolled_stores(folder: Path) -> Iterator[Stores]:
    """New stores in which the model is watched."""
    reference = folder / "reference.csv"
    if not reference.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_table(with_labels(night_table(REFERENCE_ROWS, seed=1), seed=2), reference)
    with closing(open_stores(f"sqlite:///{folder / 'leeway.db'}", secret=SECRET)) as stores:
        enrol(stores.ledger, MODEL, read_reference(reference, columns={}), Policy())
        yield stores


def time_ingest(path: Path, folder: Path, rows: int) -> Outcome:
    """In a process of its own: into a new workspace, and twice more. Raises RuntimeError if a row is not as it was."""
    with enrolled_stores(folder) as stores:
        before = disk_of(folder)

        def take(zone: str) -> tuple[Seconds, Recorded]:
            into = (stores.log, stores.ledger, MODEL, path)
            seconds, done = timed(lambda: ingest(*into, columns={}, now=RECEIVED, zone=ZoneInfo(zone)))
            return seconds, done.recorded

        first, recorded = take("UTC")
        if recorded not in (Recorded(new=rows), Recorded(new=rows, labels=rows)):
            raise RuntimeError(f"{path}: {recorded}; expected {rows:,} new rows, with labels in all or none")
        peak, disk = peak_of_process(), disk_of(folder) - before
        compared, again = take("Etc/UTC")  # the same nights, and another digest
        known, same = take("UTC")
        for found in (again, same):
            if found != Recorded(known=rows):
                raise RuntimeError(f"{path}: a second ingest changed something: {found}")
        refuse_other_rows(stores, path, rows)
    return Outcome(first, compared, known, peak, peak_of_process(), disk)


def peak_of_process() -> float:
    """MB, as Linux says; `ru_maxrss` would begin with what the parent process had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def refuse_other_rows(stores: Stores, path: Path, rows: int) -> None:
    """The log must count what the file has, and give single rows back as they are."""
    [version] = stores.ledger.versions(MODEL)
    night = night_bounds(NIGHT, ZoneInfo("UTC"))
    cells = stores.log.cells(version, *night)
    table = first_rows(path)
    wanted = dict(zip(table["prediction_id"].to_pylist(), table.to_pylist(), strict=True))
    found = {one.id: one for one in stores.log.by_ids(MODEL, wanted)}
    for name, row in wanted.items():
        one = found[name]
        same = (one.predicted_class, one.confidence, one.slice) == tuple(map(row.get, COMPARED))
        if not (same and one.occurred_at == row["occurred_at"]):
            raise RuntimeError(f"{path}: row {name} is {one}, but the file has {row}")
    if sum(one.count for one in cells) != rows or stores.log.count(version, *night) != rows:
        raise RuntimeError(f"{path}: the log counts {sum(one.count for one in cells):,} rows, not {rows:,}")


def first_rows(path: Path) -> pa.Table:
    """Some rows of a file, as the ingest reads them."""
    batch = next(read_predictions(path, classes=CLASSES))
    return batch.table.select(["prediction_id", "occurred_at", *COMPARED]).slice(0, 300)


def disk_of(folder: Path) -> float:
    """MB of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def copy_bare(path: Path, copy: Path) -> Seconds:
    """From CSV, JSON lines or Parquet to Parquet, with pyarrow alone: nothing is checked, hashed or compared."""
    return timed(lambda: write_batches(read_bare(path), copy))[0]


def read_bare(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).iter_batches(batch_size=GROUP)
    if path.suffix == ".csv":
        options = pyarrow.csv.ReadOptions(block_size=10 * 2**20, use_threads=False)
        return iter(pyarrow.csv.open_csv(path, read_options=options))
    options = pyarrow.json.ReadOptions(block_size=10 * 2**20, use_threads=False)
    return iter(pyarrow.json.open_json(path, read_options=options))


def write_batches(batches: Iterator[pa.RecordBatch], copy: Path) -> None:
    first = next(batches)
    with pq.ParquetWriter(copy, first.schema, compression="zstd") as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def timed(work: Callable[[], Any]) -> tuple[Seconds, Any]:
    started, used = time.perf_counter(), time.process_time()
    result = work()
    return Seconds(time.perf_counter() - started, time.process_time() - used), result


# --- running --------------------------------------------------------------------------------------------------------


def measure(cases: Mapping[Case, Path], rounds: int, *, scratch: Path) -> Measured:
    """(outcomes, seconds of a bare copy) of each case, by its name."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    bare: dict[str, list[Seconds]] = defaultdict(list)
    for number in range(rounds):
        for case, path in cases.items():
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                rows = pq.read_metadata(path).num_rows if case.suffix == "parquet" else lines_of(path, case)
                found[case.name].append(alone(time_ingest, path, Path(folder) / "workspace", rows))
                bare[case.name].append(alone(copy_bare, path, Path(folder) / "copy.parquet"))
            last = found[case.name][-1]
            seconds = " ".join(f"{one.cpu:.2f}" for one in (last.first, last.compared, last.known))
            said = f"{seconds}, bare {bare[case.name][-1].cpu:.2f} CPU s, {last.peak_mb:,.0f} MB"
            print(f"round {number + 1}: {case.name} {said}", file=sys.stderr, flush=True)
    return dict(found), dict(bare)


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """What the work returns in a fresh process of one thread."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=use_one_thread) as pool:
        return pool.submit(work, *arguments).result()


def use_one_thread() -> None:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def lines_of(path: Path, case: Case) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**24), b"")) - (case.suffix == "csv")


def make_files(rows: int, large: int, folder: Path) -> dict[Case, Path]:
    folder.mkdir()
    plain = night_table(rows, seed=3)
    contents = {"plain": plain, "census": with_labels(plain, seed=4), "probabilities": with_probabilities(plain)}
    files = {one: write_table(contents[one.content], folder / f"{one.name}.{one.suffix}") for one in CASES}
    if large:
        files[replace(LARGE, title=LARGE.title.format(rows=large))] = write_large(folder / "large.csv", large)
    return files


# --- telling --------------------------------------------------------------------------------------------------------

TOLD = """\
{heading}

    {command}

{date}; {machine}.
{rows:,} rows of id (32 random hex digits), time, class, confidence and slice, in order of time, into a fresh
workspace; medians of {rounds}, each file in a process of its own with one thread. Others used the machine
meanwhile: CPU seconds are what can be compared, and the wall's stand behind them. *Again* is the same file once
more: every row is found and compared, and nothing added. *Known* is the same once more, known by its sha256 and not
read. *Bare* is pyarrow, which reads the file and writes Parquet (zstd), and checks, hashes and compares nothing.
*Memory* is the most that the process had by the end of the first reading, and of all three. After each, the log
must count as many rows as the file has, and give 300 back as they are.

| file | CPU s (wall) | rows per CPU s | again: CPU s | known: CPU s | bare: CPU s | ours / bare | memory | disk |
|---|---|---|---|---|---|---|---|---|
{lines}
"""


def section(cases: Sequence[Case], measured: Measured, *, rows: Mapping[str, int], rounds: int, command: str) -> str:
    found, bare = measured
    lines = []
    for case in cases:
        outcomes = found[case.name]
        first, again, known = (middle([getattr(one, name) for one in outcomes]) for name in TIMES)
        other = middle(bare[case.name])
        sizes = (median(getattr(one, name) for one in outcomes) for name in ("peak_mb", "peak_again_mb", "disk_mb"))
        peak, later, disk = sizes
        cells = [
            case.title,
            f"{first.cpu:.2f} ({first.wall:.2f})",
            f"{rows[case.name] / first.cpu:,.0f}",
            *(f"{one.cpu:.2f}" for one in (again, known, other)),
            f"{first.cpu / other.cpu:.2f}",
            f"{peak:,.0f} to {later:,.0f} MB",
            f"{disk:,.0f} MB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return TOLD.format(
        heading=HEADING,
        command=command,
        date=datetime.now(UTC).date(),
        machine=machine(),
        rows=rows[CASES[0].name],
        rounds=counted(rounds, "round"),
        lines="\n".join(lines),
    )


def middle(times: Sequence[Seconds]) -> Seconds:
    """The median of each, on its own."""
    return Seconds(*(median(column) for column in zip(*times, strict=True)))


def machine() -> str:
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), platform.machine())
    cores = sum(line.startswith("processor") for line in cpus)
    return f"{cores} cores of a virtual machine ({name}) that others use, too; SQLite {sqlite3.sqlite_version}"


def put_section(path: Path, text: str) -> None:
    """Replaces the section of the same heading; the others stay."""
    heading = text.partition("\n")[0]
    page = path.read_text() if path.exists() else "# Ingest and the nightly monitor\n"
    before, found, rest = page.partition(f"{heading}\n")
    if not found:
        path.write_text(f"{page.rstrip()}\n\n{text}")
        return
    after = rest[rest.index("\n## ") + 1 :] if "\n## " in rest else ""
    path.write_text(f"{before}{text}{'' if not after else chr(10)}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=MILLION)
    parser.add_argument("--large", type=int, default=10 * MILLION, help="rows of one more CSV; 0: none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder on the disk that is measured; else a temporary one")
    parser.add_argument("--out", type=Path, help="Markdown file; its other sections stay")
    parser.add_argument("--json", type=Path, help="seconds of every round")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    command = shlex.join(["python", "benchmarks/ingest.py", *sys.argv[1:]])
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
        cases = make_files(chosen.rows, chosen.large, Path(scratch) / "files")
        measured = measure(cases, chosen.rounds, scratch=Path(scratch))
    rows = {case.name: chosen.large if case.name == LARGE.name else chosen.rows for case in cases}
    text = section(list(cases), measured, rows=rows, rounds=chosen.rounds, command=command)
    print(text)
    if chosen.out:
        put_section(chosen.out, text)
    if chosen.json:
        outcomes = {name: [asdict(one) for one in own] for name, own in measured[0].items()}
        chosen.json.write_text(json.dumps({"rows": rows, "outcomes": outcomes, "bare": measured[1]}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
