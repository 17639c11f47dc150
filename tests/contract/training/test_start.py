from pathlib import Path

import pytest
import torch

from leeway.bundle.contents import Contents, write_bundle
from leeway.bundle.resize import ResizeRule
from leeway.domain.records import ReferenceCounts
from leeway.errors import BundleError, TrainingError
from leeway.training.backbones import Network, build
from leeway.training.params import TrainParams
from leeway.training.start import start_from

OLD, NEW = ("cat", "dog", "ship"), ("bird", "cat", "ship")


def save_champion(folder: Path, network: Network, *, backbone: str = "small_cnn") -> Path:
    contents = Contents(
        classes=OLD,
        resize=ResizeRule(16, 16),
        backbone=backbone,
        weights=None,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        temperature=1.0,
        dataset_digest="d",
        leeway_version="0",
        reference=ReferenceCounts(OLD, (0.5, 0.9), ((1, 0, 0),) * 3, correct=3, total=3),
    )
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    write_bundle(folder, contents, graph=b"not asked for", weights=weights, golden=())
    return folder


@pytest.fixture
def champion(params: TrainParams) -> Network:
    return build(params.model_copy(update={"seed": 99}), OLD)


def test_the_champion_s_answers_are_kept_when_nothing_changed(params, champion, tmp_path):
    bundle = save_champion(tmp_path / "start", champion)
    network = build(params, OLD)
    start_from(network, bundle, backbone="small_cnn", classes=OLD)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network.eval()(images), champion.eval()(images))


def test_head_rows_are_copied_by_class_name_and_a_new_class_starts_at_random(params, champion, tmp_path):
    bundle = save_champion(tmp_path / "start", champion)
    network = build(params, NEW)
    fresh = network.head.weight[NEW.index("bird")].clone()
    start_from(network, bundle, backbone="small_cnn", classes=NEW)
    for name in ("cat", "ship"):
        assert torch.equal(network.head.weight[NEW.index(name)], champion.head.weight[OLD.index(name)])
        assert network.head.bias[NEW.index(name)] == champion.head.bias[OLD.index(name)]
    assert torch.equal(network.head.weight[NEW.index("bird")], fresh)


def test_a_renamed_class_keeps_its_row_and_merged_ones_take_the_mean_of_theirs(params, champion, tmp_path):
    bundle = save_champion(tmp_path / "start", champion)
    now = ("boat", "pet")
    network = build(params, now)
    renamed = {"cat": "pet", "dog": "pet", "ship": "boat"}
    start_from(network, bundle, backbone="small_cnn", classes=now, renamed=renamed)
    assert torch.equal(network.head.weight[0], champion.head.weight[2])
    assert torch.allclose(network.head.weight[1], champion.head.weight[:2].mean(dim=0))
    assert network.head.bias[1].item() == pytest.approx(champion.head.bias[:2].mean().item())


def test_another_backbone_is_refused(params, champion, tmp_path):
    bundle = save_champion(tmp_path / "start", champion, backbone="resnet18")
    with pytest.raises(TrainingError, match=r"champion is resnet18; train\.backbone in params\.yaml is small_cnn"):
        start_from(build(params, OLD), bundle, backbone="small_cnn", classes=OLD)


def test_layers_of_another_shape_are_refused(params, tmp_path):
    other = Network(torch.nn.Flatten(), 12, 3)
    with pytest.raises(TrainingError, match="small_cnn of other layers"):
        start_from(build(params, OLD), save_champion(tmp_path / "start", other), backbone="small_cnn", classes=OLD)


def test_changed_or_missing_weights_are_refused(params, champion, tmp_path):
    bundle = save_champion(tmp_path / "start", champion)
    path = bundle / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"weights\.safetensors: is not what bundle\.json says"):
        start_from(build(params, OLD), bundle, backbone="small_cnn", classes=OLD)
    path.unlink()
    with pytest.raises(BundleError, match=r"weights\.safetensors: No such file"):
        start_from(build(params, OLD), bundle, backbone="small_cnn", classes=OLD)
