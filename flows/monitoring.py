"""The monitoring flow: the nightly job, each step a task."""

from datetime import UTC, datetime
from typing import Any

from leeway.adapters.prefect.trigger import quiet_prefect

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import Flow, State, flow
from prefect.client.schemas.objects import FlowRun

from leeway import open_workspace
from leeway.adapters.prefect.tasks import as_task
from leeway.domain.records import Decision
from leeway.jobs.moment import acting_at
from leeway.jobs.nightly import nightly
from leeway.jobs.telling import tell_of_flow


def tell_people(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 (Prefect names them)
    """Of a run that failed, was killed or lost its machine; what the job itself told is not told again."""
    error = getattr(state.data, "result", state.data)
    tell_of_flow(flow.name, error if isinstance(error, Exception) else state.message, datetime.now(UTC))


@flow(name="monitoring", on_failure=[tell_people], on_crashed=[tell_people])
def monitoring(as_of: datetime | None = None, simulate: bool = False) -> list[Decision]:
    """For each watched model and each night that is over:  1 close the labels that are in  2 close the window
    3 run the checks  4 decide, and store it  5 plan labels, more after an alarm.  Then:  6 tell people
    7 ask for retraining  8 draw the pages that are missing.

    `as_of` is another time to act at; one that is yet to come only with `simulate`. Returns the open requests. What
    fails for one model stops no other one, and is raised at the end.
    """
    with open_workspace() as workspace:
        clock = datetime.now(UTC)
        now = acting_at(as_of, clock=clock, simulate=simulate)
        done = nightly(workspace, now, confirmed=as_of is not None and now <= clock, run=as_task)
    done.failures.raise_first()
    return done.requests


if __name__ == "__main__":
    monitoring()
