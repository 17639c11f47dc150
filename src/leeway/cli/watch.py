"""Commands for models that are watched, wherever they were trained: enrol, ingest, label, replay."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.files import SHOWN, Model, named_model, stop_if_refused, take_in_turn
from leeway.cli.options import Group
from leeway.cli.power import say_outlook
from leeway.data.progress import advancing
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
    as_json: Json = False,
) -> None:
    """Watch a model that is known from files: its reference says what it answers, and how often it is right."""
    from leeway.checks.accuracy import Accuracy
    from leeway.cli.schemas import WatchInitFacts
    from leeway.jobs.init import init_watching
    from leeway.jobs.situation import read_here
    from leeway.monitor.enrol import enrol, read_reference_file
    from leeway.monitor.fleet import watched_policy, write_watched_policy
    from leeway.settings import Settings, read_settings
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        read = read_reference_file(reference, columns=_columns(columns), production=not test_set)
        counts, folder = read.counts, Settings().workspace.resolve()
        if not (folder / "params.yaml").exists():
            init_watching(folder)
        settings = read_settings()
        wanted = watched_policy(settings, name, source=policy, floor=floor)
        with open_workspace(settings) as workspace:
            made = enrol(workspace.ledger, name, counts, wanted, name=version)
        path, lowest = write_watched_policy(settings, name, wanted), wanted.check(Accuracy).floor
        answer.say(*_reference_lines(made, read), f"policy     {path} (accuracy.floor {lowest:g})")
        outlook = say_outlook(*read_here(name, None, datetime.now(UTC)), answer)
        answer.say(f"Next: leeway ingest FILE... --model {name}, then leeway monitor --model {name}")
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


def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, JSON Lines or Parquet.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="Name of the watched model.")],
    columns: Columns = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take all rows of a file, or none.")] = False,
    as_json: Json = False,
) -> None:
    """Record prediction logs of a watched model.

    A second time adds nothing; rows that cannot be read are reported with their line number and skipped.
    """
    from leeway.cli.ingest_report import file_lines, ingest_facts
    from leeway.jobs.epochs import reconcile_once
    from leeway.labels.answers import take_given_answers
    from leeway.predictions.ingest import Ingested
    from leeway.predictions.ingest import ingest as take
    from leeway.predictions.summary import sum_up, summary_lines
    from leeway.workspace import open_workspace

    taken: list[Ingested] = []

    def take_file(path: Path) -> bool:
        into = (workspace.log, workspace.ledger, model)
        with advancing(f"{path.name}") as advance:
            done = take(*into, path, columns=named, now=now, zone=zone, strict=strict, progress=advance)
        answer.say(*file_lines(done))
        taken.append(done)
        return not done.refused

    with answering(as_json=as_json) as answer:
        named, now = _columns(columns), datetime.now(UTC)
        with open_workspace() as workspace:
            reconcile_once(workspace, now)
            zone, before = workspace.fleet.policy_of(model).zone, workspace.log.position(model)
            refused = take_in_turn(files, take_file)
            summary = sum_up(workspace.log, workspace.ledger, model, taken, before=before, zone=zone)
            answer.say(*summary_lines(summary))
            answered = take_given_answers(workspace.log, workspace.ledger, model).new
            answer.give(ingest_facts(model, taken, summary, answered=answered))
            if answered:
                which = "1 of the labels answers" if answered == 1 else f"{answered:,} of the labels answer"
                answer.say(f"{which} what people were asked: nobody needs to label that any more")
            stop_if_refused(refused)


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


def _columns(given: list[str] | None) -> dict[str, str]:
    """Raises ParamsError for what is no name=name."""
    names = {}
    for pair in (pair for text in given or [] for pair in text.split(",")):
        ours, separator, theirs = pair.partition("=")
        if not (ours.strip() and separator and theirs.strip()):
            raise ParamsError(f"--columns: got '{pair}'; write our_name=their_name, such as predicted_class=answer")
        names[ours.strip()] = theirs.strip()
    return names
