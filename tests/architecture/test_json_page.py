"""What `--json` prints is described: docs/json.md is made of the schemas, and every command has one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from pydantic import ValidationError

from json_answers import check_answer
from json_page import PAGE, json_page
from leeway.cli.answers import answers
from leeway.cli.app import app


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that can be typed, such as `data sql`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_page_of_what_json_prints_is_the_one_that_the_schemas_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == json_page(), "python tests/json_page.py writes it anew"


def test_every_command_has_a_schema_and_takes_json() -> None:
    assert answers().keys() == COMMANDS.keys()
    without = [name for name, command in COMMANDS.items() if "--json" not in options(command)]
    assert without == []


def test_every_command_can_be_quiet_or_verbose() -> None:
    wanted = {"--quiet", "-q", "--verbose", "-v"}
    assert [name for name, command in COMMANDS.items() if not wanted <= options(command)] == []


def test_a_key_too_many_too_few_or_of_another_kind_is_noticed_inside_an_answer_too() -> None:
    plan = {"night": "2026-03-01", "version": 1, "asked": 9, "answered": 9, "open_until": None, "closed_at": None}
    waiting = {"images": 0, "second_opinions": 0, "unreadable": 0, "nights": [], "closed_unanswered": []}
    model = {"model": "pets", "nights": [plan], "waiting": waiting, "unasked": 0, "conflicts": [], "outside": {}}
    check_answer("labels import", json.dumps({"files": [], "models": [model]}))
    for wrong in (plan | {"late": 0}, {"night": "2026-03-01"}, plan | {"asked": "9"}, plan | {"night": "March"}):
        with pytest.raises(ValidationError):
            check_answer("labels import", json.dumps({"files": [], "models": [model | {"nights": [wrong]}]}))


def options(command: Any) -> set[str]:
    return {name for option in command.params for name in option.opts}
