"""Does the policy keep what it promises?  python benchmarks/years.py --jobs 2

    OMP_NUM_THREADS=1 python benchmarks/years.py --jobs 2         # every row that is not there yet
    OMP_NUM_THREADS=1 python benchmarks/years.py --only groups    # rows whose name contains this
    OMP_NUM_THREADS=1 python benchmarks/years.py --again accuracy # those of this check once more
    python benchmarks/years.py --page                             # only writes the page anew

Simulated years of real traffic, watched by the detectors that watch a real model (leeway.simulate): the table of nulls,
delays with their targets, and the ratio to an oracle. Each row is written to docs/years.json when it is done, so that a
run that was stopped goes on; docs/years.md is the page.
"""

import argparse
import importlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from years_page import page

Row = dict[str, Any]

SEED, YEARS, RUNS = 1, 500, 500
MODULES = (
    "nulls_drift",
    "nulls_accuracy",
    "delays_accuracy",
    "nulls_classes",
    "nulls_image",
    "nulls_gate",
    "nulls_estimates",
    "nulls_joint",
)
KINDS = ("ROWS", "DELAYS", "ORACLES")
ALPHAS = {"drift": 0.02, "accuracy": 0.02, "classes": 0.01, "image": 0.02, "gate": 0.05, "estimates": 0.07}
ALPHAS |= {"joint": 0.05}  # the whole policy's
NUMBERS = Path("docs/years.json")


def found() -> Iterator[tuple[str, str, Any]]:
    """Every (module, kind, row) that there is, in the order of the page."""
    here = Path(__file__).parent
    for name in MODULES:
        if (here / f"{name}.py").exists():
            module = importlib.import_module(name)
            for kind in KINDS:
                yield from ((name, kind, row) for row in getattr(module, kind, ()))


def live(module: str, kind: str, name: str, size: float) -> Row:
    """Live one row, by its name: a process of its own does it."""
    row = next(one for where, what, one in found() if (where, what, one.name) == (module, kind, name))
    check = module.partition("_")[2]
    rng = np.random.default_rng([SEED, *name.encode()])
    started, cpu = time.monotonic(), time.process_time()
    done: Row = {"module": module, "kind": kind, "check": check, "name": name, "told": getattr(row, "told", "")}
    done |= {"target": getattr(row, "target", None), "size": size, "seed": SEED, "version": version(module)}
    if kind == "ROWS":
        alarms, years = row.run(max(int(getattr(row, "full", YEARS) * size), 20), rng)
        budget = getattr(row, "budget", ALPHAS[check])
        done |= {"alarms": int(alarms), "years": int(years), "budget": budget, "reported": bool(row.reported)}
    elif kind == "DELAYS":
        delays = row.run(max(int(RUNS * size), 20), rng)
        quantiles = [float(one) for one in np.quantile(delays, [0.5, 0.9], method="inverted_cdf")]
        median, ninety = ((one if np.isfinite(one) else None) for one in quantiles)
        done |= {"runs": len(delays), "median": median, "ninety": ninety}
    else:
        done |= row.run(max(int(RUNS * size), 20), rng)
    spent = {"minutes": (time.monotonic() - started) / 60, "cpu_seconds": time.process_time() - cpu}
    return done | spent | {"date": datetime.now(UTC).date().isoformat(), "numpy": np.__version__}


def version(module: str) -> int:
    """Return the module's VERSION, 1 without: raise it when what it measures changes: its rows are run again."""
    return int(getattr(importlib.import_module(module), "VERSION", 1))


def key(module: str, kind: str, name: str) -> str:
    return f"{module}/{kind}/{name}"


def read(path: Path) -> dict[str, Row]:
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, rows: dict[str, Row]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(rows, indent=1) + "\n")
    fresh.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows whose key contains this (module/kind/name)")
    parser.add_argument("--again", help="rows whose key contains this, though they are there")
    parser.add_argument("--size", type=float, default=1.0, help="share of the years and runs; under 1 is a trial")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="JSON file; the page lies beside it")
    asked = parser.parse_args()
    rows, everything = read(asked.numbers), [(where, what, one.name) for where, what, one in found()]

    def wanted(row: tuple[str, str, str]) -> bool:
        known = rows.get(key(*row))
        same = known is not None and (known["seed"], known.get("version", 1)) == (SEED, version(row[0]))
        again = asked.again is not None and asked.again in key(*row)
        return asked.only in key(*row) and (again or not same or rows[key(*row)]["size"] < asked.size)

    todo, failed = [] if asked.page else [row for row in everything if wanted(row)], 0
    with ProcessPoolExecutor(asked.jobs) as pool:
        lived: dict[Future[Row], tuple[str, str, str]] = {pool.submit(live, *row, asked.size): row for row in todo}
        for number, future in enumerate(as_completed(lived), 1):
            row = lived[future]
            if error := future.exception():
                failed += 1
                print(f"{number} of {len(todo)}: {key(*row)} failed: {error!r}", flush=True)
                continue
            rows[key(*row)] = future.result()
            write(asked.numbers, rows)
            print(f"{number} of {len(todo)}: {key(*row)}, {rows[key(*row)]['cpu_seconds']:.0f} CPU s", flush=True)
    order = [key(*row) for row in everything]
    kept = {name: rows[name] for name in order if name in rows}
    write(asked.numbers, kept)
    asked.numbers.with_suffix(".md").write_text(page(list(kept.values()), missing=len(order) - len(kept)))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
