"""The command `leeway heartbeat`: for cron and uptime checks, which read its exit code."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from leeway.errors import OverdueError, first_few

SHOWN = 3


def heartbeat(
    grace_hours: Annotated[float, typer.Option(min=0, help="Hours after its end in which a night is decided.")] = 12.0,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help="Time to ask about; default: now. Without an offset: UTC.",
        ),
    ] = None,
) -> None:
    """Say whether last night was looked at: code 0 if so, else 1, and which model was not. Writes nothing."""
    from leeway.monitor.heartbeat import WHAT_TO_DO, listen
    from leeway.workspace import open_workspace

    now = as_of or datetime.now(UTC)
    with open_workspace(reading=True) as workspace:
        heard = listen(workspace.fleet, now if now.tzinfo else now.replace(tzinfo=UTC), grace_hours=grace_hours)
    if heard.late:
        print("\n".join(heard.late))
        raise OverdueError(f"not every night that is over was looked at, see the lines above; {WHAT_TO_DO}")
    print(f"every night that is over was looked at; {first_few(heard.on_time, SHOWN, by='; ')}")
