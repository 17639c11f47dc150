"""The command `leeway heartbeat`: for cron and uptime checks, which read its exit code."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from leeway.cli.answering import Json, answering
from leeway.errors import OverdueError, first_few

SHOWN = 3


def heartbeat(
    grace_hours: Annotated[
        float, typer.Option(min=0, metavar="HOURS", help="How long after its end a night may wait.")
    ] = 12.0,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            metavar="TIME",
            help="When it asks, such as 2026-03-11T02:00:00, in UTC or with an offset; default: now.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether last night was looked at: code 0 if so, else 1, and which model was not. Writes nothing."""
    from leeway.cli.schemas import HeartbeatFacts, PulseFacts
    from leeway.monitor.heartbeat import WHAT_TO_DO, listen
    from leeway.workspace import open_workspace

    now = as_of or datetime.now(UTC)
    with answering(as_json=as_json) as answer:
        with open_workspace(reading=True) as workspace:
            heard = listen(workspace.fleet, now if now.tzinfo else now.replace(tzinfo=UTC), grace_hours=grace_hours)
        pulses = [
            PulseFacts(
                model=pulse.model,
                version=pulse.version,
                last_night=pulse.last_night,
                decided_at=pulse.decided_at,
                overdue=list(pulse.overdue),
                problem=pulse.problem,
            )
            for pulse in heard.pulses
        ]
        answer.give(HeartbeatFacts(in_time=not heard.late, models=pulses))
        if heard.late:
            answer.say(*heard.late)
            raise OverdueError(f"not every night that is over was looked at, see the lines above; {WHAT_TO_DO}")
        answer.say(f"every night that is over was looked at; {first_few(heard.on_time, SHOWN, by='; ')}")
