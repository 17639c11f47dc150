"""Reads one section of a YAML file into its pydantic model, and says where a mistake stands."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leeway.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Section = TypeVar("Section", bound="ParamsModel")


class ParamsModel(BaseModel):
    """Settings of one station: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    MOVED: ClassVar[Mapping[str, str]] = {}  # keys that earlier releases had here, and what holds their value now


def setting(what: str, change: str = "", **limits: Any) -> Any:
    """Describes a field for the generated table of keys: what it is, and when to change it."""
    return Field(description=what, json_schema_extra={"change": change}, **limits)


def load_section(path: Path, section: str | None, model: type[Section]) -> Section:
    """The file's `section` (or the whole file, if None) as a `model`. Raises ParamsError with the key's path."""
    return parse_content(read_yaml(path), section, model, where=path.name)


def parse_content(content: Mapping[str, Any], section: str | None, model: type[Section], *, where: str) -> Section:
    """Return the `section` of a file's content (or all of it, if None) as a `model`. Raises ParamsError."""
    if section is not None and section not in content:
        found = ", ".join(map(str, content)) or "nothing"
        raise ParamsError(f"{where}: section '{section}' is missing; found: {found}")
    return parse_section(content if section is None else content[section], model, where=where, prefix=section)


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
    """Return `content` as a `model`. Raises ParamsError: one line with all missing keys and a few mistakes."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ParamsError(f"{where}: {'; '.join(_mistakes(error.errors(), model, prefix))}") from None


def _mistakes(errors: Sequence[Any], model: type[ParamsModel], prefix: str | None) -> list[str]:
    """What to mend: the first few wrong keys, then all that have moved or are missing; a typo is no missing key too."""
    missing = [one["loc"] for one in errors if one["type"] == "missing" and _is_key(one["loc"], model)]
    unknown = [one["loc"] for one in errors if one["type"] == "extra_forbidden"]
    moved = [loc for loc in unknown if _key(loc) in model.MOVED]
    others = [one for one in errors if one["loc"] not in [*missing, *moved]]
    meant = {_near(loc, model) for loc in unknown if loc not in moved}
    keys = [_key(loc, prefix) for loc in missing if loc not in meant]
    told = [explain(one, model, prefix) for one in sorted(others, key=lambda one: one["loc"] not in unknown)[:3]]
    told += [f"{_key(loc, prefix)}: is {_key((model.MOVED[_key(loc)],), prefix)} now" for loc in moved]
    if keys:
        told.append(f"{', '.join(keys)}: {'is' if len(keys) == 1 else 'are'} missing")
    if keys or moved:
        told.append("`leeway upgrade` writes what is missing or has moved")
    return told


def explain(details: Any, model: type[BaseModel] | None = None, prefix: str | None = None) -> str:
    """One validation error as `train.epochs: should be ..., got 'x'`; `model` is what knows the allowed keys."""
    key = _key(details["loc"], prefix)
    if details["type"] == "unexpected_keyword_argument":
        return f"{key}: unknown key"
    if details["type"] == "extra_forbidden" and model is not None:
        known = _known_keys(model, details["loc"][:-1])
        near = _near(details["loc"], model)
        hint = f"Did you mean {near[-1]}? " if near else ""
        return f"{key}: unknown key. {hint}Known here: {', '.join(known)}"
    if details["type"] == "missing":
        return f"{key}: is missing"
    message = details["msg"].removeprefix("Value error, ")
    where = f"{key}: " if key else ""  # no key: the sections contradict each other
    return f"{where}{message}" + ("" if details["type"] == "value_error" else f", got {details['input']!r:.80}")


def _key(steps: tuple[Any, ...], prefix: str | None = None) -> str:
    return ".".join([prefix, *map(str, steps)] if prefix else map(str, steps))


def _near(steps: tuple[Any, ...], model: type[BaseModel]) -> tuple[Any, ...] | None:
    """The key that is most like the unknown one, beside it."""
    near = difflib.get_close_matches(str(steps[-1]), _known_keys(model, steps[:-1]), n=1)
    return (*steps[:-1], near[0]) if near else None


def _is_key(steps: tuple[Any, ...], model: type[BaseModel]) -> bool:
    """Whether these are keys of the file that every one has; the fields of a kind of source depend on the kind."""
    return all(step in _known_keys(model, steps[:length]) for length, step in enumerate(steps))


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
