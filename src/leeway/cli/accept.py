"""The command by which a person accepts a night that looked unlike what the model was measured on."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.files import Model, named_model


def accept(
    night: Annotated[
        datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="NIGHT", help="A night that asks: `leeway status`.")
    ],
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Say that production looks like this night: it and nights like it may be what drift is held against."""
    from leeway.cli.label_schemas import AcceptFacts
    from leeway.jobs.accepting import accept_night
    from leeway.workspace import open_workspace

    with answering(as_json=as_json) as answer:
        with open_workspace() as workspace:
            name = workspace.fleet.names(named_model(workspace.settings, model))[0]
            new = accept_night(workspace, name, night.date(), datetime.now(UTC))
        answer.give(AcceptFacts(model=name, night=night.date(), new=new))
        state = "is accepted" if new else "was accepted before"
        counts = "it and nights like it count from the next `leeway monitor` on"
        answer.say(f"{name}: the night of {night.date()} {state}; {counts}")
