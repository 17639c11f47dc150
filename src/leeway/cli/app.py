"""The command `leeway`. Every command imports what it needs when it runs, so that `--help` is quick."""

import io
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli import accept as cli_accept
from leeway.cli import data as cli_data
from leeway.cli import doctor as cli_doctor
from leeway.cli import heartbeat as cli_heartbeat
from leeway.cli import ingest as cli_ingest
from leeway.cli import labels as cli_labels
from leeway.cli import log as cli_log
from leeway.cli import power as cli_power
from leeway.cli import prune as cli_prune
from leeway.cli import releases as cli_releases
from leeway.cli import reopen as cli_reopen
from leeway.cli import upgrade as cli_upgrade
from leeway.cli import watch as cli_watch
from leeway.cli.answering import BUG, INTERRUPTED, Answer, Json, answering, failure, print_object
from leeway.cli.options import Group, begin_logging, leave_to_the_screen, shared_options
from leeway.errors import LeewayError

if TYPE_CHECKING:
    from leeway.domain.records import Prediction
    from leeway.jobs.nightly import Nightly
    from leeway.workspace import Workspace

app = typer.Typer(
    cls=Group,
    name="leeway",
    help="Keeps an image classifier accurate after it ships. Works on the workspace that is the current folder.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line. Prints an error as one line, and exits with the code that docs/commands.md gives for it."""
    begin_logging()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be text
    try:
        code = app(standalone_mode=False)
    except LeewayError as error:
        print(f"leeway: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except typer.TyperException as error:  # the command line cannot be read
        error.show()  # type: ignore[attr-defined]
        if "--json" in sys.argv:
            print_object(sys.stdout, failure(error))
        sys.exit(error.exit_code)
    except Exception:  # a bug: Python would exit with 1, which here means refused
        traceback.print_exc()
        sys.exit(BUG)
    if code == INTERRUPTED:
        print("leeway: interrupted", file=sys.stderr)
    sys.exit(code)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")], as_json: Json = False
) -> None:
    """Make a workspace: params, pipeline, policy and flows, with a git and a DVC repository of its own."""
    from leeway.checks.policy import load_policy
    from leeway.cli.schemas import InitFacts
    from leeway.jobs.init import init_workspace
    from leeway.simulate.situation import unknown

    with answering(as_json=as_json) as answer:
        names = init_workspace(folder)
        answer.say(f"Made the workspace {folder}:", *(f"  {name}" for name in names))
        policy = load_policy(folder / "monitoring" / "policy.yaml")
        outlook = cli_power.say_outlook(unknown(policy), policy, answer)
        answer.give(InitFacts(folder=folder.resolve(), files=names, outlook=outlook))
        answer.say(
            f"Next: cd {folder}, say in params.yaml where your images are, then `dvc repro` and `leeway release`.",
            "`leeway release` also commits what made the model; photos, pages and exports are hidden from git.",
        )


@app.command()
def status(as_json: Json = False) -> None:
    """Say how each watched model stands: what is wrong, since when, and what to do next, the worst first."""
    from leeway.jobs.epochs import find_champion
    from leeway.monitor.fleet import trains
    from leeway.monitor.overview import champion_overview, fleet_overview, without_champion
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace(reading=True) as workspace:
        now = datetime.now(UTC)
        champion = find_champion(workspace, now) if trains(workspace.settings) else None
        if as_json:
            from leeway.cli.standing import status_facts

            answer.give(status_facts(workspace.fleet, now, champion=champion))
            return
        parts = [fleet_overview(workspace.fleet, now, champion=champion)]
        if trains(workspace.settings):
            model, ledger = workspace.model, workspace.ledger
            parts.append(champion_overview(champion) if champion else without_champion(model, ledger.releases(model)))
        answer.say("\n\n".join(part for part in parts if part))


@app.command()
def monitor(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            metavar="TIME",
            help="When it acts, such as 2026-03-11T02:00:00, in UTC or with an offset; default: now.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="One model; default: all that are watched here.")
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Allow a time that is yet to come.")] = False,
    as_json: Json = False,
) -> None:
    """Close and check the nights that are over, decide, plan labels, alert: the same steps as the nightly flow."""
    from leeway.cli.screens import as_object, pages_text, screen
    from leeway.jobs.moment import acting_at
    from leeway.jobs.nightly import nightly
    from leeway.workspace import open_workspace

    leave_to_the_screen("leeway.monitor")
    clock = datetime.now(UTC)
    with answering(as_json=as_json) as answer:
        now = acting_at(as_of, clock=clock, simulate=simulate)
        with open_workspace() as workspace:
            done = nightly(
                workspace,
                now,
                model=model,
                confirmed=as_of is not None and now <= clock,
                show=lambda morning: answer.say(screen(morning)),
            )
            answer.say(*(pages_text(pages) for pages in done.pages.values() if pages))
            _retrain_what_is_asked_for(workspace, done, answer, now=now)
        mornings = [as_object(each, done.pages[each.version.model, each.version.version]) for each in done.mornings]
        answer.give({"models": mornings} if model is None else mornings[-1] if mornings else {})
        done.failures.raise_first()


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Image files, or folders of them.")],
    as_json: Json = False,
) -> None:
    """Score images with the champion, record the predictions, print a line for each: id, class, confidence, file."""
    from leeway.cli.schemas import PredictionsFacts, ScoredFileFacts
    from leeway.jobs import epochs
    from leeway.predictions.score import score_files
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace() as workspace:
        champion = epochs.champion(workspace, datetime.now(UTC))
        version = champion.version.version
        scored = score_files(champion, paths, bundle=workspace.versions.bundle(version))
        answer.say(*(_scored_line(path, prediction) for path, prediction in scored))
        files = [
            ScoredFileFacts(
                id=prediction.id,
                predicted_class=prediction.predicted_class,
                confidence=prediction.confidence,
                second_class=prediction.second_class,
                file=path,
            )
            for path, prediction in scored
        ]
        answer.give(PredictionsFacts(model=champion.model, version=version, predictions=files))


def _scored_line(path: Path, prediction: "Prediction") -> str:
    return f"{prediction.id}  {prediction.predicted_class}  {prediction.confidence:.3f}  {path}"


def _retrain_what_is_asked_for(workspace: "Workspace", done: "Nightly", answer: Answer, *, now: datetime) -> None:
    """Run the requests here where there is no Prefect server, which would take them by itself."""
    for request in done.requests if workspace.trigger is None else []:
        with done.failures.kept(request.key):
            answer.say(f"retraining asked for by {request.key}, directly afterwards since there is no Prefect server")
            cli_releases.run_request(workspace, request, answer, now=now)


app.callback()(shared_options)
app.add_typer(cli_data.data_app, name="data")
app.add_typer(cli_watch.watch_app, name="watch")
app.add_typer(cli_labels.labels_app, name="labels")
app.add_typer(cli_log.log_app, name="log")
app.command()(cli_releases.retrain)
app.command()(cli_releases.release)
app.command()(cli_releases.promote)
app.command()(cli_releases.rollback)
app.command()(cli_ingest.ingest)
app.command()(cli_power.power)
app.command()(cli_watch.backtest)
app.command()(cli_heartbeat.heartbeat)
app.command()(cli_doctor.doctor)
app.command()(cli_reopen.reopen)
app.command()(cli_accept.accept)
app.command()(cli_prune.prune)
app.command()(cli_upgrade.upgrade)
