"""A bundle's network can be rebuilt from what the bundle holds, and a graph of other weights is found out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from leeway.bundle.contents import Contents, bundle_digest, read_golden, verify_bundle, write_bundle
from leeway.bundle.predictor import Graph, Predictor, answer_golden
from leeway.domain.records import ReferenceCounts
from leeway.errors import BundleError, TrainingError
from leeway.training.backbones import Network, build
from leeway.training.export import export
from leeway.training.params import TrainParams
from leeway.training.preprocessing import preprocessing
from leeway.training.rebuild import apart_on, load_network, published_preprocessing
from tiny_bundle import CLASSES, square, write_tiny_bundle


def contents_of(params: TrainParams) -> Contents:
    recipe = preprocessing(params)
    return Contents(
        classes=CLASSES,
        resize=recipe.rule,
        backbone=params.backbone,
        weights=params.weights,
        mean=recipe.mean,
        std=recipe.std,
        temperature=1.3,
        dataset_digest="d" * 64,
        leeway_version="0",
        reference=ReferenceCounts(CLASSES, (0.5, 0.9), ((0, 0, 3),) * 3, correct=9, total=9),
    )


def write(folder: Path, network: Network, contents: Contents, *, graph: bytes = b"", answers: bool = False) -> Path:
    images = [square(name) for name in CLASSES]
    golden = answer_golden(Graph(graph), images, classes=CLASSES, rule=contents.resize) if answers else []
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    write_bundle(folder, contents, graph=graph, weights=weights, golden=golden)
    return folder


@pytest.fixture(scope="module")
def bundle(quick_params: TrainParams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real one, of a small CNN whose running means are not those of a new network."""
    network = build(quick_params, CLASSES).train()
    with torch.no_grad():
        network(torch.randn(16, 3, 16, 16))
        network.head.weight.mul_(20)
    contents = contents_of(quick_params)
    graph = export(network.eval(), preprocessing(quick_params), temperature=contents.temperature)
    return write(tmp_path_factory.mktemp("bundle") / "bundle", network, contents, graph=graph, answers=True)


def images_of(bundle: Path) -> list[bytes]:
    return [one.content for one in read_golden(bundle, verify_bundle(bundle))]


def test_the_rebuilt_network_answers_as_the_bundle(bundle: Path) -> None:
    network = load_network(bundle)
    assert apart_on(network, Predictor.load(bundle), images_of(bundle)) < 1e-5
    assert not network.training
    assert not any(one.requires_grad for one in network.parameters())


def test_a_graph_of_other_weights_is_found_out(bundle: Path, quick_params: TrainParams, tmp_path: Path) -> None:
    """Each file has its digest and the golden answers are the graph's own: only the network can tell."""
    other = build(quick_params.model_copy(update={"seed": 99}), CLASSES)
    graph = (bundle / "graph.onnx").read_bytes()
    mixed = write(tmp_path / "mixed", other, contents_of(quick_params), graph=graph, answers=True)
    assert apart_on(load_network(mixed), Predictor.load(mixed), images_of(mixed)) > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "resnet18", "image_size": (64, 48), "channels": 1, "fit": "pad"},
        {"backbone": "mobilenet_v3_small", "image_size": 32, "mean": (0.4, 0.5, 0.6)},
    ],
    ids=lambda changes: changes["backbone"],
)
def test_other_backbones_sizes_and_channels_are_rebuilt(
    changes: dict[str, object], quick_params: TrainParams, tmp_path: Path
) -> None:
    params = TrainParams.model_validate(quick_params.model_dump() | changes)
    network, contents = build(params, CLASSES), contents_of(params)
    rebuilt = load_network(write(tmp_path / "bundle", network, contents))
    rule = contents.resize
    images = torch.rand(2, rule.channels, rule.height, rule.width)
    with torch.no_grad():
        assert torch.allclose(rebuilt.network(images), network(images), atol=1e-6)


def test_a_network_that_is_not_ours_is_told_in_one_line(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    with pytest.raises(TrainingError, match="its network 'by hand' cannot be rebuilt") as told:
        load_network(tmp_path / "tiny")
    assert "\n" not in str(told.value)


def test_weights_of_other_layers_are_told(quick_params: TrainParams, tmp_path: Path) -> None:
    contents = replace(contents_of(quick_params), backbone="resnet18")
    bundle = write(tmp_path / "bundle", build(quick_params, CLASSES), contents)
    with pytest.raises(TrainingError, match="its network 'resnet18' cannot be rebuilt"):
        load_network(bundle)


def test_a_changed_bundle_is_refused(bundle: Path, quick_params: TrainParams, tmp_path: Path) -> None:
    copied = write(tmp_path / "bundle", build(quick_params, CLASSES), contents_of(quick_params))
    index = copied / "bundle.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"files": {}}))
    with pytest.raises(BundleError, match="does not belong to the bundle"):
        load_network(copied)
    assert bundle_digest(copied) != bundle_digest(bundle)


def test_what_weights_were_published_with_is_known_without_having_them(quick_params: TrainParams) -> None:
    params = TrainParams.model_validate(
        quick_params.model_dump() | {"backbone": "resnet18", "weights": "IMAGENET1K_V1", "mean": (0.5, 0.5, 0.5)}
    )
    found = published_preprocessing(contents_of(params))
    assert found is not None
    assert (found.rule.height, found.rule.shorter_side) == (224, 256)
    assert np.allclose(found.mean, (0.485, 0.456, 0.406))


@pytest.mark.parametrize("weights", [None, "champion", "mine/weights.pth"])
def test_weights_that_nobody_published_have_no_preprocessing(weights: str | None, quick_params: TrainParams) -> None:
    contents = replace(contents_of(quick_params), backbone="resnet18", weights=weights)
    assert published_preprocessing(contents) is None


def test_unknown_weights_are_told(quick_params: TrainParams) -> None:
    with pytest.raises(TrainingError, match="weights 'IMAGENET9K' of resnet18 are not known"):
        published_preprocessing(replace(contents_of(quick_params), backbone="resnet18", weights="IMAGENET9K"))
