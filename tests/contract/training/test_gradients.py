"""Gradients: a shortcut in the background is seen, and a small step against the truth stays small."""

import numpy as np
import pytest
import torch

from leeway.bundle.resize import ResizeRule
from leeway.training.backbones import build
from leeway.training.export import ServedGraph
from leeway.training.gradients import fgsm, where_it_looks
from leeway.training.params import TrainParams
from leeway.training.preprocessing import Preprocessing

CORNER = (slice(None), slice(0, 4), slice(0, 4))  # of (B, H, W): a sixteenth of an image of 16 x 16


def trained(params: TrainParams, pixels: np.ndarray, labels: np.ndarray) -> ServedGraph:
    """A small CNN after a second of training on all of these images."""
    network = build(params, ("lies", "stands"))
    served = ServedGraph(network, Preprocessing(ResizeRule(16, 16), (0.5,) * 3, (0.25,) * 3), temperature=1.0).train()
    optimizer, rng = torch.optim.AdamW(network.parameters(), lr=3e-3), np.random.default_rng(0)
    for _ in range(60):
        batch = rng.integers(0, len(pixels), 32)
        likelihood = served(torch.from_numpy(pixels[batch]))[0].gather(1, torch.from_numpy(labels[batch])[:, None])
        optimizer.zero_grad()
        (-likelihood.clamp_min(1e-6).log()).mean().backward()
        optimizer.step()
    optimizer.zero_grad()
    return served.eval().requires_grad_(False)


def answers(network: ServedGraph, pixels: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(pixels))[0].numpy()


@pytest.fixture(scope="module")
def honest(quick_params: TrainParams, module_bars: tuple[np.ndarray, np.ndarray]) -> ServedGraph:
    """Trained on bars, whose direction is the class."""
    return trained(quick_params, *module_bars)


@pytest.fixture(scope="module")
def module_bars() -> tuple[np.ndarray, np.ndarray]:
    """(96, 16, 16, 3) uint8: a bright bar that lies or stands, away from the corners; (96,) labels."""
    rng = np.random.default_rng(1)
    pixels, labels = rng.integers(0, 60, (96, 16, 16, 3), dtype=np.uint8), np.arange(96) % 2
    for image, label, place in zip(pixels, labels, rng.integers(6, 12, 96), strict=True):
        image[(place, slice(6, 16)) if label else (slice(6, 16), place)] = 230
    return pixels, labels.astype(np.int64)


def mass(maps: np.ndarray) -> np.ndarray:
    """(B,) the share of each map that lies in the corner."""
    return maps[CORNER].sum(axis=(1, 2)) / maps.sum(axis=(1, 2))


def test_a_patch_in_the_corner_that_decides_the_class_is_seen(
    quick_params: TrainParams, honest: ServedGraph, module_bars: tuple[np.ndarray, np.ndarray]
) -> None:
    """The bars say nothing here: the class is drawn anew, and a grey patch in the corner gives it away."""
    pixels, bars = module_bars[0].copy(), module_bars[1]
    labels = np.random.default_rng(2).integers(0, 2, len(pixels))
    pixels[labels == 1, 1:4, 1:4] = 150
    cheat = trained(quick_params, pixels, labels)
    predicted = answers(cheat, pixels).argmax(axis=1)
    assert (predicted == labels).mean() > 0.95
    seen = mass(where_it_looks(cheat, pixels[:16], predicted[:16]))
    unseen = mass(where_it_looks(honest, module_bars[0][:16], bars[:16]))
    assert seen[labels[:16] == 1].mean() > 0.45, "where the patch is, half the map lies in a sixteenth of the image"
    assert seen.min() > 2 * (4 * 4) / (16 * 16), "and its absence is looked for in the same place"
    assert unseen.mean() < 0.1, "and not where nothing is to be seen"


def test_a_network_that_learnt_the_bars_looks_at_them(
    honest: ServedGraph, module_bars: tuple[np.ndarray, np.ndarray]
) -> None:
    pixels, labels = module_bars
    maps = where_it_looks(honest, pixels[:16], labels[:16])
    inside = maps[:, 5:, 5:].sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    assert inside.mean() > 0.8  # in 47 % of the area


def test_a_map_is_a_share_of_its_own_largest_value_and_follows_the_seed(
    honest: ServedGraph, module_bars: tuple[np.ndarray, np.ndarray]
) -> None:
    pixels, labels = module_bars
    maps = where_it_looks(honest, pixels[:3], labels[:3])
    assert maps.shape == (3, 16, 16)
    assert maps.dtype == np.float32
    assert np.allclose(maps.max(axis=(1, 2)), 1)
    assert maps.min() >= 0
    assert (where_it_looks(honest, pixels[:3], labels[:3]) == maps).all()
    assert (where_it_looks(honest, pixels[:3], labels[:3], seed=1) != maps).any()
    assert np.allclose(where_it_looks(honest, pixels[:1], labels[:1]), maps[:1], atol=1e-5)
    assert where_it_looks(honest, pixels[:0], labels[:0]).shape == (0, 16, 16)


def test_a_small_step_stays_small_and_works_against_the_truth(
    honest: ServedGraph, module_bars: tuple[np.ndarray, np.ndarray]
) -> None:
    pixels, labels = module_bars
    before = pixels.copy()
    attacked = fgsm(honest, pixels, labels, step=2)
    assert attacked.dtype == np.uint8
    assert np.abs(attacked.astype(int) - pixels).max() == 2
    assert (pixels == before).all()
    signs = np.random.default_rng(0).choice((-20, 20), pixels.shape)
    by_chance = np.clip(pixels + signs, 0, 255).astype(np.uint8)
    kept, aimed, blind = (
        np.log(answers(honest, images)[np.arange(96), labels]).mean()
        for images in (pixels, fgsm(honest, pixels, labels, step=20), by_chance)
    )
    assert kept - aimed > 3 * (kept - blind), "as large a step in a random direction does far less"


def test_a_step_never_leaves_the_range_of_a_pixel(honest: ServedGraph) -> None:
    pixels = np.stack([np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)])
    attacked = fgsm(honest, pixels, np.array([0, 1]), step=2)
    assert attacked[0].max() <= 2
    assert attacked[1].min() >= 253


def test_asking_for_gradients_leaves_the_network_as_it_was(
    honest: ServedGraph, module_bars: tuple[np.ndarray, np.ndarray]
) -> None:
    state = {name: one.clone() for name, one in honest.state_dict().items()}
    where_it_looks(honest, module_bars[0][:2], module_bars[1][:2])
    fgsm(honest, *module_bars)
    assert all(torch.equal(one, state[name]) for name, one in honest.state_dict().items())
    assert all(one.grad is None for one in honest.parameters())
