import io

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms.functional import InterpolationMode, center_crop, resize

from leeway.bundle.resize import ResizeRule, decode
from leeway.errors import DataError

MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(100, 80), (80, 101), (33, 47), (64, 64), (500, 37), (31, 300)])
@pytest.mark.parametrize(("shorter", "side", "mode"), [(36, 32, "bilinear"), (32, 32, "bicubic"), (33, 32, "bilinear")])
def test_a_rule_of_pretrained_weights_gives_torchvision_s_pixels(size, shorter, side, mode):
    image = picture(*size)
    expected = np.asarray(center_crop(resize(image, [shorter], interpolation=MODES[mode]), [side]))
    assert np.array_equal(ResizeRule(side, side, shorter, mode).apply(image), expected)


def test_without_a_shorter_side_the_image_is_stretched():
    halves = np.zeros((40, 20, 3), np.uint8)
    halves[:, 10:] = 255
    pixels = ResizeRule(8, 16).apply(Image.fromarray(halves))
    assert pixels.shape == (8, 16, 3)
    assert (pixels[:, :6] < 20).all()
    assert (pixels[:, 10:] > 235).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_image_becomes_rgb(mode):
    grey = Image.fromarray(np.full((9, 9), 200, np.uint8))
    image = Image.fromarray(np.full((9, 9), 200 * 257, np.uint16)) if mode == "I;16" else grey.convert(mode)
    pixels = ResizeRule(4, 4).apply(image)
    assert pixels.shape == (4, 4, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - 200).max() <= 3


def test_a_photograph_lying_on_its_side_is_put_upright():
    image, stored = picture(20, 10), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(stored, "PNG", exif=exif)
    assert decode(stored.getvalue()).size == (10, 20)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_refused_with_a_reason(content):
    with pytest.raises(DataError, match="cannot be decoded"):
        decode(content)


def test_too_many_pixels_are_refused_before_they_are_decoded():
    stored = io.BytesIO()
    Image.new("1", (5000, 5000)).save(stored, "PNG")
    with pytest.raises(DataError, match="5000 x 5000 pixels"):
        decode(stored.getvalue())
