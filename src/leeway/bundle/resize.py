"""One rule from an encoded image to the pixels a model takes: the same in training, evaluation and serving."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from leeway.errors import DataError

MAX_PIXELS = 16_000_000
Pixels = np.ndarray  # uint8


@dataclass(frozen=True, slots=True)
class ResizeRule:
    """How an image becomes (height, width, 3).

    `shorter_side` None: stretched to the size. Otherwise the shorter side is scaled to it, and the centre is cut out
    (torchvision's presets for pretrained weights).
    """

    height: int
    width: int
    shorter_side: int | None = None
    interpolation: str = "bilinear"  # a name of PIL.Image.Resampling, in lower case

    def apply(self, image: Image.Image) -> Pixels:
        """(height, width, 3) uint8 RGB."""
        resampling = Image.Resampling[self.interpolation.upper()]
        rgb = _rgb(image)
        if self.shorter_side is None:
            return np.asarray(rgb.resize((self.width, self.height), resampling))
        # rounded as torchvision does, so that pretrained weights see what they saw
        shortest = min(rgb.size)
        scaled = (self.shorter_side * rgb.width // shortest, self.shorter_side * rgb.height // shortest)
        left, top = round((scaled[0] - self.width) / 2), round((scaled[1] - self.height) / 2)
        box = (left, top, left + self.width, top + self.height)
        return np.asarray(rgb.resize(scaled, resampling).crop(box))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would cut off all above 255, which leaves white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P":  # a palette may hold transparency, which Pillow wants to see kept first
        image = image.convert("RGBA")
    return image.convert("RGB")


def decode(content: bytes) -> Image.Image:
    """The image in these bytes, fully decoded and upright. Raises DataError with the reason if it cannot be."""
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
        if image.width * image.height > MAX_PIXELS:
            raise DataError(f"{image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are decoded")
        image.load()
    except DataError:
        raise
    except Exception as error:  # decoders raise anything: OSError, SyntaxError, ValueError, struct.error
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error
    return ImageOps.exif_transpose(image)
