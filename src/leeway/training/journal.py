"""The journal: what each epoch of a training came to, told as it happens and kept for the bundle."""

import logging
import time
from collections.abc import Callable
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from leeway.data.progress import Lines
from leeway.training.classifier import TOLD_EVERY, Classifier
from leeway.training.params import TrainParams
from leeway.training.troubles import LENIENT_STEPS, dead

Log = Callable[[dict[str, float], int], None]
Epoch = dict[str, float]
log = logging.getLogger("leeway.training")


def tell(log_metrics: Log, epoch: Epoch) -> None:
    """An epoch's numbers, under its number."""
    log_metrics({name: value for name, value in epoch.items() if name != "epoch"}, int(epoch["epoch"]))


class Journal(Callback):
    """Hands the numbers of each epoch on, and one loss in 50 steps; refuses a network that learns nothing.

    Where no terminal shows a bar, a line of the log says now and then how far the training is.

    Part of each checkpoint, so a resumed run tells of the epochs before it too.
    """

    def __init__(
        self,
        log_metrics: Log,
        params: TrainParams,
        *,
        shares: np.ndarray,
        first: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`shares` (K,) of the training labels; `first`: the number of the first epoch."""
        self.history: list[Epoch] = []
        self._log, self._params, self._shares, self._first = log_metrics, params, shares, first
        self._rate, self._judged = 0.0, False
        self._clock, self._note = clock, ""
        self._lines: Lines | None = None  # where no bar is shown

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history, "judged": self._judged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history, self._judged = list(state_dict["history"]), state_dict["judged"]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        if self.history:
            log.info("resumed after epoch %d", trainer.current_epoch - 1 + self._first)
        for epoch in self.history:
            tell(self._log, epoch)
        if trainer.progress_bar_callback is None:
            batches = int(trainer.num_training_batches)
            total, done = batches * self._params.epochs, batches * trainer.current_epoch
            self._lines = Lines("training", total=total, done=done, clock=self._clock)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        self._rate = pl_module.rate
        last = f", validation loss {self.history[-1]['val_loss']:.3f} before" if self.history else ""
        self._note = f"epoch {trainer.current_epoch + self._first}{last}"

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        if self._lines is not None:
            self._lines.advance(note=self._note)
        if (batch_idx + 1) % TOLD_EVERY == 0:
            assert isinstance(pl_module, Classifier)
            self._log({"step_loss": float(outputs["loss"]), "step_lr": pl_module.rate}, trainer.global_step)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        losses, measured = pl_module.epoch_losses, trainer.callback_metrics
        train_loss = trainer.strategy.reduce(torch.tensor(float(losses.mean()), device=pl_module.device))
        epoch = {
            "epoch": trainer.current_epoch + self._first,
            "train_loss": float(train_loss),
            "val_loss": float(measured["val_loss"]),
            "val_accuracy": float(measured["val_accuracy"]),
            "lr": self._rate,
        }
        self.history.append(epoch)
        tell(self._log, epoch)
        self._refuse_dead(trainer, losses, epoch["val_accuracy"])

    def _refuse_dead(self, trainer: lightning.Trainer, losses: np.ndarray, val_accuracy: float) -> None:
        """Once, after the first epoch at whose end enough steps were made."""
        if self._judged or trainer.global_step < LENIENT_STEPS:
            return
        self._judged = True
        images = len(trainer.datamodule.rows.val)  # type: ignore[attr-defined]
        trouble = dead(self._params, self._shares, losses=losses, val_accuracy=val_accuracy, val_images=images)
        if trouble:
            raise trouble


class Patience(EarlyStopping):
    """Early stopping on the validation loss, remembered by a run that is resumed after its last epoch.

    Under a schedule with a planned end it counts from the middle: at the high rates before, the loss goes up and down,
    and what the low rates are for would never come (the digits end a point lower).
    """

    def __init__(self, params: TrainParams) -> None:
        super().__init__("val_loss", patience=params.patience, check_on_train_epoch_end=False)
        self._first = 0 if params.schedule == "plateau" else params.epochs // 2

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.current_epoch >= self._first:
            super().on_validation_end(trainer, pl_module)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        if self.wait_count >= self.patience:
            trainer.should_stop = True
