"""Training params: the `train` section of params.yaml. Imports no torch, so that reading params stays quick."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from leeway.paramsfile import Count, ParamsModel, Share, setting
from leeway.training.profiles import AugmentationParams

Rate = Annotated[float, Field(gt=0, lt=10)]
OWN_NETWORKS = ("small_cnn", "airbench")  # of leeway.training.small_networks; other backbones are torchvision's
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

    start: Literal["champion", "weights", "scratch"] = setting(
        "`champion` (fine-tune it), `weights` (begin again from `train.weights`) or `scratch`",
        "`weights` where images have changed so much that the champion is a bad start",
    )
    epochs: Count = setting("epochs of a retraining, at most", "as many as usual where it starts from scratch")
    learning_rate: Rate = setting("peak learning rate of a retraining")
    feedback_share: float = setting(
        "share of each batch that is labels from production; the rest is original data, against forgetting",
        "higher where production has changed for good",
        ge=0,
        lt=1,
    )


class FrozenParams(ParamsModel):
    """The first phase of training from pretrained weights: only the head learns."""

    epochs: int = setting(
        "epochs of the first phase, with pretrained weights only: the head alone learns, on features computed once",
        "0: no first phase",
        ge=0,
    )
    learning_rate: Rate = setting("learning rate of the first phase")


class TrainParams(ParamsModel):
    """How a model is trained. Why each number is what it is stands beside it in params.yaml."""

    MOVED: ClassVar[Mapping[str, str]] = {
        "rotation_degrees": "augmentation.rotation_degrees",
        "shift_share": "augmentation.shift_share",
        "noise": "augmentation.noise",
    }

    backbone: str = setting(
        "`small_cnn` (72,000 weights), `airbench` (2 million, for many images of about 32 pixels), or any torchvision "
        "classification model, such as `resnet18`",
        "photographs: `mobilenet_v3_small` or `resnet18`",
    )
    weights: str | None = setting(
        "what training starts from: `null` (from scratch), torchvision's enum name of pretrained weights, such as "
        "`DEFAULT`, a file (`.pth`, `.safetensors`) or `champion`",
        "photographs: `DEFAULT`",
    )
    image_size: Annotated[int | tuple[int, int] | None, BeforeValidator(_a_size)] = setting(
        "pixels a side, or `[height, width]`; `null`: what the weights were trained with, or the backbone's usual size",
        "smaller: faster, as long as people can still tell the classes apart",
    )
    fit: Literal["stretch", "crop", "pad"] | None = setting(
        "how an image is brought to that size: `stretch`, or `crop` or `pad`, which keep its aspect; `null`: as the "
        "weights were trained, or `stretch`",
        "`pad` where shape and margins matter",
    )
    channels: Literal[1, 3] = setting("colour channels: 3, or 1 for grey", "1 where all images are grey")
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] | None = setting(
        "how images are resized: `nearest`, `bilinear`, `bicubic`, `lanczos`, `box` or `hamming`; `null`: as the "
        "weights were trained, or `bilinear`. Settings that contradict the weights are logged and noted in the bundle"
    )
    mean: Means | None = setting(
        "mean of the pixels, of the range 0 to 1: one number, or one per channel; `null`: the weights' own, or 0.5"
    )
    std: Spreads | None = setting(
        "standard deviation of the pixels, in the same way; `null`: the weights' own, or 0.25"
    )
    epochs: Count = setting(
        "epochs, at most; the weights of the best one are kept", "more where the validation loss still falls at the end"
    )
    batch_size: int = setting(
        "images of each update, over all devices; if memory runs out, a batch is taken in steps of the same sum",
        "larger with many images",
        ge=2,  # batch norm needs two
    )
    optimizer: Literal["adamw", "sgd"] = setting(
        "`adamw`, or `sgd` with Nesterov momentum 0.9", "`sgd` takes learning rates about 30 times as high"
    )
    learning_rate: Rate = setting(
        "peak learning rate", "lower where the loss is not finite, higher where it hardly falls"
    )
    schedule: Literal["cosine", "one_cycle", "plateau"] = setting(
        "course of the learning rate: `cosine` (short warm-up, then half a cosine to zero), `one_cycle`, or `plateau` "
        "(falls when the validation loss does not)",
        "`plateau` where nobody knows how many epochs are needed",
    )
    weight_decay: float = setting("weight decay; biases and norms are spared", ge=0)
    gradient_clip: float = setting(
        "largest norm of all gradients together; 0: off", "backbones without batch norm", ge=0
    )
    label_smoothing: float = setting(
        "share of each label that is spread over all classes", "higher where the network grows too sure", ge=0, lt=1
    )
    mixup: float = setting(
        "alpha with which two images and their labels are blended; 0: off. If `cutmix` is set too, each batch draws "
        "one of them",
        "0.2 is usual for photographs",
        ge=0,
    )
    cutmix: float = setting(
        "alpha with which a part of one image is pasted into another, and their labels are mixed; 0: off",
        "1 is usual for photographs and 100 epochs or more",
        ge=0,
    )
    ema: float = setting(
        "decay of a running average of the weights, which is evaluated and kept instead of them; 0: off",
        "0.999 is usual",
        ge=0,
        lt=1,
    )
    imbalance: Literal["none", "weighted_loss", "weighted_sampler"] = setting(
        "how rare classes are given as much weight as others: `weighted_loss`, `weighted_sampler` or `none`",
        "rare classes matter as much as frequent ones",
    )
    patience: Count = setting(
        "epochs without a lower validation loss after which training ends, counted from the middle of the schedule on"
    )
    frozen: FrozenParams
    unfreeze: Literal["all"] | Annotated[int, Field(ge=0)] = setting(
        "what learns after the first phase: `all`, the last N blocks of the backbone, or 0: the head alone",
        "fewer blocks with few images",
    )
    backbone_rate_share: float = setting(
        "learning rate of a pretrained backbone, as a share of the head's", "lower with few images", gt=0, le=1
    )
    augmentation: AugmentationParams
    precision: Literal["auto", "bf16", 16, 32] = setting(
        "`auto` (bf16 where a few batches show that it is 1.15 times as fast; logged), `bf16`, `16` (CUDA) or `32`"
    )
    cache_gib: float = setting(
        "decoded images up to this size are held in memory (a GPU's, if it has room); larger ones are mapped from disk",
        "to the memory that is free",
        ge=0,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting("`auto`, `cpu`, `cuda` or `mps`")
    devices: Count = setting("devices of each node; every batch is shared among them", "several GPUs")
    num_nodes: Count = setting("nodes, as Lightning counts them", "several machines")
    strategy: str = setting("Lightning's strategy, such as `ddp`", "several devices")
    review_accuracy: float = setting(
        "accuracy of the answers that need no review: sets the confidence below which a person should look",
        "higher where mistakes are costly",
        gt=0,
        lt=1,
    )
    strange_share: float = setting(
        "share of the validation images that may be called strange: sets the limit of the energy",
        "lower where too many usual images are called strange",
        gt=0,
        lt=1,
    )
    seed: int = setting(
        "seed of the initial weights, the order and the augmentation",
        "to see how far chance moves results",
        ge=0,
        lt=2**32,
    )
    retraining: RetrainingParams

    def for_retraining(self) -> "TrainParams":
        """The same, with the epochs and the learning rate of `retraining`; the champion's head needs no first phase."""
        changes = {"epochs": self.retraining.epochs, "learning_rate": self.retraining.learning_rate}
        return self.model_copy(update={**changes, "frozen": self.frozen.model_copy(update={"epochs": 0})})
