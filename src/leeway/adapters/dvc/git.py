"""Asks git, and says in one line what it refuses."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from leeway.domain.text import cut
from leeway.errors import WorkspaceError

LONGEST_COMPLAINT = 300  # characters of what git says


def run_git(arguments: Sequence[str], folder: Path) -> str:
    """What git prints, stripped. Raises WorkspaceError."""
    identity = [] if has_identity(folder) else ["-c", "user.name=leeway", "-c", "user.email=leeway@localhost"]
    return ask_git([*identity, *arguments], folder).strip()


def ask_git(arguments: Sequence[str], folder: Path) -> str:
    """What git prints. Raises WorkspaceError."""
    done = _git(arguments, folder)
    if done.returncode:
        lock = folder / ".git" / "index.lock"
        if lock.exists():
            raise WorkspaceError(
                f"{lock} is there: another git command is at work, or was killed; wait for it, or remove the file"
            )
        words = cut(done.stderr or done.stdout, LONGEST_COMPLAINT)
        raise WorkspaceError(f"{folder}: git {_verb(arguments)} failed: {words}")
    return done.stdout


def has_identity(folder: Path) -> bool:
    """Return whether git knows in whose name to commit."""
    return bool(os.environ.get("GIT_AUTHOR_EMAIL")) or _git(["config", "user.email"], folder).returncode == 0


def _verb(arguments: Sequence[str]) -> str:
    """What git is asked to do, behind its own options."""
    return next(word for word in arguments if word != "-c" and "=" not in word)


def _git(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # a look does not get in the way of another git
            stdin=subprocess.DEVNULL,  # nobody is there to be asked for a passphrase
            capture_output=True,
            text=True,
            errors="surrogateescape",  # a file's name need not be text
            check=False,
        )
    except FileNotFoundError:
        raise WorkspaceError("git is not installed, or not on the PATH; a workspace keeps its versions in it") from None
