"""Environment: Python, leeway, the packages beside it and the variables that it reads."""

import difflib
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from leeway.errors import first_few
from leeway.jobs.doctor.diagnosis import Diagnosis, Installed, Patient, Surroundings, fail, not_used, ok, warn
from leeway.settings import Settings
from leeway.version import __version__

EXTRAS = ("train", "pipeline", "report", "postgres", "warehouse")
PREFIX = "LEEWAY_"
TORCH_TO_TORCHVISION = 15  # torch 2.N is built with torchvision 0.(N + 15): pytorch.org's table of versions
RUNS_STAGES = "python"  # as dvc.yaml writes it


def python(around: Surroundings) -> Iterator[Diagnosis]:
    """Is this Python one that leeway runs on, and the one that `dvc repro` would find?"""
    version, wanted = platform.python_version(), around.installed.requires_python
    here = Path(sys.executable)
    if wanted and not SpecifierSet(wanted).contains(version, prereleases=True):
        yield fail("python", f"Python {version}, and leeway needs {wanted}", "make an environment with a newer Python")
        return
    found = shutil.which(RUNS_STAGES, path=around.environment.get("PATH", ""))
    if found is None or Path(found).parent.resolve() != here.parent.resolve():
        other = f"on the PATH is {found}: `dvc repro` by hand runs that one" if found else "none is on the PATH"
        activate = here.parent / "activate"
        mend = f"source {activate}" if activate.exists() else f"put {here.parent} first on the PATH"
        yield warn("python", f"Python {version} at {here}, but {other}", mend)
        return
    yield ok("python", f"Python {version} at {here}")


def packages(around: Surroundings) -> Iterator[Diagnosis]:
    """Are the packages of the base and of each extra installed, within the versions that leeway supports?"""
    version = around.installed.version_of("leeway")
    if version is None:
        yield warn("leeway", f"leeway {__version__} is not installed as a package", "pip install leeway")
        return
    yield ok("leeway", f"leeway {version}")
    wanted = [Requirement(line) for line in around.installed.requires_of("leeway")]
    base = [one for one in wanted if _is_of(one, "")]
    yield _judge("packages", base, around.installed, install="leeway")
    known = {one.name for one in base}
    for extra in EXTRAS:
        own = [one for one in wanted if _is_of(one, extra) and one.name not in known]
        if own:
            yield _judge(f"packages for {extra}", own, around.installed, install=f"leeway[{extra}]", may_lack=True)


def torch(around: Surroundings) -> Iterator[Diagnosis]:
    """Were the installed torch and torchvision built for each other? Another pair does not import."""
    versions = {name: around.installed.version_of(name) for name in ("torch", "torchvision")}
    there = {name: version for name, version in versions.items() if version}
    named = " and ".join(f"{name} {version}" for name, version in there.items())
    if not there:
        yield not_used("torch", "torch is not installed: nothing is trained here", "pip install 'leeway[train]'")
    elif len(there) == 1:
        yield fail("torch", f"{named} is installed without its other half", "pip install -U 'leeway[train]'")
    elif reason := _mismatch(around.installed, Version(there["torch"]), Version(there["torchvision"])):
        yield fail("torch", f"{named} do not belong together: {reason}", "pip install -U torch torchvision")
    else:
        yield ok("torch", f"{named} were built for each other")


def variables(around: Surroundings) -> Iterator[Diagnosis]:
    """Does leeway read every LEEWAY_ variable that is set? One that is misspelt does nothing, without a word."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = sorted(name for name in around.environment if name.startswith(PREFIX))
    unknown = [name for name in given if name not in known]
    if unknown:
        near = {name: difflib.get_close_matches(name, known, n=1) for name in unknown}
        hints = [f"{name} (did you mean {near[name][0]}?)" if near[name] else name for name in unknown]
        yield warn("variables", f"nothing reads {first_few(hints)}", f"unset them, or set one of {', '.join(known)}")
    elif given:
        yield ok("variables", f"{first_few(given, len(known))} {'is' if len(given) == 1 else 'are'} set")
    else:
        yield ok("variables", f"no {PREFIX}* variable is set: every address is the usual one")


def recorded_version(patient: Patient) -> Iterator[Diagnosis]:
    """Was the last `dvc repro` run by this version? If not, the next one trains again."""
    path = patient.folder / ".leeway-version"
    if not path.exists():
        return
    recorded = path.read_text(encoding="utf-8", errors="replace").strip()
    if recorded != __version__:
        found = f"the last `dvc repro` ran with leeway {recorded}, and this is {__version__}: the next one trains again"
        yield warn("last run", found, "leeway upgrade, then dvc repro; or install the version that it ran with")
    else:
        yield ok("last run", f"the last `dvc repro` ran with leeway {recorded}, as is installed")


def _judge(
    name: str, wanted: Sequence[Requirement], installed: Installed, *, install: str, may_lack: bool = False
) -> Diagnosis:
    versions = {one.name: installed.version_of(one.name) for one in wanted}
    missing = [name for name, version in versions.items() if version is None]
    outside = [
        f"{one.name} {versions[one.name]} ({_bounds(one)} is supported)"
        for one in wanted
        if versions[one.name] is not None and not _is_within(versions[one.name], one.specifier)
    ]
    mend = f"pip install -U '{install}'"
    if outside:
        return fail(name, f"{first_few(outside)}", mend)
    if missing and not may_lack:
        return fail(name, f"not installed: {first_few(missing)}", mend)
    if len(missing) == len(versions):
        return not_used(name, f"not installed: {first_few(missing, len(missing))}", mend)
    if missing:
        return warn(name, f"not installed: {first_few(missing)}; the other {len(versions) - len(missing)} are", mend)
    return ok(name, f"{_listed(versions)}: each within what is supported")


def _listed(versions: dict[str, str | None]) -> str:
    return first_few([f"{name} {version}" for name, version in versions.items()], most=4)


def _is_of(requirement: Requirement, extra: str) -> bool:
    """Whether it is one of this extra; of the base if the extra is empty."""
    marker = requirement.marker
    if marker is None:
        return not extra
    return marker.evaluate({"extra": extra}) and (not extra or not marker.evaluate({"extra": ""}))


def _bounds(requirement: Requirement) -> str:
    return ",".join(sorted(map(str, requirement.specifier), reverse=True))


def _is_within(version: str | None, bounds: SpecifierSet) -> bool:
    try:
        return version is not None and bounds.contains(version, prereleases=True)
    except InvalidVersion:
        return False


def _mismatch(installed: Installed, first: Version, second: Version) -> str:
    """Why this torch and this torchvision are no pair; empty if they are."""
    wanted = [Requirement(line) for line in installed.requires_of("torchvision")]
    for one in wanted:
        if one.name == "torch" and first not in one.specifier:
            return f"torchvision {second} needs torch {_bounds(one)}"
    if first.major == 2 and second.major == 0 and second.minor != first.minor + TORCH_TO_TORCHVISION:
        return f"torch 2.{first.minor} goes with torchvision 0.{first.minor + TORCH_TO_TORCHVISION}"
    if first.local and second.local and first.local != second.local:
        return f"one is built for {first.local}, the other for {second.local}"
    return ""
