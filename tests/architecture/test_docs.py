"""What the README and the runbook say is complete: every param, policy key, variable, command, check and alert."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from leeway.checks.policy import Occasion, Policy
from leeway.checks.registry import CHECKS
from leeway.cli.app import app
from leeway.data.classes import ClassParams
from leeway.data.near_duplicates import NearDuplicateParams
from leeway.data.sources import SOURCES
from leeway.data.split import SplitShares
from leeway.evaluation.params import EvaluateParams
from leeway.settings import Settings
from leeway.training.params import TrainParams
from leeway.training.profiles import AugmentationParams
from policy_table import policy_rows, policy_table, table_in

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RUNBOOK = (ROOT / "monitoring" / "README.md").read_text()


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def leaves(content: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


PARAMS = [
    *{f"data.source.{name}" for source in SOURCES.values() for name in source.model_fields},
    *keys(SplitShares, "data.split."),
    *keys(NearDuplicateParams, "data.near_duplicates."),
    *keys(ClassParams, "data.classes."),
    *keys(TrainParams, "train."),
    *keys(EvaluateParams, "evaluate."),
]
POLICY = list(keys(Policy))


@pytest.mark.parametrize("key", sorted(PARAMS))
def test_the_readme_describes_every_param(key: str) -> None:
    assert f"`{key}`" in README


def test_the_runbooks_table_of_keys_is_the_one_that_the_policy_gives() -> None:
    assert table_in(RUNBOOK) == policy_table(), "python tests/policy_table.py writes it anew"
    assert [key for key, what, _ in policy_rows() if not what] == []


def test_the_files_spell_out_every_key_with_its_reason() -> None:
    params = set(leaves(yaml.safe_load((ROOT / "params.yaml").read_text())))
    overrides = set(keys(AugmentationParams, "train.augmentation.")) - {"train.augmentation.profile"}
    assert set(PARAMS) - params - overrides == {
        f"data.source.{name}" for name in ("path", "share", "seed", "name", "root")
    }
    path = ROOT / "monitoring" / "policy.yaml"
    assert set(leaves(yaml.safe_load(path.read_text()))) == set(POLICY)
    numbers = [line for line in path.read_text().splitlines() if re.search(r": [\d.]+", line)]
    assert [line for line in numbers if "#" not in line] == []


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_the_readme_describes_every_command(command: str) -> None:
    assert re.search(rf"^\| `leeway {command}\b", README, re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_readme_describes_every_variable(name: str) -> None:
    assert f"| `LEEWAY_{name.upper()}` |" in README


@pytest.mark.parametrize("check", CHECKS.names())
def test_the_runbook_has_a_paragraph_for_every_check(check: str) -> None:
    assert f"### `{check}`" in RUNBOOK


@pytest.mark.parametrize("occasion", get_args(Occasion))
def test_the_runbook_has_a_paragraph_for_every_alert(occasion: str) -> None:
    assert f"\n**{occasion}**: " in RUNBOOK


@pytest.mark.parametrize("path", ["README.md", "monitoring/README.md", "docs/demo.md"])
def test_what_a_page_links_to_is_there(path: str) -> None:
    text = (ROOT / path).read_text()
    links = [one for one in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in one]
    assert [one for one in links if not (ROOT / path).parent.joinpath(one).exists()] == []


def test_the_example_in_the_readme_is_python() -> None:
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        compile(block, "README.md", "exec")
