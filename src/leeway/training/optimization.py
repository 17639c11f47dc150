"""Optimise: which weights learn, how fast, and how the rate runs over the steps."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau

from leeway.training.backbones import Network, blocks
from leeway.training.params import TrainParams

WARM_UP_SHARE = 0.05  # of all steps: fresh batch norm statistics make the first steps wild
MOMENTUM = 0.9  # Nesterov's, customary
RISE, FROM_PART = 0.23, 5  # one cycle: share of the steps until the peak, and the part of it that it begins with
PLATEAU_FACTOR, PLATEAU_EPOCHS = 0.3, 2  # the rate falls to this share after so many epochs without a better loss


def is_pretrained(params: TrainParams) -> bool:
    """Whether the backbone comes from elsewhere: it then has a frozen phase, a lower rate, blocks to unfreeze."""
    return params.weights not in (None, "champion")


def freeze(network: Network, params: TrainParams) -> list[nn.Module]:
    """Leaves the head and the last `train.unfreeze` blocks to learn; gives the parts that do not, for evaluation mode.

    A backbone that is not pretrained learns as a whole.
    """
    network.requires_grad_(True)
    if params.unfreeze == "all" or not is_pretrained(params):
        return []
    network.body.requires_grad_(False)
    in_order = blocks(network)
    last = in_order[max(0, len(in_order) - params.unfreeze) :]
    for block in last:
        block.requires_grad_(True)
    return [one for one in network.body.modules() if _is_still(one)]


def make_optimizer(network: Network, params: TrainParams) -> Optimizer:
    """Over the weights that learn: a lower rate for a pretrained backbone, no decay on biases and norms.

    Shrinking biases and norms regularises nothing. AdamW: Loshchilov and Hutter (2019).
    """
    share = params.backbone_rate_share if is_pretrained(params) else 1.0
    groups = [
        *_groups(network.body.parameters(), params.learning_rate * share, params.weight_decay),
        *_groups(network.head.parameters(), params.learning_rate, params.weight_decay),
    ]
    if params.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups)


def make_schedule(optimizer: Optimizer, params: TrainParams, *, steps: int) -> dict[str, Any]:
    """As Lightning takes it, over `steps` updates in all; the groups keep their rates in proportion."""
    if params.schedule == "plateau":
        falling = ReduceLROnPlateau(optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_EPOCHS)
        return {"scheduler": falling, "interval": "epoch", "monitor": "val_loss"}
    if params.schedule == "one_cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        cycle = OneCycleLR(
            optimizer, peaks, total_steps=max(2, steps), pct_start=RISE, div_factor=FROM_PART, cycle_momentum=False
        )
        return {"scheduler": cycle, "interval": "step"}
    return {"scheduler": LambdaLR(optimizer, lambda step: rate_share(step, steps)), "interval": "step"}


def rate_share(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step: up in a straight line, then down a half cosine to zero."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def average_weights(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor, *, decay: float) -> None:
    """One step of an exponential moving average, in place; counters are copied.

    Early on the decay is lower, (1 + n) / (10 + n) after n updates, so that the first weights are soon forgotten.
    """
    number = float(updates)
    share = 1 - min(decay, (1 + number) / (10 + number))
    for mean, now in zip(averaged, current, strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, share)
        else:
            mean.copy_(now)


def _is_still(module: nn.Module) -> bool:
    own = list(module.parameters())
    return bool(own) and not any(one.requires_grad for one in own)


def _groups(parameters: Any, rate: float, decay: float) -> list[dict[str, Any]]:
    learning = [one for one in parameters if one.requires_grad]
    split = [[one for one in learning if one.ndim > 1], [one for one in learning if one.ndim <= 1]]
    return [
        {"params": found, "lr": rate, "weight_decay": share}
        for found, share in zip(split, (decay, 0.0), strict=True)
        if found
    ]
