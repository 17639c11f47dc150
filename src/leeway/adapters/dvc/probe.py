"""Probe: says how a workspace's git repository stands, and where DVC's remotes are. Changes nothing."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from leeway.adapters.dvc.repository import ENVIRONMENT
from leeway.domain.text import without_login
from leeway.errors import WorkspaceError

TIMEOUT_SECONDS = 20  # a status over a slow network drive
UNFINISHED = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
DETACHED = "(detached)"


@dataclass(frozen=True, slots=True)
class GitState:
    """How a git repository stands."""

    branch: str  # empty: no branch, HEAD is detached
    identity: dict[str, str]  # user.name and user.email, as far as they are set
    lock: Path | None  # of a git command that is at work, or was killed
    unfinished: str  # merge, rebase, ...; empty: nothing
    changed: tuple[str, ...]  # files that are not committed, new ones too


@dataclass(frozen=True, slots=True)
class Remotes:
    """DVC's remotes by name, without a login, and which is used if none is named."""

    addresses: dict[str, str]
    usual: str


def read_git(folder: Path) -> GitState:
    """Return how the repository of `folder` stands. Raises WorkspaceError with git's own words."""
    inside = Path(_run(["git", "rev-parse", "--absolute-git-dir"], folder).strip())
    # Without the option git brings its index up to date, which is a write.
    status = _run(["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z"], folder)
    branch, changed = _parse_status(status.split("\0"))
    lock = inside / "index.lock"
    return GitState(
        branch="" if branch == DETACHED else branch,
        identity=_identity(folder),
        lock=lock if lock.exists() else None,
        unfinished=next((what for name, what in UNFINISHED.items() if (inside / name).exists()), ""),
        changed=tuple(changed),
    )


def read_remotes(folder: Path) -> Remotes:
    """Return the remotes of all of DVC's configuration files. Raises WorkspaceError with DVC's own words."""
    lines = _run([sys.executable, "-m", "dvc", "config", "--list"], folder).splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    addresses = {
        name.removeprefix("remote.").removesuffix(".url"): without_login(value)
        for name, value in settings.items()
        if name.startswith("remote.") and name.endswith(".url")
    }
    return Remotes(addresses, settings.get("core.remote", ""))


def _parse_status(entries: list[str]) -> tuple[str, list[str]]:
    """(branch, changed files) of `git status --porcelain=v2 -z`; after a renamed file comes its old name."""
    branch, changed, rest = "", list[str](), iter(entries)
    for entry in rest:
        kind, _, value = entry.partition(" ")
        if entry.startswith("# branch.head "):
            branch = entry.removeprefix("# branch.head ")
        elif kind == "?":
            changed.append(value)
        elif kind in ("1", "2", "u"):
            changed.append(entry.split(" ", {"1": 8, "2": 9, "u": 10}[kind])[-1])
            if kind == "2":
                next(rest, None)
    return branch, changed


def _identity(folder: Path) -> dict[str, str]:
    done = _start(["git", "config", "--get-regexp", r"^user\.(name|email)$"], folder)  # fails where neither is set
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs}


def _run(command: list[str], folder: Path) -> str:
    done = _start(command, folder)
    if done.returncode:
        name = "dvc config" if "dvc" in command else f"git {next(one for one in command[1:] if one[0] != '-')}"
        raise WorkspaceError(f"{folder}: {name} failed: {' '.join((done.stderr or done.stdout).split())}")
    return done.stdout


def _start(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    settings = {"capture_output": True, "text": True, "errors": "surrogateescape", "timeout": TIMEOUT_SECONDS}
    try:
        return subprocess.run(command, cwd=folder, env={**os.environ, **ENVIRONMENT}, check=False, **settings)  # type: ignore[call-overload,no-any-return]
    except FileNotFoundError:
        raise WorkspaceError(f"{command[0]} is not installed, or not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise WorkspaceError(f"{folder}: {command[0]} did not answer within {TIMEOUT_SECONDS} s") from None
