"""The training flow: the retraining job, each step a task."""

from datetime import UTC, datetime
from typing import Any

from leeway.adapters.prefect.trigger import quiet_prefect

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import Flow, State, flow
from prefect.client.schemas.objects import FlowRun

from leeway import open_workspace
from leeway.adapters.prefect.tasks import as_task
from leeway.domain.records import Release
from leeway.jobs.retraining import retraining
from leeway.jobs.telling import tell_of_flow


def tell_people(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 (Prefect names them)
    """Of a run that failed, was killed or lost its machine; what the job itself told is not told again."""
    error = getattr(state.data, "result", state.data)
    tell_of_flow(flow.name, error if isinstance(error, Exception) else state.message, datetime.now(UTC))


@flow(name="training", on_failure=[tell_people], on_crashed=[tell_people])
def training(request: str | None = None, as_of: datetime | None = None) -> Release | None:
    """1 claim the request  2 add its labels as a shard  3 fetch the champion to start from  4 reproduce the pipeline
    5 commit what made it  6 register the challenger  7 judge it  8 release it, or not  9 tell people.

    Without a request it is the calendar that asks. None: there was nothing to do.
    """
    with open_workspace() as workspace:
        done = retraining(workspace, request, as_of or datetime.now(UTC), run=as_task)
    return done.release if done else None


if __name__ == "__main__":
    training()
