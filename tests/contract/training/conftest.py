"""A small data set, quick params, and one torch thread: the tests share their cores."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from leeway.paramsfile import load_section
from leeway.training.params import TrainParams

PARAMS = Path(__file__).parents[3] / "params.yaml"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def params(quick_params: TrainParams) -> TrainParams:
    return quick_params


@pytest.fixture(scope="session")
def quick_params() -> TrainParams:
    """The committed params, quick: few epochs at 16 pixels, on the CPU."""
    committed = load_section(PARAMS, "train", TrainParams)
    return committed.model_copy(update={"image_size": 16, "epochs": 2, "batch_size": 16, "device": "cpu"})


@pytest.fixture
def bars() -> tuple[np.ndarray, np.ndarray]:
    """(96, 16, 16, 3) uint8: a bright bar that lies or stands, with noise; (96,) labels."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 60, (96, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(96) % 2
    for image, label, place in zip(pixels, labels, rng.integers(4, 12, 96), strict=True):
        image[(place, slice(None)) if label else (slice(None), place)] = 230
    return pixels, labels.astype(np.int64)
