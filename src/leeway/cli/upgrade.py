"""The command that brings a workspace to this version."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.errors import RefusedError

if TYPE_CHECKING:
    from leeway.cli.schemas import UpgradeFacts
    from leeway.jobs.upgrade import Upgrade


def upgrade(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it only shows the difference.")] = False,
    as_json: Json = False,
) -> None:
    """Bring params, policies, pipeline, flows and ledger of a workspace to this version; your values stay."""
    from leeway.jobs.upgrade import foresee_upgrade
    from leeway.jobs.upgrade import upgrade as bring
    from leeway.settings import read_settings

    with answering(as_json=as_json) as answer:
        settings = read_settings()
        foreseen = foresee_upgrade(settings)
        answer.give(_facts(foreseen, done=False))
        answer.say(_screen(foreseen))
        if foreseen.is_needed and not yes:
            raise RefusedError("nothing was changed; `leeway upgrade --yes` does it")
        if foreseen.is_needed:
            bring(settings, foreseen)
            answer.give(_facts(foreseen, done=True))
            then = ", then `dvc repro`" if foreseen.trains_again else ""
            answer.say(f"Done. Next: look through `git diff`, commit it{then}")


def _screen(foreseen: "Upgrade") -> str:
    from leeway.version import __version__

    diffs = [one.diff for one in foreseen.files if one.diff]
    lines = [line for one in foreseen.files for line in (f"{one.path}  {one.action}", *_indented(one.changes))]
    if foreseen.ledger:
        lines.append("ledger  schema {} -> {}".format(*foreseen.ledger))
    if not foreseen.shipped:
        lines.append("This is a clone of Leeway: its files come with `git pull`.")
    if not foreseen.is_needed:
        lines.append(f"This workspace is as version {__version__} has it: there is nothing to do.")
    lines += [f"{name}.new  waits for you to merge it into {name} and to delete it" for name in foreseen.unmerged]
    if foreseen.trains_again:
        lines.append(f"The next `dvc repro` trains again: {foreseen.trains_again}.")
    return "\n".join([*diffs, *lines])


def _indented(lines: Sequence[str]) -> list[str]:
    return [textwrap.fill(line, 120, initial_indent="  ", subsequent_indent="    ") for line in lines]


def _facts(foreseen: "Upgrade", *, done: bool) -> "UpgradeFacts":
    from leeway.cli.schemas import FileUpgradeFacts, LedgerUpgradeFacts, UpgradeFacts
    from leeway.version import __version__

    files = [
        FileUpgradeFacts(path=one.path, action=one.action, changes=list(one.changes), diff=one.diff)
        for one in foreseen.files
    ]
    return UpgradeFacts(
        version=__version__,
        recorded_version=foreseen.recorded,
        needed=foreseen.is_needed,
        done=done,
        files=files,
        ledger=LedgerUpgradeFacts(before=foreseen.ledger[0], after=foreseen.ledger[1]) if foreseen.ledger else None,
        trains_again=foreseen.trains_again,
        unmerged=[f"{name}.new" for name in foreseen.unmerged],
    )
