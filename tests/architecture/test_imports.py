"""Who may import whom, and what happens at import: nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "leeway"
HEAVY = ("torch", "mlflow", "prefect", "evidently", "dvc", "lightning", "matplotlib")
LIGHT = (
    "cli",
    "stats",
    "checks",
    "bundle",
    "domain",
    "settings",
    "stores",
    "predictions",
    "labels",
    "release",
    "monitor",
    "workspace",
)


def modules() -> list[str]:
    found = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    names = [".".join(path.parts).removesuffix(".__init__") for path in found if "migrations" not in path.parts]
    return sorted(name for name in names if not name.endswith("served_model"))  # MLflow runs that as a script


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_importing_everything_writes_nothing_and_starts_nothing(tmp_path: Path) -> None:
    code = f"""
import importlib, logging, os, threading
before = dict(os.environ)
for name in {modules()!r}:
    importlib.import_module(name)
ours = [name for name in logging.root.manager.loggerDict if name.startswith("leeway")]
assert not any(logging.getLogger(name).handlers for name in ours), "a logger of ours has handlers"
changed = {{name for name in os.environ if os.environ[name] != before.get(name)}}
print(sorted(name for name in changed if name.startswith(("LEEWAY", "PREFECT", "MLFLOW", "DVC"))))
"""
    assert run_python(code, tmp_path).strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", LIGHT)
def test_light_parts_load_no_heavy_library(part: str, tmp_path: Path) -> None:
    names = [name for name in modules() if name.split(".")[1:2] == [part]]
    assert names
    code = f"""
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert run_python(code, tmp_path).strip() == "[]"


def test_nothing_is_unpickled() -> None:
    """RELIABILITY.md, section 5. A local checkpoint of Lightning is read with weights_only=True."""
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"import pickle|joblib|cloudpickle|allow_pickle=True|(?<!safetensors\.)torch\.load\(", line)
        and "weights_only=True" not in line
    ]
    assert lines == []


def test_every_csv_is_written_by_one_function() -> None:
    """People open them in a spreadsheet, which runs cells that begin a formula: only write_rows escapes those."""
    own = PACKAGE / "data" / "spreadsheet.py"
    reading = "reader|DictReader|Error|read_csv|ReadOptions|ParseOptions|ConvertOptions|InvalidRow"
    writing = rf"\bcsv\.(?!({reading})\b)[A-Za-z]|csv import|import (pyarrow\.)?csv as|to_csv|\bwrite_csv|savetxt"
    lines = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text().splitlines()
        if path != own and re.search(writing, line)
    ]
    assert lines == []
    assert re.search(writing, own.read_text())
