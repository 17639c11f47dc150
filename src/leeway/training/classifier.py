"""The classifier: what Lightning trains, one network with its loss, optimiser and schedule."""

import math

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from leeway.errors import TrainingError
from leeway.training.backbones import Network
from leeway.training.params import TrainParams

WARM_UP_SHARE = 0.05  # of all steps: fresh batch norm statistics make the first steps wild


class Classifier(lightning.LightningModule):
    """Cross-entropy, AdamW, a short warm-up and then a cosine to zero. Logs its numbers once per epoch."""

    def __init__(self, network: Network, params: TrainParams) -> None:
        super().__init__()
        self.network = network
        self._params = params

    def forward(self, images: Tensor) -> Tensor:
        """(B, K) logits of (B, 3, H, W)."""
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        loss = cross_entropy(self.network(images), labels, label_smoothing=self._params.label_smoothing)
        if not torch.isfinite(loss):
            raise TrainingError(self._explain(images, loss))
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def on_train_epoch_start(self) -> None:
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        logits = self.network(images)
        self.log("val_loss", cross_entropy(logits, labels), batch_size=len(labels), prog_bar=True)
        right = (logits.argmax(dim=1) == labels).float().mean()
        self.log("val_accuracy", right, batch_size=len(labels), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW without decay on biases and norms: shrinking those regularises nothing. Loshchilov & Hutter (2019)."""
        weights = [one for one in self.network.parameters() if one.ndim > 1]
        others = [one for one in self.network.parameters() if one.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": self._params.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self._params.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: rate_share(step, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _explain(self, images: Tensor, loss: Tensor) -> str:
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        span = f"{images.min().item():.3g} to {images.max().item():.3g}"
        return (
            f"the loss became {loss.item()} at step {self.global_step}, with inputs from {span} and a learning rate of "
            f"{rate:.3g}; lower train.learning_rate in params.yaml"
        )


def rate_share(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step: up in a straight line, then down a half cosine to zero."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
