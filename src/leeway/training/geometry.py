"""Geometry of augmentation: pixels of a batch change their place, each image by its own draws.

Three ways, by cost. Where pixels only change place they are copied: in one gather for small images and on a GPU, image
by image for large ones on a CPU. Large crops on a CPU are scaled image by image. Whatever turns freely is resampled.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from leeway.training.profiles import Augmentation

SMALL_PIXELS = 48 * 48  # up to here one gather is quicker than a call per image, on one core
CACHED_PIXELS = 2**16  # in floats, three channels and what is computed from them, about a core's own cache


@dataclass(frozen=True, slots=True)
class Moves:
    """What was drawn for each of B images."""

    crop: Tensor  # (B, 4) top, left, height, width as shares of the image
    shift: Tensor  # (B, 2) down and right, -1 to 1, of the largest shift
    shift_share: float  # the largest shift, as a share of the sides
    flip: Tensor  # (B, 2) bool: upside down, mirrored
    turns: Tensor  # (B,) quarter turns, 0 to 3
    angle: Tensor  # (B,) radians
    perspective: Tensor  # (B, 2) by how much of its size the image grows from the centre to the lower, right side


def draw_moves(batch: int, augmentation: Augmentation, *, generator: torch.Generator) -> Moves:
    """One set of draws for each image, all from `generator`, on its device. The number of draws is always the same."""
    uniform = torch.rand((batch, 12), generator=generator, device=generator.device)
    area = 1 - uniform[:, 0] * (1 - augmentation.crop_scale)
    stretch = torch.exp((2 * uniform[:, 1] - 1) * math.log(augmentation.crop_aspect) / 2)
    sides = (area.sqrt()[:, None] * torch.stack([1 / stretch, stretch], dim=1)).clamp(max=1)
    signed = 2 * uniform[:, 4:9] - 1
    chances = torch.tensor([augmentation.vertical_flip, augmentation.horizontal_flip], device=uniform.device)
    return Moves(
        crop=torch.cat([uniform[:, 2:4] * (1 - sides), sides], dim=1),
        shift=signed[:, :2],
        shift_share=augmentation.shift_share,
        flip=uniform[:, 9:11] < chances,
        turns=(4 * uniform[:, 11]).long() * augmentation.quarter_turns,
        angle=signed[:, 2] * math.radians(augmentation.rotation_degrees),
        perspective=signed[:, 3:] * augmentation.perspective,
    )


def move(pixels: Tensor, augmentation: Augmentation, *, generator: torch.Generator) -> Tensor:
    """(B, H, W, C) uint8, moved image by image; uint8, or float32 of the same 0..255 range where it was resampled."""
    batch, height, width, _ = pixels.shape
    a = augmentation
    crops, turns_freely = a.crop_scale < 1 or a.crop_aspect > 1, bool(a.rotation_degrees or a.perspective)
    if not (crops or turns_freely or a.shift_share or a.horizontal_flip or a.vertical_flip or a.quarter_turns):
        return pixels
    moves = draw_moves(batch, a, generator=generator)
    at_once = pixels.device.type != "cpu" or height * width <= SMALL_PIXELS
    if turns_freely or (crops and at_once):
        return _resampled(pixels, moves)
    moved = _gathered(pixels, moves) if at_once else _one_by_one(pixels, moves, crops=crops)
    return _quarter_turned(moved, moves) if a.quarter_turns else moved


def cached_images(pixels: Tensor) -> int:
    """How many of (B, H, W, C) are worked on at once: few enough for the cache of a CPU, all on another device."""
    batch, height, width, _ = pixels.shape
    return max(1, CACHED_PIXELS // (height * width)) if pixels.device.type == "cpu" else batch


def _resampled(pixels: Tensor, moves: Moves) -> Tensor:
    """Bilinear, all moves in one; beyond its border the image goes on as at the border.

    Mirrored as in a copy, it cost small_cnn 0.2 points on the digits (4 seeds): strokes that touch the border double.
    """
    batch, height, width, _ = pixels.shape
    matrices = _matrices(moves, height, width).to(pixels.device)
    moved = torch.empty(pixels.shape, dtype=torch.float32, device=pixels.device)
    for start in range(0, batch, cached_images(pixels)):
        part = slice(start, start + cached_images(pixels))
        source = pixels[part].permute(0, 3, 1, 2).float()
        grid = _grid(matrices[part], height, width)
        sampled = grid_sample(source, grid, padding_mode="border", align_corners=False)
        moved[part] = sampled.permute(0, 2, 3, 1)
    return moved


def _grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W, 2) x and y of where each output pixel comes from, -1..1 from border to border."""
    rows, columns = ((2 * torch.arange(side, device=matrices.device) + 1) / side - 1 for side in (height, width))
    across, down, offset = matrices[..., None, None].unbind(2)  # (B, 3, 1, 1) each
    x, y, depth = (across * columns + down * rows[:, None] + offset).unbind(1)
    return torch.stack([x / depth, y / depth], dim=-1)


def _matrices(moves: Moves, height: int, width: int) -> Tensor:
    """(B, 3, 3) from output to source, x before y: turned, in perspective, rotated, shifted, cut out."""
    one, zero = torch.ones_like(moves.angle), torch.zeros_like(moves.angle)
    down, right = (torch.where(flip, -one, one) for flip in moves.flip.unbind(1))
    quarter = _turns(moves, height, width) * (math.pi / 2)
    cosine, sine = quarter.cos().round(), quarter.sin().round()
    turned = _stack([right * cosine, -right * sine, zero, down * sine, down * cosine, zero, zero, zero, one])
    tilt_y, tilt_x = moves.perspective.unbind(1)
    tilted = _stack([one, zero, zero, zero, one, zero, tilt_x, tilt_y, one])
    cosine, sine = moves.angle.cos(), moves.angle.sin()
    aspect = height / width  # so that a rotation stays one when the sides differ
    rotated = _stack([cosine, -sine * aspect, zero, sine / aspect, cosine, zero, zero, zero, one])
    top, left, tall, wide = moves.crop.unbind(1)
    shift_y, shift_x = (moves.shift * moves.shift_share).unbind(1)
    centre_x = 2 * left + wide - 1 - 2 * shift_x * wide  # the side is 2 long in these coordinates
    centre_y = 2 * top + tall - 1 - 2 * shift_y * tall
    placed = _stack([wide, zero, centre_x, zero, tall, centre_y, zero, zero, one])
    return placed @ rotated @ tilted @ turned


def _stack(entries: list[Tensor]) -> Tensor:
    return torch.stack(entries, dim=1).reshape(-1, 3, 3)


def _turns(moves: Moves, height: int, width: int) -> Tensor:
    """(B,) quarter turns; only half turns keep the shape where the sides differ."""
    return moves.turns if height == width else moves.turns // 2 * 2


def _gathered(pixels: Tensor, moves: Moves) -> Tensor:
    """Shifts and flips of all images in one gather."""
    batch, height, width, channels = pixels.shape
    down, right = _whole_pixels(moves, height, width)
    rows = _sources(height, down, moves.flip[:, 0])[:, :, None].to(pixels.device)
    columns = _sources(width, right, moves.flip[:, 1])[:, None, :].to(pixels.device)
    first = torch.arange(batch, device=pixels.device)[:, None, None] * height
    places = ((first + rows) * width + columns).flatten()
    return pixels.reshape(-1, channels).index_select(0, places).view(pixels.shape)


def _one_by_one(pixels: Tensor, moves: Moves, *, crops: bool) -> Tensor:
    """The same for large images on a CPU, with crops: parts of images are copied, not single pixels."""
    shifts = torch.stack(_whole_pixels(moves, *pixels.shape[1:3]), dim=1).tolist()
    moved = torch.empty_like(pixels)
    for number, (crop, (down, right), flip) in enumerate(
        zip(moves.crop.tolist(), shifts, moves.flip.tolist(), strict=True)
    ):
        one = pixels[number : number + 1]
        image = (_cut_out(one, crop) if crops else one)[0]
        if any(flip):
            image = image.flip([dim for dim in (0, 1) if flip[dim]])
        _shift(image, moved[number], down=-down if flip[0] else down, right=-right if flip[1] else right)
    return moved


def _cut_out(image: Tensor, crop: list[float]) -> Tensor:
    """(1, H, W, C) uint8: the part of it, scaled back to the whole size."""
    _, height, width, _ = image.shape
    top, left = round(crop[0] * height), round(crop[1] * width)
    tall, wide = max(1, round(crop[2] * height)), max(1, round(crop[3] * width))
    part = image[:, top : top + tall, left : left + wide].permute(0, 3, 1, 2)
    return interpolate(part, size=(height, width), mode="bilinear").permute(0, 2, 3, 1)


def _shift(image: Tensor, into: Tensor, *, down: int, right: int) -> None:
    """Copies (H, W, C), moved by so many pixels; what comes in is the image mirrored."""
    (rows, from_rows), (columns, from_columns) = (
        _overlap(by, side) for by, side in zip((down, right), image.shape[:2], strict=True)
    )
    into[rows, columns] = image[from_rows, from_columns]
    _mirror_edge(into[rows], right, dim=1)
    _mirror_edge(into, down, dim=0)


def _overlap(by: int, side: int) -> tuple[slice, slice]:
    """Where what stays in the image lies after the shift, and before."""
    return slice(max(0, by), side + min(0, by)), slice(max(0, -by), side - max(0, by))


def _mirror_edge(image: Tensor, by: int, *, dim: int) -> None:
    """Fills what a shift by `by` left empty with what lies beside it."""
    if by:
        first = 0 if by > 0 else image.shape[dim] + by
        beside = by if by > 0 else first + by
        image.narrow(dim, first, abs(by)).copy_(image.narrow(dim, beside, abs(by)).flip(dim))


def _sources(side: int, by: Tensor, flip: Tensor) -> Tensor:
    """(B, side) which row, or column, each one comes from after a shift by `by` (B,) and a flip; mirrored outside."""
    places = torch.arange(side, device=by.device) - by[:, None]
    places = torch.where(places < 0, -1 - places, places)
    places = torch.where(places >= side, 2 * side - 1 - places, places)
    return torch.where(flip[:, None], places.flip(1), places)


def _whole_pixels(moves: Moves, height: int, width: int) -> tuple[Tensor, Tensor]:
    """(B,) pixels down and to the right, each number from none to the largest either way as likely."""
    largest = torch.tensor(
        [int(moves.shift_share * side + 1e-6) for side in (height, width)], device=moves.shift.device
    )
    drawn = torch.floor((moves.shift + 1) / 2 * (2 * largest + 1)).long().minimum(2 * largest) - largest
    down, right = drawn.unbind(1)
    return down, right


def _quarter_turned(pixels: Tensor, moves: Moves) -> Tensor:
    turns = _turns(moves, *pixels.shape[1:3]).to(pixels.device)
    for number in (1, 2, 3):
        chosen = turns == number
        if chosen.any():
            pixels[chosen] = pixels[chosen].rot90(number, (1, 2))
    return pixels
