"""Merging: what a commit of old holds, and a three-way merge of texts, both by git."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from leeway.errors import WorkspaceError


def committed_text(folder: Path, name: str, *, message: str) -> str | None:
    """Return the file as the first commit with this message holds it; None where there is no such commit or file."""
    found = _git(["log", "--format=%H", "--fixed-strings", f"--grep={message}", "--", name], folder)
    if found.returncode or not found.stdout.strip():
        return None
    shown = _git(["show", f"{found.stdout.split()[-1]}:./{name}"], folder)
    return None if shown.returncode else shown.stdout


def merge_texts(mine: str, base: str, theirs: str) -> str | None:
    """Return `mine` with what has changed from `base` to `theirs`; None if both change the same lines."""
    with TemporaryDirectory() as folder:
        names = ("mine", "base", "theirs")
        for name, text in zip(names, (mine, base, theirs), strict=True):
            (Path(folder) / name).write_text(text, encoding="utf-8", newline="")
        merged = _git(["merge-file", "--stdout", *names], Path(folder))
    return None if merged.returncode else merged.stdout


def _git(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise WorkspaceError("git is not installed, or not on the PATH; a workspace keeps its versions in it") from None
