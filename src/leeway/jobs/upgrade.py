"""Upgrade: brings a workspace that an earlier release made to this version, its files and its ledger."""

import ast
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from leeway import durable
from leeway.adapters.dvc.merging import committed_text, merge_texts
from leeway.errors import WorkspaceError
from leeway.jobs.init import FIRST_COMMIT, VERSION_FILE, fill_workspace, template
from leeway.jobs.settings_upgrade import Renewed, renew_params, renew_policy
from leeway.monitor.fleet import trains
from leeway.paramsfile import read_yaml
from leeway.settings import Settings
from leeway.stores.opening import older_revision
from leeway.stores.schema import SCHEMA_REVISION
from leeway.version import __version__
from leeway.workspace import open_workspace

PARAMS, POLICY, PIPELINE, IGNORED = "params.yaml", "monitoring/policy.yaml", "dvc.yaml", ".gitignore"
BASE = ".leeway-template"  # what the last upgrade wrote, in git: the next one tells from it what was edited since
BESIDE = ".new"  # ending of a file that could not be merged
KEEPER = ".gitkeep"
EDITED = (PARAMS, POLICY, "monitoring/watched/")


@dataclass(frozen=True, slots=True)
class FileUpgrade:
    """One file that changes."""

    path: str  # what is written, from the workspace
    action: str  # added, replaced, merged, or beside: left beside the file that it could not be merged into
    changes: tuple[str, ...]  # in words
    before: str  # of the file that people know; lines end plainly
    after: str

    @property
    def diff(self) -> str:
        """A unified diff."""
        texts = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        known = self.path.removesuffix(BESIDE)
        lines = difflib.unified_diff(*texts, known if self.before else "/dev/null", self.path)
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """All that an upgrade does, and what comes of it."""

    recorded: str | None  # version whose `dvc repro` ran last; None: none did
    files: tuple[FileUpgrade, ...]
    ledger: tuple[str, str] | None  # from which revision of the schema to which; None: it stays
    trains_again: str | None  # why the next `dvc repro` will; None: it will not because of this
    unmerged: tuple[str, ...]  # files of an earlier upgrade that a person still has to merge
    shipped: Mapping[str, str]  # what this version writes of the files that people seldom edit

    @property
    def is_needed(self) -> bool:
        """Whether anything changes."""
        return bool(self.files or self.ledger)


def foresee_upgrade(settings: Settings) -> Upgrade:
    """Return what an upgrade would change; nothing is written. Raises ParamsError for mistakes in YAML files."""
    folder, whole = settings.workspace, trains(settings)
    in_clone = (folder / "src" / "leeway").is_dir()  # its files come with `git pull`
    shipped = {} if in_clone else _shipped(whole=whole)
    upgrades = [] if in_clone else [*_settings_files(settings, whole=whole), *_shipped_files(folder, shipped)]
    revision = older_revision(settings.database_url)
    recorded = _text(folder / VERSION_FILE).strip() or None
    return Upgrade(
        recorded=recorded,
        files=tuple(upgrades),
        ledger=(revision, SCHEMA_REVISION) if revision else None,
        trains_again=_why_it_trains(recorded, {one.path: one for one in upgrades}) if whole else None,
        unmerged=tuple(name for name in sorted(shipped) if (folder / f"{name}{BESIDE}").exists()),
        shipped=shipped,
    )


def upgrade(settings: Settings, foreseen: Upgrade) -> None:
    """Do what was foreseen: the ledger in one transaction, then each file whole. Raises StoreError, WorkspaceError."""
    if foreseen.ledger:
        with open_workspace(settings) as workspace:
            _ = workspace.stores  # opening brings them up to date
    try:
        for one in foreseen.files:
            _write(settings.workspace / one.path, one.after)
        for name, text in foreseen.shipped.items() if foreseen.files else ():
            if not name.endswith(KEEPER):
                _write(settings.workspace / BASE / name, text)
    except OSError as error:
        raise WorkspaceError(f"{error.filename}: cannot be written ({error.strerror}); run it again") from error


# YAML that people edit


def _settings_files(settings: Settings, *, whole: bool) -> Iterator[FileUpgrade]:
    policy = _text(template() / POLICY)
    if whole:
        path = settings.workspace / PARAMS
        read_yaml(path)  # which says what is no YAML
        yield from _renewed(path, PARAMS, renew_params(_text(path), _text(template() / PARAMS)))
    for path in [settings.policy_path, *sorted(settings.watched.glob("*.yaml"))]:
        if path.exists():
            read_yaml(path)
            name = path.relative_to(settings.workspace).as_posix()
            yield from _renewed(path, name, renew_policy(_text(path), policy, name=name))


def _renewed(path: Path, name: str, renewed: Renewed) -> Iterator[FileUpgrade]:
    before = _text(path)
    if renewed.text != before:
        yield FileUpgrade(name, "merged", renewed.changes, before, renewed.text)


# Files that come with a release


def _shipped(*, whole: bool) -> dict[str, str]:
    """Text by path of what a new workspace of this version has, without the YAML that people edit."""
    if whole and find_spec("dvc") is None:
        raise WorkspaceError("a workspace needs DVC, which is not installed: pip install 'leeway[pipeline]'")
    with TemporaryDirectory() as made:
        folder = Path(made) if whole else template()
        if whole:
            fill_workspace(folder)
        names = folder.rglob("*") if whole else (folder / "monitoring").rglob("*")
        files = {path.relative_to(folder).as_posix(): path for path in names if path.is_file()}
        return {name: _text(path) for name, path in sorted(files.items()) if not name.startswith(EDITED)}


def _shipped_files(folder: Path, shipped: Mapping[str, str]) -> Iterator[FileUpgrade]:
    for name, theirs in shipped.items():
        path = folder / name
        if name.endswith(KEEPER):
            if not path.parent.exists():
                yield FileUpgrade(name, "added", ("a folder that the pipeline needs",), "", theirs)
            continue
        base = _base(folder, name)
        if not path.exists():
            if base is None:  # otherwise somebody has removed it
                yield FileUpgrade(name, "added", ("new in this version",), "", theirs)
        elif (mine := _text(path)) != theirs != base:
            yield from _brought(name, mine, base, theirs)


def _brought(name: str, mine: str, base: str | None, theirs: str) -> Iterator[FileUpgrade]:
    """The file as it will be: this version's if nobody edited it, or else both in one, or this version's beside it."""
    if mine == base:
        yield FileUpgrade(name, "replaced", ("you have not edited it",), mine, theirs)
        return
    merged = _with_lines(mine, base or "", theirs) if name == IGNORED else base and merge_texts(mine, base, theirs)
    if merged and _is_sound(name, merged):
        if merged != mine:
            yield FileUpgrade(name, "merged", ("your edits stay",), mine, merged)
        return
    told = f"{name} is edited and stays; take from {name}{BESIDE} what you need, then delete it"
    yield FileUpgrade(f"{name}{BESIDE}", "beside", (told,), mine, theirs)


def _is_sound(name: str, text: str) -> bool:
    """Whether lines that were merged still are YAML, or Python."""
    try:
        if name.endswith(".py"):
            ast.parse(text)
        elif name.endswith(".yaml"):
            yaml.safe_load(text)
    except (SyntaxError, yaml.YAMLError):
        return False
    return True


def _with_lines(mine: str, base: str, theirs: str) -> str:
    """A list of lines with those at its end that are new in this version."""
    known = {*mine.splitlines(), *base.splitlines()}
    new = [line for line in theirs.splitlines() if line not in known and not line.startswith("#")]
    return mine if not new else "".join(f"{line}\n" for line in [*mine.splitlines(), *new])


def _base(folder: Path, name: str) -> str | None:
    """What Leeway itself wrote there last: by an upgrade, or else by `leeway init`. None where nobody knows."""
    path = folder / BASE / name
    return _text(path) if path.exists() else committed_text(folder, name, message=FIRST_COMMIT)


# What comes of it


def _why_it_trains(recorded: str | None, files: Mapping[str, FileUpgrade]) -> str | None:
    if recorded is None:
        return None
    if recorded != __version__:
        return f"its stages depend on {VERSION_FILE}, which says {recorded}, and this is {__version__}"
    if PARAMS in files and _differs(files[PARAMS], "train"):
        return f"the section train of {PARAMS} changes"
    if PIPELINE in files and _differs(files[PIPELINE], "stages", "train"):
        return f"the stage train in {PIPELINE} changes"
    return None


def _differs(file: FileUpgrade, *keys: str) -> bool:
    before, after = yaml.safe_load(file.before), yaml.safe_load(file.after)
    return bool(_inside(before, keys) != _inside(after, keys))


def _inside(content: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _text(path: Path) -> str:
    """The file's text, with plain line ends; empty if there is no file. Raises WorkspaceError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path}: cannot be read ({error}); an upgrade reads it as UTF-8") from error


def _write(path: Path, text: str) -> None:
    """Replace the file; one with the line ends of Windows keeps them."""
    windows = path.exists() and b"\r\n" in path.read_bytes()
    durable.write_text(path, text.replace("\n", "\r\n") if windows else text)
