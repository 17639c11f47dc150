"""Augmentation: each image of a batch is changed by its own draws, as far as its profile goes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leeway.training.geometry import cached_images, move
from leeway.training.profiles import Augmentation

GREY = (0.299, 0.587, 0.114)  # how bright red, green and blue appear: ITU-R BT.601, as in Pillow


def augment(pixels: Tensor, augmentation: Augmentation, *, generator: torch.Generator) -> Tensor:
    """(B, H, W, C) uint8, changed image by image; same shape and device, and the same 0..255 range.

    uint8 where pixels only change their place (crops, shifts, flips), which is quick; float32 where they are computed.
    All draws come from `generator`, so that its state decides everything; the input itself is not changed.
    (torchvision's transforms on a batch would draw once for all of it.)
    """
    moved = move(pixels, augmentation, generator=generator)
    if augmentation.erase_share:
        moved = _erased(moved, augmentation.erase_share, generator=generator)
    if not (augmentation.brightness or augmentation.contrast or augmentation.saturation or augmentation.noise):
        return moved
    lit = _relit(moved.float() if moved is not pixels else moved.to(torch.float32, copy=True), augmentation, generator)
    if augmentation.noise:
        draws = torch.randn(lit.shape, generator=generator, device=generator.device)
        lit.add_(draws.to(lit.device), alpha=255 * augmentation.noise)
    return lit.clamp_(0, 255)


def normalise(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(B, H, W, C) of the 0..255 range to float32 (B, C, H, W), channels last in memory; `mean`, `std` (C,) of 0..1."""
    batch, height, width, channels = pixels.shape
    scale = (1 / (255 * std)).to(pixels.device).repeat(width)
    offset = (-mean / std).to(pixels.device).repeat(width)
    rows = pixels.reshape(batch, height, width * channels)  # whole rows, which vectorise, not three channels at a time
    images = torch.empty(rows.shape, device=pixels.device)
    at_once = cached_images(pixels)
    floats = torch.empty_like(images[:at_once])  # the same for all, so that it stays in the cache
    for some, into in zip(torch.split(rows, at_once), torch.split(images, at_once), strict=True):
        torch.addcmul(offset, floats[: len(some)].copy_(some), scale, out=into)
    return images.view(pixels.shape).permute(0, 3, 1, 2)


def draw_variants(pixels: NDArray[np.uint8], augmentation: Augmentation, *, draws: int, seed: int) -> NDArray[np.uint8]:
    """(N, D, H, W, C): D draws of each image (N, H, W, C), as training would see them, for people to look at."""
    copies = torch.from_numpy(pixels).repeat_interleave(draws, dim=0)
    drawn = augment(copies, augmentation, generator=torch.Generator().manual_seed(seed))
    return drawn.round().byte().numpy().reshape(len(pixels), draws, *pixels.shape[1:])


def _relit(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Brightness, contrast about the mean grey, saturation about each pixel's grey: in place, factors by image."""
    limits = (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    if any(limits):
        signed = 2 * torch.rand((len(images), 3), generator=generator, device=generator.device) - 1
        factors = (1 + signed * torch.tensor(limits, device=signed.device)).to(images.device)
        at_once = cached_images(images)  # each is gone over several times
        for some, of_some in zip(torch.split(images, at_once), torch.split(factors, at_once), strict=True):
            _relight(some, of_some, greys=bool(augmentation.saturation) and images.shape[3] == 3)
    return images


def _relight(images: Tensor, factors: Tensor, *, greys: bool) -> None:
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1).unbind(1)  # (B, 1, 1) each
    colour = images.mean(dim=(1, 2))
    mean = (_grey(colour) if images.shape[3] == 3 else colour[:, 0]).view(-1, 1, 1)
    offset, slope = brightness * (1 - contrast) * mean, brightness * contrast
    if not greys:
        images.mul_(slope[..., None]).add_(offset[..., None])
        return
    grey = _grey(images) * (slope * (1 - saturation)) + offset
    for channel in images.unbind(3):
        channel.mul_(slope * saturation).add_(grey)


def _grey(colours: Tensor) -> Tensor:
    """(..., 3) to (...)."""
    red, green, blue = colours.unbind(-1)
    return GREY[0] * red + GREY[1] * green + GREY[2] * blue


def _erased(pixels: Tensor, share: float, *, generator: torch.Generator) -> Tensor:
    """A square of each image in the image's mean colour; it may hang over the border. DeVries & Taylor (2017)."""
    batch, height, width, channels = pixels.shape
    half = share * min(height, width) / 2
    centres = torch.rand((batch, 2), generator=generator, device=generator.device).to(pixels.device)
    rows, columns = (
        (torch.arange(side, device=pixels.device) + 0.5 - centre[:, None] * side).abs() < half
        for side, centre in zip((height, width), centres.unbind(1), strict=True)
    )
    inside = (rows[:, :, None] & columns[:, None, :])[..., None]
    colour = pixels.float().mean(dim=(1, 2)).to(pixels.dtype).view(batch, 1, 1, channels)
    return torch.where(inside, colour, pixels)
