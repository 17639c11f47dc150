"""Examine: looks at everything that a workspace needs, in order. A check that raises is itself a finding."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from leeway.domain.text import counted
from leeway.errors import LeewayError, WorkspaceError, in_one_line
from leeway.jobs.doctor import databases, environment, files, logs, machine, night, versioned
from leeway.jobs.doctor.diagnosis import (
    Diagnosis,
    Examination,
    Health,
    Patient,
    Surroundings,
    fail,
    not_used,
    ok,
    read_installed,
)
from leeway.monitor.fleet import known_from_files, trains
from leeway.settings import Settings, read_settings
from leeway.workspace import open_workspace

Subject = TypeVar("Subject", Surroundings, Patient)
Checks = Mapping[str, Callable[[Subject], Iterator[Diagnosis]]]

OF_ENVIRONMENT: Checks[Surroundings] = {
    "python": environment.python,
    "packages": environment.packages,
    "torch": environment.torch,
    "variables": environment.variables,
}
OUTSIDE: Checks[Surroundings] = {"disk": machine.temporary_disk, "clock": machine.year}
OF_TRAINING: Checks[Patient] = {
    "params": files.params,
    "policy": files.policy,
    "pipeline": files.pipeline,
    "stages": files.missing_stages,
    "last run": environment.recorded_version,
    "git": versioned.git,
    "dvc remote": versioned.remote,
    "registry": databases.registry,
}
OF_WATCHING: Checks[Patient] = {"policy": files.policy}
OF_EVERY: Checks[Patient] = {"disk": machine.disk, "clock": machine.clock, "prefect": night.prefect}
NO_PIPELINE = "this folder trains no model: params, pipeline, git, DVC and MLflow are not looked at"
UNREAD = "not looked at: it stands in the database, which cannot be read (`ledger`)"
NO_WORKSPACE = "leeway init DIR makes one that trains, leeway watch init NAME --reference FILE one that only watches"
REFUSED = {  # what mends a part whose outer system refuses to be asked
    "git": "git status in the workspace says more; git clone brings a damaged repository back",
    "dvc remote": "dvc config --list in the workspace says more",
    "registry": "see to MLflow, or mend LEEWAY_MLFLOW_URI",
    "ledger": "see to the database, or mend LEEWAY_DATABASE_URL",
    "prefect": "see to the Prefect server, or mend PREFECT_API_URL or Prefect's profile",
}
BUG = "this is a bug of Leeway: report it with this line"


def read_surroundings(now: datetime) -> Surroundings:
    """Return what is around this process: its packages, its disks, and the workspace it is in, if it is in one."""
    try:
        settings = read_settings()
    except WorkspaceError:
        settings = None
    folder = settings.workspace if settings else Settings().workspace.resolve()
    return Surroundings(folder, now, os.environ, read_installed(), lambda path: shutil.disk_usage(path).free, settings)


def examine(around: Surroundings, *, send: bool = False) -> Examination:
    """Look at each part, in order; outside of a workspace at the environment alone.

    Writes nothing. `send`: each alert channel is sent a test.
    """
    found = _all(OF_ENVIRONMENT, around)
    if around.settings is None:
        where = f"{around.folder} is no workspace: only the environment was looked at"
        found += [not_used("workspace", where, NO_WORKSPACE), *_all(OUTSIDE, around)]
    else:
        with open_workspace(around.settings, reading=True) as workspace:
            found += _of_workspace(Patient(around, workspace), send=send)
    return Examination(tuple(found), failed=sum(one.status is Health.FAIL for one in found))


def _of_workspace(patient: Patient, *, send: bool) -> Iterator[Diagnosis]:
    trained, watched = trains(patient.settings), known_from_files(patient.settings)
    yield ok("workspace", f"{patient.folder}: {_what_it_does(patient, trained=trained, watched=len(watched))}")
    yield from _all(OF_TRAINING if trained else OF_WATCHING, patient)
    if not trained:
        yield not_used("pipeline", NO_PIPELINE)
    ledger = _looked("ledger", databases.ledger, patient)
    yield from ledger
    of_stores: Checks[Patient] = {
        **({"champion": databases.champion} if trained else {}),
        "log": databases.prediction_log,
        "schedule": night.schedule,
        logs.NAME: logs.logs_elsewhere,
        "outbox": night.outbox,
        "records": machine.records,
    }
    if all(one.status in (Health.OK, Health.NOT_USED) for one in ledger):
        yield from _all(of_stores, patient)
    else:
        yield from (not_used(name, UNREAD) for name in of_stores)
    yield from _looked("channels", night.send_test if send else night.channels, patient)
    yield from _all(OF_EVERY, patient)


def _what_it_does(patient: Patient, *, trained: bool, watched: int) -> str:
    if not trained:
        return f"watches {counted(watched, 'model')} from files, and trains none"
    return f"trains {patient.settings.model}" + (
        f", and watches {counted(watched, 'model')} from files" if watched else ""
    )


def _all(checks: Checks[Subject], subject: Subject) -> list[Diagnosis]:
    return [one for name, look in checks.items() for one in _looked(name, look, subject)]


def _looked(name: str, look: Callable[[Subject], Iterator[Diagnosis]], subject: Subject) -> list[Diagnosis]:
    """What the check found, up to where it raised something, which is a failure of what it looked at."""
    found = list[Diagnosis]()
    try:
        found += look(subject)
    except LeewayError as error:
        found.append(fail(name, str(error), REFUSED.get(name, "mend what it names")))
    except Exception as error:  # also what nobody thought of is a finding, and the others are looked at
        found.append(fail(name, f"it could not be looked at: {in_one_line(error)}", BUG))
    return found
