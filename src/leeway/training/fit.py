"""Fit: trains a network and gives back its best state."""

import logging
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from numpy.typing import NDArray

from leeway.errors import TrainingError
from leeway.training.backbones import Network
from leeway.training.classifier import Classifier
from leeway.training.datamodule import Pixels
from leeway.training.params import TrainParams

KEPT_CHECKPOINTS = 3
LOGGED = ("train_loss", "val_loss", "val_accuracy", "lr")
Log = Callable[[dict[str, float], int], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network at its best epoch."""

    network: Network  # on the CPU, in evaluation mode
    epochs: int  # that were run
    val_loss: float  # of the best one
    seconds: float


def fit(network: Network, data: Pixels, params: TrainParams, *, log: Log, folder: Path) -> Fitted:
    """Trains until `params.epochs` or until the validation loss has not improved for `params.patience` of them.

    `log` takes the metrics and the number of each epoch. Checkpoints of the best epochs are kept in `folder`, which is
    emptied first. Raises TrainingError if the device is not there or the loss is not finite, SystemExit after Ctrl-C
    (code 1) and SIGTERM (code 143).
    """
    accelerator = choose_accelerator(params.device)
    shutil.rmtree(folder, ignore_errors=True)
    best = ModelCheckpoint(
        folder, "{epoch}-{val_loss:.4f}", monitor="val_loss", save_top_k=KEPT_CHECKPOINTS, save_weights_only=True
    )
    with _quiet():
        lightning.seed_everything(params.seed, verbose=False)
        trainer = lightning.Trainer(
            accelerator=accelerator,
            devices=1,
            max_epochs=params.epochs,
            callbacks=[best, EarlyStopping("val_loss", patience=params.patience), EpochLog(log)],
            deterministic=accelerator == "cpu",
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
        )
        began = time.monotonic()
        try:
            trainer.fit(Classifier(network.train(), params), datamodule=data)
        except SystemExit as stop:  # Lightning's answer to SIGTERM has no code, and would pass for success
            raise SystemExit(stop.code or 128 + signal.SIGTERM) from None
    seconds, val_loss = time.monotonic() - began, best.best_model_score
    if val_loss is None or not torch.isfinite(val_loss):
        raise TrainingError("no epoch had a finite validation loss; lower train.learning_rate in params.yaml")
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})
    return Fitted(network.cpu().eval(), trainer.current_epoch, float(val_loss), seconds)


def choose_accelerator(device: str) -> str:
    """`auto` becomes the best there is. Raises TrainingError for a device that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    found = [name for name, available in there.items() if available]
    if device == "auto":
        return found[0]
    if device not in found:
        raise TrainingError(
            f"params.yaml: train.device: '{device}' is not on this machine; here: {', '.join(found)}, or auto"
        )
    return device


def logits_of(network: Network, data: Pixels) -> NDArray[np.float32]:
    """(v, K) of the validation images, in the order of their rows."""
    with torch.inference_mode():
        batches = [network(data.on_after_batch_transfer(batch, 0)[0]) for batch in data.val_dataloader()]
    return torch.cat(batches).numpy()


class EpochLog(Callback):
    """Hands the numbers of each epoch on."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        metrics: Mapping[str, torch.Tensor] = trainer.callback_metrics
        self._log({name: float(metrics[name]) for name in LOGGED if name in metrics}, trainer.current_epoch)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its hints; what it warns of still shows."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 and torch 2.14 disagree about a class that neither of us uses
            warnings.filterwarnings("ignore", r".*LeafSpec.*deprecated", FutureWarning)
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
