"""The training flow: labels become data, data a challenger, and the challenger a champion if the gate lets it."""

from datetime import UTC, datetime

from leeway.adapters.prefect_trigger import quiet_prefect

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from leeway.domain.records import Release
from leeway.wiring import Workspace, open_workspace

add_labels = task(Workspace.add_labels, name="add labels", cache_policy=NO_CACHE)
fetch_champion = task(Workspace.fetch_champion, name="fetch champion", cache_policy=NO_CACHE)
reproduce = task(Workspace.reproduce, name="reproduce", cache_policy=NO_CACHE)
register = task(Workspace.register, name="register", cache_policy=NO_CACHE)
judge = task(Workspace.judge, name="judge", cache_policy=NO_CACHE)
release = task(Workspace.release, name="release", cache_policy=NO_CACHE)
finish = task(Workspace.finish, name="finish", cache_policy=NO_CACHE)


@flow(name="training")
def training(request: str | None = None, as_of: datetime | None = None) -> Release | None:
    """1 claim the request  2 add its labels as a shard  3 fetch the champion to start from  4 reproduce the pipeline
    5 register the challenger  6 judge it  7 release it, or not  8 commit the dataset version  9 tell people.

    Without a request it is the calendar that asks. None: there was nothing to do.
    """
    now = as_of or datetime.now(UTC)
    with open_workspace() as workspace:
        champion = workspace.champion(now)
        decision = workspace.claim(request, champion, now=now)
        if decision is None:
            return None
        with workspace.at_work(decision, now=now):
            add_labels(workspace, champion, decision)
            fetch_champion(workspace, decision)
            reproduce(workspace)
            challenger = register(workspace, reason=decision.reason)
            verdict = judge(workspace, challenger, champion)
            made = release(workspace, challenger, champion, verdict, now=now)
            finish(workspace, decision, challenger, made)
        return made


if __name__ == "__main__":
    training()
