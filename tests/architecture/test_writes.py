"""Files are replaced by leeway.durable alone: any other write in the package is on the list below, with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "leeway"
HOME = "durable.py"
STAGED = "fills a folder that durable.replacing_folder puts in its place"
YIELDED = "writes at the path that durable.replacing_file yields"
MOVED = "writes at a hidden path that durable.move_file moves"
ALLOWED = {
    ("labels/files.py", "write_bytes"): STAGED,
    ("labels/files.py", "write_text"): STAGED,
    ("labels/label_studio.py", "write_text"): STAGED,
    ("jobs/init.py", "copyfile"): STAGED,
    ("jobs/init.py", "copytree"): STAGED + "; the policy and runbook of `leeway watch init`, which are copies",
    ("jobs/init.py", "touch"): STAGED,
    ("jobs/init.py", "write_text"): STAGED,
    ("adapters/mlflow/registry.py", "copytree"): "into a scratch folder that is gone afterwards",
    ("adapters/dvc/merging.py", "write_text"): "into a scratch folder that is gone afterwards",
    ("bundle/contents.py", "write_bytes"): STAGED,
    ("bundle/contents.py", "write_text"): STAGED,
    ("data/image_files.py", "open"): "opens folder after folder, to read",
    ("data/parquet.py", "write_table"): YIELDED,
    ("data/parts.py", "ParquetWriter"): MOVED,
    ("data/parts.py", "write_table"): MOVED,
    ("data/pixels.py", "open"): YIELDED,
    ("monitor/embeddings.py", "open"): YIELDED,
    ("data/spreadsheet.py", "open"): YIELDED,
    ("evaluation/pictures.py", "savefig"): STAGED,
    ("simulate/timeline.py", "savefig"): "a picture of the demo, which nothing reads",
    ("stores/columnar/write_ahead.py", "open"): "a file that is locked, and stays empty",
    ("stores/columnar/rolling.py", "open"): "opens the folder of the log to lock it",
    ("stores/columnar/parts.py", "ParquetWriter"): MOVED,
    ("stores/columnar/parts.py", "write_table"): MOVED,
    ("stores/columnar/parts.py", "rename"): "a hidden file, to be read again and written anew",
    ("training/features.py", "open_memmap"): YIELDED,
}
WRITERS = {
    *("write_text", "write_bytes", "write_table", "ParquetWriter", "savefig", "save_file", "open_memmap", "touch"),
    *("copy", "copy2", "copyfile", "copytree", "move", "rename", "renames", "hardlink_to", "symlink_to"),
}
FOREIGN = {"copy"}  # methods of dicts and arrays too: counted on shutil alone


def writes(call: ast.Call) -> str | None:
    """What kind of write the call is; None if it is none."""
    if not isinstance(call.func, ast.Attribute):
        return "open" if isinstance(call.func, ast.Name) and call.func.id == "open" else None
    name, owner = call.func.attr, call.func.value
    owner_name = owner.id if isinstance(owner, ast.Name) else ""
    if owner_name in {"durable", "self"} or (name in FOREIGN and owner_name != "shutil"):
        return None
    if name == "open":
        modes = [*call.args[:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
        return "open" if owner_name == "os" or any(set(text) & set("wxa+") for text in texts) else None
    if name == "replace":  # a path's has one argument; those of text have two, those of times and records names
        return "replace" if owner_name == "os" or (len(call.args) == 1 and not call.keywords) else None
    return name if name in WRITERS else None


def writes_in(source: str) -> Iterator[str]:
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return (found for found in map(writes, calls) if found)


def test_every_write_of_the_package_is_durable_or_on_the_list() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() != HOME]
    found = {(path.relative_to(PACKAGE).as_posix(), name) for path in paths for name in writes_in(path.read_text())}
    assert found - ALLOWED.keys() == set(), "use leeway.durable"
    assert ALLOWED.keys() - found == set(), "these writes are gone: take them off the list"


@pytest.mark.parametrize(
    "source",
    [
        "partial.replace(path)",
        "os.replace(partial, path)",
        "partial.rename(path)",
        "shutil.move(partial, path)",
        "path.write_text('x')",
        "open(path, 'w')",
        "path.open('w')",
        "path.open(mode='ab')",
        "os.open(path, flags)",
        "pq.write_table(table, path)",
    ],
)
def test_a_write_is_seen(source: str) -> None:
    assert list(writes_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "text.replace('a', 'b')",
        "moment.replace(tzinfo=UTC)",
        "replace(record, name=1)",
        "path.open('rb')",
        "path.open(newline='')",
        "durable.write_text(path, 'x')",
    ],
)
def test_what_is_no_write_is_let_through(source: str) -> None:
    assert not list(writes_in(source))
