"""Options that every command takes, before its name and after it; and help texts that are never cut off."""

import logging
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from leeway.version import __version__

SHARED = ("quiet", "verbose")  # of the options below: those that stand after a command, too
WHOLE = 10_000  # characters of a help text in a list of commands
VERBOSE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Group(TyperGroup):
    """A group of commands that share its options, and whose list gives the first sentence of each, however long."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        shared = [option for option in self.params if option.name in SHARED]
        for command in _inside(self):
            command.params = [*command.params, *shared]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, self.commands[name].get_short_help_str(WHOLE)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _inside(group: TyperGroup) -> Iterator[Any]:
    for command in group.commands.values():
        yield command
        if isinstance(command, TyperGroup):
            yield from _inside(command)


def begin_logging() -> None:
    """Send what the modules log to stderr: warnings of all, and what Leeway's own report of their steps."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    _log_from(logging.WARNING, ours=logging.INFO)


def leave_to_the_screen(name: str) -> None:
    """Keep reports of a module's steps out of the log, since the command prints them; not with `--verbose`."""
    shown = logging.getLogger("leeway").level
    logging.getLogger(name).setLevel(logging.WARNING if shown == logging.INFO else logging.NOTSET)


def _log_from(level: int, *, ours: int) -> None:
    logging.getLogger().setLevel(level)
    logging.getLogger("leeway").setLevel(ours)


def _be_quiet(wanted: bool) -> None:
    if wanted:
        _log_from(logging.ERROR, ours=logging.ERROR)


def _be_verbose(wanted: bool) -> None:
    if wanted:
        _log_from(logging.WARNING, ours=logging.DEBUG)
        for handler in logging.getLogger().handlers:
            if type(handler) is logging.StreamHandler:  # ours
                handler.setFormatter(logging.Formatter(VERBOSE))
        logging.getLogger("leeway").debug("leeway %s, Python %s", __version__, sys.version.split()[0])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"leeway {__version__}")
        raise typer.Exit


def shared_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, expose_value=False, help="Print the version."
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", callback=_be_quiet, expose_value=False, help="Print results and errors, no log lines."
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", callback=_be_verbose, expose_value=False, help="Print more log lines."),
    ] = False,
) -> None:
    """Hold the options of `leeway` itself."""
