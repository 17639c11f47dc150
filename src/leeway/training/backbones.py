"""Backbones: a small CNN from scratch, or any torchvision classification model by its name."""

import difflib
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import torch
import torchvision
from torch import Tensor, nn

from leeway.bundle.resize import ResizeRule
from leeway.errors import ParamsError, TrainingError
from leeway.training.params import TrainParams

SMALL_CNN = "small_cnn"
DOWNLOAD_TIMEOUT_SECONDS = 20.0  # of silence; torchvision itself would wait for minutes
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes what the network takes."""

    rule: ResizeRule
    mean: Triple  # of the 0..1 range, RGB
    std: Triple


class Network(nn.Module):
    """A body that gives an embedding, and a linear head. Takes float (B, 3, H, W), normalised."""

    def __init__(self, body: nn.Module, embedding_size: int, classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(embedding_size, classes)

    def embed(self, images: Tensor) -> Tensor:
        """(B, E): what the head sees."""
        embedding: Tensor = self.body(images)
        return embedding.flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, K) logits."""
        logits: Tensor = self.head(self.embed(images))
        return logits


def preprocessing(params: TrainParams) -> Preprocessing:
    """Read from the weights, so that another backbone brings its own; otherwise stretched to `image_size`.

    Raises ParamsError, naming near matches, if there is no such backbone or no such weights.
    """
    weights = _weights(params)
    if weights is None:
        # about the mean and spread of photographs; batch norm makes up for the rest
        return Preprocessing(ResizeRule(params.image_size, params.image_size), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    preset = weights.transforms()
    side = preset.crop_size[0]
    rule = ResizeRule(side, side, shorter_side=preset.resize_size[0], interpolation=preset.interpolation.value)
    return Preprocessing(rule, tuple(preset.mean), tuple(preset.std))


def build(params: TrainParams, classes: Sequence[str], *, pretrained: bool = True) -> Network:
    """A network for these classes, its output shape checked with a dummy pass.

    With `pretrained` the weights that params name are loaded, downloaded if they are not in torch's cache; without it
    the same network starts at random, to be filled with a champion's weights. What is random follows `params.seed`.
    Raises ParamsError for a name that does not exist, TrainingError if the weights cannot be had or the image size
    does not suit.
    """
    side = preprocessing(params).rule.height
    torch.manual_seed(params.seed)
    body = _small_cnn() if params.backbone == SMALL_CNN else _torchvision_body(params, side, pretrained=pretrained)
    dummy = torch.zeros(2, 3, side, side)
    try:
        with torch.no_grad():
            embedding_size = body.eval()(dummy).flatten(1).shape[1]
            network = Network(body, embedding_size, len(classes))
            shape = tuple(network(dummy).shape)
    except RuntimeError as error:
        raise _unsuited(params, side, error) from error
    if shape != (2, len(classes)):
        raise _unsuited(params, side, f"gives {shape}, expected {(2, len(classes))}")
    return network.to(memory_format=torch.channels_last)


def _small_cnn() -> nn.Module:
    """Three blocks of two convolutions, 72,000 weights, any image size; E = 256.

    A second convolution in each block is worth 1 point on the digits, and 10 once the camera is tilted.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((3, 16, 32, 64)):
        for channels in (inputs, outputs):
            convolution = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2))


def _torchvision_body(params: TrainParams, side: int, *, pretrained: bool) -> nn.Module:
    """The model without its head. The options are those that torchvision's own builders set for weights."""
    name, weights = params.backbone, _weights(params)
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": weights is None, "transform_input": weights is not None}
    elif name.startswith("vit_"):
        options = {"image_size": side}
    elif name.startswith("maxvit"):
        options = {"input_size": (side, side)}
    try:
        body: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise _unsuited(params, side, error) from error
    if weights is not None and pretrained:
        _load_pretrained(body, weights, params)
    _cut_head(body)
    return body


def _cut_head(body: nn.Module) -> None:
    """Replaces the last linear layer, or the last convolution where there is none, by nothing."""
    modules = dict(body.named_modules())
    kinds = nn.Linear if any(isinstance(one, nn.Linear) for one in modules.values()) else nn.Conv2d
    name = [name for name, one in modules.items() if isinstance(one, kinds)][-1]
    parent, _, last = name.rpartition(".")
    setattr(modules[parent], last, nn.Identity())


def _weights(params: TrainParams) -> Any | None:
    """The member of the backbone's weights enum, or None."""
    if params.backbone == SMALL_CNN:
        if params.weights is not None:
            raise ParamsError(f"params.yaml: train.weights: {SMALL_CNN} has no '{params.weights}'; it takes null only")
        return None
    known = torchvision.models.list_models(module=torchvision.models)
    if params.backbone not in known:
        _refuse(
            "backbone", f"no torchvision classifier is called '{params.backbone}'", params.backbone, [SMALL_CNN, *known]
        )
    if params.weights is None:
        return None
    members = torchvision.models.get_model_weights(params.backbone).__members__
    weights = {name: one for name, one in members.items() if one.meta["categories"]}  # vgg16 has some without a head
    if params.weights not in weights:
        _refuse("weights", f"{params.backbone} has no '{params.weights}'", params.weights, list(weights), listed=True)
    return weights[params.weights]


def _refuse(key: str, told: str, got: str, known: Sequence[str], *, listed: bool = False) -> NoReturn:
    near = difflib.get_close_matches(got, known, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    more = f" Known: {', '.join(known)}, or null" if listed or not near else ""
    raise ParamsError(f"params.yaml: train.{key}: {told}.{hint}{more}")


def _load_pretrained(body: nn.Module, weights: Any, params: TrainParams) -> None:
    """Fills the body with pretrained weights, from torch's cache or the network, without unpickling objects."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        with _impatient():
            state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        body.load_state_dict(
            {_renamed(name): one for name, one in state.items() if not name.startswith(("aux", "AuxLogits"))}
        )
    except OSError as error:
        raise TrainingError(
            f"params.yaml: train.weights: {params.weights} of {params.backbone} is not in {path.parent}, and fetching "
            f"{weights.url} failed ({error}). Put {path.name} into that folder (it follows TORCH_HOME)"
        ) from error
    except Exception as error:  # a damaged file gives RuntimeError, UnpicklingError, EOFError, KeyError, ...
        raise TrainingError(f"{path}: damaged or of another model; delete it, to fetch it again: {error}") from error


def _renamed(name: str) -> str:
    """densenet's published weights say norm.1 where the model says norm1."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name)


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unsuited(params: TrainParams, side: int, reason: object) -> TrainingError:
    return TrainingError(
        f"params.yaml: train.image_size: {params.backbone} cannot take {side} x {side} pixels: {reason}; try 64 or 224"
    )
