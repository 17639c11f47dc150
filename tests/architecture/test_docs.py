"""What the documents say is complete and true: every param, key, command, check, alert, room, path and name."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
import yaml

from leeway.checks.policy import Occasion
from leeway.checks.registry import CHECKS
from leeway.cli.app import app
from leeway.settings import Settings
from settings_table import Key, params_keys, params_tables, policy_keys, policy_table, table_in

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
RUNBOOK = (ROOT / "monitoring" / "README.md").read_text()
PACKAGE = ROOT / "src" / "leeway"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
PAGES = [
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "monitoring/README.md", "docs/demo.md", "docs/commands.md"),
    *("docs/data.md", "docs/logs.md", "docs/params.md", "docs/power.md"),
]
FILE = re.compile(r"[\w.-]+(/[\w.-]+)+/?|[\w.-]+/|[\w-]+\.(py|md|yaml|toml|lock|html)|\.ci/run")


def leaves(content: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize(
    ("page", "table"), [("docs/params.md", params_tables()), ("monitoring/README.md", policy_table())]
)
def test_a_table_of_keys_is_the_one_that_the_models_give(page: str, table: str) -> None:
    assert table_in((ROOT / page).read_text()) == table, "python tests/settings_table.py writes it anew"


@pytest.mark.parametrize("key", [*params_keys(), *policy_keys()], ids=lambda key: key.path)
def test_every_key_is_described(key: Key) -> None:
    assert key.what.rpartition("`: ")[2]


@pytest.mark.parametrize(("file", "keys"), [("params.yaml", params_keys()), ("monitoring/policy.yaml", policy_keys())])
def test_the_files_spell_out_every_key(file: str, keys: list[Key]) -> None:
    in_file = set(leaves(yaml.safe_load((ROOT / file).read_text())))
    of_other_kinds = {f"data.source.{name}" for name in ("path", "share", "seed", "name", "root")}
    known = {key.path for key in keys}
    overrides = {path for path in known if path.startswith("train.augmentation.")} - {"train.augmentation.profile"}
    assert in_file <= known
    assert known - in_file <= of_other_kinds | overrides


def test_every_number_of_the_policy_has_its_reason() -> None:
    lines = (ROOT / "monitoring" / "policy.yaml").read_text().splitlines()
    assert [line for line in lines if re.search(r": [\d.]+", line) and "#" not in line] == []


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))  # type: ignore[attr-defined]
def test_the_page_of_commands_describes_every_one(command: str) -> None:
    assert re.search(rf"^\| `leeway {command}\b", COMMANDS, re.MULTILINE)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_page_of_commands_describes_every_variable(name: str) -> None:
    assert f"| `LEEWAY_{name.upper()}` |" in COMMANDS


@pytest.mark.parametrize("check", CHECKS.names())
def test_the_runbook_has_a_paragraph_for_every_check(check: str) -> None:
    assert f"### `{check}`" in RUNBOOK


@pytest.mark.parametrize("check", CHECKS.names())
def test_the_runbook_says_of_every_check_what_it_assumes(check: str) -> None:
    paragraph = RUNBOOK.partition(f"### `{check}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    assert f"*Assumes*: {CHECKS.kind(check).assumes}." in " ".join(paragraph.split())


@pytest.mark.parametrize("occasion", get_args(Occasion))
def test_the_runbook_has_a_paragraph_for_every_alert(occasion: str) -> None:
    assert f"\n**{occasion}**: " in RUNBOOK


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_links_to_is_there(path: str) -> None:
    text = (ROOT / path).read_text()
    links = [one for one in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in one]
    assert [one for one in links if not (ROOT / path).parent.joinpath(one).exists()] == []


EXAMPLES = README + (ROOT / "docs" / "statistics.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", EXAMPLES, re.DOTALL))
def test_an_example_in_the_docs_runs_as_it_stands(block: str, tmp_path: Path) -> None:
    (tmp_path / "monitoring").mkdir()
    (tmp_path / "monitoring" / "policy.yaml").write_text("time_zone: UTC\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEEWAY_")}
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ARCHITECTURE.md and CONTRIBUTING.md against the tree


def fenced(heading: str) -> list[str]:
    """Lines of the first code block of that section of ARCHITECTURE.md."""
    section = ARCHITECTURE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return section.split("```\n")[1].splitlines()


def in_backticks(path: str) -> list[str]:
    """What stands in backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", (ROOT / path).read_text(), flags=re.DOTALL))


def is_defined(name: str) -> bool:
    """Whether a dotted name is a module of the package, or a class, function or method in one."""
    parts = name.removeprefix("leeway.").split(".")
    for length in range(len(parts), 0, -1):
        module, inside = PACKAGE.joinpath(*parts[:length]), parts[length:]
        file = next((one for one in (module.with_suffix(".py"), module / "__init__.py") if one.exists()), None)
        if file is not None:
            return holds(ast.parse(file.read_text()).body, inside)
    return False


def holds(body: list[ast.stmt], names: list[str]) -> bool:
    if not names:
        return True
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == names[0]:
            return holds(node.body, names[1:])
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if names[1:] == [] and names[0] in [one.id for one in targets if isinstance(one, ast.Name)]:
            return True
    return False


def open_in() -> dict[str, set[str]]:
    """Framework -> the rooms that may import it, by the contracts."""
    found: dict[str, set[str]] = {}
    for contract in CONTRACTS:
        for line in contract.get("ignore_imports", []):
            room, framework = re.fullmatch(r"leeway\.(\w+)\S* -> (\w+)", line).groups()  # type: ignore[union-attr]
            found.setdefault(framework, set()).add(room)
    return found


def test_the_tree_of_the_architecture_is_the_one_on_disk() -> None:
    lines = fenced("The tree")
    at = lines.index("src/leeway/")
    around = {line.split()[0] for line in lines[:at]}
    assert [name for name in around if not (ROOT / name).exists()] == []
    assert around >= {"flows/", "benchmarks/", "tests/", "docs/", "monitoring/"}
    named = [one for line in lines[at + 1 :] for one in re.match(r"  ((\S+, )*\S+)", line)[1].split(", ")]  # type: ignore[index]
    files = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    rooms = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(named) == sorted(files | rooms)
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and list(path.rglob("test_*.py"))}
    [tests] = [line for line in lines if line.startswith("tests/")]
    assert folders == set(re.findall(r"\w+", re.sub(r"\(.*?\)|^tests/", "", tests)))


def test_the_architecture_says_of_every_room_what_it_takes_gives_must_not_and_does_on_failure() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|(.*)\|$", ARCHITECTURE, re.MULTILINE)
    assert sorted(room for room, _ in rows) == sorted(
        {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"steps"}
    )
    assert [room for room, cells in rows if not all(cell.strip() for cell in cells.split("|"))] == []


def test_the_layers_of_the_architecture_are_those_of_the_contracts() -> None:
    [layers] = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    lines = [re.split(r" {2,}", line) for line in fenced("Who may import whom")]
    assert [line[0] for line in lines if line[0]] == layers


def test_the_architecture_names_every_framework_where_it_is_open_and_nowhere_else() -> None:
    named: dict[str, set[str]] = {}
    layer = ""
    for line in fenced("Who may import whom"):
        name, *frameworks = re.split(r" {2,}", line)
        layer = name or layer
        named.setdefault(layer, set()).update(re.findall(r"\w+", " ".join(frameworks)))
    for framework, rooms in open_in().items():
        layers = {layer for layer in named if rooms & set(re.findall(r"\w+", layer))}
        assert {layer for layer, frameworks in named.items() if framework in frameworks} == layers, framework
    assert set().union(*named.values()) == open_in().keys()


@pytest.mark.parametrize("path", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_and_name_in_backticks_exists(path: str) -> None:
    source = "\n".join(file.read_text() for file in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    missing = []
    for span in in_backticks(path):
        words = span.split()
        if words[0] in ("leeway", "make") and len(words) > 1:
            there = words[1] in (typer.main.get_command(app).commands if words[0] == "leeway" else targets)  # type: ignore[attr-defined]
        elif len(words) > 1:  # another command
            there = all((ROOT / word).exists() for word in words if FILE.fullmatch(word))
        elif FILE.fullmatch(span):
            there = (ROOT / span).exists() or (PACKAGE / span).exists()
        elif re.fullmatch(r"[a-z]\w*(\.\w+)+", span):
            there = is_defined(span)
        else:
            there = re.search(rf"\b{re.escape(span)}", source) is not None
        if not there:
            missing.append(span)
    assert missing == []
