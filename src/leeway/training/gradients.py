"""Gradients of a network's answers by its input: which pixels an answer hangs on, and how little overturns it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from leeway.training.export import ServedGraph

IMAGES_AT_ONCE = 32  # with the activations that a backward pass needs
NOISY_COPIES = 8  # of an image: maps correlate by 0.98 with those of 64 copies; 16 copies give 0.99 for twice the time
NOISE = 0.1  # standard deviation, of the 0..1 range: the 10 % that SmoothGrad's authors begin at
GRAIN = 1 / 32  # of the shorter side: a map is smoothed by this, since single pixels of a gradient say little


def fgsm(
    network: ServedGraph, pixels: NDArray[np.uint8], truth: NDArray[np.int64], *, step: int = 2
) -> NDArray[np.uint8]:
    """The images after one step of `step` grey levels against the truth, each channel by the sign of its gradient.

    pixels (B, H, W, C), truth (B,). Goodfellow, Shlens and Szegedy (2015), "Explaining and harnessing adversarial
    examples": the fast gradient sign method. The gradient of their cross-entropy is that of the log odds times p - 1,
    so the signs are theirs, also where p rounds to 1. Whole grey levels: an image file could hold what is tried.
    """
    attacked = np.empty_like(pixels)
    for start in range(0, len(pixels), IMAGES_AT_ONCE):
        part = slice(start, start + IMAGES_AT_ONCE)
        images = torch.from_numpy(pixels[part]).float()
        signs = _gradient(network, images, torch.from_numpy(truth[part])).sign()
        attacked[part] = (images - step * signs).clamp(0, 255).byte().numpy()
    return attacked


def where_it_looks(
    network: ServedGraph, pixels: NDArray[np.uint8], answers: NDArray[np.int64], *, seed: int = 0
) -> NDArray[np.float32]:
    """(B, H, W), 0 to 1: how much each place of each image matters to the answer (B,) that was given.

    SmoothGrad, Smilkov et al. (2017): gradients of the answer's log odds are collected over noisy copies of the image,
    squared (Hooker et al., 2019, found the squared mean the most faithful), summed over the channels and smoothed.
    Unlike class activation maps it needs no feature map, so it works for every network, transformers included. A map is
    scaled to its own largest value. What is random follows `seed`.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = np.empty(pixels.shape[:3], dtype=np.float32)
    for number, (image, answer) in enumerate(zip(torch.from_numpy(pixels).float(), answers, strict=True)):
        noise = 255 * NOISE * torch.randn((NOISY_COPIES, *image.shape), generator=generator)
        wanted = torch.full((NOISY_COPIES,), int(answer))
        gradients = _gradient(network, image + noise, wanted)
        matter = _smooth(gradients.square().mean(dim=0).sum(dim=-1))
        maps[number] = (matter / matter.max().clamp_min(torch.finfo().tiny)).numpy()
    return maps


def _gradient(network: ServedGraph, images: Tensor, wanted: Tensor) -> Tensor:
    """(B, H, W, C): how the log odds of the `wanted` class (B,) change with each pixel of the images."""
    asked = images.detach().requires_grad_(True)
    with torch.enable_grad():
        _, embedding, _ = network(asked)
        odds = _log_odds(network.network.head(embedding), wanted)
        (found,) = torch.autograd.grad(odds.sum(), asked)
    return found


def _log_odds(logits: Tensor, wanted: Tensor) -> Tensor:
    """(B,) log p / (1 - p) of the wanted class: its gradient does not fade where p is near 0 or 1, as p's own does."""
    own = logits.gather(1, wanted[:, None])[:, 0]
    others = logits.scatter(1, wanted[:, None], -torch.inf).logsumexp(dim=1)
    return own - others


def _smooth(matter: Tensor) -> Tensor:
    """(H, W) under a Gaussian of GRAIN."""
    sigma = GRAIN * min(matter.shape)
    reach = max(1, round(3 * sigma))
    line = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    line = line / line.sum()
    padded = functional.pad(matter[None, None], (reach,) * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, line.reshape(1, 1, -1, 1)), line.reshape(1, 1, 1, -1))[0, 0]
