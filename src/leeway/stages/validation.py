"""Validation: mistakes in params.yaml and policy.yaml, and weights that cannot be had, are found before any work."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from leeway.checks.policy import load_policy
from leeway.data.params import DataParams
from leeway.evaluation.params import EvaluateParams
from leeway.paramsfile import ParamsModel, parse_content, read_yaml
from leeway.stages.beginning import champion_to_start_from, params_for_start
from leeway.training.params import OWN_NETWORKS, TrainParams

SECTIONS: Mapping[str, type[ParamsModel]] = {"data": DataParams, "train": TrainParams, "evaluate": EvaluateParams}
POLICY = Path("monitoring/policy.yaml")


def validate_workspace() -> None:
    """Validate all that the stages will read of the workspace that is the current folder, and its policy.

    A stage works with its own section alone, so that nothing else makes DVC run it again. Raises ParamsError with the
    key's path, and TrainingError for weights that cannot be had.
    """
    train = validate_params(read_yaml(Path("params.yaml")))
    if POLICY.exists():
        load_policy(POLICY)
    _have_weights(train)


def validate_params(content: Mapping[str, Any], *, where: str = "params.yaml") -> TrainParams:
    """Return the section `train` of what params.yaml holds. Raises ParamsError for a mistake in any section."""
    parsed = {name: parse_content(content, name, model, where=where) for name, model in SECTIONS.items()}
    return cast(TrainParams, parsed["train"])


def _have_weights(params: TrainParams) -> None:
    """Look for the backbone and its weights with torch, which takes seconds to load: only where they are not our own.

    A machine that gathers without torch cannot say whether a backbone exists; the one that trains will.
    """
    champion = champion_to_start_from(params)
    params = params_for_start(params, champion)
    if (params.backbone in OWN_NETWORKS and params.weights in (None, "champion")) or find_spec("torch") is None:
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from leeway.training.weights import make_available, published

    if champion:
        published(params)
    else:
        make_available(params)
