"""Logs that lie elsewhere: checked before a model is enrolled with one, and asked each morning for new versions."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from leeway.domain.records import ModelVersion
from leeway.domain.stores import LATE_NIGHTS
from leeway.errors import DataError, ParamsError, first_few
from leeway.monitor.enrol import enrol_named
from leeway.stores.external.address import parse_address
from leeway.stores.external.opening import open_log
from leeway.stores.external.source import LogSource, check_columns, read_source
from leeway.workspace import Workspace

MOST_NEW = 20  # names of versions in one morning: more of them are no versions


def checked_source(
    workspace: Workspace, model: str, address: str, *, columns: Mapping[str, str], reference: Mapping[str, str]
) -> LogSource:
    """Return the log's address with the columns that are called otherwise, after it was found to be as it has to be.

    `columns`: our name -> the log's; `reference`: what the reference calls them, which the log may do, too. Raises
    ParamsError, StoreError or DataError for an address or columns that cannot be read.
    """
    check_columns(columns, where="--log-columns")
    parse_address(address, workspace.folder)
    if read_source(workspace.settings.watched, model) is None:
        _refuse_ingested(workspace, model)
    log = open_log(model, LogSource(address=address), workspace.ledger, folder=workspace.folder)
    there = {name.casefold() for name in log.keeper.columns()}
    log.close()
    shared = {ours: theirs for ours, theirs in reference.items() if theirs.casefold() in there}
    known = read_source(workspace.settings.watched, model)
    source = LogSource(address=address, columns={**shared, **columns}, since=known.since if known else {})
    log = open_log(model, source, workspace.ledger, folder=workspace.folder)
    log.check_columns()
    log.close()
    return source


def since_now(source: LogSource, made: ModelVersion, now: datetime, *, named: bool) -> LogSource:
    """Return the source for a version that was enrolled now: rows that name none are of it from now on."""
    if named or made.version == 1 or made.version in source.since:
        return source
    return source.model_copy(update={"since": {**source.since, made.version: now}})


def learn_versions(workspace: Workspace, model: str, as_of: datetime) -> list[ModelVersion]:
    """Enrol each version that the model's log elsewhere names and nobody has named before, with the last reference."""
    log = workspace.log.external(model)
    if log is None or workspace.reading:
        return []
    versions = workspace.ledger.versions(model)
    counted = any(workspace.ledger.windows(model, one.version) for one in versions)
    names = log.names_of_versions(as_of - timedelta(days=LATE_NIGHTS + 1) if counted else None)
    if len(names) > MOST_NEW:
        raise DataError(
            f"the log of {model} names {len(names)} versions that are not known: {first_few(names)}; is "
            "model_version a column of versions? Name the right one with --log-columns model_version=their_name"
        )
    return [enrol_named(workspace.ledger, model, name) for name in names]


def refuse_ingest(workspace: Workspace, model: str) -> None:
    """Raises ParamsError where the model's predictions are read where they lie."""
    log = workspace.log.external(model)
    if log is not None:
        raise ParamsError(
            f"the predictions of {model} are read where they lie, at {log.source.address}: nothing is ingested; add "
            f"rows there, or watch the files under another name (`leeway watch init OTHER --reference FILE`)"
        )


def _refuse_ingested(workspace: Workspace, model: str) -> None:
    rows = [one for one in workspace.ledger.versions(model) if workspace.log.first_at(one) is not None]
    if rows:
        raise DataError(
            f"predictions of {model} were ingested here, and a model has one log: watch this one under another name"
        )
