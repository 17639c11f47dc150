"""Augmentation: each image of a batch gets its own small rotation, shift and noise."""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def augment(
    images: Tensor, *, rotation_degrees: float, shift_share: float, noise: float, generator: torch.Generator
) -> Tensor:
    """(B, C, H, W) float of the 0..1 range, changed image by image; same shape, device and range.

    Rotation is uniform within +-`rotation_degrees`, shift within +-`shift_share` of the side, both about what the
    border shows; `noise` is the standard deviation of Gaussian pixel noise. All draws come from `generator`.
    (torchvision's transforms on a batch would draw once for all of it.)
    """
    moved = images
    if rotation_degrees or shift_share:
        matrices = _matrices(images, rotation_degrees, shift_share, generator).to(images)
        grid = affine_grid(matrices, list(images.shape), align_corners=False)
        moved = grid_sample(images, grid, padding_mode="border", align_corners=False)
    if noise:
        draws = torch.randn(images.shape, generator=generator, device=generator.device)
        moved = (moved + noise * draws.to(images)).clamp(0, 1)
    return moved


def _matrices(images: Tensor, rotation_degrees: float, shift_share: float, generator: torch.Generator) -> Tensor:
    """(B, 2, 3): where each output pixel comes from, in affine_grid's -1..1 coordinates."""
    batch, _, height, width = images.shape
    uniform = 2 * torch.rand((batch, 3), generator=generator, device=generator.device) - 1
    angle = uniform[:, 0] * math.radians(rotation_degrees)
    shift = uniform[:, 1:] * 2 * shift_share  # the side is 2 long in these coordinates
    cosine, sine = angle.cos(), angle.sin()
    stretch = height / width  # so that a rotation stays one when the sides differ
    rows = [cosine, -sine * stretch, shift[:, 0], sine / stretch, cosine, shift[:, 1]]
    return torch.stack(rows, dim=1).reshape(batch, 2, 3)
