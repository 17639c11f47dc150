"""Commits what made a model version: the pipeline's files as they were used, and nothing else that is changed."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leeway.adapters.dvc.git import ask_git, has_identity, run_git
from leeway.domain.commit import Commit
from leeway.errors import WorkspaceError

# What made a dataset version and a model; what of it lies in these folders and is ignored is DVC's, or nobody's.
PIPELINE = (
    *("params.yaml", "monitoring/policy.yaml", "dvc.yaml", "dvc.lock", ".leeway-version"),
    *("data/feedback", "models/start", "must_pass", "reports/metrics.json"),
)
CODE = "src"  # of the clone; a workspace has none, and names the version of Leeway in .leeway-version
SHARD = ".parquet"  # holds customers' images: DVC's, also where an old .gitignore does not say so
NAMED = 4  # files in a sentence
BY_LEEWAY = "LEEWAY_COMMITS"  # set where Leeway itself runs DVC: it commits afterwards, and nobody has to be told
IDENTITY = (
    "git does not know who you are, so the commit is in the name of leeway: "
    'git config --global user.name "YOUR NAME" && git config --global user.email "YOU@EXAMPLE.COM"'
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths that differ from the last commit; the index counts as well."""

    pipeline: tuple[str, ...]
    code: tuple[str, ...]
    others: tuple[str, ...]  # files that git knows; new ones are nobody's concern


def changes(folder: Path) -> Changes:
    """Return what is not committed in the repository whose root is `folder`. Raises WorkspaceError."""
    made = _changed(folder, ["--untracked-files=all"], PIPELINE)
    pipeline = sorted((path for path in made if not path.endswith(SHARD)), key=_rank)
    code = _changed(folder, ["--untracked-files=all"], [CODE])
    known = _changed(folder, ["--untracked-files=no"], ["."])
    return Changes(tuple(pipeline), tuple(code), tuple(path for path in known if path not in {*pipeline, *code}))


def commit_pipeline(folder: Path, message: str, *, only_if_clean: bool) -> Commit:
    """Commit the pipeline's files, if they are what the last `dvc repro` worked with.

    `only_if_clean`: not while other files that git knows are changed, for these are somebody's work.
    Raises WorkspaceError if git or DVC cannot be asked, or git refuses.
    """
    found, stale = changes(folder), changed_since_repro(folder)
    head = _head(folder)
    if stale:
        why = f"`dvc repro` ran before {_some(stale)} changed; run it again, then `leeway release`"
        return Commit(head, lacks=f"what made it: {_some(stale)} changed since", remarks=(f"not committed: {why}",))
    code = _some(found.code)
    if not found.pipeline:
        return Commit(head, lacks=code, remarks=_detached(folder, head))
    if only_if_clean and (found.code or found.others):
        first = f"commit {_some([*found.code, *found.others])} first, or stash it"
        why = f"not committed: {first}; then: {command(found.pipeline, message.splitlines()[0])}"
        return Commit(head, lacks=_some([*found.pipeline, *found.code]), remarks=(why,))
    run_git(["add", "--", *found.pipeline], folder)
    note = f"\nNot in this commit, though it was in use: {code}\n" if code else ""
    run_git(["commit", "--quiet", "--only", "-m", message + note, "--", *found.pipeline], folder)
    head = _head(folder)
    remarks = [f"commit {head[:12]} lacks {code}, which was in use: commit it, too"] if code else []
    remarks += [] if has_identity(folder) else [IDENTITY]
    return Commit(head, is_new=True, lacks=code, remarks=(*remarks, *_detached(folder, head)))


def advice(folder: Path, subject: str) -> str | None:
    """Return what to type to commit what a `dvc repro` of `folder` made; None if there is nothing, or no git."""
    if BY_LEEWAY in os.environ or not (folder / ".git").exists():
        return None
    try:
        made = changes(folder).pipeline
    except WorkspaceError:
        return None
    if not made:
        return None
    typed = command(dict.fromkeys([*made, "dvc.lock"]), subject)  # DVC writes dvc.lock when the stage is over
    return f"`leeway release` commits what made this model; to commit it without: {typed}"


def command(paths: Iterable[str], subject: str) -> str:
    """Return what to type to commit these files."""
    return f"git add {shlex.join(paths)} && git commit -m {shlex.quote(subject)}"


def changed_since_repro(folder: Path) -> list[str]:
    """Return what `dvc status` finds otherwise than the last `dvc repro` left it. Raises WorkspaceError."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"],
        cwd=folder,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        words = " ".join(done.stderr.split()).removeprefix("ERROR: ")
        raise WorkspaceError(f"{folder}: dvc status failed: {words}") from None
    return list(dict.fromkeys(name for stage, entries in found.items() for name in _stale(stage, entries)))


def _stale(stage: str, entries: Sequence[Any]) -> Iterator[str]:
    """Name what differs: a file, and of a file of params the keys."""
    for entry in entries:
        if isinstance(entry, dict):
            for path, how in (pair for paths in entry.values() for pair in paths.items()):
                yield f"{path} ({', '.join(how)})" if isinstance(how, dict) else path
        elif entry != "always changed":  # `gather` looks at the source itself
            yield f"the command of {stage} in dvc.yaml"


def _changed(folder: Path, options: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Paths that differ from HEAD, also deleted ones; ignored ones are none."""
    told = ask_git(["status", "--porcelain", "-z", "--no-renames", *options, "--", *paths], folder)
    return [entry[3:] for entry in told.split("\0") if entry]


def _rank(path: str) -> int:
    """Where the path stands in PIPELINE: what people write comes first."""
    return next(rank for rank, name in enumerate(PIPELINE) if f"{path}/".startswith(f"{name}/"))


def _head(folder: Path) -> str:
    try:
        return run_git(["rev-parse", "--verify", "--quiet", "HEAD"], folder)
    except WorkspaceError:  # nothing was ever committed
        return ""


def _detached(folder: Path, head: str) -> tuple[str, ...]:
    try:
        run_git(["symbolic-ref", "--quiet", "HEAD"], folder)
    except WorkspaceError:
        return (f"HEAD is detached, so that no branch keeps commit {head[:12]}: git branch NAME {head[:12]}",)
    return ()


def _some(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")
