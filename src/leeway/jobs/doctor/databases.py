"""Databases: the ledger with the prediction log, and MLflow's; their revisions, ids, and whether they agree."""

from collections.abc import Iterator

from leeway.adapters.mlflow import probe
from leeway.adapters.mlflow.connection import absence
from leeway.errors import RegistryError
from leeway.jobs.doctor.diagnosis import Diagnosis, Patient, fail, not_used, ok, warn
from leeway.monitor.overview import first_release_text
from leeway.stores.mark import FOLDER, read_mark
from leeway.stores.probe import DatabaseState, known_revisions, read_database
from leeway.stores.schema import SCHEMA_REVISION

SHOWN = 8  # characters of an id
ANEW = f"on purpose delete {FOLDER}"


def ledger(patient: Patient) -> Iterator[Diagnosis]:
    """Can the database be read, is its schema this version's, and is it the one that was used here?"""
    known = read_mark(patient.folder)
    state = read_database(patient.settings.database_url)
    if not state.is_there and known is None:
        yield not_used("ledger", f"{state.place} is not there yet: the first command that writes makes it")
    elif not state.is_there:
        found = f"{state.place} is empty or not there, and the ledger {known} was used here"
        mend = f"copy it back, restore it from a backup, or mend LEEWAY_DATABASE_URL; to begin anew {ANEW}"
        yield fail("ledger", found, mend)
    elif state.revision is None:
        found = f"{state.place} holds tables that Leeway did not make"
        yield fail("ledger", found, "give Leeway a database of its own: LEEWAY_DATABASE_URL")
    elif state.revision != SCHEMA_REVISION:
        yield _of_another_version(state)
    elif known is not None and state.ledger_id != known:
        found = f"{state.place} is another ledger than the one that was used here: {state.ledger_id} instead of {known}"
        yield fail(
            "ledger", found, f"copy the right one back, or mend LEEWAY_DATABASE_URL; to go on with this one {ANEW}"
        )
    else:
        named = f"ledger {(state.ledger_id or '')[:SHOWN]}" + (", as was used here" if known else "")
        yield ok("ledger", f"{state.place}: {named}, schema {state.revision}, which is this version's")


def prediction_log(patient: Patient) -> Iterator[Diagnosis]:
    """Are the files of the prediction log there, as large as they were written?"""
    lost = [one for one in patient.workspace.log.check(quick=True) if one.lost]
    if lost:
        found = f"{lost[0].file} {lost[0].problem}" + (f"; so it is with {len(lost) - 1} more" if len(lost) > 1 else "")
        yield fail("log", found, "copy the file back from a backup; leeway log check names every file that is damaged")
    else:
        yield ok("log", "every file of the prediction log is there; leeway log check compares their content, too")


def registry(patient: Patient) -> Iterator[Diagnosis]:
    """Can MLflow be reached, and is its database of the installed MLflow's version?"""
    uri = patient.settings.mlflow_uri
    if reason := absence(uri):
        yield not_used("registry", f"{reason}: nothing is registered or released here")
        return
    state, known = probe.read_registry(uri), probe.revisions()
    if not state.is_there:
        yield not_used("registry", f"MLflow's database {state.place} is not there yet: the first training makes it")
    elif state.champions is None:
        yield ok("registry", f"MLflow at {state.place} answers")
    elif known is None or state.revision == known[0]:
        as_known = ", which is the installed MLflow's" if known else ""
        yield ok("registry", f"MLflow's database {state.place} has schema {state.revision}{as_known}")
    elif state.revision in known[1]:
        found = f"MLflow's database {state.place} has schema {state.revision}, and the installed MLflow's is {known[0]}"
        yield warn("registry", found, "leeway release, or any command that uses MLflow, brings it up to date")
    else:
        found = f"MLflow's database {state.place} has schema {state.revision}, which the installed MLflow does not know"
        yield fail("registry", found, "install the MLflow that made it: pip install -U 'leeway[pipeline]'")


def champion(patient: Patient) -> Iterator[Diagnosis]:
    """Do the ledger, which says who serves, and MLflow's alias name the same version?"""
    model = patient.settings.model
    serving = patient.workspace.fleet.serving_epoch(model, patient.now)
    version = serving.version.version if serving else None
    champions = _champions(patient.settings.mlflow_uri)
    named = (champions or {}).get(model)
    if version is None and named is None:
        released = patient.workspace.ledger.releases(model)
        yield not_used("champion", f"no version of {model} serves yet", first_release_text(released))
    elif champions is None or version == named:
        yield ok("champion", f"{model} version {version} serves" + (", in the ledger and in MLflow" if named else ""))
    else:
        in_ledger = f"version {version} of {model} serves" if version else f"no version of {model} serves"
        in_mlflow = f"the alias champion at version {named}" if named else "no alias champion"
        yield warn(
            "champion",
            f"the ledger says that {in_ledger}, and MLflow has {in_mlflow}",
            "leeway monitor takes up what was set in MLflow; leeway rollback puts the previous version back"
            if named
            else "leeway release, or leeway promote VERSION",
        )


def _champions(uri: str) -> dict[str, int] | None:
    """The version of each model that bears the alias; None where it cannot be read, which `registry` says."""
    try:
        return None if absence(uri) else probe.read_registry(uri).champions
    except RegistryError:
        return None


def _of_another_version(state: DatabaseState) -> Diagnosis:
    if state.revision in known_revisions():
        found = f"{state.place} has schema {state.revision}, and this version's is {SCHEMA_REVISION}"
        return warn("ledger", found, "leeway upgrade --yes, or any command that writes, brings it up to date")
    found = f"{state.place} has schema {state.revision}, and this version knows none after {SCHEMA_REVISION}"
    return fail("ledger", found, "a newer Leeway wrote it: pip install -U leeway")
