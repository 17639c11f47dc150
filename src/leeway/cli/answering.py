"""Answering: prints what a command has to say, as text for people or with `--json` as one object for programs."""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Annotated, Any, TextIO

import typer

from leeway.errors import LeewayError, in_one_line

BUG = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # typer's exit code after Ctrl-C

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object (docs/json.md) instead of text.")]


class Answer:
    """What a command says: lines for people at once, facts for programs at its end."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.facts: Any = {}

    def say(self, *lines: str) -> None:
        """Print lines for people; nothing with `--json`."""
        for line in lines if not self.as_json else ():
            print(line)

    def give(self, facts: Any) -> None:
        """Keep the facts, a record or a mapping of text, that `--json` prints."""
        self.facts = facts


@contextmanager
def answering(*, as_json: bool) -> Iterator[Answer]:
    """Give what a command answers with.

    With `as_json` its facts are printed at the end as one object, with the error if it fails; whatever else is printed
    meanwhile, such as an alert, goes to stderr.
    """
    answer, stdout = Answer(as_json=as_json), sys.stdout
    if not as_json:
        yield answer
        return
    try:
        with redirect_stdout(sys.stderr):
            yield answer
    except BaseException as error:
        print_object(stdout, {**plain(answer.facts), **failure(error)})
        raise
    print_object(stdout, answer.facts)


def failure(error: BaseException) -> dict[str, Any]:
    """Return the keys that say why a command failed, and with which exit code it ends."""
    if isinstance(error, LeewayError):
        return {"error": str(error), "exit_code": error.exit_code}
    if isinstance(error, KeyboardInterrupt):
        return {"error": "interrupted", "exit_code": INTERRUPTED}
    if isinstance(error, typer.TyperException):
        return {"error": error.format_message(), "exit_code": error.exit_code}
    return {"error": in_one_line(error) if isinstance(error, Exception) else repr(error), "exit_code": BUG}


def print_object(file: TextIO, facts: Any) -> None:
    """Print facts as a JSON object."""
    print(json.dumps(plain(facts), indent=1, ensure_ascii=False, allow_nan=False), file=file)


def plain(value: Any) -> Any:
    """Return the value as JSON knows it: times in ISO 8601, null for a number that is not finite, paths as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else str(value)
