"""Training params: the `train` section of params.yaml. Imports no torch, so that reading params stays quick."""

from typing import Annotated, Literal

from pydantic import Field

from leeway.paramsfile import ParamsModel

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class RetrainingParams(ParamsModel):
    """What differs once there is a champion to begin from."""

    start: Literal["champion", "weights"]
    epochs: Count
    learning_rate: Rate
    feedback_share: Annotated[float, Field(ge=0, lt=1)]


class TrainParams(ParamsModel):
    """How a model is trained. What each number is for stands beside it in params.yaml."""

    backbone: str
    weights: str | None
    image_size: Annotated[int, Field(ge=8, le=1024)]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2)]  # batch norm needs two
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    patience: Count
    rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    shift_share: Annotated[float, Field(ge=0, le=0.5)]
    noise: Share
    device: Literal["auto", "cpu", "cuda", "mps"]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    retraining: RetrainingParams

    def for_retraining(self) -> "TrainParams":
        """The same, with the epochs and the learning rate of `retraining`."""
        changes = {"epochs": self.retraining.epochs, "learning_rate": self.retraining.learning_rate}
        return self.model_copy(update=changes)
