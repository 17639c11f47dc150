"""Makes a workspace: the template's files, a git and a DVC repository."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import leeway
from leeway import durable
from leeway.adapters.dvc.git import run_git
from leeway.adapters.dvc.repository import run_dvc
from leeway.data.items import IMAGE_EXTENSIONS
from leeway.errors import WorkspaceError

TEMPLATE = ("params.yaml", "dvc.yaml", "docs/params.md", "monitoring", "flows")
KEPT_FOLDERS = ("data/feedback", "models/start", "must_pass")  # DVC refuses a dependency that is not there
FIRST_COMMIT = "A workspace, as leeway init makes it"  # `leeway upgrade` finds by it what was written then
VERSION_FILE = ".leeway-version"  # what stages depend on instead of the code, which a workspace does not have
DVC_CONFIG = """\
[core]
    analytics = false
    check_update = false
    autostage = true
"""
IGNORED = """\
# state of this machine: databases, production images, caches
/.leeway/
# DVC keeps these
/data/shards
/data/dataset
/models/bundle
/models/.*
/models/start/champion
/models/start/.champion*
/reports/*
!/reports/metrics.json
# images and tables of labels belong to DVC; what a release must get right is committed, and chosen by you
{images}
!/must_pass/**
/data/feedback/*.parquet
# unfinished writes
/data/**/.*.partial
/data/.*.partial
/data/.*.replaced
/dvc_plots/
__pycache__/
"""


def init_workspace(folder: Path) -> list[str]:
    """Makes a workspace in a new or empty folder; gives the names of what stands in it.

    Raises WorkspaceError, with nothing written, if the folder holds something, or git or DVC is missing.
    """
    if find_spec("dvc") is None:
        raise WorkspaceError("a workspace needs DVC, which is not installed: pip install 'leeway[pipeline]'")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorkspaceError(f"{folder} is not an empty folder; a workspace is made in a new one: leeway init DIR")
    folder = folder.resolve()
    with durable.replacing_folder(folder) as made:
        fill_workspace(made)
        _make_repositories(made)
    return sorted(path.name for path in folder.iterdir() if path.name != ".git")


def init_watching(folder: Path) -> Path:
    """Puts the policy and its runbook into a folder that is no workspace yet; gives the policy's path."""
    path = folder / "monitoring" / "policy.yaml"
    if not path.exists():
        shutil.copytree(template() / "monitoring", path.parent, dirs_exist_ok=True)
        durable.make_folder(folder / ".leeway")
    return path


def fill_workspace(folder: Path) -> None:
    """Write the files of a new workspace of this version into the folder, without its repositories."""
    source = template()
    for name in TEMPLATE:
        found = source / name
        (folder / name).parent.mkdir(exist_ok=True)
        if found.is_dir():
            shutil.copytree(found, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(found, folder / name)
    _depend_on_the_version(folder / "dvc.yaml")
    for name in KEPT_FOLDERS:
        (folder / name).mkdir(parents=True)
        (folder / name / ".gitkeep").touch()
    images = "\n".join(f"*{_in_any_case(ending)}" for ending in IMAGE_EXTENSIONS)
    (folder / ".gitignore").write_text(IGNORED.format(images=images), encoding="utf-8")


def _in_any_case(ending: str) -> str:
    """`.jpg` as a pattern that takes `.JPG`, too: git compares letter by letter."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in ending)


def template() -> Path:
    """Return the folder of the files that a workspace begins with: in the wheel beside the package, a clone's root."""
    package = Path(leeway.__file__).parent
    for found in (package / "template", package.parents[1]):
        if (found / "dvc.yaml").exists():
            return found
    raise WorkspaceError("this installation lacks the template of a workspace; install leeway again")


def _depend_on_the_version(path: Path) -> None:
    """In the clone stages depend on their own code; a workspace without it depends on the installed version instead."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    content: Any = yaml.load(path)
    gather = content["stages"]["gather"]
    gather["cmd"] += f" --record-version {VERSION_FILE}"
    gather["outs"].append({VERSION_FILE: {"cache": False, "persist": True}})
    for name, stage in content["stages"].items():
        kept = [dep for dep in stage.get("deps", []) if not dep.startswith("src/")]
        stage["deps"] = kept if name == "gather" else [*kept, VERSION_FILE]
        if not stage["deps"]:
            del stage["deps"]
    yaml.dump(content, path)


def _make_repositories(folder: Path) -> None:
    run_git(["init", "--quiet"], folder)
    run_dvc(["init", "--quiet"], folder)
    (folder / ".dvc" / "config").write_text(DVC_CONFIG, encoding="utf-8")
    run_git(["add", "--all"], folder)
    run_git(["commit", "--quiet", "-m", FIRST_COMMIT], folder)
