"""Commands for labelling without a server: what people are asked as files, and their answers back."""

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from leeway.cli.files import Model, named_model, print_some, stop_if_refused, take_in_turn
from leeway.errors import ParamsError

labels_app = typer.Typer(help="Label without a server.", no_args_is_help=True, rich_markup_mode=None)


@labels_app.command("export")
def labels_export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    model: Model = None,
    show_answer: Annotated[bool, typer.Option("--show-answer", help="Write what the model said, too.")] = False,
) -> None:
    """Write what people are asked to label: images, a CSV to fill in, and Label Studio tasks."""
    from leeway.jobs.epochs import latest
    from leeway.labels.exchange import export_labels
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        name = named_model(workspace.settings, model)
        count = export_labels(latest(workspace, name, datetime.now(UTC)), folder, show_answer=show_answer)
    print(f"{count} tasks in {folder}; README.txt says how. Hand back: leeway labels import FILE")


@labels_app.command("import")
def labels_import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="labels.csv, or Label Studio's JSON.")],
    model: Annotated[str | None, typer.Option(help="Whose answers, where a file does not say.")] = None,
    labeler: Annotated[str, typer.Option(help="Who answered, where the file does not say.")] = "somebody",
) -> None:
    """Take answers back: each counts with the probability of its draw; what cannot be taken is listed."""
    from leeway.jobs.epochs import latest, reconcile_once
    from leeway.labels.exchange import import_labels, import_text
    from leeway.labels.resolution import Models
    from leeway.workspace import open_workspace

    now, default, labelled = datetime.now(UTC), None, set[str]()

    def take_file(path: Path) -> bool:
        recorded, read = import_labels(path, models, labeler=labeler, now=now)
        labelled.update(one.model for one in read.answers)
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
        for name in sorted(labelled):
            if differ := workspace.ledger.disagreements(name):
                print(f"{name}: people disagree about {differ} of its predictions; whoever labelled first counts")
        stop_if_refused(refused)
