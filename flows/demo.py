"""Lives through 60 nights of a digit classifier whose camera is tilted one night: the whole loop, on this machine.

    python flows/demo.py [--seed 0] [--nights 60] [--drift-night 20] [--no-drift] [--scratch] [--folder demo]

Everything is real: DVC, MLflow, Prefect, the monitor and its labels. Only production and the person who labels are
simulated, so that the truth is known. Exits with 1 if the loop did not do what it is for.
"""

import argparse
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import reduce
from importlib import import_module
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from ruamel.yaml import YAML

from leeway import durable, open_workspace
from leeway.adapters.dvc.git import run_git
from leeway.bundle.predictor import Predictor
from leeway.data.digits_source import DigitsSource
from leeway.data.feedback import read_feedback
from leeway.domain.records import Cause, Release
from leeway.errors import LeewayError, WorkspaceError
from leeway.jobs import epochs
from leeway.jobs.init import init_workspace
from leeway.jobs.releasing import grounds, release_bundle
from leeway.labels.answers import gate_labels
from leeway.predictions.score import Incoming, score
from leeway.release import release as releases
from leeway.release.judge import judge
from leeway.simulate.story import Story
from leeway.simulate.timeline import draw_timeline
from leeway.simulate.world import Digit, DigitWorld, Labeler
from leeway.workspace import Workspace

FIRST_NIGHT = date(2026, 1, 1)
IMAGES_A_NIGHT = 300
SLIP = 0.01  # of the labeler's answers
MARKER = Path(".leeway") / "demo"
console = Console(highlight=False)


def settings_of_the_demo(seed: int, *, scratch: bool) -> dict[str, dict[str, object]]:
    """What the demo's workspace has otherwise than a new one, by file and key; why stands in docs/demo.md."""
    return {
        "params.yaml": {
            "data.source": {"kind": "digits", "share": 0.5, "seed": seed},
            "data.split": {"val": 0.1, "test": 0.3},
            "train.seed": seed,
            "train.augmentation.rotation_degrees": 5,
            "train.retraining.start": "scratch" if scratch else "champion",
        },
        "monitoring/policy.yaml": {
            "promotion.mode": "auto",
            "promotion.margin_points": 3.0,
            "promotion.gate_share": 0.3,
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of digits, world, labeler and training")
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--drift-night", type=int, default=20, help="from this night on the world is another")
    parser.add_argument("--no-drift", action="store_true", help="the world never changes")
    parser.add_argument("--scratch", action="store_true", help="retrain from random weights, not from the champion")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="made anew each time")
    chosen = parser.parse_args()
    if chosen.nights < 1 or chosen.seed < 0:
        parser.error(f"--nights {chosen.nights} --seed {chosen.seed}: at least one night, and a seed of 0 or more")
    drift_night = None if chosen.no_drift else chosen.drift_night
    if drift_night is not None and not 1 <= drift_night <= chosen.nights:
        parser.error(f"--drift-night {drift_night}: one of nights 1 to {chosen.nights}, or --no-drift")
    story = Story(chosen.seed, chosen.nights, FIRST_NIGHT, drift_night)
    started = time.monotonic()
    try:
        start_afresh(chosen.folder, seed=chosen.seed, scratch=chosen.scratch)
        with open_workspace() as workspace:
            first_model(workspace, story)
            live_through(workspace, story)
            ask_for_the_way_back(workspace, story)
            story.seconds = time.monotonic() - started
            return tell(workspace, story)
    except LeewayError as error:
        console.print(f"[bold red]The demo broke off:[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. The next demo starts afresh.")
        return 130


def start_afresh(folder: Path, *, seed: int, scratch: bool) -> None:
    """A workspace of its own, as `leeway init` makes it; what an earlier demo left there is removed."""
    if folder.exists():
        if not (folder / MARKER).exists():
            raise WorkspaceError(
                f"{folder} exists and is no demo's folder, so it is not removed; name another: --folder"
            )
        shutil.rmtree(folder)
    for name in [one for one in os.environ if one.startswith(("LEEWAY_", "PREFECT_"))]:
        del os.environ[name]  # nothing here may reach a real database, registry, channel or server
    os.environ["PREFECT_HOME"] = str(folder.resolve() / ".leeway" / "prefect")  # not the developer's own
    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    console.rule("[bold]1  A workspace, a dataset version, a first model")
    init_workspace(folder)
    durable.write_text(folder / MARKER, "")
    for name, changes in settings_of_the_demo(seed, scratch=scratch).items():
        yaml, path = YAML(), folder / name
        yaml.width = 120
        content = yaml.load(path)
        for key, value in changes.items():
            *sections, last = key.split(".")
            reduce(getitem, sections, content)[last] = value
        yaml.dump(content, path)
    with (folder / ".gitignore").open("a", encoding="utf-8") as ignored:
        ignored.write("/report/\n")
    run_git(["commit", "--all", "--quiet", "-m", "The demo's settings"], folder)
    os.environ["LEEWAY_WORKSPACE"] = str(folder.resolve())
    os.environ["LEEWAY_LEDGER_SECRET"] = f"of the demo with seed {seed}"  # the same draws each time
    console.print(f"`leeway init {folder}` made a workspace with its own git and DVC repository. `dvc repro` there:")


def first_model(workspace: Workspace, story: Story) -> None:
    """gather, prepare, train, evaluate; registered, judged by floors, promoted, and the dataset version committed."""
    now = datetime.combine(FIRST_NIGHT, clock(), tzinfo=UTC)
    workspace.repository.reproduce()
    made = release_bundle(workspace, now, reason="the first model")
    version = workspace.versions.find(made.version)
    story.test_accuracy_v1 = version.reference.correct / version.reference.total
    story.dataset_versions.append(version.dataset_digest)
    if made.outcome != releases.PROMOTED:
        raise WorkspaceError(f"the first model was {made.outcome}: {made.reason}")


def live_through(workspace: Workspace, story: Story) -> None:
    source = DigitsSource(share=0.5, seed=story.seed)
    digits = [Digit(item.origin, str(item.label), item.read()) for item in source.other_items()]
    world = DigitWorld(digits, seed=story.seed, first_night=FIRST_NIGHT, drift_night=story.drift_night)
    rng = np.random.default_rng([story.seed, 1])
    labeler = Labeler(sorted({digit.label for digit in digits}), slip=SLIP, rng=rng)
    truths: dict[str, str] = {}
    console.rule(f"[bold]2  {story.nights} nights in production")
    asked = workspace.fleet.policy_of(workspace.model).labels.per_night
    console.print(f"{IMAGES_A_NIGHT} images a night, {asked} of them labelled by a person.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        for number in progress.track(range(1, story.nights + 1), description="nights"):
            truths |= serve(workspace, world, story, number)
            morning(workspace, story, number)
            answer(workspace, labeler, truths, story, number)


def serve(workspace: Workspace, world: DigitWorld, story: Story, number: int) -> dict[str, str]:
    """A night of production; the truth of each prediction, which only the labeler may look up."""
    if number == story.drift_night:
        console.print(f"[yellow]Night {number}:[/] the camera is tilted and out of focus. Nobody tells the monitor.")
    shots = world.shots(number, count=IMAGES_A_NIGHT)
    champion = replace(epochs.champion(workspace, shots[0].occurred_at), as_of=shots[-1].occurred_at)
    predictor = Predictor.load(workspace.versions.bundle(champion.version.version))
    incoming = [Incoming(shot.id, shot.content, shot.occurred_at, shot.group) for shot in shots]
    story.live(number, shots, score(champion, incoming, predictor))
    return {shot.id: shot.truth for shot in shots}


def morning(workspace: Workspace, story: Story, number: int) -> None:
    """Two hours after midnight the monitoring flow runs; what it asks for is run directly, for want of a server."""
    as_of = midnight_after(number) + timedelta(hours=2)
    version = epochs.champion(workspace, as_of).version.version
    requests = flow("monitoring")(as_of=as_of)
    night = FIRST_NIGHT + timedelta(days=number - 1)
    story.results[number] = [result for at, result in workspace.ledger.results(workspace.model, version) if at == night]
    decided = [one for one in workspace.ledger.decisions(workspace.model) if one.night == night and one.nightly]
    story.decisions[number] = decided[-1]
    for request in requests:
        console.rule(f"[bold]3  Retraining, as night {number} asked for")
        keep(workspace, story, flow("training")(request=request.key, as_of=as_of), number)


def keep(workspace: Workspace, story: Story, made: Release | None, number: int) -> None:
    if made is None or made.outcome != releases.PROMOTED:
        return
    version = workspace.versions.find(made.version)
    numbers = json.loads(workspace.registry.tags(workspace.model, made.version)["gate_original"])
    story.promotions.append((made.version, number + 1))
    story.original_test_change_points = (story.original_test_change_points or 0) + numbers["difference"] * 100
    story.dataset_versions.append(version.dataset_digest)
    story.trained_groups = frozenset(row["group"] for row in read_feedback(workspace.feedback))


def answer(workspace: Workspace, labeler: Labeler, truths: dict[str, str], story: Story, number: int) -> None:
    """During the day a person answers what the label plan asks."""
    noon = midnight_after(number) + timedelta(hours=12)
    queue = workspace.ledger.label_queue(workspace.model)
    labels = [labeler.answer(prediction, truths[prediction.id], now=noon) for _, prediction in queue]
    story.labels_used += workspace.ledger.record_labels(labels).new


def ask_for_the_way_back(workspace: Workspace, story: Story) -> None:
    """A gate worth its name refuses the first version in place of the champion, on images neither was trained on."""
    now = midnight_after(story.nights)
    first = workspace.fleet.epoch(workspace.versions.find(min(workspace.registry.versions(workspace.model))), now)
    labels = gate_labels(first, since=None)
    on = replace(grounds(workspace), gate_labels=labels, cause=Cause.ACCURACY)
    story.way_back = judge(first, epochs.champion(workspace, now), workspace.versions, on)


def tell(workspace: Workspace, story: Story) -> int:
    report = workspace.folder / "report"
    draw_timeline(story, report / "timeline.png")
    summary = report / "summary.json"
    summary.write_text(json.dumps(story.summary(), indent=2) + "\n", encoding="utf-8")
    console.rule("[bold]What came of it")
    for name, value in story.summary().items():
        console.print(f"  {name:28} {value}")
    console.rule("[bold]Where to look")
    here = Path(os.path.relpath(workspace.folder))
    console.print(f"  the picture             {here / 'report' / 'timeline.png'}")
    console.print(f"  the numbers             {here / 'report' / 'summary.json'}")
    for beside in sorted(workspace.night_pages.glob("*-evidently.html")):
        page = beside.with_name(beside.name.replace("-evidently", ""))
        console.print(
            f"  the alarm night's page  {here / page.relative_to(workspace.folder)}, with Evidently's beside it"
        )
    mlflow = f"cd {here} && {Path(os.path.relpath(sys.executable, workspace.folder)).parent / 'mlflow'}"
    console.print(
        f"  the registry            {mlflow} ui --backend-store-uri sqlite:///.leeway/mlflow.db", soft_wrap=True
    )
    console.print(f"  the dataset versions    cd {here} && git log --stat")
    broken = story.broken_promises()
    for sentence in broken:
        console.print(f"[bold red]Not as it should be:[/] {sentence}.")
    return 1 if broken else 0


def flow(name: str) -> Callable[..., Any]:
    """A neighbour, imported when it is needed: Prefect reads its settings, set by then, when it is imported."""
    found: Callable[..., Any] = getattr(import_module(name), name)
    return found


def midnight_after(number: int) -> datetime:
    return datetime.combine(FIRST_NIGHT + timedelta(days=number), clock(), tzinfo=UTC)


if __name__ == "__main__":
    stages = logging.getLogger("leeway.dvc")  # what DVC and its stages say
    stages.setLevel(logging.INFO)
    stages.propagate = False
    stages.addHandler(RichHandler(console=console, show_time=False, show_level=False, show_path=False))
    sys.exit(main())
