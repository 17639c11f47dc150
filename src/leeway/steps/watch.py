"""Names that the flows of the release before import; they forward until `leeway upgrade` renews the flows."""

from datetime import date

from leeway.domain.records import LabelPlan
from leeway.epoch import Epoch
from leeway.jobs.claims import claim_night
from leeway.monitor import night as nights
from leeway.monitor.night import (
    close_window,
    conclude,
    give_up_on_the_dead,
    nights_due,
    nights_to_plan,
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


def close_labels(epoch: Epoch, night: date) -> list[LabelPlan]:
    """The first step of a night: those flows do not claim it by themselves."""
    claim_night(epoch, night)
    return nights.close_labels(epoch, night)


def plan_labels(epoch: Epoch, night: date) -> LabelPlan:
    claim_night(epoch, night)
    return nights.plan_labels(epoch, night)
