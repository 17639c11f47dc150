"""Small networks: backbones of our own, for small images and from scratch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


@dataclass(frozen=True, slots=True)
class SmallNetwork:
    """A body, from images (B, C, H, W) to an embedding (B, E), by its number of channels."""

    build: Callable[[int], nn.Module]
    side: int  # pixels: the size it is usually used at


def small_cnn(channels: int) -> nn.Module:
    """Three blocks of two convolutions, 72,000 weights, any image size; E = 256.

    A second convolution in each block is worth 1 point on the digits, and 10 once the camera is tilted.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((channels, 16, 32, 64)):
        for width in (inputs, outputs):
            layers += _convolution(width, outputs)
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def airbench(channels: int) -> nn.Module:
    """Seven convolutions, 2 million weights, E = 256: the network of Keller Jordan (2024), "94% on CIFAR-10 in 3.29
    seconds", with a stem that needs no data to be made. For images of about 32 pixels and many of them.

    It pools before it normalises, so that three quarters of the pixels need no further work; a convolution that begins
    as the identity and an embedding that begins small let it take high rates from the first step.
    """
    first = 8 * channels
    # the variance added is Jordan's: what hardly varies, as fine colour in a JPEG, is not blown up
    layers: list[nn.Module] = [Patches(channels), nn.BatchNorm2d(first, eps=5e-4, affine=False), nn.GELU()]
    for inputs, outputs in pairwise((first, 64, 256, 256)):
        layers += [*_stage(inputs, outputs, nn.MaxPool2d(2)), *_stage(outputs, outputs)]
    for one in layers:
        if isinstance(one, nn.Conv2d):
            nn.init.dirac_(one.weight.data[: one.in_channels])
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), Scaled(1 / 9))


def _stage(inputs: int, outputs: int, *pool: nn.Module) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(outputs), nn.GELU()]


class Patches(nn.Module):
    """Each 2 x 2 patch by its mean and its differences across, down and diagonally, and the same negated; fixed.

    Of three channels it takes brightness, red against blue, and green against both: neighbouring pixels and colours of
    photographs are nearly alike, and along these axes they are uncorrelated (Ruderman, Cronin and Chiao 1998), as
    after a whitening that is computed from the images. Once normalised, all of them count alike from the first step.
    """

    axes: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        within = torch.tensor([[[1.0, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]])
        across = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]]) if channels == 3 else torch.eye(channels)
        axes = torch.einsum("pyx,ac->pacyx", within, across).flatten(0, 1)
        axes = axes / axes.flatten(1).norm(dim=1)[:, None, None, None]
        self.register_buffer("axes", torch.cat([axes, -axes]))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 8 C, H - 1, W - 1) of (B, C, H, W)."""
        return conv2d(images, self.axes)


class Scaled(nn.Module):
    """Times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, values: Tensor) -> Tensor:
        """As large as `values`."""
        return values * self.factor


SMALL_NETWORKS: Mapping[str, SmallNetwork] = MappingProxyType(
    {"small_cnn": SmallNetwork(small_cnn, side=32), "airbench": SmallNetwork(airbench, side=32)}
)
