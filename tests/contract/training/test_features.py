"""The frozen phase: features computed once, the head trained on them, then the backbone or a part of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from leeway.training.backbones import Network, blocks, build
from leeway.training.datamodule import Pixels
from leeway.training.features import cached_features, train_head
from leeway.training.fit import Fitted, fit
from leeway.training.optimization import freeze, make_optimizer
from leeway.training.order import TrainingRows
from leeway.training.params import TrainParams

Bars = tuple[np.ndarray, np.ndarray]
CLASSES = ("standing", "lying")
ELSEWHERE = "elsewhere.pth"  # any weights make a backbone pretrained; here they are the random ones of another seed


@pytest.fixture
def pretrained(params: TrainParams) -> TrainParams:
    frozen = params.frozen.model_copy(update={"epochs": 6})
    return params.model_copy(update={"weights": ELSEWHERE, "frozen": frozen, "epochs": 2})


def data_of(bars: Bars, params: TrainParams) -> Pixels:
    rows = TrainingRows(np.arange(64), np.arange(64, 96))
    return Pixels(*bars, rows=rows, params=params, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def network_of(params: TrainParams) -> Network:
    return build(params.model_copy(update={"weights": None}), CLASSES)


def features_of(network: Network, data: Pixels, cache: Path, *, dataset: str = "bars") -> np.ndarray:
    return cached_features(network, data, dataset=dataset, cache=cache, device="cpu", bf16=False)


def test_features_are_the_embeddings_of_the_images_as_validation_sees_them(bars, pretrained, tmp_path):
    network, data = network_of(pretrained), data_of(bars, pretrained)
    found = features_of(network, data, tmp_path)
    (batch,) = data.batches(np.arange(96))
    with torch.no_grad():
        expected = network.eval().embed(data.on_after_batch_transfer(batch, 0)[0])
    assert found.shape == (96, 256)
    assert np.allclose(found, expected.numpy(), atol=1e-6)


def test_features_are_computed_once_for_the_same_weights_and_data(bars, pretrained, tmp_path):
    network, data = network_of(pretrained), data_of(bars, pretrained)
    features_of(network, data, tmp_path)
    (path,) = tmp_path.iterdir()
    np.save(path, np.full((96, 256), 7, np.float32))
    assert (features_of(network, data, tmp_path) == 7).all()
    assert (features_of(network, data, tmp_path, dataset="other") != 7).any()
    with torch.no_grad():
        next(network.body.parameters()).add_(0.1)
    assert (features_of(network, data, tmp_path) != 7).any()


def test_the_head_learns_and_the_backbone_stays_as_it_is(bars, pretrained, tmp_path):
    network, data = network_of(pretrained), data_of(bars, pretrained)
    before = {name: tensor.clone() for name, tensor in network.body.state_dict().items()}
    history = train_head(network, data, features_of(network, data, tmp_path))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.body.state_dict().items())
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2, 3, 4, 5]
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def trained(bars: Bars, params: TrainParams, folder: Path) -> Fitted:
    data = data_of(bars, params)
    return fit(network_of(params), data, params, log=lambda told, number: None, folder=folder / "run")


def test_a_pretrained_backbone_is_frozen_first_and_epochs_are_counted_through(bars, pretrained, tmp_path):
    result = trained(bars, pretrained, tmp_path)
    assert [epoch["epoch"] for epoch in result.history] == list(range(8))
    assert list(tmp_path.glob("features-*.npy"))


def test_from_scratch_there_is_no_frozen_phase(bars, pretrained, tmp_path):
    result = trained(bars, pretrained.model_copy(update={"weights": None}), tmp_path)
    assert result.epochs == 2
    assert not list(tmp_path.glob("features-*.npy"))


def test_with_nothing_to_unfreeze_the_head_alone_is_trained(bars, pretrained, tmp_path):
    result = trained(bars, pretrained.model_copy(update={"unfreeze": 0}), tmp_path)
    fresh = network_of(pretrained).body.state_dict()
    assert result.epochs == 6
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in result.network.body.state_dict().items())


def test_only_the_last_blocks_are_unfrozen_and_batch_norm_before_them_keeps_its_statistics(bars, pretrained, tmp_path):
    chosen = pretrained.model_copy(update={"unfreeze": 2})
    result, fresh = trained(bars, chosen, tmp_path), network_of(pretrained)
    moved = [
        any(not torch.equal(tensor, old.state_dict()[name]) for name, tensor in new.state_dict().items())
        for new, old in zip(blocks(result.network), blocks(fresh), strict=True)
    ]
    assert moved == [False] * (len(moved) - 2) + [True, True]


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_families_can_be_unfrozen_by_blocks(params, backbone):
    network = build(params.model_copy(update={"backbone": backbone, "image_size": 32}), CLASSES)
    still = freeze(network, params.model_copy(update={"weights": "DEFAULT", "unfreeze": 1}))
    learning = {id(one) for one in network.parameters() if one.requires_grad}
    assert learning == {id(one) for one in [*blocks(network)[-1].parameters(), *network.head.parameters()]}
    assert {id(one) for part in still for one in part.parameters()}.isdisjoint(learning)


def test_a_pretrained_backbone_moves_at_its_share_of_the_rate(params):
    chosen = params.model_copy(update={"weights": "DEFAULT", "backbone_rate_share": 0.25, "learning_rate": 0.08})
    network = network_of(params)
    rates = {id(one): group["lr"] for group in make_optimizer(network, chosen).param_groups for one in group["params"]}
    assert {rates[id(one)] for one in network.body.parameters()} == {0.02}
    assert {rates[id(one)] for one in network.head.parameters()} == {0.08}
    scratch = make_optimizer(network, chosen.model_copy(update={"weights": None}))
    assert {group["lr"] for group in scratch.param_groups} == {0.08}
