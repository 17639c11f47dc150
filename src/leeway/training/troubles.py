"""Troubles: what goes wrong while training, recognised and told with its likely causes."""

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from leeway.errors import TrainingError
from leeway.training.params import TrainParams

LENIENT_STEPS = 100  # no verdict on fewer: a small data set's first epochs are a handful of steps
FALL = 0.01  # of the loss of always answering the class shares: less than this much below it is nothing learned
CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")
Made = TypeVar("Made")
log = logging.getLogger("leeway.training")


def not_finite(
    network: nn.Module, images: Tensor, *, losses: Tensor, first_step: int, rate: float
) -> TrainingError | None:
    """The error that explains a loss that is not a number, or None. `losses` (n,) of the steps from `first_step` on.

    Gradients are those of the update before.
    """
    broken = ~torch.isfinite(losses)
    if not broken.any():
        return None
    at = int(broken.nonzero()[0])
    span = f"{images.min().item():.3g} to {images.max().item():.3g}"
    return TrainingError(
        f"the loss became {losses[at].item()} at step {first_step + at}, with inputs from {span}, a learning rate of "
        f"{rate:.3g} and {_gradients(network)}; lower train.learning_rate in params.yaml, or set train.gradient_clip "
        "to 1"
    )


def dead(
    params: TrainParams, shares: np.ndarray, *, losses: np.ndarray, val_accuracy: float, val_images: int
) -> TrainingError | None:
    """The error for a network that has learned nothing so far, or None. `shares` (K,) of the training labels.

    Nothing means both: accuracy within two standard errors of the largest class's share, and a loss in the later half
    of the epoch, `losses` (n,), no lower than that of answering with the class shares whatever the image.
    """
    majority, present = float(shares.max()), shares[shares > 0]
    chance = majority + 2 * (majority * (1 - majority) / val_images) ** 0.5
    blind = _smoothed_entropy(shares, params.label_smoothing)
    late = float(losses[len(losses) // 2 :].mean())
    if val_accuracy > chance or late < (1 - FALL) * blind:
        return None
    return TrainingError(
        f"nothing was learned: validation accuracy {val_accuracy:.3f} where the largest of {len(present)} classes has "
        f"{majority:.3f}, loss {late:.3f} where blind guessing has {blind:.3f}. Likely causes, in params.yaml: "
        f"train.learning_rate {params.learning_rate:g} is too high (try a tenth) or, for a deep network without "
        f"pretrained weights, too low; labels that do not belong to their images (look at data.source); "
        f"preprocessing that leaves nothing to see (train.image_size, mean, std, augmentation); a backbone that is "
        f"frozen but not pretrained (train.weights {params.weights or 'null'})"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """A GPU's own exception, or the plain RuntimeError that a CPU gives."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(told in str(error) for told in CPU_OUT_OF_MEMORY)


def with_less_memory(work: Callable[[int], Made], *, batch_size: int, parts: int = 1) -> Made:
    """What `work(parts)` gives, a batch being cut into `parts` steps; twice as many each time memory runs out.

    Raises TrainingError once a step would hold a single image.
    """
    while True:
        try:
            return work(parts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            told = str(error).partition("\n")[0]
        parts *= 2
        if batch_size // parts < 2:
            raise TrainingError(
                f"out of memory even with {batch_size * 2 // parts} images at a time ({told}); choose a smaller "
                "train.backbone or train.image_size in params.yaml"
            )
        # outside the except clause: its traceback would keep the tensors that did not fit
        gc.collect()
        torch.cuda.empty_cache()
        log.warning(
            "out of memory: batches of %d are now taken in %d steps of %d, whose gradients are added up (%s)",
            *(batch_size, parts, batch_size // parts, told),
        )


def _gradients(network: nn.Module) -> str:
    norms = {name: float(one.grad.norm()) for name, one in network.named_parameters() if one.grad is not None}
    if not norms:
        return "no gradient yet"
    largest = max(norms, key=lambda name: norms[name] if np.isfinite(norms[name]) else np.inf)
    total = sum(norm**2 for norm in norms.values()) ** 0.5
    return f"gradients of norm {total:.3g} before it (largest in {largest}: {norms[largest]:.3g})"


def _smoothed_entropy(shares: np.ndarray, smoothing: float) -> float:
    """The least loss that any constant answer can have."""
    smoothed = (1 - smoothing) * shares + smoothing / len(shares)
    known = smoothed[smoothed > 0]
    return float(-(known * np.log(known)).sum())
