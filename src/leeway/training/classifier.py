"""The classifier: what Lightning trains, one network with its loss, optimiser and schedule."""

from functools import partial
from typing import Any, cast

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel
from torchvision.transforms import v2

from leeway.training.backbones import Network
from leeway.training.optimization import average_weights, freeze, make_optimizer, make_schedule
from leeway.training.params import TrainParams
from leeway.training.troubles import not_finite

TOLD_EVERY = 50  # steps: seldom enough to cost nothing, often enough to see a long epoch move


class Classifier(lightning.LightningModule):
    """Cross-entropy over one network. Its numbers are added up on the device and logged once per epoch.

    (`self.log` at each step costs more than a small network's forward pass.)
    """

    class_weights: Tensor | None  # (K,)

    def __init__(
        self, network: Network, params: TrainParams, *, class_weights: NDArray[np.float64] | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.average = _average(network, params)
        self._params = params
        self._mix = _mixing(params, network.head.out_features)
        weights = None if class_weights is None else torch.from_numpy(class_weights).float()
        self.register_buffer("class_weights", weights, persistent=False)
        self._still = freeze(network, params)  # the parts that do not learn
        self._losses: list[Tensor] = []  # of each step of the epoch
        self._checked = 0  # of these, how many are known to be finite
        self._averaged_at = 0
        self._answers = torch.zeros(4)  # validation: sum of weighted losses, of weights, right answers, images

    @property
    def kept(self) -> Network:
        """The network that is validated and kept: the average of the weights if there is one."""
        return self.network if self.average is None else cast(Network, self.average.module)

    @property
    def epoch_losses(self) -> NDArray[np.float32]:
        """(n,) of the steps of this epoch."""
        return torch.stack(self._losses).float().cpu().numpy()

    @property
    def rate(self) -> float:
        """Of the head."""
        return float(self.trainer.optimizers[0].param_groups[-1]["lr"])

    def forward(self, images: Tensor) -> Tensor:
        """(B, K) logits of (B, C, H, W)."""
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        if self._mix is not None:
            images, labels = self._mix(images, labels)
        loss = cross_entropy(
            self.network(images), labels, weight=self.class_weights, label_smoothing=self._params.label_smoothing
        )
        self._losses.append(loss.detach())
        last = batch_idx + 1 == self.trainer.num_training_batches
        if last or loss.device.type == "cpu" or (batch_idx + 1) % TOLD_EVERY == 0:  # looking at a GPU's number waits
            self._refuse_not_finite(images)
        return loss

    def on_train_start(self) -> None:
        self._averaged_at = self.global_step

    def on_train_epoch_start(self) -> None:
        self._losses, self._checked = [], 0
        for part in self._still:
            part.eval()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.average is not None and self.global_step > self._averaged_at:  # not at each part of a batch
            self._averaged_at = self.global_step
            self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        self._answers = torch.zeros(4, device=self.device)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        images, labels = batch
        logits = self.kept(images)
        losses = cross_entropy(logits.float(), labels, reduction="none")
        weights = torch.ones_like(losses) if self.class_weights is None else self.class_weights[labels]
        right = (logits.argmax(dim=1) == labels).sum()
        self._answers += torch.stack([(losses * weights).sum(), weights.sum(), right, torch.ones_like(losses).sum()])

    def on_validation_epoch_end(self) -> None:
        sums = self.trainer.strategy.reduce(self._answers, reduce_op="sum")
        self.log("val_loss", sums[0] / sums[1], prog_bar=True, sync_dist=True)
        self.log("val_accuracy", sums[2] / sums[3], prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = make_optimizer(self.network, self._params)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = cast(LRSchedulerConfigType, make_schedule(optimizer, self._params, steps=steps))
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _refuse_not_finite(self, images: Tensor) -> None:
        """Of the losses not looked at before."""
        unseen, trainer = torch.stack(self._losses[self._checked :]), self.trainer
        before = trainer.current_epoch * int(trainer.num_training_batches) + self._checked
        trouble = not_finite(
            self.network, images, losses=unseen, first_step=before // trainer.accumulate_grad_batches, rate=self.rate
        )
        if trouble:
            raise trouble
        self._checked = len(self._losses)


def _average(network: Network, params: TrainParams) -> AveragedModel | None:
    """A running average of the weights and of the batch norm statistics, which belong to them."""
    if not params.ema:
        return None
    average = AveragedModel(network, multi_avg_fn=partial(average_weights, decay=params.ema), use_buffers=True)
    return average.requires_grad_(False).eval()


def _mixing(params: TrainParams, classes: int) -> Any | None:
    """Mixes (B, C, H, W) and (B,) into as many mixed images and (B, K) shares: one of the two, drawn for each batch."""
    mixes = []
    if params.mixup:
        mixes.append(v2.MixUp(alpha=params.mixup, num_classes=classes))
    if params.cutmix:
        mixes.append(v2.CutMix(alpha=params.cutmix, num_classes=classes))
    return v2.RandomChoice(mixes) if mixes else None
