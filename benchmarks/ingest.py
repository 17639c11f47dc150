"""How fast do prediction logs go into the store?  nice python benchmarks/ingest.py --out docs/nightly.md

A million rows as CSV, Parquet and JSON lines through `leeway.predictions.ingest`, into SQLite in a fresh folder, and
the same file once more; beside a bare executemany of the same rows, all columns, into the same schema. They alternate.
Takes about 10 minutes and 2 GB of disk for a while.
"""

import argparse
import json
import platform
import shlex
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from leeway.checks.policy import Policy
from leeway.domain.identity import permanent_number
from leeway.monitor.enrol import enrol, read_reference
from leeway.predictions.ingest import ingest
from leeway.stores.database import sqlite_pragmas
from leeway.stores.opening import Stores, open_stores

MODEL = "birds"
CLASSES = tuple(f"species_{number}" for number in range(10))
SLICES = ("north", "south", "east", "west")
NIGHT = date(2026, 3, 2)
RECEIVED = datetime(2026, 3, 3, 5, tzinfo=UTC)
REFERENCE_ROWS = 10_000
DAY = 86_400_000_000  # microseconds
SECRET = "of the benchmark"
COLUMNS = (
    "id", "model", "version", "occurred_at", "image", "predicted_class", "confidence", "probabilities", "energy",
    "latency_ms", "group", "slice", "received_at", "u",
)  # fmt: skip
LABEL_COLUMNS = (
    "model", "id", "version", "occurred_at", "predicted_class", "slice", "label", "draw_probability", "received_at",
)  # fmt: skip
HEADING = "## Ingest"
Row = tuple[Any, ...]


class Seconds(NamedTuple):
    """What a wait is, and what of it was work: where others use the machine, the second is what can be compared."""

    wall: float
    cpu: float


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


# --- rows -----------------------------------------------------------------------------------------------------------


def night_table(rows: int, *, seed: int, night: date = NIGHT) -> pa.Table:
    """Predictions of one UTC day in order of time, under random ids; classes and slices are of unequal shares."""
    rng = np.random.default_rng(seed)
    digits = np.array(list("0123456789abcdef")).astype("S1")
    ids = digits[rng.integers(16, size=(rows, 32), dtype=np.int8)].view("S32").ravel()
    moments = np.sort(rng.integers(DAY, size=rows)) + np.datetime64(night, "us").astype(np.int64)
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


def time_ingest(path: Path, folder: Path, *, rows: int) -> tuple[Seconds, Seconds]:
    """(of the ingest, of the second ingest of the same file)"""
    with enrolled_stores(folder) as stores:
        first, told = timed(lambda: ingest(stores.log, stores.ledger, MODEL, path, columns={}, now=RECEIVED))
        if told.recorded.new != rows or told.bad:
            raise RuntimeError(f"{path}: {told.recorded.new} rows went in, {len(told.bad)} are bad; expected {rows}")
        again, told = timed(lambda: ingest(stores.log, stores.ledger, MODEL, path, columns={}, now=RECEIVED))
        if told.recorded.new or told.recorded.labels or told.recorded.known != rows:
            raise RuntimeError(f"{path}: the second ingest changed something: {told.recorded}")
    return first, again


def timed(work: Callable[[], Any]) -> tuple[Seconds, Any]:
    started, used = time.perf_counter(), time.process_time()
    result = work()
    return Seconds(time.perf_counter() - started, time.process_time() - used), result


def store_rows(table: pa.Table) -> tuple[list[Row], list[Row]]:
    """(rows of `predictions`, rows of `given_labels`) as the ingest has them."""
    rows, received = table.num_rows, RECEIVED.strftime("%Y-%m-%d %H:%M:%S.%f")
    ids = table["prediction_id"].to_pylist()
    given: dict[str, Sequence[Any]] = {
        "id": ids,
        "model": [MODEL] * rows,
        "version": [1] * rows,
        "occurred_at": table["occurred_at"].cast(pa.timestamp("us")).cast(pa.string()).to_pylist(),
        "image": [""] * rows,
        "predicted_class": table["predicted_class"].to_pylist(),
        "confidence": table["confidence"].to_pylist(),
        "probabilities": _probability_texts(table),
        "group": ids,
        "slice": table["slice"].to_pylist(),
        "received_at": [received] * rows,
        "u": [permanent_number(one, SECRET) for one in ids],
    }
    nothing: list[None] = [None] * rows
    predictions = list(zip(*(given.get(name, nothing) for name in COLUMNS), strict=True))
    if "label" not in table.column_names:
        return predictions, []
    labelled = given | {"label": table["label"].to_pylist(), "draw_probability": [1.0] * rows}
    return predictions, list(zip(*(labelled[name] for name in LABEL_COLUMNS), strict=True))


def _probability_texts(table: pa.Table) -> list[str]:
    names = [f"p_{name}" for name in CLASSES]
    if names[0] not in table.column_names:
        return ["[]"] * table.num_rows
    shares: NDArray[np.float64] = np.column_stack([table[name].to_numpy() for name in names])
    return [json.dumps(row) for row in shares.tolist()]


def bare_insert(path: Path, predictions: Sequence[Row], labels: Sequence[Row] = ()) -> None:
    """One transaction, with the store's own settings of the connection."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in sqlite_pragmas(30_000):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert_statement("predictions", COLUMNS), predictions)
        connection.executemany(insert_statement("given_labels", (*LABEL_COLUMNS, "seq")), [(*row, 1) for row in labels])
        connection.execute("COMMIT")


def insert_statement(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(map(json.dumps, columns))}) VALUES ({', '.join('?' * len(columns))})"


def time_bare(table: pa.Table, folder: Path) -> Seconds:
    """From tuples that lie ready."""
    predictions, labels = store_rows(table)
    with enrolled_stores(folder):
        pass
    return timed(lambda: bare_insert(folder / "leeway.db", predictions, labels))[0]


def refuse_other_rows(ours: Path, bare: Path) -> None:
    """Both databases must hold the same."""
    with closing(sqlite3.connect(ours / "leeway.db")) as connection:
        connection.execute("ATTACH ? AS bare", (str(bare / "leeway.db"),))
        for table, columns in (("predictions", COLUMNS), ("given_labels", LABEL_COLUMNS)):
            names = ", ".join(map(json.dumps, columns))
            count = f"SELECT count(*) FROM (SELECT {names} FROM {{}}.{table} EXCEPT SELECT {names} FROM {{}}.{table})"
            for sides in (("main", "bare"), ("bare", "main")):
                if different := connection.execute(count.format(*sides)).fetchone()[0]:
                    raise RuntimeError(f"{different} rows of {table} are in {sides[0]} only")


# --- running --------------------------------------------------------------------------------------------------------


def measure(rows: int, rounds: int, *, scratch: Path) -> dict[str, list[Seconds]]:
    """Of each round: `csv`, `csv again`, `plain bare` and so on."""
    contents, files = make_files(rows, scratch / "files")
    found: dict[str, list[Seconds]] = defaultdict(list)
    for number in range(rounds):
        for content, table in contents.items():
            with tempfile.TemporaryDirectory(dir=scratch) as bare:
                found[f"{content} bare"].append(time_bare(table, Path(bare)))
                for case in [one for one in CASES if one.content == content]:
                    with tempfile.TemporaryDirectory(dir=scratch) as ours:
                        first, again = time_ingest(files[case.name], Path(ours), rows=rows)
                        if number == 0:
                            refuse_other_rows(Path(ours), Path(bare))
                    found[case.name].append(first)
                    found[f"{case.name} again"].append(again)
        told = ", ".join(f"{name} {times[-1].wall:.1f} ({times[-1].cpu:.1f})" for name, times in found.items())
        print(f"round {number + 1}: {told}", file=sys.stderr, flush=True)
    return dict(found)


def make_files(rows: int, folder: Path) -> tuple[dict[str, pa.Table], dict[str, Path]]:
    folder.mkdir()
    plain = night_table(rows, seed=3)
    contents = {"plain": plain, "census": with_labels(plain, seed=4), "probabilities": with_probabilities(plain)}
    files = {one.name: write_table(contents[one.content], folder / f"{one.name}.{one.suffix}") for one in CASES}
    return contents, files


# --- telling --------------------------------------------------------------------------------------------------------

TOLD = """\
{heading}

    {command}

{date}; {machine}.
{rows:,} rows of id (32 random hex digits), time, class, confidence and slice, in order of time; medians of {rounds}
rounds. Others used the machine meanwhile: CPU seconds are what can be compared, and the wall's stand behind them.
*Bare*: one `executemany` in one transaction, from Python tuples that lie ready, all 14 columns (with labels: 5 more in
a second table), into the same schema with its two indexes and the same settings of the connection, alternating with
ours. It reads no file and checks nothing; that both leave the same rows is compared in the first round. *Again* is the
same file once more: every row is found, compared, and nothing added.

| file | ours: CPU s (wall) | rows per CPU s | bare: CPU s (wall) | rows per CPU s | ours / bare | again: CPU s (wall) |
|---|---|---|---|---|---|---|
{lines}
"""


def section(found: Mapping[str, Sequence[Seconds]], *, rows: int, rounds: int, command: str) -> str:
    lines = []
    for case in CASES:
        names = (case.name, f"{case.content} bare", f"{case.name} again")
        ours, bare, again = (middle(found[name]) for name in names)
        told = [f"{one.cpu:.1f} ({one.wall:.1f})" for one in (ours, bare, again)]
        rates = [f"{rows / one.cpu:,.0f}" for one in (ours, bare)]
        cells = [case.title, told[0], rates[0], told[1], rates[1], f"{ours.cpu / bare.cpu:.2f}", told[2]]
        lines.append(f"| {' | '.join(cells)} |")
    return TOLD.format(
        heading=HEADING,
        command=command,
        date=datetime.now(UTC).date(),
        machine=machine(),
        rows=rows,
        rounds=rounds,
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
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder on the disk that is measured; else a temporary one")
    parser.add_argument("--out", type=Path, help="Markdown file; its other sections stay")
    parser.add_argument("--json", type=Path, help="seconds of every round")
    chosen = parser.parse_args()
    command = shlex.join(["python", "benchmarks/ingest.py", *sys.argv[1:]])
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as scratch:
        found = measure(chosen.rows, chosen.rounds, scratch=Path(scratch))
    text = section(found, rows=chosen.rows, rounds=chosen.rounds, command=command)
    print(text)
    if chosen.out:
        put_section(chosen.out, text)
    if chosen.json:
        chosen.json.write_text(json.dumps({"rows": chosen.rows, "seconds": found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
