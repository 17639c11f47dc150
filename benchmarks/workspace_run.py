"""Runs a workspace of the product from end to end, for cifar10.py and photos.py, and counts what it costs."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from leeway.jobs.init import init_workspace

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Cost:
    """What a wait was, and what of it was work: where others use the machine, only the second can be compared."""

    wall_seconds: float
    cpu_seconds: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall_seconds + other.wall_seconds, self.cpu_seconds + other.cpu_seconds)

    def __str__(self) -> str:
        return f"{self.wall_seconds:,.0f} s by the clock, {self.cpu_seconds:,.0f} CPU s"


def make_workspace(folder: Path, params: Mapping[str, Any]) -> None:
    """A new workspace in `folder`, which is not there yet; `params` by dotted key: {"train.epochs": 5}."""
    init_workspace(folder)
    yaml = YAML()
    yaml.width = 200
    content = yaml.load(folder / "params.yaml")
    for key, value in params.items():
        *sections, last = key.split(".")
        section = content
        for name in sections:
            section = section[name]
        section[last] = value
    yaml.dump(content, folder / "params.yaml")


def reproduce(folder: Path, targets: Sequence[str] = ()) -> Cost:
    """`dvc repro` there, up to `targets` if any are named. Raises SystemExit with what it said if it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    began, used = time.monotonic(), _children()
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    cost = Cost(time.monotonic() - began, _children() - used)
    (folder / "repro.log").open("a").write(done.stdout + done.stderr)
    if done.returncode:
        sys.exit(f"dvc repro failed in {folder}:\n{(done.stdout + done.stderr)[-3000:]}")
    return cost


def metrics(folder: Path) -> Numbers:
    """What the evaluation found on the test split."""
    found: Numbers = json.loads((folder / "reports" / "metrics.json").read_text())
    return found


def history(folder: Path) -> list[Numbers]:
    """The numbers of each epoch, from the bundle."""
    training = json.loads((folder / "models" / "bundle" / "bundle.json").read_text())["training"]
    found: list[Numbers] = training["history"]
    return found


def machine() -> str:
    """Where and when, for the heading of a page."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    model = names[0] if names else platform.processor()
    threads = os.environ.get("OMP_NUM_THREADS", "as torch likes")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores ({model}), threads: {threads}, load {load}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
