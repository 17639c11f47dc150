"""What is installed: declared dependencies are those that are imported, and the wheel carries what it needs."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Declared without being imported by us, and why.
BY_NAME_ONLY = {
    "dvc": "run as a command",
    "fastapi": "bounds what Prefect installs",
    "onnx": "torch's exporter imports it",
    "onnxscript": "torch's exporter imports it",
    "psycopg": "SQLAlchemy's driver for PostgreSQL",
    "tzdata": "zoneinfo reads it",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", name).group()).lower()  # type: ignore[union-attr]


def imported(*folders: str) -> set[str]:
    """Distributions whose packages are imported anywhere in these folders."""
    names = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {one.name for one in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module)
    known = packages_distributions()
    ours = {"leeway", *(path.stem for path in (ROOT / "flows").glob("*.py"))}
    tops = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - ours
    # of distributions that share a name (ruamel, mlflow) the declared one is meant
    return {next((one for one in map(normal, known[top]) if one in declared()), normal(known[top][0])) for top in tops}


def declared() -> set[str]:
    project = PROJECT["project"]
    extras = [one for name, group in project["optional-dependencies"].items() if name != "all" for one in group]
    return {normal(one) for one in [*project["dependencies"], *extras]}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    used = imported("src", "flows")
    assert used - declared() == set(), "imported, but not in pyproject.toml"
    assert declared() - used - set(BY_NAME_ONLY) == set(), "in pyproject.toml, but not imported"


def test_the_lock_pins_every_declared_distribution_and_holds_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {normal(line) for line in lock.splitlines() if "==" in line}
    development = {normal(one) for one in PROJECT["dependency-groups"]["dev"]}
    assert (declared() | development) - pinned == set()
    assert "://" not in lock
    assert "@" not in lock


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(folder / done.stdout.split()[-1])


def test_the_wheel_carries_the_template_the_migrations_and_the_licence(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    wanted = [
        "leeway/py.typed",
        "leeway/template/params.yaml",
        "leeway/template/dvc.yaml",
        "leeway/template/monitoring/policy.yaml",
        "leeway/template/monitoring/README.md",
        "leeway/template/flows/monitoring.py",
        "leeway/template/flows/deploy.py",
        "leeway/adapters/served_model.py",
    ]
    assert [name for name in wanted if name not in names] == []
    assert any(name.startswith("leeway/adapters/migrations/versions/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("leeway/template/flows/__")]
