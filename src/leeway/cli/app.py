"""The command `leeway`. Every command imports what it needs when it runs, so that `--help` is quick."""

import io
import json
import logging
import sys
import traceback
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli import accept as cli_accept
from leeway.cli import data as cli_data
from leeway.cli import heartbeat as cli_heartbeat
from leeway.cli import labels as cli_labels
from leeway.cli import power as cli_power
from leeway.cli import reopen as cli_reopen
from leeway.cli import watch as cli_watch
from leeway.errors import LeewayError, RefusedError

if TYPE_CHECKING:
    from leeway.domain.records import Decision, Release
    from leeway.workspace import Workspace

INTERRUPTED = 130  # typer's exit code after Ctrl-C
BUG = 70  # EX_SOFTWARE of sysexits.h

app = typer.Typer(
    name="leeway",
    help="Keeps an image classifier accurate after it ships. Works on the workspace that is the current folder.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


app.add_typer(cli_data.data_app, name="data")
app.add_typer(cli_watch.watch_app, name="watch")
app.add_typer(cli_labels.labels_app, name="labels")
app.command()(cli_watch.ingest)
app.command()(cli_power.power)
app.command()(cli_watch.backtest)
app.command()(cli_heartbeat.heartbeat)
app.command()(cli_reopen.reopen)
app.command()(cli_accept.accept)


def main() -> None:
    """Runs the command line. Prints an error as one line, and exits with the code that the README gives for it."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.getLogger("leeway").setLevel(logging.INFO)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be text
    try:
        app()
    except LeewayError as error:
        print(f"leeway: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            print("leeway: interrupted", file=sys.stderr)
        raise
    except Exception:  # a bug: Python would exit with 1, which here means refused
        traceback.print_exc()
        sys.exit(BUG)


@app.command()
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]) -> None:
    """Make a workspace: params, pipeline, policy and flows, with a git and a DVC repository of its own."""
    from leeway.checks.policy import load_policy
    from leeway.jobs.init import init_workspace
    from leeway.simulate.situation import unknown

    for name in init_workspace(folder):
        print(f"  {name}")
    cli_power.print_outlook(unknown(policy := load_policy(folder / "monitoring" / "policy.yaml")), policy)
    print(f"Next: cd {folder}, say in params.yaml where your images are, then `dvc repro` and `leeway release`.")


@app.command()
def status() -> None:
    """Say of every watched model what is wrong, since when, and what to do next, the worst first; then the champion."""
    from leeway.jobs.epochs import find_champion
    from leeway.monitor.fleet import trains
    from leeway.monitor.overview import champion_overview, fleet_overview, without_champion
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        now = datetime.now(UTC)
        champion = find_champion(workspace, now) if trains(workspace.settings) else None
        parts = [fleet_overview(workspace.fleet, now, champion=champion)]
        if trains(workspace.settings):
            parts.append(champion_overview(champion) if champion else without_champion(workspace.model))
    print("\n\n".join(part for part in parts if part))


@app.command()
def monitor(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help="Time to act at; default: now. Without an offset: UTC.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="One model; default: all that are watched here.")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Allow a time that is yet to come.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the screen.")] = False,
) -> None:
    """Close and check the nights that are over, decide, plan labels, alert; the same steps as the nightly flow."""
    from leeway.cli.screens import as_object, pages_text, screen
    from leeway.jobs.moment import acting_at
    from leeway.jobs.nightly import nightly
    from leeway.workspace import open_workspace

    logging.getLogger("leeway.monitor").setLevel(logging.WARNING)  # the screen says it
    clock = datetime.now(UTC)
    now = acting_at(as_of, clock=clock, simulate=simulate)
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), open_workspace() as workspace:
        done = nightly(
            workspace,
            now,
            model=model,
            confirmed=as_of is not None and now <= clock,
            show=lambda morning: None if as_json else print(screen(morning)),
        )
        for pages in filter(None, done.pages.values()):
            print(pages_text(pages))
        for request in done.requests if done.requests and workspace.trigger is None else []:
            with done.failures.kept(request.key):
                _retrain_now(workspace, request, now=now)
    found = [as_object(one, done.pages[one.version.model, one.version.version]) for one in done.mornings]
    if as_json and (found or model is None):
        print(json.dumps(found[-1] if model else {"models": found}, indent=1, ensure_ascii=False))
    done.failures.raise_first()


@app.command()
def retrain() -> None:
    """Retrain now: the open request, or else one in your name."""
    from leeway.jobs import epochs
    from leeway.release.retrain import request as ask
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        now = datetime.now(UTC)
        request = ask(epochs.champion(workspace, now), asked_by="hand")
        made = _retrain(workspace, request, now=now)
        if made is None:
            raise RefusedError(f"{request.key}: another retraining is running; `leeway status` shows it")
        _stop_if_refused(made)


@app.command()
def release() -> None:
    """Register the bundle of the last `dvc repro`, judge it, and promote it or leave it for review."""
    from leeway.jobs.releasing import release_bundle
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        made = release_bundle(workspace, datetime.now(UTC), reason="released by hand")
    _say_what_is_next(made)
    _stop_if_refused(made)


@app.command()
def promote(version: Annotated[int, typer.Argument(help="The version that a person approves.")]) -> None:
    """Approve a version: it is judged again, and promoted if it passes the gate."""
    from leeway.jobs.releasing import approve
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        made = approve(workspace, version, datetime.now(UTC), approved_by="a person")
    _say_what_is_next(made)
    _stop_if_refused(made)


@app.command()
def rollback() -> None:
    """Put the previous version back into production."""
    from leeway.jobs.releasing import withdraw
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        _say_what_is_next(withdraw(workspace, datetime.now(UTC)))


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Image files, or folders of them.")],
) -> None:
    """Score images with the champion, record the predictions, print one line each: id, class, confidence, file."""
    from leeway.jobs import epochs
    from leeway.predictions.score import score_files
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        champion = epochs.champion(workspace, datetime.now(UTC))
        bundle = workspace.versions.bundle(champion.version.version)
        for path, prediction in score_files(champion, paths, bundle=bundle):
            print(f"{prediction.id}  {prediction.predicted_class}  {prediction.confidence:.3f}  {path}")


def _retrain_now(workspace: "Workspace", request: "Decision", *, now: datetime) -> None:
    """Run a request here: a Prefect server would take it by itself."""
    print(f"retraining asked for by {request.key}, directly afterwards since there is no Prefect server")
    _retrain(workspace, request, now=now)


def _retrain(workspace: "Workspace", request: "Decision", *, now: datetime) -> "Release | None":
    """Run the steps of the training flow. Returns None if the request is not ours to run."""
    from leeway.jobs.retraining import retraining

    done = retraining(workspace, request.key, now)
    if done is None:
        return None
    _say_what_is_next(done.release)
    print(f"dataset version {done.dataset_digest[:12]} is git commit {done.commit[:12]}")
    return done.release


def _say_what_is_next(made: "Release") -> None:
    """What came of it is in the log and in the alert, which is printed where no channel is configured."""
    if made.outcome == "left for review":
        print(f"Approve it with `leeway promote {made.version}`; every number stands on the version in MLflow.")
    if made.outcome == "refused":
        print(
            "What the gate asks for: monitoring/policy.yaml, under promotion, and every item of reports/checklist.json."
        )


def _stop_if_refused(made: "Release") -> None:
    """Raises RefusedError, with the gate's reasons, for a version that was refused."""
    if made.outcome == "refused":
        raise RefusedError(f"{made.model} version {made.version} was refused: {made.reason}")
