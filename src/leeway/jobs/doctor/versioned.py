"""Versioned: the git repository in which a workspace's versions are kept, and where DVC keeps their data."""

import importlib.util
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leeway.adapters.dvc.probe import GitState, Remotes, read_git, read_remotes
from leeway.domain.text import counted
from leeway.errors import first_few
from leeway.jobs.doctor.diagnosis import Diagnosis, Patient, fail, ok, warn

AT_WORK = timedelta(minutes=1)  # no git command of a workspace takes longer
IDENTITY = ("user.name", "user.email")
ADD = "dvc remote add -d NAME ADDRESS && git commit -m 'a DVC remote' .dvc/config && dvc push"


def git(patient: Patient) -> Iterator[Diagnosis]:
    """Can versions be committed: by whom, onto which branch, and does anything stand in the way?"""
    for name, command in ((".git", "git init"), (".dvc", "dvc init")):
        if not (patient.folder / name).exists():
            found = f"{patient.folder} has no {name}, and dataset versions are kept in it"
            yield fail("git", found, f"{command}, or leeway init DIR for a new workspace")
            return
    state = read_git(patient.folder)
    yield _identity(state)
    yield from _branch(state, patient.now)
    yield _tree(state)


def remote(patient: Patient) -> Iterator[Diagnosis]:
    """Do the images and models lie anywhere else than on this disk?"""
    if importlib.util.find_spec("dvc") is None:
        yield fail("dvc remote", "DVC is not installed, and the pipeline needs it", "pip install 'leeway[pipeline]'")
        return
    found = read_remotes(patient.folder)
    if not found.addresses:
        yield warn("dvc remote", "none is configured: images, models and their versions lie on this disk only", ADD)
        return
    if found.usual not in found.addresses:
        named = f"'{found.usual}' is the default remote and is not configured" if found.usual else "none is the default"
        known = first_few(sorted(found.addresses))
        yield fail("dvc remote", f"{named}; configured: {known}", f"dvc remote default {min(found.addresses)}")
        return
    yield _judge(found, patient.folder)


def _identity(state: GitState) -> Diagnosis:
    missing = [name for name in IDENTITY if not state.identity.get(name)]
    if missing:
        mend = " && ".join(f"git config {name} {'NAME' if name == 'user.name' else 'ADDRESS'}" for name in missing)
        return warn("git identity", f"{' and '.join(missing)} not set: commits are made in the name of leeway", mend)
    return ok("git identity", f"commits are made by {state.identity['user.name']} <{state.identity['user.email']}>")


def _branch(state: GitState, now: datetime) -> Iterator[Diagnosis]:
    if state.lock is not None:
        age = now - datetime.fromtimestamp(state.lock.stat().st_mtime, UTC)
        found = f"{state.lock} is there: a git command is at work, or was killed; until it is gone nothing is committed"
        judged = fail if age > AT_WORK else warn
        yield judged("git branch", found, f"if no git is at work: rm {state.lock}")
    elif state.unfinished:
        found = f"a {state.unfinished} is unfinished, and until it is over no dataset version is committed"
        yield fail("git branch", found, f"git {state.unfinished} --continue, or git {state.unfinished} --abort")
    elif not state.branch:
        found = "HEAD is detached: the commits of dataset versions belong to no branch and may be lost"
        yield warn("git branch", found, "git switch main, or git switch -c NAME")
    else:
        yield ok("git branch", f"on branch {state.branch}")


def _tree(state: GitState) -> Diagnosis:
    if not state.changed:
        return ok("git tree", "everything is committed")
    number = counted(len(state.changed), "file")
    found = f"{number} {'is' if len(state.changed) == 1 else 'are'} not committed: {first_few(state.changed)}"
    return warn("git tree", found, "git add the ones that belong to it, then git commit; .gitignore names the others")


def _judge(remotes: Remotes, folder: Path) -> Diagnosis:
    address, name = remotes.addresses[remotes.usual], remotes.usual
    if "://" in address:
        return ok("dvc remote", f"{name} at {address}; it was not asked")
    path = Path(address)
    there = next(one for one in (path, *path.parents) if one.exists())  # DVC makes the folder with the first push
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        found = f"{name} at {path} cannot be written" + ("" if there == path else f", since {there} cannot")
        return fail("dvc remote", found, f"mend the permissions of {there}, or dvc remote modify {name} url ADDRESS")
    if there != path and there != path.parent:
        found = f"{name} at {path} is not there, nor is its folder: is the drive mounted?"
        return fail("dvc remote", found, f"mount it, or dvc remote modify {name} url ADDRESS")
    if there.stat().st_dev == folder.stat().st_dev:
        found = f"{name} at {path} is on the same disk as the workspace: what happens to it happens to both"
        return warn("dvc remote", found, f"dvc remote modify {name} url ADDRESS of another disk or machine")
    return ok("dvc remote", f"{name} at {path}, on another disk, can be written")
