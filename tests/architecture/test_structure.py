"""The house: how large a file may be, what a verb takes, and that a name means one thing."""

import ast
import inspect
import typing
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from leeway.epoch import Epoch

PACKAGE = Path(__file__).parents[2] / "src" / "leeway"
LONG = {"domain/records.py": "the nouns stand together"}
MOST_LINES, MOST_THINGS = 300, 3
ROOMS = ("epoch", "predictions", "labels", "release", "monitor", "jobs")
TWICE = {"Workspace": "leeway.wiring keeps the one of the release before"}


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def verbs() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions of the rooms that work on epochs."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if name.split(".")[0] in ROOMS and name != "adapters.mlflow.served_model":
            module = import_module(f"leeway.{name}")
            for verb, function in inspect.getmembers(module, inspect.isfunction):
                if function.__module__ == module.__name__ and not verb.startswith("_"):
                    yield f"{name}.{verb}", function


def test_no_file_is_too_long_to_read_in_one_go() -> None:
    long = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if lines_of(path) > MOST_LINES}
    assert long == LONG.keys()


def test_a_verb_that_takes_an_epoch_takes_at_most_three_things_more() -> None:
    taking = {}
    for name, function in verbs():
        hints = [hint for key, hint in typing.get_type_hints(function).items() if key != "return"]
        if Epoch in hints:
            taking[name] = len(hints) - 1
    assert len(taking) > 30
    assert {name: more for name, more in taking.items() if more > MOST_THINGS} == {}


def test_a_name_means_one_thing() -> None:
    places = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].append(path.relative_to(PACKAGE).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in TWICE} == {}
