"""Commands for labelling without a server: what people are asked as files, and their answers back."""

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.files import Model, named_model, print_some, stop_if_refused, take_in_turn
from leeway.domain.text import counted
from leeway.errors import ParamsError

SHOWN = 12  # names of one model

if TYPE_CHECKING:
    from leeway.workspace import Workspace

labels_app = typer.Typer(help="Label without a server.", no_args_is_help=True, rich_markup_mode=None)


@labels_app.command("export")
def labels_export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    model: Model = None,
    show_answer: Annotated[bool, typer.Option("--show-answer", help="Write what the model said, too.")] = False,
    labeler: Annotated[str, typer.Option(help="Who will answer: others' answers may need a second opinion.")] = "",
) -> None:
    """Write what people are asked to label: images, a CSV to fill in, and Label Studio tasks.

    With labels.second_opinion in monitoring/policy.yaml, an answer that contradicts the model is asked of a second
    person, who does not see which these are: that takes --labeler, under the same name each time.
    """
    from leeway.jobs.epochs import latest
    from leeway.labels.exchange import export_labels
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        name = named_model(workspace.settings, model)
        epoch = latest(workspace, name, datetime.now(UTC))
        made = export_labels(epoch, folder, show_answer=show_answer, labeler=labeler)
    print(f"{made.tasks} tasks in {folder}; README.txt says how. Hand back: leeway labels import FILE")
    if made.after:
        known = " or ".join(map(repr, made.after))
        print(f"answers come back as of {labeler!r}; if you have answered as {known}, export under that name instead")
    if made.left_out:
        print(f"{len(made.left_out):,} are left out: their images cannot be read; put those back and export again:")
        print_some([f"{one.prediction_id}: {one.problem}" for one in made.left_out])


@labels_app.command("import")
def labels_import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="labels.csv, or Label Studio's JSON.")],
    model: Annotated[str | None, typer.Option(help="Whose answers, where a file does not say.")] = None,
    labeler: Annotated[str, typer.Option(help="Who answered, where the file does not say.")] = "somebody",
) -> None:
    """Take answers back: each counts with the probability of its draw; what cannot be taken is listed.

    Ends with what happens next, by night and version. Labels that come after a night was measured are counted by a
    later one: that holds if whether a label comes late does not depend on whether the model was right.
    """
    from leeway.jobs.epochs import latest, reconcile_once
    from leeway.labels.exchange import import_labels, import_text
    from leeway.labels.resolution import Models
    from leeway.labels.summary import by_model, nights_text, seconds_text
    from leeway.monitor.fleet import trains
    from leeway.workspace import open_workspace

    now, default, labelled = datetime.now(UTC), None, set[tuple[str, str]]()
    outside = Counter[tuple[str, str]]()

    def take_file(path: Path) -> bool:
        recorded, read = import_labels(path, models, labeler=labeler, now=now)
        labelled.update((one.model, one.prediction_id) for one in read.answers)
        outside.update(read.outside)
        print(f"{path}: {import_text(recorded, read)}")
        print_some([f"{one.place}: {one.problem}" for one in read.findings])
        return bool(recorded.new or recorded.known or not read.findings)

    with open_workspace() as workspace:
        reconcile_once(workspace, now)
        epoch_of = cache(lambda name: latest(workspace, name, now))
        if model:
            epoch_of(model)  # which says so if it is not known
        else:
            with suppress(ParamsError):  # several are watched: then a file says whose its answers are, or is refused
                default = named_model(workspace.settings, None)
        models = Models(workspace.ledger, epoch_of, model, default)
        refused = take_in_turn(files, take_file)
        for name, ids in by_model(labelled).items():
            print(f"{name}:")
            print_some([*nights_text(epoch_of(name), ids), *filter(None, [seconds_text(epoch_of(name))])])
            _print_conflicts(workspace, name)
        print_outside(outside, trained={workspace.model} if trains(workspace.settings) else ())
        stop_if_refused(refused)


@labels_app.command("conflicts")
def labels_conflicts(model: Annotated[str | None, typer.Option(help="Default: every model.")] = None) -> None:
    """List the predictions that people call different things: who said what, and when."""
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        for name in workspace.fleet.names(model):
            if not _print_conflicts(workspace, name):
                print(f"{name}: people agree about all that several of them labelled")


def _print_conflicts(workspace: "Workspace", model: str) -> bool:
    """Print them, if there are any; return whether."""
    from leeway.labels.summary import conflicts_text, conflicts_title

    conflicts = conflicts_text(workspace.ledger, model)
    if conflicts:
        print(conflicts_title(model, conflicts))
        print_some(conflicts)
    return bool(conflicts)


def print_outside(outside: Counter[tuple[str, str]], *, trained: Collection[str]) -> None:
    """What becomes of labels that name no class of their model, a line for each model."""
    for model in sorted({model for model, _ in outside}):
        counts = Counter({name: count for (owner, name), count in outside.items() if owner == model})
        named = ", ".join(f"{name!r} ({count:,})" for name, count in counts.most_common(SHOWN))
        print(
            f"{model}: {counted(counts.total(), 'label')} outside the model's class list: kept, and errors of it "
            f"where they were drawn: {named}"
        )
        if model in trained:
            print("  they train nothing until params.yaml names the class: data.classes.add, or .rename for one it has")
