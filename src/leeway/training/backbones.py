"""Backbones: a small network of our own, or any torchvision classification model by its name."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vision_transformer import Encoder

from leeway.bundle.resize import ResizeRule
from leeway.errors import TrainingError
from leeway.training.params import TrainParams
from leeway.training.preprocessing import preprocessing
from leeway.training.small_networks import SMALL_NETWORKS
from leeway.training.weights import CHAMPION, load_weights

CONTAINERS = (nn.Sequential, nn.ModuleList, Encoder)  # exactly these hold blocks; what derives from them is one


class Network(nn.Module):
    """A body that gives an embedding, and a linear head. Takes float (B, C, H, W), normalised."""

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


def build(params: TrainParams, classes: Sequence[str], *, pretrained: bool = True) -> Network:
    """A network for these classes, its output shape checked with a dummy pass.

    With `pretrained` the weights that params name are loaded, downloaded if they are not in torch's cache; without it,
    or if they are the champion's, the same network starts at random, to be filled with the champion's weights. What is
    random follows `params.seed`. Raises ParamsError for a name that does not exist, TrainingError if the weights cannot
    be had or the image size does not suit.
    """
    rule = preprocessing(params).rule
    torch.manual_seed(params.seed)
    body = _body(params, rule, pretrained=pretrained and params.weights not in (None, CHAMPION))
    dummy = torch.zeros(1, rule.channels, rule.height, rule.width)
    try:
        with torch.no_grad():
            network = Network(body, body.eval()(dummy).flatten(1).shape[1], len(classes)).eval()
            shape = tuple(network(dummy).shape)
    except RuntimeError as error:
        raise _unsuited(params, rule, error) from error
    if shape != (1, len(classes)):
        raise _unsuited(params, rule, f"gives {shape}, expected {(1, len(classes))}")
    return network.to(memory_format=torch.channels_last)


def blocks(network: Network) -> list[nn.Module]:
    """The body in order, first to last, as blocks: residual blocks, or single convolutions and linear layers.

    Each begins with a layer that has weights; norms without any belong to the block before. So it holds for every
    family that what is unfrozen begins at such a layer and reaches to the head.
    """
    found: list[nn.ModuleList] = []
    for part in _parts(network.body):
        if not found or any(one.ndim > 1 for one in part.parameters()):
            found.append(nn.ModuleList())
        found[-1].append(part)
    return list(found)


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """What has parameters inside, without looking into what is more than a container."""
    for child in module.children():
        if type(child) in CONTAINERS:
            yield from _parts(child)
        elif any(True for _ in child.parameters()):
            yield child


def _body(params: TrainParams, rule: ResizeRule, *, pretrained: bool) -> nn.Module:
    """The model without its head."""
    if params.backbone in SMALL_NETWORKS:
        body, head = SMALL_NETWORKS[params.backbone].build(rule.channels), "head"
    else:
        body = _torchvision_model(params, rule)
        head = _cut_head(body)
        if rule.channels == 1:
            _narrow(body)
    if pretrained:
        load_weights(body, params, head=head)
    return body


def _torchvision_model(params: TrainParams, rule: ResizeRule) -> nn.Module:
    """With the options that torchvision's own builders set for weights, and the size where it is built in."""
    name, weights = params.backbone, params.weights
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        # what it transforms are three channels, to a scale that one channel's first convolution learns as well
        transform = weights is not None and rule.channels == 3
        options = {"aux_logits": False, "init_weights": weights is None, "transform_input": transform}
    elif name.startswith(("vit_", "maxvit")):
        size = preprocessing(params.model_copy(update={"image_size": None})).rule if weights is not None else rule
        if (rule.height, rule.width) != (size.height, size.height):
            told = f"its weights {weights} hold one position for each patch of" if weights else "its sides are equal:"
            raise _unsuited(params, rule, f"{told} {size.height} x {size.height} pixels")
        options = {"image_size": rule.height} if name.startswith("vit_") else {"input_size": (rule.height, rule.width)}
    try:
        model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise _unsuited(params, rule, error) from error
    return model


def _cut_head(body: nn.Module) -> str:
    """Replaces the last linear layer, or the last convolution where there is none, by nothing; gives its name."""
    modules = dict(body.named_modules())
    kinds = nn.Linear if any(isinstance(one, nn.Linear) for one in modules.values()) else nn.Conv2d
    name: str = [name for name, one in modules.items() if isinstance(one, kinds)][-1]
    parent, _, last = name.rpartition(".")
    setattr(modules[parent], last, nn.Identity())
    return name


def _narrow(body: nn.Module) -> None:
    """The first convolution takes one channel, with the sum of the weights that it had for three."""
    first = next(one for one in body.modules() if isinstance(one, nn.Conv2d))
    first.in_channels = 1
    first.weight = nn.Parameter(first.weight.detach().sum(dim=1, keepdim=True))


def _unsuited(params: TrainParams, rule: ResizeRule, reason: object) -> TrainingError:
    return TrainingError(
        f"params.yaml: train.image_size: {params.backbone} cannot take {rule.height} x {rule.width} pixels: {reason}; "
        "try 64 or 224, or null for its usual size"
    )
