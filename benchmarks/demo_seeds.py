"""Does the story of the demo hold for seeds that nothing was tuned on?  Rows of the tables in docs/demo.md.

    python benchmarks/demo_seeds.py --first 11 --count 10 --jobs 2 [--no-drift] [--scratch]

Each seed is a whole `flows/demo.py` in a folder of its own: other digits, another world, labeler and training.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[1] / "flows" / "demo.py"
COLUMNS = {
    "seed": "seed",
    "alarm_night": "alarm night",
    "alarms_before_drift": "false alarms",
    "labels_used": "labels",
    "test_accuracy_v1": "test v1",
    "accuracy_before": "before",
    "accuracy_drifted": "drifted",
    "accuracy_recovered": "recovered",
    "accuracy_recovered_unseen": "unseen",
    "original_test_change_points": "test change",
    "promoted_version": "version",
    "seconds": "seconds",
}
QUIET = (
    "seed",
    "alarms_before_drift",
    "labels_used",
    "test_accuracy_v1",
    "accuracy_before",
    "seconds",
)  # where nothing drifts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=11)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1, help="demos side by side")
    parser.add_argument("--no-drift", action="store_true")
    parser.add_argument("--scratch", action="store_true", help="retrain from random weights")
    chosen = parser.parse_args()
    columns = QUIET if chosen.no_drift else tuple(COLUMNS)
    print(f"| {' | '.join(COLUMNS[name] for name in columns)} | holds |\n|{'---|' * (len(columns) + 1)}", flush=True)
    extra = ["--no-drift"] * chosen.no_drift + ["--scratch"] * chosen.scratch
    held = 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(chosen.jobs) as pool:
        seeds = range(chosen.first, chosen.first + chosen.count)
        for told, holds in pool.map(lambda seed: live(seed, Path(scratch), extra), seeds):
            held += holds
            print(
                f"| {' | '.join(written(name, told.get(name)) for name in columns)} | {'yes' if holds else 'no'} |",
                flush=True,
            )
    print(f"\nThe story held in {held} of {chosen.count}.")
    return 0


def live(seed: int, scratch: Path, extra: list[str]) -> tuple[dict[str, Any], bool]:
    folder = scratch / f"demo-{seed}"
    command = [sys.executable, str(DEMO), "--seed", str(seed), "--folder", str(folder), *extra]
    done = subprocess.run(command, capture_output=True, text=True)
    summary = folder / "report" / "summary.json"
    if done.returncode:
        print(f"seed {seed}: {done.stdout[-2000:]}", file=sys.stderr, flush=True)
    return json.loads(summary.read_text()) if summary.exists() else {"seed": seed}, done.returncode == 0


def written(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.startswith(("accuracy", "test_accuracy")):
        return f"{value:.1%}"
    return f"{value:+.1f}" if name.endswith("points") else str(round(value))


if __name__ == "__main__":
    sys.exit(main())
