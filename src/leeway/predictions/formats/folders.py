"""Folders whose names say what all rows below them have in common: `model_version=v7/slice=north/part-0.parquet`."""

from collections.abc import Mapping
from pathlib import PurePath
from urllib.parse import unquote

OF_FOLDERS = ("slice", "group", "model_version")  # columns that a folder may hold, as Hive and Spark write them
NOTHING = "__HIVE_DEFAULT_PARTITION__"


def folder_values(path: PurePath, columns: Mapping[str, str]) -> dict[str, str | None]:
    """Return the values by our names, None for none; `columns` maps our names to those of the file and its folders."""
    ours = {columns.get(name, name): name for name in OF_FOLDERS}
    named = [part.partition("=") for part in path.parent.parts if "=" in part]
    values = {ours[name]: unquote(value) for name, _, value in named if name in ours}
    return {name: None if value in ("", NOTHING) else value for name, value in values.items()}
