"""Serves the flows on their schedules: monitoring every night at 02:00, a calendar retraining on the 1st of each month.

    prefect server start                                                        in one terminal, then in another
    PREFECT_API_URL=http://127.0.0.1:4200/api python flows/deploy.py           in the workspace

One process, no work pool. A retraining that the monitor asks for runs here too, one at a time.
"""

import os
import sys
from pathlib import Path

from leeway.adapters.prefect.probe import PrefectServer
from leeway.adapters.prefect.trigger import quiet_prefect, server_address

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Cron

from leeway.checks.policy import load_policy
from leeway.errors import LeewayError, WorkspaceError
from leeway.settings import read_settings

NIGHTLY = "0 2 * * *"
MONTHLY = "0 4 1 * *"  # two hours after the night's monitoring
STARTS_WITHIN = 60  # seconds: a server that was started a moment ago
HERE = Path(__file__).parent


def main() -> None:
    if not server_address():
        raise WorkspaceError(
            "schedules need a Prefect server, and PREFECT_API_URL names none: without one they would silently never "
            "run. Start one with `prefect server start`, then set PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    PrefectServer(os.environ).wait(seconds=STARTS_WITHIN)
    settings = read_settings()
    os.environ["LEEWAY_WORKSPACE"] = str(settings.workspace)  # for the flow runs, which are processes of their own
    zone = load_policy(settings.policy_path).time_zone
    one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    serve(
        *(
            load_flow_from_entrypoint(f"{HERE / file}:{name}").to_deployment(
                name, schedule=Cron(cron, timezone=zone), concurrency_limit=one_at_a_time
            )
            for file, name, cron in (("monitoring.py", "monitoring", NIGHTLY), ("training.py", "training", MONTHLY))
        ),
        pause_on_shutdown=False,  # a supervisor that restarts this process must not leave schedules paused
    )


if __name__ == "__main__":
    try:
        main()
    except LeewayError as error:
        print(f"deploy: {error}", file=sys.stderr)
        sys.exit(2)
