"""Small real images for the tests of leeway.data."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Picture = Callable[..., bytes]
Photos = Callable[..., Path]


@pytest.fixture
def picture() -> Picture:
    """picture(7) is the same 12 x 9 noise every time; another number is another picture."""

    def make(seed: int, kind: str = "PNG", size: tuple[int, int] = (12, 9)) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, format=kind)
        return content.getvalue()

    return make


@pytest.fixture
def photos(tmp_path: Path, picture: Picture) -> Photos:
    """photos(cat=3, dog=4): a folder per class with so many images; its params are `{kind: folder, path: ...}`."""

    def make(**classes: int) -> Path:
        root = tmp_path / "photos"
        for number, (name, count) in enumerate(classes.items()):
            (root / name).mkdir(parents=True, exist_ok=True)
            for image in range(count):
                (root / name / f"{image:03d}.png").write_bytes(picture(1000 * number + image))
        return root

    return make
