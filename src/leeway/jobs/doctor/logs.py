"""Logs: those that lie elsewhere, whether they can be read, what is wrong with their rows, and what a night costs."""

from collections.abc import Iterator
from datetime import datetime

from leeway.checks.windows import night_bounds, night_of
from leeway.domain.records import ModelVersion
from leeway.domain.text import by_number, counted
from leeway.errors import LeewayError, first_few, in_one_line
from leeway.jobs.doctor.diagnosis import Diagnosis, Patient, fail, ok, warn
from leeway.stores.external import queries
from leeway.stores.external.asking import Extent
from leeway.stores.external.log import ExternalLog
from leeway.stores.external.source import FOLDER

NAME = "logs elsewhere"
MEND = "mend the address or the columns: leeway watch init {model} --reference FILE --log ADDRESS --log-columns ..."


def logs_elsewhere(patient: Patient) -> Iterator[Diagnosis]:
    """Can each log that lies elsewhere be read, are its columns there, and is the last night as it should be?"""
    for path in sorted((patient.settings.watched / FOLDER).glob("*.yaml")):
        model = path.stem
        try:
            log = patient.workspace.log.external(model)
            if log is not None:
                yield from _log(patient, model, log)
        except LeewayError as error:
            yield fail(NAME, in_one_line(error), MEND.format(model=model))


def _log(patient: Patient, model: str, log: ExternalLog) -> Iterator[Diagnosis]:
    log.check_columns()
    versions, zone = patient.workspace.ledger.versions(model), patient.workspace.fleet.policy_of(model).zone
    last = max(filter(None, (log.last_at(one) for one in versions)), default=None)
    about = f"{model} is read at {log.source.address}"
    if last is None:
        unknown = log.names_of_versions(None)
        named = f"; its rows name {first_few(unknown)}, which the next leeway monitor enrols" if unknown else ""
        mend = "see whether its rows are there, with an id, a time and a class"
        yield warn(NAME, f"{about}, and has no row that can be counted{named}", mend)
        return
    night = night_of(last, zone)
    start, end = night_bounds(night, zone)
    rows, problems = _problems(log, versions, start, end)
    cost = log.cost(versions[-1], start, end)
    found = f"{about}; the night of {night} has {counted(rows, 'row')}" + (f": it reads {cost}" if cost else "")
    if not log.keeper.keeps_past():
        found += "; it keeps no past, so rows that come late are counted by no night and told by none"
    if problems:
        yield warn(NAME, f"{found}; {'; '.join(problems)}", "whoever keeps the log mends them; docs/logs.md")
    else:
        yield ok(NAME, found)


def _problems(log: ExternalLog, versions: list[ModelVersion], start: datetime, end: datetime) -> tuple[int, list[str]]:
    """(rows of the last night, what is wrong with some of them)"""
    extent = Extent(start, end)
    [row] = log.ask(queries.unusable(start, end), extent)
    rows, no_id, no_answer, odd_confidence, odd_chance, different = (int(one or 0) for one in row)
    classes = {name for one in versions for name in one.reference.classes}
    answers = {str(name): int(number) for name, number in log.ask(queries.answers(start, end), extent)}
    foreign = {name: number for name, number in answers.items() if name not in classes}
    untimed = int(log.ask(queries.without_time(), extent)[0][0] or 0)
    kinds = [
        (no_id, "without an id, which {are} left out"),
        (untimed, "without a time, which {are} left out"),
        (no_answer, "without a predicted class, which {are} left out"),
        (odd_confidence, "with a confidence outside 0 to 1, which {count} as without one"),
        (odd_chance, "with a draw probability outside 0 to 1, whose label{s} measure nothing"),
        (rows - no_id - different, "with an id that came before, which {count} again"),
        (sum(foreign.values()), f"with an answer that is no class of the model ({first_few(sorted(foreign))})"),
    ]
    problems = [_said(number, text) for number, text in kinds if number]
    unknown = log.names_of_versions(start)
    if unknown:
        problems.append(f"rows name the version {first_few(unknown)}, which the next leeway monitor enrols")
    return rows, problems


def _said(number: int, text: str) -> str:
    words = {"are": by_number(number, "is", "are"), "count": by_number(number, "counts", "count")}
    return f"{counted(number, 'row')} {text.format(**words, s=by_number(number, '', 's'))}"
