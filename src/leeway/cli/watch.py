"""Commands for models that are watched, wherever they were trained: enrol, ingest, label, replay."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leeway.cli.files import SHOWN, Model, named_model, print_some, stop_if_refused, take_in_turn
from leeway.cli.power import print_outlook
from leeway.cli.progress import progress_bar
from leeway.domain.text import counted
from leeway.errors import ParamsError

if TYPE_CHECKING:
    from leeway.predictions.ingest import Ingested

watch_app = typer.Typer(help="Begin to watch a model.", no_args_is_help=True, rich_markup_mode=None)

Columns = Annotated[
    list[str] | None,
    typer.Option(help="Our name=the file's, such as prediction_id=uuid; several times, or separated by commas."),
]


@watch_app.command("init")
def watch_init(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    reference: Annotated[Path, typer.Option(help="Prediction log with labels: how good the model is.")],
    test_set: Annotated[
        bool,
        typer.Option("--test-set", help="Its class mix is not production's: drift is held against the first nights."),
    ] = False,
    floor: Annotated[float | None, typer.Option(help="Lowest accuracy of served predictions, 0 to 1.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy of its own; default: the workspace's.")] = None,
    version: Annotated[str | None, typer.Option(help="What the logs call it in model_version.")] = None,
    columns: Columns = None,
) -> None:
    """Watch a model that is known from files: its reference says what it answers, and how often it is right."""
    from leeway.checks.accuracy import Accuracy
    from leeway.domain.class_names import quoted
    from leeway.jobs.init import init_watching
    from leeway.jobs.situation import read_here
    from leeway.monitor.enrol import enrol, read_reference_file
    from leeway.monitor.fleet import watched_policy, write_watched_policy
    from leeway.settings import Settings, read_settings
    from leeway.workspace import open_workspace

    read = read_reference_file(reference, columns=_columns(columns), production=not test_set)
    found = read.counts
    folder = Settings().workspace.resolve()
    if not (folder / "params.yaml").exists():
        init_watching(folder)
    settings = read_settings()
    wanted = watched_policy(settings, name, source=policy, floor=floor)
    with open_workspace(settings) as workspace:
        made = enrol(workspace.ledger, name, found, wanted, name=version)
    path = write_watched_policy(settings, name, wanted)
    print(f"{name} version {made.version} is watched: accuracy {found.accuracy:.1%} of {found.total:,} labelled items")
    if made.version > 1:
        print(f"a new epoch, with evidence of its own; version {made.version - 1} is watched on wherever it answers")
    if found.total < read.rows:
        such = f", of which {read.emptied:,} say so in a word such as nan" if read.emptied else ""
        print(f"{read.rows - found.total:,} of {read.rows:,} rows have no label{such}: accuracy is of the others")
    print(f"classes    {_some(found.classes)}")
    for names in read.alike:
        print(f"  {quoted(names)} are alike; the model answers with both, so they are two classes")
    print(f"policy     {path} (accuracy.floor {wanted.check(Accuracy).floor:g})")
    print_outlook(*read_here(name, None, datetime.now(UTC)))
    print(f"Next: leeway ingest FILE... --model {name}, then leeway monitor --model {name}")


def ingest(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV, JSON Lines or Parquet.")],
    model: Annotated[str, typer.Option(help="Name of the watched model.")],
    columns: Columns = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take all rows of a file, or none.")] = False,
) -> None:
    """Record prediction logs of a watched model; a second time adds nothing, a bad row is told with its line."""
    from leeway.jobs.epochs import reconcile_once
    from leeway.labels.answers import take_given_answers
    from leeway.predictions.ingest import Ingested
    from leeway.predictions.ingest import ingest as take
    from leeway.predictions.summary import sum_up, summary_lines
    from leeway.workspace import open_workspace

    named, now = _columns(columns), datetime.now(UTC)
    taken: list[Ingested] = []

    def take_file(path: Path) -> bool:
        into = (workspace.log, workspace.ledger, model)
        with progress_bar(f"{path.name}") as advance:
            told = take(*into, path, columns=named, now=now, zone=zone, strict=strict, progress=advance)
        _tell(told)
        taken.append(told)
        return not told.refused

    with open_workspace() as workspace:
        reconcile_once(workspace, now)
        zone, before = workspace.fleet.policy_of(model).zone, workspace.log.position(model)
        refused = take_in_turn(files, take_file)
        found = sum_up(workspace.log, workspace.ledger, model, taken, before=before, zone=zone)
        print("".join(f"{line}\n" for line in summary_lines(found)), end="")
        answered = take_given_answers(workspace.log, workspace.ledger, model)
        if answered.new:
            print(f"{answered.new:,} of the labels answer what people were asked: nobody needs to label these any more")
        stop_if_refused(refused)


def backtest(
    policy: Annotated[Path, typer.Option(help="The policy to try.")],
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First night that is reported.")] = None,
    model: Model = None,
) -> None:
    """Replay the stored history through another policy: both alarm calendars, and what would change."""
    from leeway.checks.policy import load_policy
    from leeway.monitor.fleet import number_of_models
    from leeway.monitor.past import past_epochs
    from leeway.monitor.replay import calendars_text, compare
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        name, now, fleet = named_model(workspace.settings, model), datetime.now(UTC), workspace.fleet
        other = load_policy(policy).shared_by(number_of_models(workspace.settings))
        if name in fleet.from_files:
            epochs = fleet.epochs_from_files(name, now)
        else:
            epochs = past_epochs(fleet.last_epoch(name, now))
        print(calendars_text(*compare(epochs, other, since=since.date() if since else None)))


def _tell(told: "Ingested") -> None:
    found = told.recorded
    print(
        f"{told.path}: {found.new:,} new, {found.known:,} known, {len(told.bad) + len(found.changed):,} refused; "
        f"{found.labels:,} new labels" + (" (every row is labelled: a census)" if told.census else "")
    )
    _tell_labels(told)
    print_some([f"line {row.line}: {row.problem}" for row in told.bad])
    print_some(
        [f"{one}: is recorded with other content, which stays; give a new prediction a new id" for one in found.changed]
    )
    print_some([f"{one}: has another label from a file, which stays" for one in found.labels_changed])
    if told.foreign:
        named = ", ".join(f"{name} ({count:,})" for name, count in told.foreign.most_common(SHOWN))
        print(f"  {told.foreign.total():,} answers are outside the model's class list, no cell of any test: {named}")
    if told.elsewhere:
        print(f"  most of its ids are known of '{told.elsewhere}': is it the log of that model? Both keep theirs")


def _tell_labels(told: "Ingested") -> None:
    """What the file's labels measure, and what is no class of the model."""
    if told.spoiled:
        print("  no census, though every other row is labelled: those refused may be those that are wrong, so that the")
        print("  labels of this file train and do not measure; mend the refused rows and ingest the file again")
    if told.outside:
        named = ", ".join(f"{name!r} ({count:,})" for name, count in told.outside.most_common(SHOWN))
        total = counted(told.outside.total(), "label")
        print(f"  {total} outside the model's class list, counting as its errors: {named}")


def _columns(told: list[str] | None) -> dict[str, str]:
    """Raises ParamsError for what is no name=name."""
    found = {}
    for pair in (one for given in told or [] for one in given.split(",")):
        ours, separator, theirs = pair.partition("=")
        if not (ours.strip() and separator and theirs.strip()):
            raise ParamsError(f"--columns: got '{pair}'; write our_name=their_name, such as predicted_class=answer")
        found[ours.strip()] = theirs.strip()
    return found


def _some(names: Any) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
