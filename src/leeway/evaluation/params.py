"""Settings of the evaluation: section `evaluate` of params.yaml."""

from typing import Literal

from pydantic import Field

from leeway.paramsfile import ParamsModel


class EvaluateParams(ParamsModel):
    """How the report is made; none of it changes the model."""

    bins: int = Field(default=10, ge=2, le=100)  # equal-width confidence bins of calibration error and diagram
    bootstrap_draws: int = Field(default=2000, ge=100, le=100_000)  # resampled test splits behind the intervals
    tta: Literal["none", "mirror", "shifts"] = "none"  # views whose mean answer is compared with the plain one
    robustness_images: int = Field(default=300, ge=1)  # test images, at most, that are corrupted, attacked, looked into
    attack_step: int = Field(default=2, ge=0, le=255)  # grey levels of 255, of the FGSM step; 0: no attack
    latency_budget_ms: float | None = Field(default=1000, gt=0)  # that half the answers stay under; null: no budget
    intended_use: str | None = None  # what the model is for, in the model card
