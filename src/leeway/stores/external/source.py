"""Where a watched model's log lies, and what its columns are called: a file beside the model's policy."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import yaml
from pydantic import Field

from leeway import durable
from leeway.errors import ParamsError
from leeway.paramsfile import ParamsModel, parse_section, read_yaml

FOLDER = "logs"  # below monitoring/watched/
REQUIRED = ("prediction_id", "occurred_at", "predicted_class")
OPTIONAL = (
    *("confidence", "second_class", "label", "draw_probability", "slice", "group", "image"),
    "model_version",
)
HEADER = """\
# Where the predictions of {model} lie: they are read there, and never copied. A password or token never stands here.
# `leeway watch init {model} --log ...` writes this file; docs/logs.md explains it.
"""


class LogSource(ParamsModel):
    """An address, and our name -> the log's name of each column that is called otherwise."""

    address: str
    columns: dict[str, str] = Field(default_factory=dict)
    # Version -> since when rows that name no version are of it; the first one is of all before.
    since: dict[int, datetime] = Field(default_factory=dict)


def source_path(watched: Path, model: str) -> Path:
    """Return where it is kept; `watched`: the folder of the policies."""
    return watched / FOLDER / f"{model}.yaml"


def read_source(watched: Path, model: str) -> LogSource | None:
    """Return where the model's log lies; None where it is ingested. Raises ParamsError for a file with a mistake."""
    path = source_path(watched, model)
    if not path.is_file():
        return None
    source = parse_section(read_yaml(path), LogSource, where=f"{FOLDER}/{path.name}")
    check_columns(source.columns, where=f"{FOLDER}/{path.name}: columns")
    return source


def write_source(watched: Path, model: str, source: LogSource) -> Path:
    """Keep it: from then on the model's predictions are read there."""
    path = source_path(watched, model)
    content = yaml.safe_dump(source.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
    durable.write_text(path, HEADER.format(model=model) + content)
    return path


def check_columns(columns: Mapping[str, str], *, where: str) -> None:
    """Raises ParamsError for a name that is none of ours."""
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
    if unknown:
        raise ParamsError(f"{where} names {unknown[0]!r}; known are {', '.join((*REQUIRED, *OPTIONAL))}")
