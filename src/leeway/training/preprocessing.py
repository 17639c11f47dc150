"""Preprocessing: how an image becomes what the network takes, as its weights were trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import torchvision

from leeway.bundle.contents import Contents
from leeway.bundle.resize import ResizeRule
from leeway.errors import ParamsError
from leeway.training.params import TrainParams
from leeway.training.small_networks import SMALL_NETWORKS
from leeway.training.weights import published

MEAN, STD = 0.5, 0.25  # about those of photographs, from scratch: batch norm makes up for the rest


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes what the network takes."""

    rule: ResizeRule
    mean: tuple[float, ...]  # of the 0..1 range, one per channel
    std: tuple[float, ...]
    warnings: tuple[str, ...] = ()  # where params overrule what the weights were trained with


def preprocessing(params: TrainParams, *, champion: Contents | None = None) -> Preprocessing:
    """What the weights were trained with (those of the `champion`, where training begins there), overruled by params.

    From scratch an image is stretched to the backbone's usual size. Size, fit, interpolation, mean and std that params
    set otherwise than the weights are told in `warnings`. Raises ParamsError, naming near matches, if there is no such
    backbone or no such weights, or if mean or std do not have one number per channel.
    """
    usual, origin = _usual(params, champion)
    rule = _overruled(usual.rule, params)
    chosen = Preprocessing(
        rule=rule,
        mean=_per_channel(params.mean or usual.mean, params.channels, key="mean" if params.mean else None),
        std=_per_channel(params.std or usual.std, params.channels, key="std" if params.std else None),
    )
    return chosen if origin is None else replace(chosen, warnings=_warnings(params, chosen, usual, origin))


def _usual(params: TrainParams, champion: Contents | None) -> tuple[Preprocessing, str | None]:
    """Without overrides, and whose it is; None if nobody has trained with it yet."""
    if champion is not None:
        return Preprocessing(champion.resize, champion.mean, champion.std), "the champion"
    weights = published(params)
    if weights is None:
        side = _usual_side(params.backbone)
        return Preprocessing(ResizeRule(side, side), (MEAN,), (STD,)), None
    preset = weights.transforms()
    side, shorter_side = preset.crop_size[0], preset.resize_size[0]
    rule = ResizeRule(side, side, shorter_side, interpolation=preset.interpolation.value)
    return Preprocessing(rule, tuple(preset.mean), tuple(preset.std)), f"{params.weights} of {params.backbone}"


def _usual_side(backbone: str) -> int:
    if backbone in SMALL_NETWORKS:
        return SMALL_NETWORKS[backbone].side
    preset = torchvision.models.get_model_weights(backbone)["DEFAULT"].transforms()
    return int(preset.crop_size[0])


def _overruled(usual: ResizeRule, params: TrainParams) -> ResizeRule:
    """The rule with what params set. A margin around the crop keeps its share of the side."""
    size = params.image_size or (usual.height, usual.width)
    height, width = (size, size) if isinstance(size, int) else size
    fit = params.fit or usual.fit
    shorter_side = None
    if fit == "crop" and usual.shorter_side and height == width:
        shorter_side = round(usual.shorter_side * height / usual.height)
    return ResizeRule(
        height, width, shorter_side, params.interpolation or usual.interpolation, fit=fit, channels=params.channels
    )


def _per_channel(values: Sequence[float], channels: int, *, key: str | None) -> tuple[float, ...]:
    """One number for each channel: as it is, one for all, or the mean of three for a grey image."""
    if len(values) == channels:
        return tuple(values)
    if key is not None and len(values) != 1:
        raise ParamsError(
            f"params.yaml: train.{key}: got {len(values)} numbers, train.channels is {channels}; one for each, or one"
        )
    return (fmean(values),) * channels


def _warnings(params: TrainParams, chosen: Preprocessing, usual: Preprocessing, origin: str) -> tuple[str, ...]:
    """What params set otherwise than the weights; the number of channels is no matter of how they were trained."""
    pairs = {
        "image_size": (_size(chosen.rule), _size(usual.rule)),
        "fit": (chosen.rule.fit, usual.rule.fit),
        "interpolation": (chosen.rule.interpolation, usual.rule.interpolation),
        "mean": (chosen.mean, _per_channel(usual.mean, params.channels, key=None)),
        "std": (chosen.std, _per_channel(usual.std, params.channels, key=None)),
    }
    return tuple(
        f"params.yaml: train.{key} is {_told(ours)}, but {origin} was trained with {_told(theirs)}; null takes that"
        for key, (ours, theirs) in pairs.items()
        if ours != theirs
    )


def _size(rule: ResizeRule) -> str:
    return f"{rule.height} x {rule.width}"


def _told(value: object) -> str:
    return ", ".join(f"{one:.3g}" for one in value) if isinstance(value, tuple) else str(value)
