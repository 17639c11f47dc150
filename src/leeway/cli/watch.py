"""Commands for models that are watched, wherever they were trained: enrol, replay."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.files import SHOWN, Model, named_model
from leeway.cli.options import Group
from leeway.cli.power import say_outlook
from leeway.domain.text import by_number, counted
from leeway.errors import ParamsError, first_few

if TYPE_CHECKING:
    from leeway.cli.label_schemas import CalendarFacts
    from leeway.domain.records import ModelVersion
    from leeway.monitor import replay
    from leeway.monitor.enrol import ReferenceFile

watch_app = typer.Typer(cls=Group, help="Begin to watch a model.", no_args_is_help=True, rich_markup_mode=None)

Columns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NAME",
        help="Our name=the file's, such as prediction_id=uuid; several times, or separated by commas.",
    ),
]


@watch_app.command("init")
def watch_init(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    reference: Annotated[Path, typer.Option(metavar="FILE", help="Prediction log with labels: how good the model is.")],
    test_set: Annotated[
        bool,
        typer.Option("--test-set", help="Its class mix is not production's: drift is held against the first nights."),
    ] = False,
    floor: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Lowest accuracy of served predictions, 0 to 1.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A policy of its own; default: the workspace's.")
    ] = None,
    version: Annotated[str | None, typer.Option(metavar="TEXT", help="What the logs call it in model_version.")] = None,
    columns: Columns = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Where its predictions lie, such as s3://bucket/dt=*/*.parquet: they are read there, not ingested.",
        ),
    ] = None,
    log_columns: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NAME", help="Our name=the log's; those of --columns that it has count, too."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch a model that is known from files: its reference says what it answers, and how often it is right."""
    from leeway.checks.accuracy import Accuracy
    from leeway.cli.schemas import WatchInitFacts
    from leeway.jobs.elsewhere import checked_source, since_now
    from leeway.jobs.init import init_watching
    from leeway.jobs.situation import read_here
    from leeway.monitor.enrol import enrol, read_reference_file
    from leeway.monitor.fleet import watched_policy, write_watched_policy
    from leeway.settings import Settings, read_settings
    from leeway.stores.external.source import read_source, write_source
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        if log_columns and log is None:
            raise ParamsError("--log-columns names columns of --log ADDRESS, which is missing")
        mapped, now = columns_named(columns), datetime.now(UTC)
        read = read_reference_file(reference, columns=mapped, production=not test_set)
        counts, folder = read.counts, Settings().workspace.resolve()
        if not (folder / "params.yaml").exists():
            init_watching(folder)
        settings = read_settings()
        wanted = watched_policy(settings, name, source=policy, floor=floor)
        with open_workspace(settings) as workspace:
            theirs = columns_named(log_columns, option="--log-columns")
            known = read_source(settings.watched, name)
            source = checked_source(workspace, name, log, columns=theirs, reference=mapped) if log else known
            log = source.address if source else None
            made = enrol(workspace.ledger, name, counts, wanted, name=version)
            if source:
                write_source(settings.watched, name, since_now(source, made, now, named=version is not None))
        path, lowest = write_watched_policy(settings, name, wanted), wanted.check(Accuracy).floor
        answer.say(*_reference_lines(made, read), f"policy     {path} (accuracy.floor {lowest:g})")
        answer.say(*([f"log        {log} (read there; `leeway doctor` says what a night reads)"] if log else []))
        outlook = say_outlook(*read_here(name, None, now), answer)
        begin = "leeway doctor" if log else f"leeway ingest FILE... --model {name}"
        answer.say(f"Next: {begin}, then leeway monitor --model {name}")
        answer.give(
            WatchInitFacts(
                model=name,
                version=made.version,
                accuracy=counts.accuracy,
                labelled=counts.total,
                rows=read.rows,
                classes=list(counts.classes),
                alike_classes=[list(names) for names in read.alike],
                policy=path,
                floor=lowest,
                outlook=outlook,
                log=log,
            )
        )


def _reference_lines(made: "ModelVersion", read: "ReferenceFile") -> list[str]:
    """Return how good the model is, of how many rows, and what its classes are."""
    from leeway.domain.class_names import quoted

    name, counts, number = made.model, read.counts, made.version
    items = counted(counts.total, "labelled item")
    lines = [f"{name} version {number} is watched: accuracy {counts.accuracy:.1%} of {items}"]
    if number > 1:
        lines.append(f"a new epoch, with evidence of its own; version {number - 1} is watched on wherever it answers")
    if counts.total < read.rows:
        words = f", of which {read.emptied:,} say so in a word such as nan" if read.emptied else ""
        have = by_number(read.rows - counts.total, "has", "have")
        missing = f"{read.rows - counts.total:,} of {counted(read.rows, 'row')}"
        lines.append(f"{missing} {have} no label{words}: accuracy is of the others")
    alike = [
        f"  {quoted(names)} are alike; the model answers with both, so they are two classes" for names in read.alike
    ]
    return [*lines, f"classes    {first_few(counts.classes, SHOWN)}", *alike]


def backtest(
    policy: Annotated[Path, typer.Option(metavar="FILE", help="The policy to try.")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="NIGHT", help="First night to report.")
    ] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Replay the stored history through another policy: both alarm calendars, and what would change."""
    from leeway.checks.policy import load_policy
    from leeway.cli.label_schemas import BacktestFacts
    from leeway.monitor.fleet import number_of_models
    from leeway.monitor.past import past_epochs
    from leeway.monitor.replay import calendars_text, compare
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace(reading=True) as workspace:
        name, now, fleet = named_model(workspace.settings, model), datetime.now(UTC), workspace.fleet
        other = load_policy(policy).shared_by(number_of_models(workspace.settings))
        if name in fleet.from_files:
            epochs = fleet.epochs_from_files(name, now)
        else:
            epochs = past_epochs(fleet.last_epoch(name, now))
        calendars = compare(epochs, other, since=since.date() if since else None)
        answer.give(BacktestFacts(model=name, policy_now=_calendar(calendars[0]), other=_calendar(calendars[1])))
        answer.say(calendars_text(*calendars))


def _calendar(calendar: "replay.Calendar") -> "CalendarFacts":
    from leeway.cli.label_schemas import AlarmFacts, CalendarFacts

    alarms = [
        AlarmFacts(
            night=alarm.night,
            version=alarm.version,
            checks=list(alarm.checks),
            alert_only=alarm.alert_only,
            reason=alarm.reason,
        )
        for alarm in calendar.alarms
    ]
    silent = dict(calendar.no_verdict)
    return CalendarFacts(nights=calendar.nights, labels=calendar.labels, alarms=alarms, no_verdict=silent)


def columns_named(given: list[str] | None, *, option: str = "--columns") -> dict[str, str]:
    """Return our names to the file's. Raises ParamsError for what is no name=name."""
    names = {}
    for pair in (pair for text in given or [] for pair in text.split(",")):
        ours, separator, theirs = pair.partition("=")
        if not (ours.strip() and separator and theirs.strip()):
            raise ParamsError(f"{option}: got '{pair}'; write our_name=their_name, such as predicted_class=answer")
        names[ours.strip()] = theirs.strip()
    return names
