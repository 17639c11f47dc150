"""A run: the folder of one training, from which a killed one is resumed."""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from leeway import durable
from leeway.training.params import TrainParams
from leeway.version import __version__

INDEX, LAST = "run.json", "last.ckpt"
log = logging.getLogger("leeway.training")


@dataclass(frozen=True, slots=True)
class Run:
    """What a resumed run must not decide again."""

    folder: Path
    key: str
    precision: str | None = None  # None: not chosen yet
    parts: int = 1  # steps that each batch is cut into

    def noted(self, *, precision: str | None = None, parts: int | None = None) -> "Run":
        """The same with these decisions, on disk too."""
        changed = replace(self, precision=precision or self.precision, parts=parts or self.parts)
        told = {"key": changed.key, "precision": changed.precision, "parts": changed.parts}
        durable.write_text(self.folder / INDEX, json.dumps(told))
        return changed

    @property
    def checkpoint(self) -> Path | None:
        """The state at the end of the last whole epoch, if there is one that can be read."""
        path = self.folder / LAST
        if not path.exists():
            return None
        try:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # a damaged file gives RuntimeError, UnpicklingError, EOFError, KeyError, ...
            log.warning("%s cannot be read (%s): training starts afresh", path, error)
            return None
        return path


def run_key(params: TrainParams, facts: Mapping[str, str]) -> str:
    """Only runs with one key end alike: params, `facts` (dataset, start, device), code and torch's version."""
    told = {
        "params": params.model_dump(mode="json"),
        "facts": dict(facts),
        "versions": (__version__, torch.__version__),
        "code": [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(__file__).parent.glob("*.py"))],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def open_run(folder: Path, key: str) -> Run:
    """The run of this key that was interrupted in `folder`, or else a new one, for which the folder is emptied."""
    try:
        told = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if told["key"] == key:
            return Run(folder, key, precision=told["precision"], parts=told["parts"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    durable.make_folder(folder)
    return Run(folder, key).noted()


def close_run(folder: Path) -> None:
    """Nothing is left to resume; the checkpoints of the best epochs stay until the next run."""
    for name in (INDEX, LAST):
        (folder / name).unlink(missing_ok=True)
