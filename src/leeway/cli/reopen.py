"""The command that takes decided nights back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leeway.cli.answering import Json, answering
from leeway.cli.files import Model, named_model
from leeway.errors import RefusedError

if TYPE_CHECKING:
    from leeway.cli.label_schemas import ReopenFacts


def reopen(
    since: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="NIGHT", help="First night that is taken back.")
    ],
    model: Model = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it only says what it would do.")] = False,
    as_json: Json = False,
) -> None:
    """Take nights back that were decided wrongly, after a clock that was wrong: the next monitor decides them anew."""
    from leeway.jobs.reopening import content_text, reopen
    from leeway.workspace import open_workspace

    night = since.date()
    with answering(as_json=as_json) as answer, open_workspace(reading=not yes) as workspace:
        name = workspace.fleet.names(named_model(workspace.settings, model))[0]
        content = workspace.ledger.removable(name, night)
        answer.give(_facts(name, night, content, reopened=False))
        text = content_text(name, night, content)
        answer.say(text or f"{name}: no night is decided from {night} on; there is nothing to reopen")
        if not text:
            return
        if not yes:
            raise RefusedError("nothing was changed; the same with --yes takes these nights back")
        made = reopen(workspace, name, night, datetime.now(UTC))
        answer.give(_facts(name, night, made.content, reopened=True))
        answer.say("Taken back, and kept in the table `reopenings`. Next: leeway monitor")


def _facts(model: str, night: date, content: Mapping[str, Sequence[Any]], *, reopened: bool) -> "ReopenFacts":
    from leeway.cli.label_schemas import ReopenFacts
    from leeway.domain.records import Action
    from leeway.jobs.reopening import UNDER_WAY

    decisions, windows = content["decisions"], content["windows"]
    requests = [decision for decision in decisions if decision["action"] == Action.RETRAIN]
    under_way = [decision["key"] for decision in requests if decision["state"] in UNDER_WAY]
    return ReopenFacts(
        model=model,
        from_night=night,
        reopened=reopened,
        nights=sorted({date.fromisoformat(window["night"]) for window in windows}),
        versions=sorted({window["version"] for window in windows}),
        decisions=[decision["key"] for decision in decisions],
        alarms=[decision["key"] for decision in decisions if decision["action"] == Action.MORE_LABELS],
        open_requests=under_way,
        done_requests=[request["key"] for request in requests if request["key"] not in under_way],
        plans=len(content["label_plans"]),
        plans_applied_again=len(content["applied_again"]),
        alerts=len(content["alerts"]),
    )
