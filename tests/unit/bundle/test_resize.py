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


def stripes() -> Image.Image:
    """40 x 20: red, then green in the middle half, then blue."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :10, 0] = pixels[:, 10:30, 1] = pixels[:, 30:, 2] = 255
    return Image.fromarray(pixels)


def test_a_crop_keeps_the_aspect_and_the_middle():
    pixels = ResizeRule(10, 10, fit="crop").apply(stripes())
    assert pixels.shape == (10, 10, 3)
    assert (pixels[:, 1:-1] == (0, 255, 0)).all()
    wide = ResizeRule(10, 20, fit="crop").apply(stripes())
    assert (wide[:, 6:14] == (0, 255, 0)).all()
    assert (wide[:, :4] == (255, 0, 0)).all()


def test_a_pad_keeps_the_aspect_and_the_whole_image():
    pixels = ResizeRule(20, 20, fit="pad").apply(stripes())
    assert (pixels[:5] == 0).all()
    assert (pixels[15:] == 0).all()
    assert (pixels[5:15, 6:14] == (0, 255, 0)).all()
    assert (pixels[5:15, :4] == (255, 0, 0)).all()
    assert (pixels[5:15, -4:] == (0, 0, 255)).all()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_fit_gives_the_size_whatever_the_aspect(fit, channels):
    for size in ((30, 7), (7, 30), (11, 11), (1, 1)):
        pixels = ResizeRule(9, 14, fit=fit, channels=channels).apply(picture(*size))
        assert (pixels.shape, pixels.dtype) == ((9, 14, channels), np.uint8)


def test_grey_is_how_bright_the_colours_appear():
    rgb = picture(12, 9)
    grey = ResizeRule(9, 12, channels=1).apply(rgb)[..., 0]
    expected = np.asarray(rgb) @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    assert np.abs(grey - expected).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grey_image_keeps_its_values(channels):
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    pixels = ResizeRule(8, 8, channels=channels).apply(Image.fromarray(values))
    assert (pixels == values[..., None]).all()


def test_a_rule_of_before_fit_was_named_means_what_it_did():
    """bundle.json of older bundles has neither fit nor channels."""
    assert ResizeRule(**{"height": 8, "width": 8, "shorter_side": None, "interpolation": "bilinear"}).fit == "stretch"
    assert ResizeRule(**{"height": 8, "width": 8, "shorter_side": 9, "interpolation": "bicubic"}).fit == "crop"


@pytest.mark.parametrize("wrong", [{"fit": "squeeze"}, {"channels": 4}, {"fit": "pad", "shorter_side": 9}])
def test_what_is_no_way_to_resize_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no such way to resize.*stretch, crop, pad"):
        ResizeRule(8, 8, **wrong)


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
