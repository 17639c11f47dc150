"""The monitoring flow: closes the nights that are over, checks them, decides, and asks for what a decision needs."""

from datetime import UTC, datetime

from leeway.adapters.prefect_trigger import quiet_prefect

quiet_prefect()  # before Prefect is imported, which is when it reads its settings

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from leeway.domain.records import Action, Decision
from leeway.steps import watch
from leeway.wiring import Workspace, open_workspace

close_labels = task(watch.close_labels, cache_policy=NO_CACHE)
close_window = task(watch.close_window, cache_policy=NO_CACHE)
run_checks = task(watch.run_checks, cache_policy=NO_CACHE)
conclude = task(watch.conclude, cache_policy=NO_CACHE)
draw_pages = task(Workspace.draw_pages, name="draw pages", cache_policy=NO_CACHE)
plan_labels = task(watch.plan_labels, cache_policy=NO_CACHE)
deliver_alerts = task(Workspace.deliver_alerts, name="deliver alerts", cache_policy=NO_CACHE)
request_retraining = task(watch.request_retraining, cache_policy=NO_CACHE)


@flow(name="monitoring")
def monitoring(as_of: datetime | None = None) -> list[Decision]:
    """For each watched model and each night that is over:  1 close the labels that are in  2 close the window
    3 run the checks  4 decide, and store it.  Then:  5 plan labels, more after an alarm  6 tell people
    7 ask for retraining.

    Gives the open requests.
    """
    now = as_of or datetime.now(UTC)
    with open_workspace() as workspace:
        for at in workspace.watches(now):
            watch.give_up_on_the_dead(at)
            for night in watch.nights_due(at):
                close_labels(at, night)
                window = close_window(at, night)
                results = run_checks(at, window)
                decision = conclude(at, window, results)
                draw_pages(workspace, at, window, alarm=decision.action is Action.MORE_LABELS)
            for night in watch.nights_to_plan(at):
                plan_labels(at, night)
        deliver_alerts(workspace, now=now)
        return request_retraining(workspace.store, workspace.model, workspace.trigger)


if __name__ == "__main__":
    monitoring()
