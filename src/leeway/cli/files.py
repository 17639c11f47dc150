"""What commands that take files share: which model is meant, one file after another, and what is listed of them."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.errors import LeewayError, ParamsError, RefusedError, first_few

if TYPE_CHECKING:
    from leeway.settings import Settings

SHOWN = 20  # bad rows and findings that are printed
Model = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the model; default: the workspace's own.")]


def named_model(settings: "Settings", model: str | None) -> str:
    """Return the model that is meant: named, the workspace's own, or the only one watched here. Raises ParamsError."""
    from leeway.monitor.fleet import known_from_files, trains

    watched = known_from_files(settings)
    if model or trains(settings):
        return model or settings.model
    if not watched:
        raise ParamsError("no model is watched here yet; `leeway watch init NAME --reference FILE` begins it")
    if len(watched) > 1:
        raise ParamsError(f"several models are watched here: {', '.join(watched)}; say --model NAME")
    return watched[0]


def take_in_turn(files: Sequence[Path], take: Callable[[Path], bool]) -> list[Path]:
    """Take each file; return those of which nothing was taken. Where one fails, say first which are in."""
    taken: dict[Path, bool] = {}
    for path in files:
        try:
            taken[path] = take(path)
        except LeewayError:
            if taken:
                names = first_few([str(path) for path in taken])
                print(
                    f"{names}: in already; running the same again takes the rest and adds nothing twice",
                    file=sys.stderr,
                )
            raise
    return [path for path, is_taken in taken.items() if not is_taken]


def stop_if_refused(files: Sequence[Path] | Sequence[str]) -> None:
    """Raises RefusedError that names the files, if there are any, of which every row was refused."""
    if files:
        raise RefusedError(f"nothing was taken from {', '.join(map(str, files))}; what is wrong is listed above")


def some(lines: Sequence[str], *, most: int = SHOWN) -> list[str]:
    """Return the first of the lines, indented, and how many more there are."""
    left = len(lines) - most
    return [*(f"  {line}" for line in lines[:most]), *([f"  and {left:,} more"] if left > 0 else [])]
