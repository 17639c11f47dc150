"""Precision: chosen by what a few batches show, since bf16 doubles the speed of one network and slows another."""

import copy
import logging
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from leeway.errors import TrainingError
from leeway.training.params import TrainParams
from leeway.training.troubles import is_out_of_memory

CLEAR_WIN = 1.15  # times as fast: less is within the noise of a shared machine
# Multiplications and additions of a whole training under which nothing is probed: some minute on two cores, of which
# half could be won. A small training is then the same, bit for bit, whatever the machine is busy with.
NOT_WORTH_IT = 1e13
PROBED_IMAGES, ROUNDS, BUDGET_SECONDS = 16, 3, 1.0
BACKWARD = 3  # a backward pass costs twice the forward pass
LIGHTNING = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
log = logging.getLogger("leeway.training")


def choose_precision(
    network: nn.Module, params: TrainParams, *, accelerator: str, shape: tuple[int, int, int], images: int
) -> str:
    """`32`, `bf16` or `16`. `shape` (C, H, W) of an image, `images` of an epoch.

    `auto` is bf16 on a GPU that has it; on a CPU whichever is faster, bf16 only by a clear win and if its loss is
    finite. Raises TrainingError for 16 on a device without it.
    """
    asked = str(params.precision)
    if asked == "16" and accelerator != "cuda":
        raise TrainingError(f"params.yaml: train.precision: 16 needs a CUDA device, here is {accelerator}; use auto")
    if asked != "auto":
        return asked
    if accelerator == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "32"
    if accelerator != "cpu" or _operations(network, shape) * images * params.epochs < NOT_WORTH_IT:
        return "32"
    try:
        rates = probe(network, shape)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        log.warning("precision 32: %d images at a time are too many to try bf16", PROBED_IMAGES)
        return "32"
    chosen = "bf16" if rates["bf16"] >= CLEAR_WIN * rates["32"] else "32"
    log.info(
        "precision %s: a few batches ran at %.3g images a second in bf16, %.3g in 32 bits",
        *(chosen, rates["bf16"], rates["32"]),
    )
    return chosen


def probe(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, float]:
    """Images a second of training steps on the CPU, by precision; 0 if the loss is not finite.

    The two take turns, so that what else the machine does slows both; the quickest round of each counts. The network
    is a copy: batch norm's statistics would remember the probe.
    """
    tried = copy.deepcopy(network).train()
    best = {"32": 0.0, "bf16": 0.0}
    began = time.monotonic()
    for number in range(ROUNDS + 1):  # the first one warms up
        for precision in best:
            seconds, finite = _step(tried, shape, precision)
            if number:
                best[precision] = max(best[precision], PROBED_IMAGES / seconds if finite else 0.0)
        if number and time.monotonic() - began > BUDGET_SECONDS:
            break
    return best


def _step(network: nn.Module, shape: tuple[int, int, int], precision: str) -> tuple[float, bool]:
    """Seconds of a forward and backward pass, and whether its loss is finite."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(PROBED_IMAGES, *shape, generator=draws).contiguous(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = cross_entropy(network(images), torch.zeros(PROBED_IMAGES, dtype=torch.long))
        if loss.requires_grad:
            torch.autograd.backward(loss)
        seconds = time.perf_counter() - began
    network.zero_grad()
    return seconds, bool(torch.isfinite(loss))


def _operations(network: nn.Module, shape: tuple[int, int, int]) -> float:
    """Floating point operations to train on one image once."""
    was_training = network.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, *shape))
    network.train(was_training)
    return float(BACKWARD * counter.get_total_flops())
