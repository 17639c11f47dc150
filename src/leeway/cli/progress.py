"""Progress: a bar on a terminal while a command works."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(title: str, *, total: int | None = None) -> Iterator[Any]:
    """A bar on a terminal; nothing where the output is kept in a file."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    counted = TextColumn("{task.description} {task.completed:,.0f}")
    columns = (SpinnerColumn(), counted, *([BarColumn()] if total else []), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda rows=1: bar.advance(task, rows)
