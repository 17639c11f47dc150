"""The monitoring flow: the nightly job, each step a task."""

from datetime import UTC, datetime

from leeway.adapters.prefect.trigger import quiet_prefect

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import flow

from leeway import open_workspace
from leeway.adapters.prefect.tasks import as_task
from leeway.domain.records import Decision
from leeway.jobs.nightly import nightly


@flow(name="monitoring")
def monitoring(as_of: datetime | None = None) -> list[Decision]:
    """For each watched model and each night that is over:  1 close the labels that are in  2 close the window
    3 run the checks  4 decide, and store it  5 plan labels, more after an alarm.  Then:  6 tell people
    7 ask for retraining  8 draw the pages that are missing.

    Returns the open requests. What fails for one model stops no other one, and is raised at the end.
    """
    with open_workspace() as workspace:
        done = nightly(workspace, as_of or datetime.now(UTC), run=as_task)
    done.failures.raise_first()
    return done.requests


if __name__ == "__main__":
    monitoring()
