import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from leeway.errors import TrainingError
from leeway.training.backbones import Network, build
from leeway.training.datamodule import Pixels
from leeway.training.fit import Fitted, choose_accelerator, fit, logits_of
from leeway.training.journal import Log
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams

CLASSES = ("standing", "lying")
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
ROWS = TrainingRows(np.arange(64), np.arange(64, 96))
Bars = tuple[np.ndarray, np.ndarray]


def data_of(bars: Bars, params: TrainParams) -> Pixels:
    return Pixels(*bars, rows=ROWS, params=params, mean=MEAN, std=STD)


def silent(metrics: dict[str, float], epoch: int) -> None:
    pass


def fitted(bars: Bars, params: TrainParams, folder: Path, *, log: Log = silent) -> Fitted:
    return fit(build(params, CLASSES), data_of(bars, params), params, log=log, folder=folder)


def test_learns_to_tell_two_classes_apart(bars, params, tmp_path):
    chosen = params.model_copy(update={"epochs": 15})
    result = fitted(bars, chosen, tmp_path / "kept")
    logits = logits_of(result.network, data_of(bars, chosen))
    assert logits.shape == (32, 2)
    assert (logits.argmax(axis=1) == bars[1][64:]).mean() > 0.9
    assert not result.network.training


def test_logs_every_epoch_with_loss_accuracy_and_learning_rate(bars, params, tmp_path):
    told: dict[int, dict[str, float]] = {}
    fitted(bars, params, tmp_path / "kept", log=lambda metrics, epoch: told.update({epoch: metrics}))
    assert list(told) == [0, 1]
    assert all(set(one) == {"train_loss", "val_loss", "val_accuracy", "lr"} for one in told.values())
    assert all(np.isfinite(list(one.values())).all() for one in told.values())


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_gives_back_the_best_epoch_not_the_last(bars, params, tmp_path, ema):
    losses: list[float] = []
    guesses = bars[0], np.random.default_rng(2).integers(0, 2, 96)  # nothing to learn: it can only get worse
    chosen = params.model_copy(update={"epochs": 9, "learning_rate": 0.02, "ema": ema})
    result = fitted(guesses, chosen, tmp_path / "kept", log=lambda metrics, _: losses.append(metrics["val_loss"]))
    logits = torch.from_numpy(logits_of(result.network, data_of(guesses, chosen)))
    again = torch.nn.functional.cross_entropy(logits, torch.from_numpy(guesses[1][64:])).item()
    assert result.val_loss == pytest.approx(min(losses), rel=1e-5)
    assert again == pytest.approx(min(losses), rel=1e-4)
    assert min(losses) < losses[-1]


def test_tells_the_loss_of_one_step_in_fifty(bars, params, tmp_path):
    told: dict[int, dict[str, float]] = {}

    def keep(metrics: dict[str, float], number: int) -> None:
        if "step_loss" in metrics:
            told[number] = metrics

    many = tuple(np.concatenate([part[:64], part]) for part in bars)
    rows = TrainingRows(np.arange(128), np.arange(128, 160))
    chosen = params.model_copy(update={"batch_size": 2})
    data = Pixels(*many, rows=rows, params=chosen, mean=MEAN, std=STD)
    fit(build(chosen, CLASSES), data, chosen, log=keep, folder=tmp_path / "kept")
    assert list(told) == [50, 114]  # the 50th of each epoch's 64
    assert all(np.isfinite(list(one.values())).all() for one in told.values())


@pytest.mark.parametrize(
    "change",
    [
        {"mixup": 0.2, "cutmix": 1.0},
        {"imbalance": "weighted_sampler"},
        {"optimizer": "sgd", "learning_rate": 0.05, "schedule": "plateau", "gradient_clip": 1.0},
        {"precision": "bf16"},
    ],
    ids=lambda change: "-".join(change),
)
def test_every_way_of_training_learns(bars, params, tmp_path, change):
    chosen = params.model_copy(update={"epochs": 12, "patience": 12, **change})
    result = fitted(bars, chosen, tmp_path / "kept")
    assert max(epoch["val_accuracy"] for epoch in result.history) > 0.85


def test_a_class_of_little_weight_is_answered_less_often(bars, params, tmp_path):
    noise = np.random.default_rng(3).integers(0, 255, bars[0].shape, dtype=np.uint8), bars[1]  # nothing but the weights
    data, weights = data_of(noise, params), np.array([0.2, 1.8])
    result = fit(build(params, CLASSES), data, params, log=silent, folder=tmp_path / "kept", class_weights=weights)
    assert (logits_of(result.network, data).argmax(axis=1) == 1).mean() > 0.9


@pytest.mark.parametrize(("schedule", "earliest"), [("plateau", 3), ("cosine", 23)])
def test_stops_early_but_not_at_the_high_rates_and_keeps_three_checkpoints(bars, params, tmp_path, schedule, earliest):
    chosen = params.model_copy(update={"epochs": 40, "patience": 2, "learning_rate": 0.1, "schedule": schedule})
    result = fitted(bars, chosen, tmp_path / "kept")
    assert earliest <= result.epochs < 40
    assert len(list((tmp_path / "kept").glob("epoch=*.ckpt"))) == 3


def test_checkpoints_of_the_run_before_are_gone(bars, params, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "epoch=9-val_loss=0.0000.ckpt").write_bytes(b"of another run")
    fitted(bars, params, tmp_path / "kept")
    assert not (tmp_path / "kept" / "epoch=9-val_loss=0.0000.ckpt").exists()


def test_the_same_seed_gives_the_same_network_and_another_seed_another(bars, params, tmp_path):
    def weights(seed: int) -> torch.Tensor:
        network = fitted(bars, params.model_copy(update={"seed": seed}), tmp_path / "kept").network
        return torch.cat([one.detach().flatten() for one in network.parameters()])

    first = weights(1)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


def test_a_loss_that_is_not_finite_stops_the_training_and_tells_the_rate(bars, params, tmp_path):
    network = build(params, CLASSES)
    with torch.no_grad():
        network.head.bias[0] = float("nan")
    with pytest.raises(
        TrainingError, match=r"loss became nan at step 0, with inputs from -2.* learning rate of 0\.003"
    ):
        fit(network, data_of(bars, params), params, log=silent, folder=tmp_path / "kept")


def test_prints_and_writes_nothing_but_its_checkpoints(bars, params, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    fitted(bars, params, tmp_path / "kept")
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("number", "ending", "code"), [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143)]
)
def test_a_signal_ends_the_training_with_an_exit_that_is_no_success(bars, params, tmp_path, number, ending, code):
    before = signal.getsignal(number)
    if number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)  # a shell's background job starts with it ignored

    def send(metrics: dict[str, float], epoch: int) -> None:
        if epoch == 1:
            os.kill(os.getpid(), number)

    chosen = params.model_copy(update={"epochs": 500, "patience": 500})
    try:
        with pytest.raises(ending) as stop:
            fitted(bars, chosen, tmp_path / "kept", log=send)
    finally:
        signal.signal(number, before)
    assert getattr(stop.value, "code", None) == code


def test_a_device_that_is_not_there_is_told_with_those_that_are():
    absent = next(name for name, there in DEVICES.items() if not there())
    with pytest.raises(TrainingError, match=rf"train\.device: '{absent}' is not on this machine; here: .*cpu"):
        choose_accelerator(absent)
    assert choose_accelerator("cpu") == "cpu"


DEVICES: dict[str, Callable[[], bool]] = {
    "mps": torch.backends.mps.is_available,
    "cuda": torch.cuda.is_available,
}


def test_a_torchvision_model_trains_end_to_end(bars, params, tmp_path):
    chosen = params.model_copy(update={"backbone": "mobilenet_v3_small", "epochs": 1})
    result = fitted(bars, chosen, tmp_path / "kept")
    assert isinstance(result.network, Network)
    assert np.isfinite(logits_of(result.network, data_of(bars, chosen))).all()
