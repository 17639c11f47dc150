"""Dataset versions of the past: out of the history of dvc.lock in git, DVC's run cache, and the files DVC keeps."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from leeway.adapters.dvc.git import run_git
from leeway.domain.text import by_number
from leeway.errors import DataError, WorkspaceError

DATASET = "data/dataset"  # what the stage `prepare` makes, as dvc.lock names it
SHOWN = 12  # versions in an error
Files = Mapping[str, Path]  # name in data/dataset: where its content is


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A dataset version whose files are here."""

    digest: str
    where: str  # in words: the commit that holds it
    files: Files


def current_version(workspace: Path) -> DatasetVersion:
    """What `dvc repro` made last. Raises DataError if there is none."""
    folder = workspace / DATASET
    files = {path.name: path for path in folder.glob("*") if path.is_file()}
    return DatasetVersion(_digest(files, folder), "now in data/dataset", files)


def find_version(workspace: Path, prefix: str) -> DatasetVersion:
    """The version whose digest begins so. Raises DataError, which lists the known ones."""
    versions, lost = _known(workspace)
    found = [one for one in versions if one.digest.startswith(prefix.lower())]
    if len(found) == 1:
        return found[0]
    listed = "".join(f"\n  {one.digest[:12]}  {one.where}" for one in (found or versions)[:SHOWN])
    more = len(found or versions) - SHOWN
    told = f"{len(found)} dataset versions begin with '{prefix}'" if found else f"no dataset version '{prefix}' is here"
    are, fetch = by_number(lost, "is", "are"), f"dvc fetch --all-commits {DATASET}"
    absent = f"\n{lost} more {are} not in DVC's cache; to fetch them: {fetch}" if lost else ""
    raise DataError(f"{told}; known:{listed or ' none'}{f' and {more} more' if more > 0 else ''}{absent}")


def _known(workspace: Path) -> tuple[list[DatasetVersion], int]:
    """Each version once, the current one first, then newest first; and how many are known by their hash only."""
    found: dict[str, DatasetVersion] = {}
    if (workspace / DATASET / "dataset.json").exists():
        now = current_version(workspace)
        found[now.digest] = now
    cache, lost = _cache(workspace), 0
    places: dict[str, str] = {}
    for hashed, where in [*_committed(workspace), *_run(cache)]:
        places.setdefault(hashed, where)
    for hashed, where in places.items():
        files = _kept(cache, hashed)
        lost += files is None
        if files is not None:
            digest = _digest(files, cache)
            found.setdefault(digest, DatasetVersion(digest, where, files))
    return list(found.values()), lost


def _committed(workspace: Path) -> Iterator[tuple[str, str]]:
    """(DVC's hash, commit in words), newest first. Nothing where git has no commit of dvc.lock."""
    try:
        log = run_git(["log", "--format=%H%x09%h of %as: %s", "--", "dvc.lock"], workspace)
    except WorkspaceError:  # no repository, or an empty one
        return
    for line in log.splitlines():
        commit, _, where = line.partition("\t")
        try:
            lock = yaml.safe_load(run_git(["show", f"{commit}:./dvc.lock"], workspace))
        except (WorkspaceError, yaml.YAMLError):  # deleted in this commit, or committed with conflict marks
            continue
        yield from ((hashed, where) for hashed in _outs(lock.get("stages", {}).get("prepare")))


def _run(cache: Path) -> Iterator[tuple[str, str]]:
    """(DVC's hash, when it was made), newest first: runs that nobody committed are remembered in the run cache."""
    runs = sorted((cache / "runs").glob("*/*/*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in runs:
        try:
            stage = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError):  # pushed by another DVC, or half written
            continue
        yield from ((hashed, "made here, not committed") for hashed in _outs(stage))


def _outs(stage: Any) -> Iterator[str]:
    outs = stage.get("outs", []) if isinstance(stage, dict) else []
    yield from (out["md5"] for out in outs if out.get("path") == DATASET and "md5" in out)


def _cache(workspace: Path) -> Path:
    """Where DVC keeps content. Raises WorkspaceError."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    if done.returncode:
        told = " ".join(done.stderr.split()).removeprefix("ERROR: ")
        raise WorkspaceError(f"{workspace}: older dataset versions are in DVC's cache, which cannot be found: {told}")
    return workspace / done.stdout.strip()


def _kept(cache: Path, hashed: str) -> Files | None:
    """The files of a folder in the cache (files/md5/ab/cdef..., as DVC documents it); None if one is missing."""
    try:
        listing = json.loads(_place(cache, hashed).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    files = {one["relpath"]: _place(cache, one["md5"]) for one in listing}
    return files if all(path.exists() for path in files.values()) else None


def _place(cache: Path, hashed: str) -> Path:
    return cache / "files" / "md5" / hashed[:2] / hashed[2:]


def _digest(files: Files, place: Path) -> str:
    try:
        return str(json.loads(files["dataset.json"].read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{place}: no dataset version; run `dvc repro prepare`, or `dvc checkout`") from None
