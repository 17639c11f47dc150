import logging

import numpy as np
import pytest
import torch

from leeway.bundle.predictor import Graph
from leeway.errors import TrainingError
from leeway.training.backbones import Network, Preprocessing, build, preprocessing
from leeway.training.export import export

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


def test_a_network_without_an_onnx_form_is_told(quick_params):
    class Odd(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :4] if images.sum() > 0 else images.flatten(1)[:, 4:8]

    network = Network(Odd(), 4, 3)
    with pytest.raises(TrainingError, match=r"has no ONNX form.*; choose another") as told:
        export(network, preprocessing(quick_params), temperature=1.0)
    assert "\n" not in str(told.value)
