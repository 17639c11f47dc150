"""Digits: scikit-learn's handwritten digits as a source that needs no network."""

import io
from typing import Literal

import numpy as np
from PIL import Image

from leeway.data.items import Item
from leeway.data.split import uniform_number
from leeway.paramsfile import ParamsModel, setting


class DigitsSource(ParamsModel):
    """scikit-learn's 1,797 handwritten digits (UCI, Alpaydin and Kaynak 1998) as 8 x 8 PNG: needs no network.

    `share` takes a random part of them, drawn by `seed`.
    """

    kind: Literal["digits"] = "digits"
    share: float = setting(
        "share of the digits that is used", "below 1: the demo serves the rest", default=1.0, gt=0, le=1
    )
    seed: int = setting("decides which digits are used", default=0)

    @property
    def place(self) -> str:
        return "the built-in digits"

    def items(self) -> list[Item]:
        return self._halves()[0]

    def other_items(self) -> list[Item]:
        """The digits that `items` leaves out, sorted by origin: what a simulated production may draw from."""
        return self._halves()[1]

    def _halves(self) -> tuple[list[Item], list[Item]]:
        everything = _digits()
        # Numbers from a generator could change with numpy's version; an order by hash cannot.
        order = sorted(everything, key=lambda item: uniform_number(f"{self.seed}/{item.origin}"))
        taken = {item.origin for item in order[: round(self.share * len(order))]}
        chosen = [item for item in everything if item.origin in taken]
        return chosen, [item for item in everything if item.origin not in taken]


def _digits() -> list[Item]:
    from sklearn.datasets import load_digits  # in the extra `train`: a base install reads folders without it

    digits = load_digits()
    pairs = zip(digits.images, digits.target, strict=True)
    return [_digit_item(number, image, int(label)) for number, (image, label) in enumerate(pairs)]


def _digit_item(number: int, image: np.ndarray, label: int) -> Item:
    """`image` is (8, 8), 0 to 16."""
    content = io.BytesIO()
    pixels = np.rint(image * (255 / 16)).astype(np.uint8)
    # Stored, not deflated: the bytes, and with them the asset's hash, do not depend on the version of zlib.
    Image.fromarray(pixels).save(content, format="PNG", compress_level=0)
    encoded = content.getvalue()
    return Item(f"digits/{number:04d}.png", str(label), len(encoded), 0, read=lambda: encoded)
