"""A killed training that is started again ends where an uninterrupted one ends, bit for bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from leeway.training.backbones import build
from leeway.training.datamodule import Pixels
from leeway.training.fit import Fitted, fit
from leeway.training.journal import Log
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams
from leeway.training.runs import close_run, run_key

Bars = tuple[np.ndarray, np.ndarray]
FACTS = {"dataset": "bars", "start": "scratch"}
# every part whose state must come back: averaged weights, momentum, mixing, a schedule with a memory
RICH = {"epochs": 4, "ema": 0.9, "mixup": 0.2, "cutmix": 1.0, "patience": 20}
KILLED_ALONE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from leeway.training.params import TrainParams
from test_resume import run

def die(metrics, number):
    if "step_loss" in metrics and number > 2 * 52:  # in the middle of the third epoch
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
stored = np.load(folder / "bars.npz")
params = TrainParams.model_validate_json((folder / "params.json").read_text())
run((stored["pixels"], stored["labels"]), params, folder / "run", log=die)
"""


def silent(metrics: dict[str, float], number: int) -> None:
    pass


def run(bars: Bars, params: TrainParams, folder: Path, *, log: Log = silent) -> Fitted:
    torch.set_num_threads(1)
    rows = TrainingRows(np.arange(len(bars[1]) - 32), np.arange(len(bars[1]) - 32, len(bars[1])))
    data = Pixels(*bars, rows=rows, params=params, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    return fit(build(params, ("standing", "lying")), data, params, log=log, folder=folder, key=run_key(params, FACTS))


def weights(fitted: Fitted) -> dict[str, torch.Tensor]:
    return fitted.network.state_dict()


def same(one: Fitted, other: Fitted) -> bool:
    return one.history == other.history and all(
        torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items()
    )


class StoppedError(Exception):
    """Stands for a fault that ends the process."""


def stopped_after(epoch: int) -> Log:
    def stop(metrics: dict[str, float], number: int) -> None:
        if "val_loss" in metrics and number == epoch:
            raise StoppedError

    return stop


def test_killed_in_the_middle_of_an_epoch_it_ends_where_an_uninterrupted_run_ends(bars, params, tmp_path, caplog):
    caplog.set_level("INFO", "leeway")
    chosen = params.model_copy(update=RICH | {"optimizer": "sgd", "schedule": "one_cycle", "batch_size": 2})
    many = tuple(np.concatenate([part[:40], part]) for part in bars)  # 104 to train on: 52 steps an epoch
    np.savez(tmp_path / "bars.npz", pixels=many[0], labels=many[1])
    (tmp_path / "params.json").write_text(chosen.model_dump_json())
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_ALONE, str(tmp_path)], env=os.environ | {"PYTHONPATH": paths}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    again = run(many, chosen, tmp_path / "run")
    assert "resumed after epoch 1" in caplog.text
    assert same(again, run(many, chosen, tmp_path / "whole"))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "plateau"])
def test_a_run_that_failed_in_an_epoch_goes_on_from_the_one_before(bars, params, tmp_path, schedule, caplog):
    caplog.set_level("INFO", "leeway")
    chosen = params.model_copy(update=RICH | {"schedule": schedule})
    with pytest.raises(StoppedError):
        run(bars, chosen, tmp_path / "run", log=stopped_after(2))
    told: list[int] = []
    again = run(bars, chosen, tmp_path / "run", log=lambda metrics, number: told.append(number))
    assert "resumed after epoch 1" in caplog.text
    assert same(again, run(bars, chosen, tmp_path / "whole"))
    assert told == [0, 1, 2, 3]  # a new MLflow run has all of them


def test_a_run_that_had_stopped_early_is_not_trained_further(bars, params, tmp_path):
    chosen = params.model_copy(update=RICH | {"epochs": 30, "patience": 2, "learning_rate": 0.05})
    first = run(bars, chosen, tmp_path / "run")
    assert first.epochs < 40
    assert same(run(bars, chosen, tmp_path / "run"), first)


@pytest.mark.parametrize("change", [{"weight_decay": 0.02}, {"seed": 8}])
def test_with_other_params_it_starts_afresh(bars, params, tmp_path, change, caplog):
    with pytest.raises(StoppedError):
        run(bars, params, tmp_path / "run", log=stopped_after(1))
    chosen = params.model_copy(update=change)
    caplog.set_level("INFO", "leeway")
    assert same(run(bars, chosen, tmp_path / "run"), run(bars, chosen, tmp_path / "whole"))
    assert "resumed" not in caplog.text


def test_a_damaged_checkpoint_means_starting_afresh(bars, params, tmp_path, caplog):
    with pytest.raises(StoppedError):
        run(bars, params, tmp_path / "run", log=stopped_after(1))
    (tmp_path / "run" / "last.ckpt").write_bytes(b"half")
    assert same(run(bars, params, tmp_path / "run"), run(bars, params, tmp_path / "whole"))
    assert "cannot be read" in caplog.text


def test_a_finished_run_leaves_nothing_to_resume(bars, params, tmp_path):
    run(bars, params, tmp_path / "run")
    close_run(tmp_path / "run")
    assert sorted(path.suffix for path in (tmp_path / "run").iterdir()) == [".ckpt", ".ckpt"]
    assert all(path.name.startswith("epoch=") for path in (tmp_path / "run").iterdir())
