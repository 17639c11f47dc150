"""Trains on the images in bars.npz, as a program that Lightning can start once more for each further device."""

import json
import sys
from pathlib import Path

import numpy as np

from leeway.training.backbones import build
from leeway.training.datamodule import Pixels
from leeway.training.fit import fit
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams


def main(folder: Path) -> None:
    stored = np.load(folder / "bars.npz")
    params = TrainParams.model_validate_json((folder / "params.json").read_text())
    rows = TrainingRows(np.arange(64), np.arange(64, 96))
    data = Pixels(stored["pixels"], stored["labels"], rows=rows, params=params, mean=(0.5,) * 3, std=(0.25,) * 3)
    network = build(params, ("standing", "lying"))
    result = fit(network, data, params, log=lambda told, number: None, folder=folder / "run", key="one")
    with (folder / "history.jsonl").open("a") as file:  # a line for every process that comes this far
        file.write(json.dumps(result.history) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
