import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision

from leeway.errors import ParamsError, TrainingError
from leeway.training.backbones import Network, blocks, build
from leeway.training.params import TrainParams

CLASSES = ("cat", "dog", "ship")


@pytest.fixture
def params(quick_params: TrainParams) -> TrainParams:
    return quick_params.model_copy(update={"image_size": 32})


def using(params: TrainParams, **changes: object) -> TrainParams:
    return params.model_copy(update=changes)


FAMILIES = {
    "small_cnn": 16,
    "airbench": 32,
    "resnet18": 32,
    "resnet50": 32,
    "efficientnet_b0": 32,
    "efficientnet_b2": 32,
    "efficientnet_v2_s": 32,
    "convnext_tiny": 32,
    "mobilenet_v3_small": 32,
    "mobilenet_v3_large": 32,
    "squeezenet1_1": 32,
    "shufflenet_v2_x0_5": 32,
    "mnasnet0_5": 32,
    "regnet_y_400mf": 32,
    "densenet121": 32,
    "googlenet": 32,
}
FEATURES = {"vgg16": 32}  # 540 MB of weights: once is enough


@pytest.fixture(scope="module")
def network_of(quick_params) -> Callable[[str], Network]:
    """A network of each backbone at its side, made once: some take a second."""
    made: dict[str, Network] = {}

    def build_once(backbone: str) -> Network:
        if backbone not in made:
            side = (FAMILIES | FEATURES)[backbone]
            made[backbone] = build(using(quick_params, backbone=backbone, image_size=side), CLASSES)
        return made[backbone]

    return build_once


@pytest.mark.parametrize("backbone", FAMILIES)
def test_every_family_gives_one_logit_per_class_and_the_embedding_its_head_sees(network_of, backbone):
    network, side = network_of(backbone), FAMILIES[backbone]
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        embedding = network.embed(images)
        logits = network(images)
    assert logits.shape == (2, 3)
    assert embedding.shape == (2, network.head.in_features)
    assert torch.allclose(network.head(embedding), logits, atol=1e-5)


@pytest.mark.parametrize("backbone", FAMILIES)
def test_the_blocks_of_every_family_are_in_order_and_hold_the_whole_body(network_of, backbone):
    network, side = network_of(backbone), FAMILIES[backbone]
    found = blocks(network)
    assert len(found) >= 5
    held = [id(one) for block in found for one in block.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(one) for one in network.body.parameters()}
    ran: list[int] = []
    hooks = [
        one.register_forward_hook(lambda *_, number=number: ran.append(number))
        for number, block in enumerate(found)
        for one in block
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    assert ran == sorted(ran)
    assert set(ran) == set(range(len(found)))


def test_vgg16_keeps_the_hidden_layers_of_its_classifier(network_of):
    network = network_of("vgg16")
    assert network.head.in_features == 4096
    assert [type(next(iter(block))).__name__ for block in blocks(network)] == ["Conv2d"] * 13 + ["Linear"] * 2


def test_a_block_begins_with_a_layer_that_has_weights(network_of):
    """A norm of the block before would otherwise learn while what feeds it is frozen."""
    for block in blocks(network_of("convnext_tiny")):
        assert any(one.ndim > 1 for one in next(iter(block)).parameters())


def test_the_small_cnn_is_small_and_takes_any_size(params):
    network = build(using(params, image_size=48), CLASSES)
    assert 50_000 < sum(one.numel() for one in network.parameters()) < 300_000
    assert network.eval()(torch.zeros(1, 3, 20, 31)).shape == (1, 3)


def test_airbench_begins_with_blocks_that_hand_their_input_on(network_of):
    """Dirac (1 in the middle, 0 elsewhere) in the first channels, so that depth costs nothing at the start."""
    network = network_of("airbench")
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(1.97e6, rel=0.01)
    second, third = network.body[3], network.body[7]
    images = torch.rand(1, 24, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(second(images)[:, :24], images)
    assert third.in_channels == third.out_channels == 64
    assert network.embed(torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))).abs().max() < 1


def test_the_patches_of_airbench_lose_nothing_and_come_with_their_negatives(network_of):
    """Each patch of 2 x 2 x 3 numbers in 12 others at right angles to each other, so of the same length."""
    patches, images = network_of("airbench").body[0], torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    found = patches(images)
    assert found.shape == (2, 24, 1, 1)
    assert torch.allclose(found[:, :12], -found[:, 12:])
    assert torch.allclose(found[:, :12].flatten(1).norm(dim=1), images.flatten(1).norm(dim=1))
    assert torch.allclose(patches(torch.ones(1, 3, 2, 2)).flatten()[1:12], torch.zeros(11), atol=1e-6)


def test_an_unknown_backbone_is_refused_with_near_names(params):
    with pytest.raises(ParamsError) as told:
        build(using(params, backbone="resnet19"), CLASSES)
    wanted = "params.yaml: train.backbone: no torchvision classifier is called 'resnet19'. Did you mean resnet1"
    assert str(told.value).startswith(wanted)
    assert "resnet18" in str(told.value)


def test_unknown_weights_are_refused_with_the_names_there_are(params):
    with pytest.raises(
        ParamsError, match=r"train\.weights: resnet18 has no 'IMAGENET1K_V2'.*Did you mean IMAGENET1K_V1"
    ):
        build(using(params, backbone="resnet18", weights="IMAGENET1K_V2"), CLASSES)
    with pytest.raises(ParamsError, match=r"train\.weights: small_cnn has no 'DEFAULT'"):
        build(using(params, weights="DEFAULT"), CLASSES)


def test_an_image_size_that_does_not_suit_is_told(params):
    with pytest.raises(TrainingError, match=r"train\.image_size: alexnet cannot take 16 x 16 pixels"):
        build(using(params, backbone="alexnet", image_size=16), CLASSES)


def test_a_transformer_that_takes_one_size_only_says_so(params):
    chosen = using(params, backbone="vit_b_32", weights="IMAGENET1K_V1", image_size=64)
    with pytest.raises(TrainingError, match=r"train\.image_size: vit_b_32 cannot take 64 x 64 .* of 224 x 224 pixels"):
        build(chosen, CLASSES)
    with pytest.raises(TrainingError, match="vit_b_32 cannot take 64 x 32 pixels: its sides are equal"):
        build(using(params, backbone="vit_b_32", image_size=(64, 32)), CLASSES)
    with pytest.raises(TrainingError, match="vit_b_32 cannot take 40 x 40 pixels"):
        build(using(params, backbone="vit_b_32", image_size=40), CLASSES)


def test_the_images_need_not_be_square(params):
    for backbone in ("small_cnn", "mobilenet_v3_small"):
        network = build(using(params, backbone=backbone, image_size=(32, 48)), CLASSES)
        assert network(torch.zeros(1, 3, 32, 48)).shape == (1, 3)


def test_a_grey_image_is_taken_as_it_is(params):
    for backbone in ("small_cnn", "mobilenet_v3_small", "googlenet"):
        network = build(using(params, backbone=backbone, image_size=32, channels=1), CLASSES)
        assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 3)


def cached_file(folder: Path, weights: torchvision.models.WeightsEnum) -> Path:
    path = folder / "hub" / "checkpoints" / Path(weights.url).name
    path.parent.mkdir(parents=True)
    return path


def test_pretrained_weights_are_taken_from_the_cache_without_a_network(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    published = torchvision.models.squeezenet1_1(weights=None)
    torch.save(published.state_dict(), cached_file(tmp_path, weights))
    network = build(using(params, backbone="squeezenet1_1", weights="DEFAULT"), CLASSES)
    assert torch.equal(network.body.features[0].weight, published.features[0].weight)


def test_pretrained_weights_for_grey_images_answer_as_those_for_colours(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), cached_file(tmp_path, weights))
    chosen = using(params, backbone="squeezenet1_1", weights="DEFAULT")
    colours, greys = build(chosen, CLASSES), build(using(chosen, channels=1), CLASSES)
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(greys.embed(images), colours.embed(images.expand(-1, 3, -1, -1)), atol=1e-5)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_are_read_from_a_local_file(params, tmp_path, suffix):
    published = torchvision.models.squeezenet1_1(weights=None, num_classes=7)  # of other classes: its head is left out
    path = tmp_path / f"mine.{suffix}"
    if suffix == "pth":
        torch.save(published.state_dict(), path)
    else:
        safetensors.torch.save_file(published.state_dict(), path)
    network = build(using(params, backbone="squeezenet1_1", weights=str(path)), CLASSES)
    assert torch.equal(network.body.features[0].weight, published.features[0].weight)
    assert network.head.out_features == 3


def test_a_bundle_s_weights_are_a_local_file_too(params, tmp_path):
    path = tmp_path / "weights.safetensors"
    before = build(using(params, seed=5), ("a", "b"))
    safetensors.torch.save_file({name: one.contiguous() for name, one in before.state_dict().items()}, path)
    after = build(using(params, weights=str(path)), CLASSES)
    assert torch.equal(after.body[0].weight, before.body[0].weight)


def test_a_local_file_of_another_model_is_refused_with_what_differs(params, tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(torchvision.models.squeezenet1_0(weights=None).state_dict(), path)
    chosen = using(params, backbone="squeezenet1_1", weights=str(path))
    with pytest.raises(TrainingError, match=r"mine\.pth: damaged or of another model: lacks .* more, has unknown"):
        build(chosen, CLASSES)
    torch.save({"epoch": 3, "state_dict": {}}, path)
    with pytest.raises(TrainingError, match=r"mine\.pth: holds epoch, state_dict; expected a state dict"):
        build(chosen, CLASSES)
    path.write_bytes(b"<html>")
    with pytest.raises(TrainingError, match=r"mine\.pth: damaged or of another model"):
        build(chosen, CLASSES)
    path.unlink()
    with pytest.raises(TrainingError, match=r"train\.weights: .*mine\.pth: no such file"):
        build(chosen, CLASSES)


def test_the_champion_s_weights_are_left_to_who_fills_them_in(params):
    assert build(using(params, backbone="squeezenet1_1", weights="champion"), CLASSES).head.out_features == 3
    assert build(using(params, weights="champion"), CLASSES).head.out_features == 3


def test_densenet_weights_under_their_published_names_are_understood(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.DenseNet121_Weights.IMAGENET1K_V1
    published = torchvision.models.densenet121(weights=None)
    old_names = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2.") if "denselayer" in name else name: one
        for name, one in published.state_dict().items()
    }
    torch.save(old_names, cached_file(tmp_path, weights))
    network = build(using(params, backbone="densenet121", weights="DEFAULT"), CLASSES)
    layer = network.body.features.denseblock1.denselayer1
    assert torch.equal(layer.conv2.weight, published.features.denseblock1.denselayer1.conv2.weight)


def test_missing_weights_while_offline_are_told_soon_with_file_and_folder(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    began = time.monotonic()
    with pytest.raises(TrainingError) as told:
        build(using(params, backbone="mobilenet_v3_small", weights="IMAGENET1K_V1"), CLASSES)
    assert time.monotonic() - began < 15
    assert "mobilenet_v3_small-047dcff4.pth" in str(told.value)
    assert str(tmp_path / "hub" / "checkpoints") in str(told.value)


def test_a_damaged_cached_file_is_named(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = cached_file(tmp_path, torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TrainingError, match=path.name):
        build(using(params, backbone="squeezenet1_1", weights="DEFAULT"), CLASSES)


def test_a_cached_file_that_would_run_code_is_refused(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = cached_file(tmp_path, torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1)
    torch.save({"features.0.weight": TrainingError}, path)
    with pytest.raises(TrainingError, match="damaged or of another model"):
        build(using(params, backbone="squeezenet1_1", weights="DEFAULT"), CLASSES)


def test_a_champion_s_network_needs_no_pretrained_file(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    chosen = using(params, backbone="squeezenet1_1", weights="DEFAULT")
    assert build(chosen, CLASSES, pretrained=False).head.out_features == 3
