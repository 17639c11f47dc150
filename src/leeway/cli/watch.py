"""Commands for models that are watched, wherever they were trained: enrol, ingest, label, foresee, replay."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leeway.cli.files import SHOWN, Model, named_model, print_some, stop_if_refused, take_in_turn
from leeway.errors import ParamsError

if TYPE_CHECKING:
    from leeway.predictions.ingest import Ingested
    from leeway.simulate.power import Delay

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
    from leeway.jobs.init import init_watching
    from leeway.monitor.enrol import enrol, read_reference
    from leeway.monitor.fleet import watched_policy, write_watched_policy
    from leeway.settings import Settings, read_settings
    from leeway.workspace import open_workspace

    found = read_reference(reference, columns=_columns(columns), production=not test_set)
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
        print(f"version {made.version - 1} ends where its predictions begin: a new epoch, with evidence of its own")
    print(f"classes    {_some(found.classes)}")
    print(f"policy     {path} (accuracy.floor {wanted.check(Accuracy).floor:g})")
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
    from leeway.predictions.ingest import ingest as take
    from leeway.workspace import open_workspace

    named, now = _columns(columns), datetime.now(UTC)

    def take_file(path: Path) -> bool:
        with _progress(f"{path.name}") as advance:
            told = take(
                workspace.log, workspace.ledger, model, path, columns=named, now=now, strict=strict, progress=advance
            )
        _tell(told)
        return not told.refused

    with open_workspace() as workspace:
        reconcile_once(workspace, now)
        refused = take_in_turn(files, take_file)
        answered = take_given_answers(workspace.log, workspace.ledger, model)
        if answered.new:
            print(f"{answered.new:,} of the labels answer what people were asked: nobody needs to label these any more")
        stop_if_refused(refused)


def power(
    predictions_per_night: Annotated[int, typer.Option(min=1, help="What production sends.")] = 2000,
    labels_per_night: Annotated[int | None, typer.Option(min=1, help="Default: the policy's.")] = None,
    classes: Annotated[int, typer.Option(min=2)] = 10,
    accuracy: Annotated[float | None, typer.Option(min=0.01, max=0.999, help="While nothing is wrong.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Default: the workspace's, else the shipped one.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what this policy will see: delays of drops and drifts, false alarms, labels; from simulated years."""
    from leeway.checks.policy import Policy, load_policy
    from leeway.simulate.power import STEPS, foresee

    own = Path("monitoring") / "policy.yaml"
    wanted = load_policy(policy or own) if policy or own.exists() else Policy()
    with _progress("simulating nights", total=STEPS) as advance:
        found = foresee(
            wanted,
            predictions=predictions_per_night,
            labels=labels_per_night,
            classes=classes,
            accuracy=accuracy,
            seed=seed,
            progress=advance,
        )
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return
    print(
        f"{predictions_per_night:,} predictions a night, {classes} classes, accuracy {found.accuracy:.1%}, "
        f"floor {found.floor:.1%}; nights until the alarm, median and 90 %:"
    )
    for one, twice in zip(found.drops, found.drops_with_twice_the_labels, strict=True):
        more = f"   twice the labels: {_nights(twice)}" if not one.note else ""
        print(f"  {one.what:42} {_nights(one):12} {one.note}{more}")
    for one in found.drifts:
        print(f"  {one.what:42} {_nights(one)}")
    print(f"labels         {found.labels_per_night} a night, {found.labels_per_month:.0f} a month")
    print(
        f"false alarms   {found.years_with_false_alarm} of {found.quiet_years} simulated years without change; "
        f"promised: at most {found.promised:.1%} of years"
    )


def backtest(
    policy: Annotated[Path, typer.Option(help="The policy to try.")],
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First night that is reported.")] = None,
    model: Model = None,
) -> None:
    """Replay the stored history through another policy: both alarm calendars, and what would change."""
    from leeway.checks.policy import load_policy
    from leeway.monitor.fleet import number_of_models
    from leeway.monitor.replay import calendars_text, compare, past_epochs
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
    if told.ahead:
        print(f"  {told.ahead:,} carry a time in the future")


def _columns(told: list[str] | None) -> dict[str, str]:
    """Raises ParamsError for what is no name=name."""
    found = {}
    for pair in (one for given in told or [] for one in given.split(",")):
        ours, separator, theirs = pair.partition("=")
        if not (ours.strip() and separator and theirs.strip()):
            raise ParamsError(f"--columns: got '{pair}'; write our_name=their_name, such as predicted_class=answer")
        found[ours.strip()] = theirs.strip()
    return found


@contextmanager
def _progress(title: str, *, total: int | None = None) -> Iterator[Any]:
    """A bar on a terminal; nothing where the output is kept in a file."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    counted = TextColumn("{task.description} {task.completed:,.0f}")
    columns = (SpinnerColumn(), counted, *([BarColumn()] if total else []), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda rows=1: bar.advance(task, rows)


def _some(names: Any) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _nights(delay: "Delay") -> str:
    if delay.note:
        return "-"
    if delay.median is None:
        return f"{delay.seen:.0%} seen within 180 nights"
    return f"{delay.median:.0f} / {'over 180' if delay.most is None else format(delay.most, '.0f')}"
