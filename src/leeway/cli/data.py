"""Commands about the dataset: audit it, query it, find its label errors, correct them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

data_app = typer.Typer(help="Look into the dataset, and correct it.", no_args_is_help=True, rich_markup_mode=None)
SHOWN = 20  # changes and errors that are printed


@data_app.command("audit")
def data_audit() -> None:
    """Show balance, findings, groups, conflicts, leaks and sizes; reports/data_audit.html has the pictures."""
    from leeway.jobs.auditing import audit_dataset, screen
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        print(screen(audit_dataset(workspace)))


@data_app.command("sql")
def data_sql(
    query: Annotated[str, typer.Argument(help="Tables: images, findings, conflicts, leaks. Try: SUMMARIZE images")],
    version: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="A dataset version: how its digest begins.")
    ] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="What an MLflow run was trained on.")] = None,
    model: Annotated[int | None, typer.Option(metavar="VERSION", help="What a model version was trained on.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of the screen.")] = False,
) -> None:
    """Ask a dataset version in SQL (DuckDB); default: the current one."""
    from leeway.adapters.duckdb.dataset_sql import query as ask
    from leeway.data.spreadsheet import write_rows
    from leeway.jobs.lineage import dataset_version
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        answer = ask(query, dataset_version(workspace, version=version, run=run, model=model).files)
    if as_csv:
        write_rows(sys.stdout, answer.columns, answer.rows, line_end="\n")
        return
    print(_aligned(answer.columns, answer.rows))
    print(f"{len(answer.rows):,} rows")


@data_app.command("label-errors")
def data_label_errors() -> None:
    """List labels that are likely wrong, by confident learning; reports/label_errors.csv is to be filled in."""
    from leeway.jobs.relabelling import list_label_errors
    from leeway.workspace import open_workspace

    with open_workspace(reading=True) as workspace:
        listed = list_label_errors(workspace)
    likely = sum(one.likely for one in listed.errors)
    print(
        f"{listed.images:,} images: {likely:,} labels are likely wrong, "
        f"{len(listed.errors) - likely:,} more are contradicted"
    )
    columns = ("label", "suggested", "confidence", "split", "origin")
    rows = [(one.label, one.suggested, f"{one.confidence:.2f}", one.split, one.origin) for one in listed.errors]
    if rows:
        print(_aligned(columns, rows[:SHOWN]))
    print(f"all of them  {listed.table}\npictures     {listed.page}")
    print(f"Next: fill in new_label (- leaves the image out), then leeway data relabel {listed.table}")


@data_app.command("relabel")
def data_relabel(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: asset or origin, and new_label.")],
    by: Annotated[str, typer.Option(help="Who says so.")] = "somebody",
) -> None:
    """Correct labels: they decide over all others from the next `dvc repro` on; a second time adds nothing."""
    from leeway.jobs.relabelling import relabel
    from leeway.workspace import open_workspace

    with open_workspace() as workspace:
        done = relabel(workspace, file, labeler=by)
    left_out = sum(now is None for _, _, now in done.changed)
    print(
        f"{len(done.changed) - left_out:,} relabelled, {left_out:,} left out, {done.known:,} known, "
        f"{done.empty:,} without an answer"
    )
    for origin, before, now in done.changed[:SHOWN]:
        print(f"  {origin}: {before or 'no label'} -> {now or 'left out'}")
    if len(done.changed) > SHOWN:
        print(f"  and {len(done.changed) - SHOWN:,} more")
    if done.shard is not None:
        print(f"corrections {done.shard}\nNext: dvc repro")


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of text; numbers stand at the right."""
    cells = [["" if cell is None else " ".join(str(cell).split("\n")) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    numeric = [bool(rows) and all(isinstance(row[place], int | float) for row in rows) for place in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        )
        for line in [columns, ["-" * width for width in widths], *cells]
    ]
    return "\n".join(line.rstrip() for line in lines)
