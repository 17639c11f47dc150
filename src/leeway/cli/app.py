"""The command `leeway`. Every command imports what it needs when it runs, so that `--help` is quick."""

import json
import logging
import sys
import traceback
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli import data as cli_data
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
app.add_typer(cli_watch.labels_app, name="labels")
app.command()(cli_watch.ingest)
app.command()(cli_watch.power)
app.command()(cli_watch.backtest)


def main() -> None:
    """Runs the command line. Prints an error as one line, and exits with the code that the README gives for it."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.getLogger("leeway").setLevel(logging.INFO)
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
    from leeway.jobs.init import init_workspace

    for name in init_workspace(folder):
        print(f"  {name}")
    print(f"Next: cd {folder}, say in params.yaml where your images are, then `dvc repro` and `leeway release`.")


@app.command()
def status() -> None:
    """Show every watched model, the worst first: last night's results, open decisions, label queue."""
    from leeway.monitor.overview import overview
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        print(overview(workspace, now=datetime.now(UTC)))


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
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the screen.")] = False,
) -> None:
    """Close and check the nights that are over, decide, plan labels, alert; the same steps as the nightly flow."""
    from leeway.jobs.failures import Failures
    from leeway.jobs.nightly import as_object, live_through, pages_text, screen, watches
    from leeway.monitor import night as watch
    from leeway.workspace import open_workspace

    mornings, failures = [], Failures()
    logging.getLogger("leeway.watch").setLevel(logging.WARNING)  # the screen says it
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), open_workspace() as workspace:
        now = _moment(as_of)
        looked_at = watches(workspace, now, failures, model)
        for at in looked_at:
            mornings.append(live_through(at, failures))
            if mornings[-1] and not as_json:
                print(screen(mornings[-1]))
        with failures.kept("alerts"):
            workspace.deliver_alerts(now=now)
        requests = []
        with failures.kept("retraining requests"):
            requests = watch.request_retraining(workspace.store, workspace.model, workspace.trigger)
        pages = [workspace.draw_pages(at) for at in looked_at]
        print(*map(pages_text, filter(None, pages)), sep="\n", end="\n" if any(pages) else "")
        for request in requests:
            with failures.kept(request.key):
                _retrain_without_server(workspace, request, now=now)
    found = [as_object(one, drawn) for one, drawn in zip(mornings, pages, strict=True) if one]
    if as_json and (found or model is None):
        print(json.dumps(found[-1] if model else {"models": found}, indent=1, ensure_ascii=False))
    failures.raise_first()


@app.command()
def retrain() -> None:
    """Retrain now: the open request, or else one in your name."""
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        now = datetime.now(UTC)
        request = workspace.request(workspace.champion(now), asked_by="hand", now=now)
        made = _retrain(workspace, request, now=now)
        if made is None:
            raise RefusedError(f"{request.key}: another retraining is running; `leeway status` shows it")
        _stop_if_refused(made)


@app.command()
def release() -> None:
    """Register the bundle of the last `dvc repro`, judge it, and promote it or leave it for review."""
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        now = datetime.now(UTC)
        challenger, champion = workspace.register(reason="released by hand"), workspace.serving_champion(now)
        made = workspace.release(challenger, champion, workspace.judge(challenger, champion), now=now)
        workspace.deliver_alerts(now=now)
        _say_what_is_next(made)
        _stop_if_refused(made)


@app.command()
def promote(version: Annotated[int, typer.Argument(help="The version that a person approves.")]) -> None:
    """Approve a version: it is judged again, and promoted if it passes the gate."""
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        now = datetime.now(UTC)
        challenger, champion = workspace.version(version), workspace.serving_champion(now)
        verdict = workspace.judge(challenger, champion)
        made = workspace.release(challenger, champion, verdict, now=now, approved_by="a person")
        workspace.deliver_alerts(now=now)
        _say_what_is_next(made)
        _stop_if_refused(made)


@app.command()
def rollback() -> None:
    """Put the previous version back into production."""
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        now = datetime.now(UTC)
        made = workspace.rollback(now=now)
        workspace.deliver_alerts(now=now)
        _say_what_is_next(made)


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Image files, or folders of them.")],
) -> None:
    """Score images with the champion, record the predictions, print one line each: id, class, confidence, file."""
    from leeway.predictions.score import score_files
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        now = datetime.now(UTC)
        champion = workspace.champion(now)
        for path, said in score_files(
            paths,
            champion=champion,
            bundle=workspace.bundle(champion.version),
            store=workspace.store,
            images=workspace.images,
            now=now,
        ):
            print(f"{said.id}  {said.predicted_class}  {said.confidence:.3f}  {path}")


def _retrain_without_server(workspace: "Workspace", request: "Decision", *, now: datetime) -> None:
    """A server takes requests by itself; without one they are run here."""
    from leeway.domain.records import DecisionState

    if workspace.trigger is None and request.state is DecisionState.OPEN:
        print(f"retraining asked for by {request.key}, directly afterwards since there is no Prefect server")
        _retrain(workspace, request, now=now)


def _retrain(workspace: "Workspace", request: "Decision", *, now: datetime) -> "Release | None":
    """Runs the steps of the training flow. Returns None if the request is not ours to run."""
    champion = workspace.champion(now)
    decision = workspace.claim(request.key, champion, now=now)
    if decision is None:
        return None
    with workspace.at_work(decision, now=now):
        workspace.add_labels(champion, decision)
        workspace.fetch_champion(decision)
        workspace.reproduce()
        challenger = workspace.register(reason=decision.reason)
        made = workspace.release(challenger, champion, workspace.judge(challenger, champion), now=now)
        commit = workspace.finish(decision, challenger, made)
    _say_what_is_next(made)
    print(f"dataset version {challenger.dataset_digest[:12]} is git commit {commit[:12]}")
    return made


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


def _moment(given: datetime | None) -> datetime:
    moment = given or datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
