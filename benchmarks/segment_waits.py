"""How long does serving wait for the disk?  python benchmarks/segment_waits.py --out docs/nightly.md

500 predictions a second into a segment, each safely on disk before it is acknowledged: how long each waits, beside what
one fdatasync takes on the same disk, second by second in turn. Then the same while another process rolls a closed
segment of a million rows into parts. Takes under three minutes, and 2 GB of disk for a while.
"""

import argparse
import gc
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from leeway.domain.columns import PredictionColumns
from leeway.domain.records import Prediction
from leeway.stores.columnar.log import ColumnarLog
from leeway.stores.columnar.writer import SECONDS as GROUP
from leeway.stores.columnar.writer import SegmentWriter
from leeway.stores.opening import Stores, open_stores

RATE = 500  # predictions a second
ROWS = 1_000_000  # of the closed segment
PROBED = 16_384  # bytes that are appended before each fdatasync: about what a group writes
HEADING = "## Serving's side"
SECRET = "benchmark"
ROLL = """
import sys, datetime
from leeway.stores.opening import open_stores
stores = open_stores(sys.argv[1])
print(stores.log.roll(datetime.datetime.now(datetime.UTC)).rows, flush=True)
stores.close()
"""


@dataclass(slots=True)
class Spell:
    """What was measured, in seconds."""

    waits: list[float] = field(default_factory=list)
    syncs: list[float] = field(default_factory=list)
    load: float = 0.0  # processes that wanted to run, on average

    @property
    def bound(self) -> float:
        """One group and twice the disk's own p99."""
        return GROUP + 2 * percentile(self.syncs, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")


def append_for(writer: SegmentWriter, seconds: float, spell: Spell) -> None:
    """Send predictions at their moments, whatever became of those before; wait for the last one."""
    started, sent = time.perf_counter(), list[Future[bool]]()

    def took(since: float) -> Callable[[Future[bool]], None]:
        return lambda _: spell.waits.append(time.perf_counter() - since)

    for number in range(round(RATE * seconds)):
        due = started + number / RATE
        while (rest := due - time.perf_counter()) > 0:
            time.sleep(rest)
        made = prediction(os.urandom(8).hex())
        since = time.perf_counter()
        sent.append(writer.append(made))
        sent[-1].add_done_callback(took(since))
    assert all(one.result() for one in sent)


def probe_for(file: int, seconds: float, spell: Spell) -> None:
    """What the disk takes by itself, as often as groups come."""
    until, content = time.perf_counter() + seconds, os.urandom(PROBED)
    while time.perf_counter() < until:
        os.write(file, content)
        since = time.perf_counter()
        os.fdatasync(file)
        spell.syncs.append(time.perf_counter() - since)
        time.sleep(GROUP)


def measured(writer: SegmentWriter, file: int, goes_on: Callable[[int], bool]) -> Spell:
    """A second of each in turn."""
    spell, turn = Spell(), 0
    while goes_on(turn):
        append_for(writer, 1.0, spell)
        probe_for(file, 0.5, spell)
        turn += 1
    spell.load = os.getloadavg()[0]
    return spell


def prediction(name: str) -> Prediction:
    return Prediction(
        id=name,
        model="pets",
        version=1,
        occurred_at=datetime.now(UTC),
        image="ab" * 32,
        predicted_class="dog",
        confidence=0.75,
        probabilities=(0.1, 0.75, 0.15),
        energy=-3.25,
        latency_ms=4.5,
        group=name,
        slice="door",
        second_class="ship",
        review=None,
    )


def fill(url: str, rows: int) -> None:
    """A segment of yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    rng = np.random.default_rng(7)
    with closing(open_stores(url, secret=SECRET, small=rows + 1)) as stores:
        columns = PredictionColumns(
            ids=[f"old-{number:09}" for number in range(rows)],
            occurred_at=[f"{yesterday:%Y-%m-%d %H:%M:%S}.{number:06}" for number in range(rows)],
            predicted=[("cat", "dog", "ship")[place] for place in rng.integers(0, 3, rows)],
            confidence=rng.random(rows).tolist(),
            slices=[f"camera-{number % 4}" for number in range(rows)],
        )
        assert stores.log.record("pets", [(1, columns)], received_at=yesterday).new == rows


def run(folder: Path, seconds: int, rows: int) -> tuple[Spell, Spell | None, float]:
    """Return both spells, and how long the roll-over took."""
    url = f"sqlite:///{folder / 'leeway.db'}"
    if rows:
        fill(url, rows)
    with ExitStack() as opened:
        stores = opened.enter_context(closing(open_stores(url, secret=SECRET)))
        probe = opened.enter_context((folder / "probe").open("wb", buffering=0)).fileno()
        writer = opened.enter_context(closing(SegmentWriter(columnar(stores), clock=lambda: datetime.now(UTC))))
        append_for(writer, 0.2, Spell())  # the segment is made
        gc.collect()
        gc.freeze()  # as services do: else Python looks through all that was imported every few seconds
        quiet = measured(writer, probe, lambda turn: turn < seconds)
        print(told("alone", quiet), flush=True)
        if not rows:
            return quiet, None, 0.0
        started = time.perf_counter()
        rolling = subprocess.Popen(["nice", sys.executable, "-c", ROLL, url], stdout=subprocess.PIPE, text=True)
        during = measured(writer, probe, lambda _: rolling.poll() is None)
        took = time.perf_counter() - started
        said = rolling.communicate()[0].strip()
        assert said == str(rows), f"{said} of {rows} rows were rolled"
        print(told("during the roll-over", during), flush=True)
        return quiet, during, took


def columnar(stores: Stores) -> ColumnarLog:
    assert isinstance(stores.log, ColumnarLog)
    return stores.log


def told(name: str, spell: Spell) -> str:
    waits, syncs = (
        [f"{1000 * percentile(values, percent):.1f}" for percent in (50, 99)] for values in (spell.waits, spell.syncs)
    )
    return (
        f"| {name} | {len(spell.waits):,} | {waits[0]} / {waits[1]} | {syncs[0]} / {syncs[1]} | "
        f"{1000 * spell.bound:.1f} | {percentile(spell.waits, 99) / spell.bound:.2f} | {spell.load:.1f} |"
    )


def section(quiet: Spell, during: Spell | None, took: float, rows: int, command: str) -> str:
    lines = [
        HEADING,
        "",
        f"`{command}`: {RATE} predictions a second into",
        "today's segment (`stores/columnar/writer.py`), each safely on disk (SQLite's `synchronous=FULL`) before it is",
        "acknowledged. Beside the wait of each, second by second in turn, what one fdatasync takes on the same disk.",
        "The bound is one group (5 ms) and twice the disk's own p99; during a roll-over, which runs under `nice`,",
        f"twice that is allowed. Load: processes that wanted to run, on {os.cpu_count()} cores, these among them.",
        "",
        "| | predictions | wait, ms, p50 / p99 | fdatasync, ms, p50 / p99 | bound, ms | wait p99 / bound | load |",
        "|---|---|---|---|---|---|---|",
        told("alone", quiet),
    ]
    if during is not None:
        lines.append(told(f"while another process rolls {rows:,} rows over ({took:.0f} s)", during))
    return "\n".join([*lines, "", f"Python {platform.python_version()}, {platform.machine()}.", ""])


def write_section(path: Path, text: str) -> None:
    """Put the section into the page, in the place of the one that is there."""
    page = path.read_text(encoding="utf-8")
    before, heading, rest = page.partition(f"{HEADING}\n")
    following = rest.partition("\n## ")
    after = f"\n## {following[2]}" if heading and following[1] else ""
    path.write_text(f"{before.rstrip()}\n\n{text}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of appending, before the roll-over")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the closed segment; 0: no roll-over")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured; default: the temporary folder's")
    parser.add_argument("--out", type=Path, help="page whose section is renewed")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="segment-waits-", dir=given.folder))
    try:
        quiet, during, took = run(folder, given.seconds, given.rows)
    finally:
        shutil.rmtree(folder)
    if given.out:
        command = f"python benchmarks/segment_waits.py --seconds {given.seconds} --rows {given.rows}"
        write_section(given.out, section(quiet, during, took, given.rows, command))


if __name__ == "__main__":
    main()
