import time
from pathlib import Path

import pytest
import torch
import torchvision

from leeway.errors import ParamsError, TrainingError
from leeway.training import backbones
from leeway.training.backbones import build, preprocessing
from leeway.training.params import TrainParams

CLASSES = ("cat", "dog", "ship")


def using(params: TrainParams, **changes: object) -> TrainParams:
    return params.model_copy(update=changes)


@pytest.mark.parametrize(
    ("backbone", "side"),
    [
        ("small_cnn", 16),
        ("resnet18", 32),
        ("mobilenet_v3_small", 32),
        ("squeezenet1_1", 32),
        ("shufflenet_v2_x0_5", 32),
        ("densenet121", 32),
        ("alexnet", 64),
        ("googlenet", 32),
        ("efficientnet_b0", 32),
    ],
)
def test_every_family_gives_one_logit_per_class_and_the_embedding_its_head_sees(params, backbone, side):
    network = build(using(params, backbone=backbone, image_size=side), CLASSES)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        embedding = network.embed(images)
        logits = network(images)
    assert logits.shape == (2, 3)
    assert embedding.shape == (2, network.head.in_features)
    assert torch.allclose(network.head(embedding), logits, atol=1e-5)


def test_the_small_cnn_is_small_and_takes_any_size(params):
    network = build(using(params, image_size=48), CLASSES)
    assert 50_000 < sum(one.numel() for one in network.parameters()) < 300_000
    assert network.eval()(torch.zeros(1, 3, 20, 31)).shape == (1, 3)


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


def test_preprocessing_comes_from_the_weights_and_overrules_the_image_size(params):
    recipe = preprocessing(using(params, backbone="efficientnet_b1", weights="IMAGENET1K_V2"))
    preset = torchvision.models.EfficientNet_B1_Weights.IMAGENET1K_V2.transforms()
    assert (recipe.rule.height, recipe.rule.width, recipe.rule.shorter_side) == (240, 240, 255)
    assert recipe.rule.interpolation == "bilinear"
    assert recipe.mean == tuple(preset.mean)
    assert recipe.std == tuple(preset.std)


def test_without_weights_the_image_is_stretched_to_the_image_size(params):
    rule = preprocessing(using(params, backbone="resnet18", image_size=40)).rule
    assert (rule.height, rule.width, rule.shorter_side) == (40, 40, None)


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
    torch.save({"features.0.weight": backbones.Preprocessing}, path)
    with pytest.raises(TrainingError, match="damaged or of another model"):
        build(using(params, backbone="squeezenet1_1", weights="DEFAULT"), CLASSES)


def test_a_champion_s_network_needs_no_pretrained_file(params, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    chosen = using(params, backbone="squeezenet1_1", weights="DEFAULT")
    assert build(chosen, CLASSES, pretrained=False).head.out_features == 3
