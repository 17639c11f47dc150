"""Commands for labelling without a server: what people are asked as files, and their answers back."""

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.files import Model, named_model, some, stop_if_refused, take_in_turn
from leeway.cli.options import Group
from leeway.domain.text import counted, sentence
from leeway.errors import ParamsError

SHOWN = 12  # names of one model

if TYPE_CHECKING:
    from leeway.cli.label_schemas import AnswerFileFacts
    from leeway.workspace import Workspace

labels_app = typer.Typer(cls=Group, help="Label without a server.", no_args_is_help=True, rich_markup_mode=None)


@labels_app.command("export")
def labels_export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    model: Model = None,
    show_answer: Annotated[bool, typer.Option("--show-answer", help="Write what the model said, too.")] = False,
    labeler: Annotated[
        str, typer.Option(metavar="WHO", help="Who will answer: others' answers may need a second opinion.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write what people are asked to label: images, a CSV to fill in, and Label Studio tasks.

    With labels.second_opinion in monitoring/policy.yaml, an answer that contradicts the model is asked of a second
    person, who does not see which these are: that takes --labeler, under the same name each time.
    """
    from leeway.cli.label_facts import queue_facts
    from leeway.cli.label_schemas import LabelsExportFacts, LeftOutFacts
    from leeway.jobs.epochs import latest
    from leeway.labels.exchange import export_labels
    from leeway.labels.queue import queue_text
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace(reading=True) as workspace:
            name = named_model(workspace.settings, model)
            epoch = latest(workspace, name, datetime.now(UTC))
            made = export_labels(epoch, folder, show_answer=show_answer, labeler=labeler)
        left_out = [LeftOutFacts(prediction_id=each.prediction_id, problem=each.problem) for each in made.left_out]
        answer.give(
            LabelsExportFacts(
                model=name,
                folder=folder,
                tasks=made.tasks,
                left_out=left_out,
                second_after=list(made.after),
                waiting=queue_facts(made.queue) if made.queue else None,
            )
        )
        tasks = counted(made.tasks, "task")
        answer.say(f"{tasks} in {folder}; README.txt says how. Hand back: leeway labels import FILE")
        if made.queue:
            answer.say(sentence(queue_text(made.queue, command=False)))
        if made.after:
            known = " or ".join(map(repr, made.after))
            answer.say(
                f"answers come back as of {labeler!r}; if you have answered as {known}, export under that name instead"
            )
        if left_out:
            which = (
                "1 is left out: its image" if len(left_out) == 1 else f"{len(left_out):,} are left out: their images"
            )
            answer.say(f"{which} cannot be read; put the images back and export again:")
            answer.say(*some([f"{each['prediction_id']}: {each['problem']}" for each in left_out]))


@labels_app.command("import")
def labels_import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="labels.csv, or Label Studio's JSON.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Whose answers, where a file does not say.")] = None,
    labeler: Annotated[
        str, typer.Option(metavar="WHO", help="Who answered, where the file does not say.")
    ] = "somebody",
    as_json: Json = False,
) -> None:
    """Take answers back: each counts with the probability of its draw; what cannot be taken is listed.

    Ends with what happens next, by night and version. Labels that come after a night was measured are counted by a
    later one: that holds if whether a label comes late does not depend on whether the model was right.
    """
    from leeway.cli.label_facts import answer_file, labelled_model
    from leeway.cli.label_schemas import LabelsImportFacts
    from leeway.jobs.epochs import latest, reconcile_once
    from leeway.labels.exchange import import_labels, import_text
    from leeway.labels.queue import find_queue, queue_text
    from leeway.labels.resolution import Models
    from leeway.labels.summary import by_model, nights_text
    from leeway.monitor.fleet import trains
    from leeway.workspace import open_workspace

    now, default, labelled = datetime.now(UTC), None, set[tuple[str, str]]()
    outside, taken = Counter[tuple[str, str]](), list["AnswerFileFacts"]()

    def take_file(path: Path) -> bool:
        recorded, read = import_labels(path, models, labeler=labeler, now=now)
        labelled.update((given.model, given.prediction_id) for given in read.answers)
        outside.update(read.outside)
        taken.append(answer_file(path, recorded, read))
        answer.say(f"{path}: {import_text(recorded, read)}")
        answer.say(*some([f"{finding.place}: {finding.problem}" for finding in read.findings]))
        return bool(recorded.new or recorded.known or not read.findings)

    with answering(as_json=as_json) as answer, open_workspace() as workspace:
        reconcile_once(workspace, now)
        epoch_of = cache(lambda name: latest(workspace, name, now))
        if model:
            epoch_of(model)  # which says so if it is not known
        else:
            with suppress(ParamsError):  # several are watched: then a file says whose its answers are, or is refused
                default = named_model(workspace.settings, None)
        models = Models(workspace.ledger, epoch_of, model, default)
        refused = take_in_turn(files, take_file)
        named = by_model(labelled)
        if as_json:
            models_now = [labelled_model(epoch_of(name), ids, outside) for name, ids in named.items()]
            answer.give(LabelsImportFacts(files=taken, models=models_now))
        for name, ids in named.items() if not as_json else ():
            waits = queue_text(find_queue(epoch_of(name)))
            answer.say(f"{name}:", *some([*nights_text(epoch_of(name), ids), *([sentence(waits)] if waits else [])]))
            answer.say(*_conflict_lines(workspace, name))
        answer.say(*outside_lines(outside, trained={workspace.model} if trains(workspace.settings) else ()))
        stop_if_refused(refused)


@labels_app.command("conflicts")
def labels_conflicts(
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Default: every model.")] = None,
    as_json: Json = False,
) -> None:
    """List the predictions that people label differently: who said what, and when."""
    from leeway.cli.label_facts import conflicts
    from leeway.cli.label_schemas import LabelsConflictsFacts, ModelConflictsFacts
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace(reading=True) as workspace:
        names = workspace.fleet.names(model)
        answer.give(
            LabelsConflictsFacts(
                models=[ModelConflictsFacts(model=name, conflicts=conflicts(workspace.ledger, name)) for name in names]
            )
        )
        for name in names:
            lines = _conflict_lines(workspace, name)
            answer.say(*(lines or [f"{name}: people agree about all that several of them labelled"]))


def _conflict_lines(workspace: "Workspace", model: str) -> list[str]:
    from leeway.labels.summary import conflicts_text, conflicts_title

    lines = conflicts_text(workspace.ledger, model)
    return [conflicts_title(model, lines), *some(lines)] if lines else []


def outside_lines(outside: Counter[tuple[str, str]], *, trained: Collection[str]) -> list[str]:
    """Return what becomes of labels that name no class of their model, model by model."""
    lines = []
    for model in sorted({model for model, _ in outside}):
        counts = Counter({name: count for (owner, name), count in outside.items() if owner == model})
        named = ", ".join(f"{name!r} ({count:,})" for name, count in counts.most_common(SHOWN))
        lines.append(
            f"{model}: {counted(counts.total(), 'label')} outside the model's class list: kept, and errors of it "
            f"where they were drawn: {named}"
        )
        if model in trained:
            lines.append(
                "  they train nothing until params.yaml names the class: data.classes.add, or .rename for one it has"
            )
    return lines
