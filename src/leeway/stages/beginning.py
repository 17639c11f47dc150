"""Beginning: what a training starts from, by params.yaml and what the training flow has fetched."""

from pathlib import Path

from leeway.bundle.contents import INDEX
from leeway.errors import TrainingError
from leeway.training.params import TrainParams

START = Path("models/start")
CHAMPION = START / "champion"


def champion_to_start_from(params: TrainParams) -> Path | None:
    """Return the champion's bundle, if training begins from it. Raises TrainingError if it has to and there is none."""
    there = (CHAMPION / INDEX).exists()
    if params.weights == "champion" and not there:
        raise TrainingError(
            f"params.yaml: train.weights is champion, but {CHAMPION} holds none; run `leeway retrain`, or copy a "
            "bundle there"
        )
    wanted = params.weights == "champion" or params.retraining.start == "champion"
    return CHAMPION if there and wanted else None


def params_for_start(params: TrainParams, champion: Path | None) -> TrainParams:
    """Return the params as they hold for this start."""
    if champion:
        return params.for_retraining()
    if params.retraining.start == "scratch" and (CHAMPION / INDEX).exists():
        return params.model_copy(update={"weights": None})
    return params
