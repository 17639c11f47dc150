"""The training flow: the retraining job, each step a task."""

from datetime import UTC, datetime

from leeway.adapters.prefect.trigger import quiet_prefect

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import flow

from leeway import open_workspace
from leeway.adapters.prefect.tasks import as_task
from leeway.domain.records import Release
from leeway.jobs.retraining import retraining


@flow(name="training")
def training(request: str | None = None, as_of: datetime | None = None) -> Release | None:
    """1 claim the request  2 add its labels as a shard  3 fetch the champion to start from  4 reproduce the pipeline
    5 register the challenger  6 judge it  7 release it, or not  8 commit the dataset version  9 tell people.

    Without a request it is the calendar that asks. None: there was nothing to do.
    """
    with open_workspace() as workspace:
        done = retraining(workspace, request, as_of or datetime.now(UTC), run=as_task)
    return done.release if done else None


if __name__ == "__main__":
    training()
