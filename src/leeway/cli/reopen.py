"""The command that takes decided nights back."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from leeway.cli.files import Model, named_model
from leeway.errors import RefusedError


def reopen(
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First night that is taken back.")],
    model: Model = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it only says what it would do.")] = False,
) -> None:
    """Take nights back that were decided wrongly, after a clock that was wrong: the next monitor decides them anew."""
    from leeway.jobs.reopening import foresee, reopen
    from leeway.workspace import open_workspace

    night = since.date()
    with open_workspace(reading=not yes) as workspace:
        name = workspace.fleet.names(named_model(workspace.settings, model))[0]
        told = foresee(workspace, name, night)
        print(told or f"{name}: no night is decided from {night} on; there is nothing to reopen")
        if not told:
            return
        if not yes:
            raise RefusedError("nothing was changed; the same with --yes takes these nights back")
        reopen(workspace, name, night, datetime.now(UTC))
        print("Taken back, and kept in the table `reopenings`. Next: leeway monitor")
