import logging

import numpy as np
import pytest
import torch

from leeway.bundle.predictor import Graph
from leeway.errors import BundleError, TrainingError
from leeway.training.augmentation import normalise
from leeway.training.backbones import Network, build
from leeway.training.export import export
from leeway.training.preprocessing import Preprocessing, preprocessing

CLASSES = ("cat", "dog", "ship")
TEMPERATURE = 1.7


@pytest.fixture(scope="module")
def exported(quick_params) -> tuple[Network, Preprocessing, Graph]:
    """A small CNN with the graph that was made of it."""
    recipe = preprocessing(quick_params)
    network = build(quick_params, CLASSES)
    with torch.no_grad():
        network.head.weight.mul_(20)  # otherwise all probabilities are about 1/3
    return network, recipe, Graph(export(network, recipe, temperature=TEMPERATURE))


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_graph_answers_as_the_network_at_any_batch_size(exported, batch):
    network, recipe, graph = exported
    pixels = np.random.default_rng(batch).integers(0, 256, (batch, 16, 16, 3), dtype=np.uint8)
    images = (pixels / 255 - np.array(recipe.mean)) / np.array(recipe.std)
    with torch.no_grad():
        embedding = network.embed(torch.from_numpy(images.transpose(0, 3, 1, 2)).float())
        scaled = network.head(embedding).double() / TEMPERATURE
    answers = graph.run(pixels)
    assert np.allclose(answers.probabilities, scaled.softmax(dim=1), atol=1e-5)
    assert np.allclose(answers.embedding, embedding, atol=1e-4)
    assert np.allclose(answers.energy, -TEMPERATURE * scaled.logsumexp(dim=1), atol=1e-4)
    assert answers.probabilities.dtype == np.float32


def settled(network: Network, shape: tuple[int, ...]) -> Network:
    """With batch norms that have seen images: otherwise a deep network at random gives next to zero for any image."""
    for one in network.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.momentum = None  # the plain mean of all batches
    with torch.no_grad():
        network.train()(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
        network.head.weight.mul_(20)  # otherwise all probabilities are about 1/3
    return network.eval()


@pytest.mark.parametrize(
    ("backbone", "size", "channels"), [("airbench", (24, 40), 1), ("mobilenet_v3_small", (32, 48), 3)]
)
def test_grey_images_and_unequal_sides_are_exported_alike(quick_params, backbone, size, channels):
    changes = {"backbone": backbone, "image_size": size, "channels": channels}
    params = quick_params.model_copy(update=changes)
    network, recipe = settled(build(params, CLASSES), (8, channels, *size)), preprocessing(params)
    graph = Graph(export(network, recipe, temperature=TEMPERATURE))
    pixels = np.random.default_rng(0).integers(0, 256, (5, *size, channels), dtype=np.uint8)
    answers = graph.run(pixels)
    images = normalise(torch.from_numpy(pixels), torch.tensor(recipe.mean), torch.tensor(recipe.std))
    with torch.no_grad():
        expected = (network(images) / TEMPERATURE).softmax(dim=1)
    assert np.ptp(answers.probabilities, axis=0).max() > 0.01  # the answers hang on the images
    assert np.allclose(answers.probabilities, expected, atol=1e-5)
    with pytest.raises(BundleError, match="takes images of shape"):
        graph.run(pixels.transpose(0, 2, 1, 3))


def test_the_network_itself_is_left_as_it_was(exported):
    network, _, _ = exported
    assert not network.training
    assert all(one.requires_grad for one in network.parameters())


def test_exporting_says_nothing(quick_params, capfd, caplog):
    export(build(quick_params, CLASSES), preprocessing(quick_params), temperature=1.0)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")
    assert [one for one in caplog.records if one.levelno >= logging.INFO] == []


def test_a_network_that_gives_nan_is_not_exported(quick_params):
    network = build(quick_params, CLASSES)
    with torch.no_grad():
        network.head.bias[1] = float("nan")
    with pytest.raises(TrainingError, match=r"graph\.onnx: probabilities differs from the network's by nan"):
        export(network, preprocessing(quick_params), temperature=1.0)


def test_a_network_that_rounds_coarsely_itself_is_exported(quick_params):
    """Its sums nearly cancel, so that torch is as far from the truth as onnxruntime is from torch."""

    class Cancelling(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weights = torch.randn(768, 8, generator=torch.Generator().manual_seed(0))
            self.weights = torch.nn.Parameter(weights - weights.mean(dim=0))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (images.flatten(1) + 1e5) @ self.weights

    recipe = preprocessing(quick_params)
    network = Network(Cancelling(), 8, 3)
    graph = Graph(export(network, recipe, temperature=1.0))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    images = normalise(torch.from_numpy(pixels), torch.tensor(recipe.mean), torch.tensor(recipe.std))
    with torch.no_grad():
        apart = np.abs(graph.run(pixels).embedding - network.embed(images).numpy()).max()
        assert apart > 1e-4 * float(network.embed(images).abs().max())


def test_a_network_without_an_onnx_form_is_told(quick_params):
    class Odd(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :4] if images.sum() > 0 else images.flatten(1)[:, 4:8]

    network = Network(Odd(), 4, 3)
    with pytest.raises(TrainingError, match=r"has no ONNX form.*; choose another") as told:
        export(network, preprocessing(quick_params), temperature=1.0)
    assert "\n" not in str(told.value)
