"""Training params: the `train` section of params.yaml. Imports no torch, so that reading params stays quick."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from leeway.paramsfile import Count, ParamsModel, Share
from leeway.training.profiles import AugmentationParams

Rate = Annotated[float, Field(gt=0, lt=10)]
SIDES = range(8, 1025)  # pixels
Means = Annotated[tuple[Share, ...], Field(min_length=1, max_length=3)]  # one per channel, or one for all
Spreads = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1, max_length=3)]


def _a_size(value: Any) -> Any:
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if value is not None and not all(type(one) is int and one in SIDES for one in sides):
        raise ValueError(f"should be {SIDES[0]} to {SIDES[-1]} pixels, [height, width], or null; got {value!r}")
    return value


class RetrainingParams(ParamsModel):
    """What differs once there is a champion to begin from."""

    start: Literal["champion", "weights", "scratch"]
    epochs: Count
    learning_rate: Rate
    feedback_share: Annotated[float, Field(ge=0, lt=1)]


class FrozenParams(ParamsModel):
    """The first phase of training from pretrained weights: only the head learns."""

    epochs: Annotated[int, Field(ge=0)]
    learning_rate: Rate


class TrainParams(ParamsModel):
    """How a model is trained. What each number is for stands beside it in params.yaml."""

    backbone: str
    weights: str | None
    image_size: Annotated[int | tuple[int, int] | None, BeforeValidator(_a_size)]  # a side, or height and width
    fit: Literal["stretch", "crop", "pad"] | None
    channels: Literal[1, 3]
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] | None
    mean: Means | None
    std: Spreads | None
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]  # batch norm needs two
    optimizer: Literal["adamw", "sgd"]
    learning_rate: Rate
    schedule: Literal["cosine", "one_cycle", "plateau"]
    weight_decay: Annotated[float, Field(ge=0)]
    gradient_clip: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    mixup: Annotated[float, Field(ge=0)]
    cutmix: Annotated[float, Field(ge=0)]
    ema: Annotated[float, Field(ge=0, lt=1)]
    imbalance: Literal["none", "weighted_loss", "weighted_sampler"]
    patience: Count
    frozen: FrozenParams
    unfreeze: Literal["all"] | Annotated[int, Field(ge=0)]
    backbone_rate_share: Annotated[float, Field(gt=0, le=1)]
    augmentation: AugmentationParams
    precision: Literal["auto", "bf16", 16, 32]
    cache_gib: Annotated[float, Field(ge=0)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    devices: Count
    num_nodes: Count
    strategy: str
    review_accuracy: Annotated[float, Field(gt=0, lt=1)]
    strange_share: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    retraining: RetrainingParams

    def for_retraining(self) -> "TrainParams":
        """The same, with the epochs and the learning rate of `retraining`; the champion's head needs no first phase."""
        changes = {"epochs": self.retraining.epochs, "learning_rate": self.retraining.learning_rate}
        return self.model_copy(update={**changes, "frozen": self.frozen.model_copy(update={"epochs": 0})})
