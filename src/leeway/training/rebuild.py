"""Rebuilds the network of a bundle from the weights that it carries: the graph that is served gives no gradients."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from leeway.bundle.contents import WEIGHTS, Contents, verify_bundle
from leeway.bundle.predictor import Predictor, read_pixels
from leeway.errors import LeewayError, TrainingError
from leeway.training.backbones import build
from leeway.training.export import ServedGraph
from leeway.training.params import TrainParams
from leeway.training.preprocessing import Preprocessing, preprocessing
from leeway.training.weights import CHAMPION, is_file, published


def load_network(bundle: Path) -> ServedGraph:
    """The network of a bundle as it was trained, in evaluation mode: uint8 or float (B, H, W, C) pixels in, as served.

    Raises TrainingError if the weights are of a network that this version of leeway cannot build, BundleError if the
    bundle was changed.
    """
    contents = verify_bundle(bundle)
    try:
        network = build(_params(contents), contents.classes, pretrained=False)
        network.load_state_dict(safetensors.torch.load_file(bundle / WEIGHTS))
    except (LeewayError, RuntimeError) as error:
        told = str(error).partition("\n")[0]
        raise TrainingError(f"{bundle}: its network '{contents.backbone}' cannot be rebuilt: {told}") from error
    preprocessing = Preprocessing(contents.resize, contents.mean, contents.std)
    return ServedGraph(network, preprocessing, contents.temperature).eval().requires_grad_(False)


def apart_on(network: ServedGraph, predictor: Predictor, images: Sequence[bytes]) -> float:
    """The largest difference of a probability between network and bundle, over these encoded images."""
    pixels = read_pixels(images, predictor.contents.resize)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels))[0].numpy()
    return float(np.abs(expected - predictor.predict_pixels(pixels).probabilities).max())


def published_preprocessing(contents: Contents) -> Preprocessing | None:
    """What the pretrained weights of a bundle were published with; None where it began with others, or from scratch.

    Raises TrainingError for weights that this version of torchvision does not know.
    """
    if contents.weights in (None, CHAMPION) or is_file(contents.weights):
        return None
    unset = {"image_size": None, "fit": None, "interpolation": None, "mean": None, "std": None}
    params = _params(contents).model_copy(update=unset)
    try:
        return None if published(params) is None else preprocessing(params)
    except LeewayError as error:
        raise TrainingError(f"the weights '{contents.weights}' of {contents.backbone} are not known here") from error


def _params(contents: Contents) -> TrainParams:
    """Only what decides the shape of the network: the rest of a training's params says nothing about its weights."""
    rule = contents.resize
    known: dict[str, Any] = {
        "backbone": contents.backbone,
        "weights": contents.weights,
        "image_size": (rule.height, rule.width),
        "fit": rule.fit,
        "channels": rule.channels,
        "interpolation": rule.interpolation,
        "mean": contents.mean,
        "std": contents.std,
        "seed": 0,
    }
    return TrainParams.model_construct(**known)
