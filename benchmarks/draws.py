"""How long do draws from a large night take?  nice python benchmarks/draws.py --out docs/nightly.md

On the log of two nights: counting one, 300 draws of the label plan, the whole label plan, the samples of both
pages, and Evidently's page; CPU seconds of this process, medians of five rounds that take turns.
"""

import argparse
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ingest import MODEL, NIGHT, enrolled_stores, night_table, timed, write_table
from nightly import describe, forget, fresh_epoch

from leeway.adapters.evidently.report import write_page
from leeway.checks.windows import night_bounds
from leeway.domain.records import Pick, WindowCounts
from leeway.epoch import Epoch
from leeway.jobs.claims import claimed
from leeway.labels.plan import chance
from leeway.monitor import night as nights
from leeway.monitor.pages_due import draw_page
from leeway.monitor.repeats import sample_of
from leeway.predictions.ingest import ingest
from leeway.stores.opening import open_stores

ROUNDS = 5
HEADING = "## Draws"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leeway-draws-") as scratch:
        folder = Path(scratch)
        days = [NIGHT, NIGHT + timedelta(days=1)]
        ingest_nights(folder, days, chosen.predictions)
        describe(folder, days[-1], predictions=chosen.predictions)
        rounds = [one_round(folder, days) for _ in range(ROUNDS)]
    table = "\n".join(f"| {name} | {median(one[name] for one in rounds):.2f} |" for name in rounds[0])
    text = (
        f"{HEADING}\n\n`python benchmarks/draws.py --predictions {chosen.predictions}`: a night of "
        f"{chosen.predictions:,} predictions, CPU seconds, medians of {ROUNDS} rounds.\n\n"
        f"| what | CPU s |\n|---|---|\n{table}\n"
    )
    print(text)
    if chosen.out:
        before, _, _ = chosen.out.read_text(encoding="utf-8").partition(HEADING)
        chosen.out.write_text(f"{before.rstrip()}\n\n{text}", encoding="utf-8")
    return 0


def ingest_nights(folder: Path, days: Sequence[date], predictions: int) -> None:
    with enrolled_stores(folder) as stores:
        for place, day in enumerate(days):
            path = write_table(night_table(predictions, seed=place, night=day), folder / "night.parquet")
            morning = datetime.combine(day + timedelta(days=1), time(5), UTC)
            ingest(stores.log, stores.ledger, MODEL, path, columns={}, now=morning)


def one_round(folder: Path, days: Sequence[date]) -> dict[str, float]:
    """CPU seconds by what was done."""
    tonight, url = days[-1], f"sqlite:///{folder / 'leeway.db'}"
    seconds: dict[str, float] = {}

    def used(name: str, work: Callable[[], Any]) -> Any:
        spent, result = timed(work)
        seconds[name] = spent.cpu
        return result

    for day in days:
        forget(folder / "leeway.db", day)
    with closing(open_stores(url)) as stores:
        epoch = fresh_epoch(stores, MODEL, days[0])
        with claimed(epoch, days[0]):
            before = nights.close_window(epoch, days[0])
            nights.conclude(epoch, before, nights.run_checks(epoch, before))
    with closing(open_stores(url)) as stores:
        epoch = fresh_epoch(stores, MODEL, tonight)
        start, end = night_bounds(tonight, epoch.policy.zone)
        cells = used("counting the night (`cells`)", lambda: epoch.log.cells(epoch.version, start, end))
        picks = drawn_from(cells)
        used("300 draws", lambda: epoch.log.pick(epoch.version, start, end, picks, stream="plan"))
        with claimed(epoch, tonight):
            window = used("**the night**: window, all checks, conclusion", lambda: decide(epoch, tonight))
            used("the label plan, in the run that counted the night", lambda: nights.plan_labels(epoch, tonight))
        used("the page's sample of 2,000", lambda: sample_of(epoch, window))
        page = folder / "page.html"
        used("Evidently's page", lambda: draw_page(epoch, window, write=write_page, path=page))
    used_again(folder, url, tonight, used)
    return seconds


def decide(epoch: Epoch, night: date) -> WindowCounts:
    window = nights.close_window(epoch, night)
    nights.conclude(epoch, window, nights.run_checks(epoch, window))
    return window


def used_again(folder: Path, url: str, tonight: date, used: Callable[..., Any]) -> None:
    """The plan of a run that died after the decision: it counts the night again."""
    with closing(sqlite3.connect(folder / "leeway.db")) as connection, connection:
        for table in ("draws", "label_plans"):
            connection.execute(f"DELETE FROM {table}")
    with closing(open_stores(url)) as stores:
        epoch = fresh_epoch(stores, MODEL, tonight)
        with claimed(epoch, tonight):
            used("the label plan, in a run of its own", lambda: nights.plan_labels(epoch, tonight))


def drawn_from(cells: Sequence[Any]) -> list[Pick]:
    """300 draws, spread over the cells as a plan does: large cells get more, small ones some."""
    rng, sizes = chance("benchmark"), np.array([one.count for one in cells], float)
    drawn = rng.choice(len(cells), size=300, p=np.sqrt(sizes) / np.sqrt(sizes).sum())
    ranks: dict[int, int] = {}
    picks = []
    for place in drawn.tolist():
        rank = ranks[place] = ranks.get(place, -1) + 1
        one = cells[place]
        if rank < one.count:
            picks.append(Pick(one.predicted_class, one.bin, one.slice, rank, one.count))
    return picks


if __name__ == "__main__":
    raise SystemExit(main())
