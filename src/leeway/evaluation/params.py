"""Settings of the evaluation: section `evaluate` of params.yaml."""

from typing import Literal

from leeway.paramsfile import ParamsModel, setting


class EvaluateParams(ParamsModel):
    """How the report is made; none of it changes the model."""

    bins: int = setting(
        "bins of equal width in confidence, for the calibration error and its diagram", default=10, ge=2, le=100
    )
    bootstrap_draws: int = setting(
        "resampled test splits behind the intervals of the report",
        "more: the ends of the intervals vary less",
        default=2000,
        ge=100,
        le=100_000,
    )
    tta: Literal["none", "mirror", "shifts"] = setting(
        "views of an image (`mirror` or `shifts`) whose mean answer the report compares with the plain one; or `none`",
        "to see what test-time augmentation would gain",
        default="none",
    )
    robustness_images: int = setting(
        "test images, at most, that are corrupted, attacked and looked into",
        "fewer: faster, since each takes 18 more predictions",
        default=300,
        ge=1,
    )
    attack_step: int = setting("step of the FGSM attack, in grey levels of 255; 0: no attack", default=2, ge=0, le=255)
    latency_budget_ms: float | None = setting(
        "milliseconds within which half the answers to one image must come, or the checklist fails; `null`: no budget",
        "what your service may take",
        default=1000,
        gt=0,
    )
    intended_use: str | None = setting(
        "what the model is for, by whom, and what it is not for: a sentence or two in the model card",
        "before anybody else uses the model",
        default=None,
    )
