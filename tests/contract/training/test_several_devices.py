import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("several_devices.py")


def test_two_processes_train_as_one_does_and_only_the_first_writes(bars, params, tmp_path):
    np.savez(tmp_path / "bars.npz", pixels=bars[0], labels=bars[1])
    chosen = params.model_copy(update={"devices": 2, "strategy": "ddp", "epochs": 12, "patience": 12})
    (tmp_path / "params.json").write_text(chosen.model_dump_json())
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MASTER_ADDR": "127.0.0.1"}
    done = subprocess.run([sys.executable, str(PROGRAM), str(tmp_path)], env=paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "history.jsonl").read_text().splitlines()
    history = json.loads(line)
    assert [epoch["epoch"] for epoch in history] == list(range(12))
    best = min(history, key=lambda epoch: epoch["val_loss"])
    assert best["val_accuracy"] > 0.9  # as one process reaches on these images
    assert best["val_accuracy"] * 32 == pytest.approx(round(best["val_accuracy"] * 32))  # over all 32 of them, not 16
