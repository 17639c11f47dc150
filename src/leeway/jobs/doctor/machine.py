"""Machine: room on its disks, and its clock."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from leeway.checks.policy import load_policy
from leeway.errors import LeewayError
from leeway.jobs.doctor.diagnosis import Diagnosis, Patient, Surroundings, fail, not_used, ok, warn
from leeway.stores.probe import read_database

LOW = 5 * 2**30  # bytes: under it a new dataset version with a training's checkpoints may not fit
OUT = 2**28  # bytes: under it a night's rows and images may not
YEARS = range(2026, 2100)  # before its first release no leeway ran; a clock that lost its battery says 1970 or 2000
SLACK = timedelta(minutes=5)  # between the clocks of two machines
WITNESSES = (
    "params.yaml",
    "dvc.lock",
    "monitoring/policy.yaml",
    ".git/index",
    ".leeway-ledger/id",
    ".leeway/leeway.db",
)
SET = "set the clock of this machine (timedatectl set-ntp true)"


def disk(patient: Patient) -> Iterator[Diagnosis]:
    """Is there room for the workspace, production's images and temporary files, and may they be written?"""
    places = {"the workspace": patient.folder, "the images": patient.settings.images}
    yield from _disk(patient.surroundings, places)


def temporary_disk(around: Surroundings) -> Iterator[Diagnosis]:
    """Is there room for temporary files? For a folder that is no workspace."""
    yield from _disk(around, {})


def year(around: Surroundings) -> Iterator[Diagnosis]:
    """Is the clock's year a possible one?"""
    yield _year(around.now) or ok("clock", f"{_utc(around.now)}")


def clock(patient: Patient) -> Iterator[Diagnosis]:
    """Is its year a possible one, and is it later than everything that was written here?"""
    now = patient.now
    if wrong := _year(now):
        yield wrong
        return
    file, written = max(_written(patient.folder).items(), key=lambda item: item[1], default=("", now))
    if written > now + SLACK:
        found = f"it is {_utc(now)} by the clock of this machine, and {file} was written at {_utc(written)}"
        yield warn("clock", found, f"{SET}, or touch the file if it came from elsewhere")
        return
    yield ok("clock", f"{_utc(now)}{_local(patient)}; no file here is later")


def records(patient: Patient) -> Iterator[Diagnosis]:
    """Is it later than everything that was recorded in the database, by whatever clock?"""
    recorded = read_database(patient.settings.database_url).recorded
    what, when = max(recorded.items(), key=lambda item: item[1], default=("", patient.now))
    if when > patient.now + SLACK:
        found = f"{what} was recorded at {_utc(when)}, and by the clock of this machine it is {_utc(patient.now)}"
        yield fail("records", found, f"{SET}; if the records are wrong, leeway reopen --from DATE takes nights back")
    elif recorded:
        yield ok("records", f"{what} was recorded last, at {_utc(when)}: before the time of this machine's clock")
    else:
        yield not_used("records", "nothing is recorded yet")


def _disk(around: Surroundings, wanted: dict[str, Path]) -> Iterator[Diagnosis]:
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield fail("disk", f"there is no folder for temporary files: {error.strerror}", "set TMPDIR to one with room")
        temporary = None
    places = {**wanted, **({"temporary files": temporary} if temporary else {})}
    disks: dict[int, tuple[str, Path]] = {}
    for what, place in places.items():
        there = next(one for one in (place, *place.parents) if one.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            problem = "may not be written" if there.is_dir() else "is no folder"
            yield fail("disk", f"{there}, for {what}, {problem}", f"mend it, or give another place for {what}")
            continue
        known = disks.get(there.stat().st_dev)
        disks[there.stat().st_dev] = (f"{known[0]}, {what}", known[1]) if known else (what, there)
    for what, place in disks.values():
        yield _room(what, place, around.free_bytes(place))


def _room(what: str, place: Path, free: int) -> Diagnosis:
    found = f"{free / 2**30:,.1f} GiB free for {what}"
    if free >= LOW:
        return ok("disk", found)
    mend = f"make room on the disk of {place}; `dvc gc --workspace` drops data of versions that are not used"
    return (fail if free < OUT else warn)("disk", f"only {found}", mend)


def _year(now: datetime) -> Diagnosis | None:
    return None if now.year in YEARS else fail("clock", f"the clock of this machine says {_utc(now)}", SET)


def _written(folder: Path) -> dict[str, datetime]:
    paths = {name: folder / name for name in WITNESSES}
    return {name: datetime.fromtimestamp(path.stat().st_mtime, UTC) for name, path in paths.items() if path.is_file()}


def _local(patient: Patient) -> str:
    try:
        zone = load_policy(patient.settings.policy_path).time_zone
    except LeewayError:
        return ""
    return "" if zone == "UTC" else f", {patient.now.astimezone(ZoneInfo(zone)):%H:%M} in {zone}, whose nights count"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
