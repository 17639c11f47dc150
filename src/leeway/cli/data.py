"""Commands about the dataset: audit it, query it, list its label errors, correct them."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from leeway.cli.answering import Json, answering, plain
from leeway.cli.files import some
from leeway.cli.options import Group
from leeway.domain.text import by_number, counted
from leeway.errors import ParamsError

data_app = typer.Typer(
    cls=Group, help="Look into the dataset, and correct it.", no_args_is_help=True, rich_markup_mode=None
)
SHOWN = 20  # changes and errors that are printed


@data_app.command("audit")
def data_audit(as_json: Json = False) -> None:
    """Show class balance, findings, groups, conflicts, leaks and sizes, with pictures in reports/data_audit.html."""
    from leeway.jobs.auditing import audit_dataset, screen
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer, open_workspace(reading=True) as workspace:
        audited = audit_dataset(workspace)
        answer.say(screen(audited))
        answer.give({**plain(audited.found), "page": audited.page})


@data_app.command("sql")
def data_sql(
    query: Annotated[str, typer.Argument(help="Tables: images, findings, conflicts, leaks. Try: SUMMARIZE images")],
    version: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="A dataset version: how its digest begins.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="What an MLflow run was trained on.")] = None,
    model: Annotated[int | None, typer.Option(metavar="VERSION", help="What a model version was trained on.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of the screen.")] = False,
    as_json: Json = False,
) -> None:
    """Query a dataset version in SQL (DuckDB); default: the current one."""
    from leeway.adapters.duckdb.dataset_sql import query as ask
    from leeway.cli.schemas import RowsFacts
    from leeway.data.spreadsheet import write_rows
    from leeway.jobs.lineage import dataset_version
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        if as_csv and as_json:
            raise ParamsError("--csv and --json: an answer has one format; leave one of the two out")
        with open_workspace(reading=True) as workspace:
            result = ask(query, dataset_version(workspace, version=version, run=run, model=model).files)
        if as_csv:
            write_rows(sys.stdout, result.columns, result.rows, line_end="\n")
            return
        if as_json:
            _refuse_repeated(result.columns)
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows] if as_json else []
        answer.give(RowsFacts(columns=list(result.columns), rows=rows))
        answer.say(_aligned(result.columns, result.rows), counted(len(result.rows), "row"))


@data_app.command("label-errors")
def data_label_errors(as_json: Json = False) -> None:
    """List labels that are likely wrong (confident learning), in reports/label_errors.csv to be filled in."""
    from leeway.cli.label_schemas import LabelErrorsFacts
    from leeway.jobs.relabelling import list_label_errors
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace(reading=True) as workspace:
            listed = list_label_errors(workspace)
        errors, likely = listed.errors, sum(error.likely for error in listed.errors)
        answer.give(
            LabelErrorsFacts(
                images=listed.images, likely=likely, errors=plain(errors), table=listed.table, page=listed.page
            )
        )
        are = by_number(likely, "is", "are")
        answer.say(
            f"{counted(listed.images, 'image')}: {counted(likely, 'label')} {are} likely wrong, "
            f"{len(errors) - likely:,} more contradicted"
        )
        columns = ("label", "suggested", "confidence", "split", "origin")
        rows = [(row.label, row.suggested, f"{row.confidence:.2f}", row.split, row.origin) for row in errors]
        if rows:
            answer.say(_aligned(columns, rows[:SHOWN]))
        answer.say(f"all of them  {listed.table}", f"pictures     {listed.page}")
        answer.say(f"Next: fill in new_label (- leaves the image out), then leeway data relabel {listed.table}")


@data_app.command("relabel")
def data_relabel(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: asset or origin, and new_label.")],
    by: Annotated[str, typer.Option(metavar="WHO", help="Who corrects them.")] = "somebody",
    as_json: Json = False,
) -> None:
    """Correct labels: they decide over all others from the next `dvc repro` on; a second time adds nothing."""
    from leeway.cli.label_schemas import ChangedLabelFacts, RelabelledFacts
    from leeway.jobs.relabelling import relabel
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace() as workspace:
            done = relabel(workspace, file, labeler=by)
        changed = [ChangedLabelFacts(origin=origin, before=before, now=now) for origin, before, now in done.changed]
        answer.give(RelabelledFacts(changed=changed, known=done.known, unanswered=done.empty, shard=done.shard))
        left_out = sum(change["now"] is None for change in changed)
        answer.say(
            f"{len(changed) - left_out:,} relabelled, {left_out:,} left out, {done.known:,} known, "
            f"{done.empty:,} without an answer"
        )
        lines = [f"{origin}: {before or 'no label'} -> {now or 'left out'}" for origin, before, now in done.changed]
        answer.say(*some(lines, most=SHOWN))
        if done.shard is not None:
            answer.say(f"corrections {done.shard}", "Next: dvc repro")


def _refuse_repeated(columns: Sequence[str]) -> None:
    """Raises ParamsError for two columns of one name: an object has each key once."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise ParamsError(f"--json: several columns are called {repeated[0]!r}; give each a name of its own with AS")


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of text; numbers stand at the right."""
    cells = [["" if cell is None else " ".join(str(cell).split("\n")) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    numeric = [bool(rows) and all(isinstance(row[index], int | float) for row in rows) for index in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        for line in [columns, ["-" * width for width in widths], *cells]
    ]
    return "\n".join(line.rstrip() for line in lines)
