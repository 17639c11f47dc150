"""Settings of the evaluation: section `evaluate` of params.yaml."""

from pydantic import Field

from leeway.paramsfile import ParamsModel


class EvaluateParams(ParamsModel):
    """How the report is made; none of it changes the model."""

    bins: int = Field(default=10, ge=2, le=100)  # equal-width confidence bins of calibration error and diagram
