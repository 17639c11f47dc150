"""Holds what a command prints with `--json` against its schema."""

from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import typing_extensions
from pydantic import TypeAdapter

from leeway.cli.answers import answers


def check_answer(command: str, printed: str) -> None:
    """Raises ValidationError for a key that the command's schema lacks, one that is missing, or one of another kind."""
    TypeAdapter(_readable(answers()[command])).validate_json(printed, strict=True, extra="forbid")


def _readable(kind: Any) -> Any:
    """The same type as pydantic takes it: before Python 3.12 it refuses the TypedDict of `typing`."""
    inner = tuple(map(_readable, get_args(kind)))
    if is_typeddict(kind):
        hints = {key: _readable(hint) for key, hint in get_type_hints(kind).items()}
        return typing_extensions.TypedDict(kind.__name__, hints)
    if get_origin(kind) in (UnionType, Union):
        return Union[inner]  # noqa: UP007
    return get_origin(kind)[inner] if get_origin(kind) in (list, dict, tuple) else kind
