"""Reads JSON into frozen records, and says where a mistake stands."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from leeway.errors import LeewayError
from leeway.paramsfile import explain

Record = TypeVar("Record")
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # made once a kind: that takes a millisecond


def read_record(path: Path, kind: type[Record], *, error: type[LeewayError], hint: str) -> Record:
    """Returns the JSON file's content as a `kind`; raises `error` with the path, the key and `hint`."""
    return parse_record(read_json(path, error=error, hint=hint), kind, where=str(path), error=error, hint=hint)


def read_json(path: Path, *, error: type[LeewayError], hint: str) -> Any:
    """Returns the file's content as plain values."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(f"{path}: {reason.strerror}; {hint}") from reason
    except (ValueError, RecursionError) as reason:
        raise error(f"{path}: not JSON: {reason}; {hint}") from reason


def parse_record(content: Any, kind: type[Record], *, where: str, error: type[LeewayError], hint: str) -> Record:
    """Returns plain values as a `kind`: lists become tuples, and a missing key takes the field's default.

    `kind` is a dataclass or any other type that pydantic knows. A key that no field has is a mistake.
    """
    try:
        record: Record = _adapter(kind).validate_python(content, extra="forbid")
    except ValidationError as mistake:
        mistakes = "; ".join(explain(details) for details in mistake.errors()[:3])
        raise error(f"{where}: {mistakes}; {hint}") from None
    return record
