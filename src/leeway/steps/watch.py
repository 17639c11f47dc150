"""Names that the flows of the release before import; they forward until `leeway upgrade` renews the flows."""

from leeway.monitor.night import (
    close_labels,
    close_window,
    conclude,
    give_up_on_the_dead,
    nights_due,
    nights_to_plan,
    plan_labels,
    request_retraining,
    run_checks,
)

__all__ = [
    "close_labels",
    "close_window",
    "conclude",
    "give_up_on_the_dead",
    "nights_due",
    "nights_to_plan",
    "plan_labels",
    "request_retraining",
    "run_checks",
]
