"""Watched: the policy of each model that is known from files, in monitoring/watched/."""

import re
from pathlib import Path

import yaml

from leeway import durable
from leeway.checks.accuracy import Accuracy
from leeway.checks.policy import Policy
from leeway.errors import ParamsError
from leeway.paramsfile import parse_section, read_yaml
from leeway.settings import Settings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
WATCHED_HEADER = """\
# What watches {model}. Each key is explained in ../README.md. All models watched here share the false-alarm
# probability of ../policy.yaml: the one here counts for nothing.
"""


def watched_policy(settings: Settings, model: str, *, source: Path | None, floor: float | None) -> Policy:
    """The policy that a watched model is to have: `source`, what it has, or the workspace's, with this floor.

    Raises ParamsError for a name that is no file name, or a policy that cannot be read.
    """
    if not NAME.fullmatch(model):
        raise ParamsError(f"'{model}' is no name of a model; allowed are letters, digits, - and _, 64 at most")
    own = settings.watched / f"{model}.yaml"
    given = source or (own if own.exists() else settings.policy_path)
    content = read_yaml(given)
    if floor is not None:
        content[Accuracy.name] = {**(content.get(Accuracy.name) or {}), "floor": floor}
    return parse_section(content, Policy, where=given.name)


def write_watched_policy(settings: Settings, model: str, policy: Policy) -> Path:
    """Puts it where the monitor looks for it: from then on the model is watched, and shares the yearly budget."""
    path = settings.watched / f"{model}.yaml"
    content = yaml.safe_dump(policy.model_dump(mode="json"), sort_keys=False)
    durable.write_text(path, WATCHED_HEADER.format(model=model) + content)
    return path
