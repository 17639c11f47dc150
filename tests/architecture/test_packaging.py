"""What is installed: declared is what is imported, the lock pins it, and the wheel carries what it needs."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
# Declared without being imported by us, and why.
BY_NAME_ONLY = {
    "dvc": "run as a command",
    "fastapi": "bounds what Prefect installs",
    "onnx": "torch's exporter imports it",
    "onnxscript": "torch's exporter imports it",
    "psycopg": "SQLAlchemy's driver for PostgreSQL",
    "tzdata": "zoneinfo reads it",
}
TOOLS = {
    "ruff": "make lint",
    "mypy": "make lint",
    "import-linter": "make lint",
    "types-pyyaml": "mypy reads it",
    "scipy-stubs": "mypy reads it",
    "hatchling": "builds the wheel",
    "pytest-xdist": "-n in addopts",
    "pytest-timeout": "--timeout in addopts",
    "pytest-randomly": "shuffles the tests",
}


def named(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(one).name) for one in requirements}


def extras() -> list[str]:
    groups = PYPROJECT["project"]["optional-dependencies"]
    return [one for name, group in groups.items() if name != "all" for one in group]


BASE = PYPROJECT["project"]["dependencies"]
DEVELOPMENT = PYPROJECT["dependency-groups"]["dev"]
DECLARED = named(BASE + extras())


def imported(*folders: str) -> set[str]:
    """Distributions whose packages are imported anywhere in these folders."""
    nodes = [node for folder in folders for path in (ROOT / folder).rglob("*.py") for node in ast.walk(parsed(path))]
    names = {one.name for node in nodes if isinstance(node, ast.Import) for one in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    ours = {"leeway", *(path.stem for folder in ("flows", "tests") for path in (ROOT / folder).rglob("*.py"))}
    distributions = packages_distributions()
    tops = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - ours
    return {the_declared(distributions[top]) for top in tops}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def the_declared(distributions: list[str]) -> str:
    """Of distributions that share a package's name (ruamel, mlflow) the declared one is meant."""
    found = [canonicalize_name(name) for name in distributions]
    return next((name for name in found if name in DECLARED), found[0])


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    used = imported("src", "flows")
    assert used - DECLARED == set(), "imported, but not in pyproject.toml"
    assert DECLARED - used == set(BY_NAME_ONLY), "in pyproject.toml but not imported, against those with a reason above"


def test_what_the_tests_import_is_declared_and_every_tool_has_its_use() -> None:
    used, development = imported("tests"), named(DEVELOPMENT)
    assert used - DECLARED - development == set(), "imported, but not in pyproject.toml's dev group"
    assert development - used == set(TOOLS), "in the dev group but not imported, against those with a use above"


def test_every_line_of_the_lock_is_a_name_a_version_and_at_most_a_marker() -> None:
    assert [line for line in LOCK if not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.+]+( ; [^@/]+)?", line)] == []


@pytest.mark.parametrize("declared", BASE + extras() + DEVELOPMENT)
def test_the_lock_pins_what_is_declared_within_its_bounds(declared: str) -> None:
    wanted = Requirement(declared)
    locked = [one for one in map(Requirement, LOCK) if canonicalize_name(one.name) == canonicalize_name(wanted.name)]
    versions = [specifier.version for one in locked for specifier in one.specifier]
    assert versions, "not in requirements.lock; make lock"
    assert [version for version in versions if version not in wanted.specifier] == []


def hatchling(call: str) -> str:
    """What a build hook gives, as text: run in the root, as pip does without a build environment of its own."""
    code = f"from hatchling.build import *; print({call})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[-2]


def test_an_editable_install_is_built_with_what_the_lock_holds(tmp_path: Path) -> None:
    built = tmp_path / hatchling(f"build_editable({str(tmp_path)!r})")
    assert (ROOT / "src").as_posix() in zipfile.ZipFile(built).read("_leeway.pth").decode()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    built = zipfile.ZipFile(folder / hatchling(f"build_wheel({str(folder)!r})"))
    built.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_wheel_carries_the_template_the_migrations_and_the_licence(wheel: Path) -> None:
    wanted = [
        "leeway/py.typed",
        "leeway/template/params.yaml",
        "leeway/template/docs/params.md",
        "leeway/template/dvc.yaml",
        "leeway/template/monitoring/policy.yaml",
        "leeway/template/monitoring/README.md",
        "leeway/template/flows/monitoring.py",
        "leeway/template/flows/deploy.py",
        "leeway/adapters/mlflow/served_model.py",
        "leeway/stores/migrations/env.py",
        "leeway/stores/migrations/versions/0001_first_tables.py",
    ]
    assert [name for name in wanted if not (wheel / name).exists()] == []
    assert len(list(wheel.glob("leeway-*.dist-info/licenses/LICENSE"))) == 1
    built = next(wheel.parent.glob("*.whl"))  # what ran from the unpacked one may have left bytecode there
    assert [name for name in zipfile.ZipFile(built).namelist() if "__pycache__" in name] == []


def run_leeway(*arguments: str, paths: list[Path], only_these: bool) -> subprocess.CompletedProcess[str]:
    """Runs the command with packages taken from these folders first, or from no others."""
    options = ["-S"] if only_these else []
    command = [sys.executable, *options, "-c", "from leeway.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(command, env=environment, cwd=paths[-1], capture_output=True, text=True)


def closure(requirements: list[str]) -> set[str]:
    """Distributions that these need, and those that they need."""
    found: set[str] = set()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += [Requirement(one) for one in distribution(name).requires or []]
    return found


@pytest.fixture(scope="module")
def base_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages as `pip install leeway` makes it, without leeway itself and without any extra."""
    folder = tmp_path_factory.mktemp("base")
    for name in closure(BASE):
        found = distribution(name)
        for top in {path.parts[0] for path in found.files or []} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))).absolute())
    return folder


def test_the_base_install_is_light(base_install: Path) -> None:
    heavy = ("torch", "lightning", "prefect", "mlflow", "dvc", "evidently", "pandas", "sklearn", "matplotlib")
    assert [name for name in heavy if (base_install / name).exists()] == []


def test_the_base_install_has_the_command_and_says_which_extra_is_missing(wheel: Path, base_install: Path) -> None:
    shown = run_leeway("--help", paths=[wheel, base_install], only_these=True)
    assert shown.returncode == 0, shown.stderr
    assert "monitor" in shown.stdout
    refused = run_leeway("init", str(base_install / "pets"), paths=[wheel, base_install], only_these=True)
    assert refused.returncode == 2
    assert "pip install 'leeway[pipeline]'" in refused.stderr


def test_the_base_install_has_the_statistics_the_checks_and_the_store(wheel: Path, base_install: Path) -> None:
    names = [f"leeway.{name}" for name in ("stats.drift", "stats.edetector", "checks.builtin", "stores.opening")]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (wheel, base_install)))}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_installed_command_makes_a_workspace_from_the_template_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    done = run_leeway("init", "pets", paths=[wheel, tmp_path], only_these=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pets" / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()
    assert (tmp_path / "pets" / "flows" / "monitoring.py").exists()
    assert (tmp_path / "pets" / "docs" / "params.md").read_text() == (ROOT / "docs" / "params.md").read_text()
