"""The import contracts see what they should: what is planted in a copy of the package breaks them."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "leeway"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
FRAMEWORKS = ("mlflow", "torch", "prefect", "dvc", "evidently", "sqlalchemy", "subprocess", "duckdb", "fastapi")
ROOMS = ("stats", "stores", "labels", "release", "monitor", "jobs")  # each framework is planted in each of these
FREE = {
    "numpy": "arrays are everywhere",
    "scipy": "so are their functions",
    "pyarrow": "tables are the format between rooms",
    "pillow": "images are decoded, made and drawn in several rooms",
    "simplejpeg": "beside it",
    "safetensors": "weights are read where they are written",
    "pydantic": "settings stand beside the code that they set",
    "pydantic-settings": "the same",
    "pyyaml": "policies and locks",
    "packaging": "versions and their bounds",
    "tzdata": "data",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(PACKAGE, folder / "src" / "leeway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def linted(folder: Path) -> str:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "", "COLUMNS": "400"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_framework_outside_its_home_is_seen_in_every_room(copy: Path) -> None:
    for room in ROOMS:
        lines = [f"import {name}" for name in FRAMEWORKS]
        (copy / "src" / "leeway" / room / "planted.py").write_text("\n".join(lines) + "\n")
    (copy / "src" / "leeway" / "planted_room").mkdir()
    (copy / "src" / "leeway" / "planted_room" / "__init__.py").write_text("import torch\n")
    (copy / "src" / "leeway" / "stats" / "climbing.py").write_text("from leeway.jobs import nightly\n")
    said = linted(copy)
    seen = set(re.findall(r"leeway\.(\w+)\.planted -> (\w+)", said))
    allowed = {("stores", "sqlalchemy"), ("stores", "duckdb")}  # at home there
    assert seen == {(room, name) for room in ROOMS for name in FRAMEWORKS} - allowed
    assert "leeway.planted_room -> torch" in said
    assert "leeway.planted_room" in said.partition("not listed as layers")[2]
    assert "leeway.stats.climbing -> leeway.jobs.nightly" in said


def test_every_folder_with_python_is_a_package() -> None:
    """import-linter passes over a folder without `__init__.py`, and whatever is imported in it."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(one.relative_to(PACKAGE)) for one in folders if not (one / "__init__.py").exists()] == []


def test_every_dependency_has_a_home_or_is_free_with_a_reason() -> None:
    """One that is added to pyproject.toml has to be placed."""
    extras = [one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra]
    wanted = [Requirement(one) for one in [*PROJECT["project"]["dependencies"], *extras]]
    names = {canonicalize_name(one.name) for one in wanted} - {"leeway"}
    closed = {
        module for contract in CONTRACTS if contract["type"] == "forbidden" for module in contract["forbidden_modules"]
    }
    modules = packages_distributions()
    homes = {canonicalize_name(one) for module in closed for one in modules.get(module, [module])}
    homes |= {"ruamel-yaml"}  # a namespace package: its module is ruamel
    assert sorted(names - homes - FREE.keys()) == []
    assert sorted(FREE.keys() - names) == []
