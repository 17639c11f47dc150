"""Reads one section of a YAML file into its pydantic model, and says where a mistake stands."""

import difflib
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leeway.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Section = TypeVar("Section", bound="ParamsModel")


class ParamsModel(BaseModel):
    """Settings of one station: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(what: str, change: str = "", **limits: Any) -> Any:
    """Describes a field for the generated table of keys: what it is, and when to change it."""
    return Field(description=what, json_schema_extra={"change": change}, **limits)


def load_section(path: Path, section: str | None, model: type[Section]) -> Section:
    """The file's `section` (or the whole file, if None) as a `model`. Raises ParamsError with the key's path."""
    content = read_yaml(path)
    if section is not None and section not in content:
        found = ", ".join(map(str, content)) or "nothing"
        raise ParamsError(f"{path.name}: section '{section}' is missing; found: {found}")
    return parse_section(content if section is None else content[section], model, where=path.name, prefix=section)


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's top-level mapping."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; `leeway init DIR` makes a workspace with one") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # the latter two: a date of month 13, 5,000 brackets
        raise ParamsError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{path.name}: expected sections (key: value), got {type(content).__name__}")
    return content


def parse_section(content: Any, model: type[Section], *, where: str, prefix: str | None = None) -> Section:
    """`content` as a `model`; the first few mistakes are told in one line."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        told = [explain(details, model, prefix) for details in error.errors()[:3]]
        raise ParamsError(f"{where}: {'; '.join(told)}") from None


def explain(details: Any, model: type[BaseModel] | None = None, prefix: str | None = None) -> str:
    """One validation error as `train.epochs: should be ..., got 'x'`; `model` is what knows the allowed keys."""
    steps = [str(step) for step in details["loc"]]
    key = ".".join([prefix, *steps] if prefix else steps)
    if details["type"] == "unexpected_keyword_argument":
        return f"{key}: unknown key"
    if details["type"] == "extra_forbidden" and model is not None:
        known = _known_keys(model, details["loc"][:-1])
        near = difflib.get_close_matches(steps[-1], known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        return f"{key}: unknown key. {hint}Known here: {', '.join(known)}"
    if details["type"] == "missing":
        return f"{key}: is missing"
    message = details["msg"].removeprefix("Value error, ")
    where = f"{key}: " if key else ""  # no key: the sections contradict each other
    return f"{where}{message}" + ("" if details["type"] == "value_error" else f", got {details['input']!r:.80}")


def _known_keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Field names of the model that stands at `path` below `model`; tags of unions name their own model."""
    candidates: list[type[BaseModel]] = [model]
    for step in path:
        if candidates and (isinstance(step, int) or all(step not in one.model_fields for one in candidates)):
            tagged = [one for one in candidates if _tag(one) == step]
            candidates = tagged or candidates
            continue
        inner = [one.model_fields[step].annotation for one in candidates if step in one.model_fields]
        candidates = [found for annotation in inner for found in _models_in(annotation)]
    return sorted({name for one in candidates for name in one.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]


def _tag(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("kind")
    return None if field is None else field.default or next(iter(get_args(field.annotation)), None)
