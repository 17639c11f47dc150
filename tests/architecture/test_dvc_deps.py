"""DVC does not follow Python's imports: what a stage's code imports has to stand among its `deps`."""

from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).parents[2]
# All but these: that a record, an error or an adapter was edited is no reason to train again (DESIGN.md, rule 6).
EXEMPT = (
    "leeway.adapters",
    "leeway.domain",
    "leeway.durable",
    "leeway.errors",
    "leeway.paramsfile",
    "leeway.recordfile",
    "leeway.version",
)
TEMPLATES = "src/leeway/pages/templates"  # what a page is drawn from
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("leeway", cache_dir=None)


def imported(graph: grimp.ImportGraph, stage: str) -> set[str]:
    """Return the files that the stage imports, directly or through others, and its own; without the exempt ones."""
    module = f"leeway.stages.{stage}"
    modules = {module, *graph.find_upstream_modules(module)}
    files = (ROOT / "src" / f"{name.replace('.', '/')}.py" for name in modules if not name.startswith(EXEMPT))
    found = {str(file.relative_to(ROOT)) for file in files if file.exists()}  # a package's __init__ says nothing
    return found | {TEMPLATES} if any(name.startswith("src/leeway/pages/") for name in found) else found


def declared(stage: str) -> dict[str, set[str]]:
    """Files by the dep that names them: itself, or the folder of their station."""
    paths = [ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]
    files = {path: [path, *path.glob("*.py")] if path.is_dir() else [path] for path in paths}
    return {str(path.relative_to(ROOT)): {str(file.relative_to(ROOT)) for file in files[path]} for path in paths}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports_and_on_no_other(stage: str, graph: grimp.ImportGraph) -> None:
    needed, named = imported(graph, stage), declared(stage)
    missing = needed.difference(*named.values())
    superfluous = [dep for dep, files in named.items() if not files & needed]
    assert not missing, f"dvc.yaml, stages.{stage}.deps: add {', '.join(sorted(missing))}"
    assert not superfluous, f"dvc.yaml, stages.{stage}.deps: remove {', '.join(sorted(superfluous))}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_dependency_on_code_is_there(stage: str) -> None:
    assert [dep for dep in STAGES[stage]["deps"] if dep.startswith("src/") and not (ROOT / dep).exists()] == []
